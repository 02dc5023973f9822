"""Who pays, at which gateway, how often; and what gateways tell of it, in any order."""

import json
from contextlib import ExitStack
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bookings import actions as places
from payments import actions
from payments.models import Payment, Refund
from tests.machine import model_rows
from tests.machine.both import FEE, GATEWAYS, BothSides, pick, which

AMOUNTS = st.sampled_from([FEE, FEE, FEE, FEE - 1, FEE + 1, 100])


class Payments(BothSides):
    @precondition(lambda self: self.bookings("held", "expired"))
    @rule(number=which, gateway=GATEWAYS, fault=st.sampled_from(["", "", "silent", "lost"]))
    def start(self, number, gateway, fault):
        booking = pick(self.bookings("held", "expired"), number)
        real = places.Booking.objects.get(pk=self.pks[booking])
        known = len(self.model.payments)
        with self.house.fault(fault):
            payment, order = self.both(
                lambda: actions.start(real, gateway),
                lambda: self.model.start(booking, gateway, answers=not fault),
            )
        if len(self.model.payments) > known:
            self.pks[self.model.payments[-1]] = Payment.objects.order_by("pk").last().pk
        if order:
            self.names[order] = payment.reference

    @precondition(lambda self: self.orders())
    @rule(number=which, amount=AMOUNTS, currency=st.sampled_from(["INR", "INR", "INR", "USD"]))
    def pay(self, number, amount, currency):
        """Also twice; at Razorpay an order that is paid takes no more."""
        order = pick(self.orders(), number)
        if order.gateway == "razorpay" and self.monies_of(order, "captured"):
            return
        name = self.house.banks[order.gateway].pay(self.names[order], amount, currency)
        order.tries.append(model_rows.Money(order, name, amount, currency, "captured"))

    def monies_of(self, order, *statuses):
        return [money for money in order.tries if money.status in statuses]

    @precondition(lambda self: self.orders())
    @rule(number=which)
    def decline(self, number):
        order = pick(self.orders(), number)
        if order.gateway == "razorpay" and self.monies_of(order, "captured"):
            return
        name = self.house.banks[order.gateway].decline(self.names[order])
        if name:
            order.tries.append(model_rows.Money(order, name, FEE, "INR", "failed"))

    @precondition(lambda self: [order for order in self.orders() if order.gateway == "razorpay"])
    @rule(number=which)
    def authorize(self, number):
        order = pick([order for order in self.orders() if order.gateway == "razorpay"], number)
        if not self.monies_of(order, "captured"):
            name = self.house.banks["razorpay"].book.authorize(self.names[order])["id"]
            order.tries.append(model_rows.Money(order, name, FEE, "INR", "authorized"))

    @precondition(lambda self: self.monies("authorized", "failed"))
    @rule(number=which)
    def bank_captures(self, number):
        """By itself, or late, or once more beside another try."""
        money = pick(self.monies("authorized", "failed"), number)
        self.house.banks["razorpay"].book.pay_late(money.name)
        money.status = "captured"

    @precondition(lambda self: self.orders())
    @rule(number=which)
    def come_back(self, number):
        """The patient returns from the gateway's page."""
        booking = pick(self.orders(), number).booking
        actions.ask_about(places.Booking.objects.get(pk=self.pks[booking]))
        self.model.come_back(booking)

    # --- Webhooks: any, again, in any order ---

    @precondition(lambda self: self.messages())
    @rule(number=st.integers(0, 15), broken=st.sampled_from([False, False, False, True]))
    def deliver(self, number, broken):
        self.tell(*pick(self.messages(), number), broken=broken)

    @precondition(lambda self: self.messages())
    @rule(number=st.integers(0, 15))
    def our_bug_stays(self, number):
        """Our code fails at the same message until it is given up."""
        gateway, body = pick(self.messages(), number)
        for _ in range(model_rows.TRIES):
            self.tell(gateway, body, broken=True)

    @rule()
    def deliver_all(self):
        for gateway, body in self.messages():
            self.tell(gateway, body)

    def tell(self, gateway, body, *, broken=False):
        fact = self.meaning(gateway, body)
        broken = broken and fact is not None and fact[0] == "captured"
        with ExitStack() as stack:
            if broken:
                stack.enter_context(self.house.bug())
            self.house.deliver(gateway, body)
        if fact:
            self.model.deliver(body, *fact, broken=broken)

    def meaning(self, gateway, body):
        """What a body says, in the model's words; None if it is of no use."""
        said = json.loads(body)
        if gateway == "demo":
            name, facts = said["type"], said["data"]
            order, money, refund = f"demo_{facts['order']}", facts["payment"], facts.get("refund")
            key, amount = facts.get("refund_key"), facts["amount"]
        else:
            name = said["event"]
            things = {kind: thing["entity"] for kind, thing in said["payload"].items()}
            order, money = things["payment"]["order_id"], things["payment"]["id"]
            back = things.get("refund", {"notes": []})
            refund, amount = back.get("id"), back.get("amount")
            key = back["notes"]["refund"] if back["notes"] else None
        order = next(known for known, called in self.names.items() if called == order)
        money = next((each for each in order.tries if each.name == money), None)
        match name:
            case "payment.captured" | "order.paid":
                return "captured", money
            case "payment.authorized":
                return "authorized", money
            case "payment.failed":
                return "failed", order
            case "order.ended":
                return "expired", order
            case "refund.done" | "refund.processed" | "refund.failed":
                if key:
                    return "refund", (self.refund_of(key), "failed" if name.endswith("failed") else "done")
                return "gone", (money, refund, amount)
        return None

    def refund_of(self, key):
        if key not in self.refund_keys:
            row = Refund.objects.select_related("payment").get(key=UUID(key))
            self.refund_keys[key] = next(
                refund
                for payment in self.model.payments
                for refund in payment.refunds
                if refund.cause == row.cause
                and payment.money
                and payment.money.name == row.payment.gateway_payment
            )
        return self.refund_keys[key]
