"""What this clinic must do with places and money (DESIGN §3 and §4), in plain Python.

It imports nothing of the project, so that it can only agree with it by saying the same. Seconds
since the story began, minor units. A hold that has lapsed is `expired` here at once; in the
database a sweep may come later, and nobody must be able to tell.
"""

from tests.machine.model_places import Places
from tests.machine.model_rows import (
    ENDS_ORDERS,
    LEAST_REFUND,
    MONEY_MAY_COME,
    OPEN,
    STRANGERS_KEPT,
    TRIES,
    Message,
    No,
    Order,
    Payment,
    Refund,
)


class Clinic(Places):
    # --- Money that comes -----------------------------------------------------------------

    def start(self, booking, gateway, *, answers=True):
        if booking.status != "held":
            raise No("NOT_PAYABLE")
        mine = [p for p in self.payments if p.booking is booking and p.gateway == gateway]
        payment = next((p for p in mine if p.status in OPEN), None)
        if payment is None:
            payment = Payment(booking, gateway, Order(booking, gateway, self.now))
            self.payments.append(payment)
        if not (payment.order.reached or answers):
            raise No("GATEWAY")  # the attempt stays, and the next try finds it
        payment.order.reached = True
        return payment.order

    def rows(self, order):
        return [payment for payment in self.payments if payment.order is order]

    def row_of(self, money):
        return next((payment for payment in self.rows(money.order) if payment.money is money), None)

    def settle(self, money, *, broken=False):
        """What captured money buys: exactly one thing, once. `broken`: our own code fails at it."""
        known, own = self.row_of(money), self.rows(money.order)[0]
        if known and known.outcome:
            return
        booking = money.order.booking
        payment = known or (own if not own.outcome and own.money is None else None)
        if payment is None:
            payment = Payment(booking, own.gateway, money.order, watched=False)
            self.payments.append(payment)
        payment.status, payment.money, payment.captured = "captured", money, money.amount
        if broken:
            return
        if (money.amount, money.currency) != (booking.window.fee, "INR"):
            payment.outcome = "review"
            self.review("wrong", payment)
        elif booking.status not in ("held", "expired"):
            payment.outcome = "surplus"
        elif self.has_room(booking):
            payment.outcome = "bought"
            self._take_place(booking)
        else:
            payment.outcome = "no_place"
            booking.status, booking.back = "overflow", 100

    def has_room(self, booking):
        """As for a hold; what this patient only holds there is given up for it."""
        window, rivals = booking.window, self._rivals(booking)
        missing = 1 - booking.units - sum(rival.units for rival in rivals)
        return (
            window.status in ("open", "closed")
            and self.now < window.ends
            and all(rival.status == "held" for rival in rivals)
            and missing <= window.left(booking.at_desk)
        )

    def _rivals(self, booking):
        return [other for other in booking.window.of(booking.patient) if other is not booking]

    def _take_place(self, booking):
        for rival in self._rivals(booking):
            rival.status = "expired"
        self._seat(booking)

    def mark(self, order, status):
        """Nothing downgrades what was captured, or opens what has ended."""
        payment = self.rows(order)[0]
        if payment.status in OPEN:
            payment.status = status
        if status == "authorized" and not payment.outcome:
            payment.watched = True

    def take(self, money):
        """Captures what was authorised, unless its attempt has its money."""
        if not any(payment.outcome for payment in self.rows(money.order)):
            money.status = "captured"
            self.settle(money)

    def ask(self, order):
        captured = [money for money in order.tries if money.status == "captured"]
        promised = [money for money in order.tries if money.status == "authorized"]
        for money in captured:
            self.settle(money)
        for money in promised:
            self.take(money)

    def come_back(self, booking):
        """The gateway's page sends the patient back: the latest attempt is asked about first."""
        for payment in self.payments[::-1]:
            if payment.booking is booking and not payment.outcome and payment.order.reached:
                self.ask(payment.order)

    def look_after(self, payment):
        """The worker's turn with an attempt: asked about while its hold stands, then ended."""
        if payment.outcome or not payment.watched:
            return
        if payment.booking.status == "held":
            return self.ask(payment.order)
        ended = ENDS_ORDERS[payment.gateway] or not payment.order.reached
        self.ask(payment.order)
        self.mark(payment.order, "expired")
        payment.watched = not ended and self.now < payment.order.made + MONEY_MAY_COME

    # --- What gateways tell ---------------------------------------------------------------

    def deliver(self, name, kind, about, *, broken=False):
        message = self.inbox.setdefault(name, Message(kind, about, self.now))
        if not message.done:
            self._process(message, broken)

    def look_into_inbox(self):
        for message in self.inbox.values():
            if not message.done:
                self._process(message)

    def _process(self, message, broken=False):
        message.tries, about = message.tries + 1, message.about
        match message.kind:
            case "captured":
                known = self.row_of(about)
                broken = broken and not (known and known.outcome)
                self.settle(about, broken=broken)
                message.done = not broken or message.tries >= TRIES
                if broken and message.done:  # kept, and judged by a person
                    payment = self.row_of(about)
                    payment.outcome = "review"
                    self.review("stuck", payment)
            case "authorized":
                self.mark(about.order, "authorized")
                message.done = True
                self.take(about)
            case "failed" | "expired":
                self.mark(about, message.kind)
                message.done = True
            case "refund":
                self.refund_is(*about)
                message.done = True
            case "gone":
                payment = self.row_of(about[0])
                message.done = payment is not None or self.now - message.received > STRANGERS_KEPT
                if payment:
                    self._import(payment, *about)

    # --- Money that goes back -------------------------------------------------------------

    def _import(self, payment, money, name, amount):
        """Given back on the gateway's own page; a person is asked where that fits nothing."""
        cause = f"gateway:{name}"
        if any(refund.cause == cause for refund in payment.refunds):
            return
        if money.currency == "INR" and amount <= payment.left:
            payment.refunds.append(Refund(payment, cause, amount, "done", at_gateway="done"))
            if payment.outcome != "bought" or payment.booking.status == "cancelled":
                return
        self.review("gone", name)

    def make_refunds(self):
        for payment in self.payments:
            if payment.outcome in ("no_place", "surplus"):
                self.owe(payment, payment.outcome, 100)
            elif payment.outcome == "bought" and payment.booking.back:
                self.owe(payment, "cancel", payment.booking.back)

    def owe(self, payment, cause, percent):
        amount = min(payment.captured * percent // 100, payment.left)
        if amount > 0 and cause not in [refund.cause for refund in payment.refunds]:
            payment.refunds.append(Refund(payment, cause, amount))

    def refund_by_staff(self, payment, key, amount):
        if payment.outcome in ("no_place", "surplus") and not payment.refunds:
            raise No("REFUND_BY_ITSELF")
        if not 0 < amount <= payment.left:
            raise No("TOO_MUCH")
        payment.refunds.append(Refund(payment, f"staff:{key}", amount))
        self._decided(payment)

    def accept(self, payment):
        if payment.outcome != "review" or payment.refunded:
            raise No("NOT_UNDER_REVIEW")
        if payment.booking.status not in ("held", "expired"):
            raise No("MOVE")
        if not self.has_room(payment.booking):
            raise No("FULL")
        payment.outcome = "bought"
        self._take_place(payment.booking)
        self._decided(payment)

    def _decided(self, payment):
        for key in {("wrong", payment), ("stuck", payment)} & set(self.reviews):
            self.reviews[key] = False

    def send(self, refund, fault=""):
        """One try to send it. Faults: "silent", "lost" (done, and no answer), "no", "killed" (we are)."""
        refund.tries += 1
        if refund.payment.gateway == "manual":
            return self.refund_is(refund, "by_hand")
        new, money = not refund.at_gateway, refund.payment.money
        refund.status = "sending"
        if fault != "silent" and new:
            least = LEAST_REFUND[refund.payment.gateway]
            if fault == "no" or not least <= refund.amount <= money.amount - money.gone:
                return self.refund_is(refund, "failed")
            money.gone += refund.amount
            slow = self.slow and refund.payment.gateway == "razorpay"
            refund.at_gateway = "pending" if slow else "done"
        if fault == "killed" and new:
            return None
        if fault == "silent" or (fault == "lost" and new):
            refund.status = "due"
            return self.refund_is(refund, "failed") if refund.tries >= TRIES else None
        return self.refund_is(refund, refund.at_gateway)

    def refund_is(self, refund, status):
        """What has ended stays so; where it ends in two ways, or by hand, or not at all, a person is asked."""
        if refund.status in ("done", "failed"):
            if status in ("done", "failed") and status != refund.status:
                self.review("two ways", refund)
        elif status != refund.status:
            refund.status = status
            if status == "pending":
                refund.tries = 0
            elif status in ("failed", "by_hand"):
                self.review("refund", refund)

    def hand_back(self, refund):
        self.refund_is(refund, "done")
        self.reviews["refund", refund] = False
