"""Money that goes back, whoever sends it, and whatever happens on the way."""

from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from clinic.models import ReviewItem
from payments import counter, staff_actions, sweeps
from payments.models import Refund
from payments.states import SENDABLE
from tests.machine import model_rows
from tests.machine.both import FEE, BothSides, pick, which


class Refunds(BothSides):
    @precondition(lambda self: [p for p in self.model.payments if p.captured])
    @rule(number=which, amount=st.sampled_from([100, 25000, FEE - 100, FEE, FEE + 1]))
    def staff_refunds(self, number, amount):
        payment, key = pick([p for p in self.model.payments if p.captured], number), uuid4()
        self.both(
            lambda: staff_actions.refund(
                self.pk(payment), amount_minor=amount, reason="x", key=key, actor=self.house.staff,
                review_id=self.review_of(payment),
            ),
            lambda: self.model.refund_by_staff(payment, key, amount),
        )  # fmt: skip

    @precondition(lambda self: [p for p in self.model.payments if p.captured])
    @rule(number=which)
    def staff_accepts(self, number):
        questions = [p for p in self.model.payments if p.outcome == "review"]
        payment = pick(questions or [p for p in self.model.payments if p.captured], number)
        self.both(
            lambda: staff_actions.accept(
                self.pk(payment), reason="x", actor=self.house.staff, review_id=self.review_of(payment)
            ),
            lambda: self.model.accept(payment),
        )

    def review_of(self, payment):
        keys = [f"payment:{self.pk(payment)}:{kind}" for kind in ("wrong", "stuck")]
        item = ReviewItem.objects.filter(key__in=keys).first()
        return item and item.pk

    @precondition(lambda self: self.monies("captured"))
    @rule(number=which, amount=st.sampled_from([100, 20000, FEE - 20000, FEE]))
    def dashboard_refunds(self, number, amount):
        """Somebody gives money back on the gateway's own page."""
        money = pick(self.monies("captured"), number)
        if amount <= money.amount - money.gone:
            self.house.banks[money.order.gateway].give_back(
                self.names[money.order], money.name, amount, money.currency
            )
            money.gone += amount

    @rule()
    def refunds_take_days(self):
        self.model.slow = not self.model.slow
        self.house.banks["razorpay"].book.slow_refunds = self.model.slow

    @precondition(lambda self: self.slow_ones())
    @rule(number=which, well=st.booleans())
    def slow_refund_ends(self, number, well):
        refund = pick(self.slow_ones(), number)
        book, key = self.house.banks["razorpay"].book, str(self.row(refund).get().key)
        [entry] = [
            e
            for e in book.objects.values()
            if e["entity"] == "refund" and e["notes"] and e["notes"]["refund"] == key
        ]
        (book.settle_refund if well else book.fail_refund)(entry["id"])
        refund.at_gateway = "done" if well else "failed"
        if not well:
            refund.payment.money.gone -= refund.amount

    def slow_ones(self):
        return [r for p in self.model.payments for r in p.refunds if r.at_gateway == "pending"]

    @precondition(lambda self: any(payment.captured for payment in self.model.payments))
    @rule(
        number=which,
        fault=st.sampled_from(["", "silent", "lost", "no", "killed"]),
        times=st.sampled_from([1, 1, 1, model_rows.TRIES]),
    )
    def send_one(self, number, fault, times):
        """One refund goes out, or tries to, with this fault on every call."""
        self.worker_makes_refunds()
        if not self.refunds(*SENDABLE):
            return
        refund = pick(self.refunds(*SENDABLE), number)
        self.house.postpone(Refund.objects.all())
        for _ in range(times):
            self.house.nudge(self.row(refund))
            with self.house.fault(fault):
                sweeps.send_refunds()
            if refund.status in SENDABLE:
                self.model.send(refund, fault)

    @precondition(lambda self: self.refunds("by_hand"))
    @rule(number=which)
    def hand_back(self, number):
        refund = pick(self.refunds("by_hand"), number)
        counter.hand_back(self.row(refund).get().pk, actor=self.house.staff)
        self.model.hand_back(refund)
