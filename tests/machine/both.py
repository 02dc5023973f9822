"""Every step is done twice, in the house and in the model, and then both must look the same."""

from collections import Counter
from contextlib import ExitStack

from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from clinic.errors import Refused
from payments.models import Payment, Refund
from tests.machine import model_rows
from tests.machine.house import House, undone

FEE = 50001
"""Odd, so that half of it is no whole unit."""
RULES = [[[24, 100]], [[48, 100], [4, 50]], [[24, 33]], []]
PATIENTS = st.sampled_from(["Asha", "Ravi", "Meera"])
GATEWAYS = st.sampled_from([*model_rows.ENDS_ORDERS])
HOW_FAR = st.integers(0, 3)
"""Held, at the gateway, paid there, and we were told."""

which = st.integers(0, 7)
"""Which of the things that there are: 0 is the latest."""


def pick(things, number):
    return things[-1 - number % len(things)]


class BothSides(RuleBasedStateMachine):
    """The house and the model, and what there is in them."""

    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(undone())
        self.stack.enter_context(override_settings(REFUND_RULES=RULES[0]))
        self.house = House()
        self.stack.callback(self.house.close)
        self.begun()
        self.pks, self.names, self.refund_keys = {}, {}, {}

    def begun(self):
        """A story begins: whoever counts them listens here."""

    def both(self, real, ideal):
        """Does it in the house and in the model; both answer, or both refuse for the same reason."""
        said = wanted = answer = thing = None
        try:
            answer = real()
        except Refused as refusal:
            said = refusal.code
        try:
            thing = ideal()
        except model_rows.No as no:
            wanted = str(no)
        assert said == wanted, f"the house says {said}, the model {wanted}"
        return answer, thing

    def bookings(self, *statuses):
        found = [booking for window in self.model.windows for booking in window.bookings]
        found.sort(key=self.pks.get)
        return [booking for booking in found if not statuses or booking.status in statuses]

    def orders(self):
        return [
            p.order for p in self.model.payments if p.order in self.names and p is self.model.rows(p.order)[0]
        ]

    def monies(self, *statuses):
        """At Razorpay, where a payment has a life of its own; all that were captured, of both."""
        return [m for order in self.orders() for m in order.tries if m.status in statuses]

    def refunds(self, *statuses):
        return [r for p in self.model.payments for r in p.refunds if r.status in statuses]

    def messages(self):
        return [(name, body) for name, bank in self.house.banks.items() for body in bank.bodies()]

    def pk(self, payment):
        if payment not in self.pks:
            self.pks[payment] = Payment.objects.get(gateway_payment=payment.money.name).pk
        return self.pks[payment]

    def row(self, refund):
        return Refund.objects.filter(payment=self.pk(refund.payment), cause=refund.cause)

    @invariant()
    def the_same(self):
        if hasattr(self, "model"):
            ideal, real = self.picture(), self.house.picture()
            for what, seen in real.items():
                assert seen == ideal[what], f"{what}\n of the house: {seen}\n of the model: {ideal[what]}"

    def picture(self):
        def name(money):
            return money.name if money else ""

        rows = self.model.payments
        return {
            "windows": {self.pks[w]: (w.taken, w.last) for w in self.model.windows},
            "bookings": {self.pks[b]: (b.status, b.number, b.back) for b in self.bookings()},
            "payments": sorted(
                (
                    self.pks[p.booking],
                    p.gateway,
                    name(p.money),
                    p.status,
                    p.outcome,
                    p.captured,
                    p.refunded,
                    p.watched and not p.outcome,
                )
                for p in rows
            ),
            "refunds": sorted(
                (self.pks[p.booking], name(p.money), r.cause, r.amount, r.status)
                for p in rows
                for r in p.refunds
            ),
            "waiting": sum(not message.done for message in self.model.inbox.values()),
            "reviews": dict(
                Counter((kind, unsolved) for (kind, _about), unsolved in self.model.reviews.items())
            ),
        }
