"""Any order of events, against the house and against the model: after each, both must look the same."""

from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from bookings import sweeps as place_sweeps
from payments import sweeps
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, Refund
from payments.states import SENDABLE
from tests.machine import model, model_rows
from tests.machine.both import FEE, GATEWAYS, HOW_FAR, PATIENTS, RULES, pick, which
from tests.machine.payments import Payments
from tests.machine.places import Places
from tests.machine.refunds import Refunds


class Machine(Places, Payments, Refunds):
    @initialize(
        capacity=st.sampled_from([1, 1, 2, 3]),
        kept=st.integers(0, 1),
        reserves=st.booleans(),
        rules=st.integers(0, 3),
        slow=st.booleans(),
        first=st.lists(st.tuples(PATIENTS, GATEWAYS, HOW_FAR), min_size=2, max_size=3),
    )
    def open(self, capacity, kept, reserves, rules, slow, first):
        """A window tomorrow, and a small one in three days; and who came first."""
        opened = []
        for hours, facts in {
            28: {"capacity": capacity, "kept": kept, "reserves": reserves},
            75: {"capacity": 1, "kept": 0, "reserves": True},
        }.items():
            starts, lasts = hours * model_rows.HOUR + 30, 3 * model_rows.HOUR
            opened.append(model_rows.Window(**facts, starts=starts, ends=starts + lasts, fee=FEE))
            self.pks[opened[-1]] = self.house.window(
                starts=starts,
                lasts=lasts,
                capacity=facts["capacity"],
                reserved_for_desk=facts["kept"],
                holds_reserve=facts["reserves"],
                fee_minor=FEE,
            ).pk
        self.model = model.Clinic(*opened, rules=RULES[0])
        self.change_rules(rules)
        if slow:
            self.refunds_take_days()
        for patient, gateway, how_far in first:
            self.hold(0, patient, gateway, how_far)

    # --- The worker ---

    def worker_expires(self):
        """Changes nothing that anybody can see."""
        place_sweeps.expire_lapsed_holds()

    @rule()
    def worker_reads_inbox(self):
        self.house.nudge(GatewayEvent.objects.unprocessed())
        sweeps.process_inbox()
        self.model.look_into_inbox()

    @precondition(lambda self: self.model.payments)
    @rule(number=which, fault=st.sampled_from(["", "", "", "silent"]))
    def worker_looks_after(self, number, fault):
        self.look_after(pick(self.model.payments, number), fault)

    def look_after(self, payment, fault=""):
        unasked = payment.order and not payment.order.reached
        if (
            payment.outcome
            or not payment.watched
            or (unasked and (fault or payment.booking.status == "held"))
        ):
            return
        self.house.nudge(Payment.objects.filter(pk=self.pk(payment)))
        with self.house.fault(fault):
            sweeps.close_open_payments()
        if not fault:
            self.model.look_after(payment)

    @rule()
    def worker_makes_refunds(self):
        sweeps.make_refunds()
        self.model.make_refunds()

    @rule()
    def worker(self):
        """A whole pass, at a time when all of it is due."""
        self.worker_expires()
        self.worker_reads_inbox()
        for payment in list(self.model.payments):
            self.look_after(payment)
        self.worker_makes_refunds()
        self.house.nudge(Refund.objects.all())
        due = Refund.objects.to_send(timezone.now()).values_list(
            "payment__booking", "payment__gateway_payment", "cause"
        )
        order = list(due)
        sweeps.send_refunds()
        waiting = self.refunds(*SENDABLE)
        for booking, money, cause in order:
            [refund] = [
                r for r in waiting
                if (self.pks[r.payment.booking], r.payment.money.name if r.payment.money else "", r.cause)
                == (booking, money, cause)
            ]  # fmt: skip
            self.model.send(refund)
        sweeps.book_ledger()

    # --- The promise ---

    def teardown(self):
        try:
            if hasattr(self, "model"):
                self.end()
        finally:
            self.stack.close()

    def end(self):
        """The worker has had its turns and all that was told has come: nothing is lost, nothing wrong."""
        self.worker()
        self.deliver_all()
        self.pass_time(20 * model_rows.MINUTE)
        self.worker()
        self.worker()
        self.the_same()
        assert violations() == {}
        asked = {about for _kind, about in self.model.reviews}
        for money in self.monies("captured"):
            payment = self.model.row_of(money)
            assert payment and payment.outcome, f"{money.name} is not in our books"
            gone = self.house.banks[payment.gateway].gone(money.name)
            assert gone == money.gone, f"{money.name}: the gateway gave {gone} back, the model {money.gone}"
            explained = asked & {payment, *payment.refunds} or [
                kind for kind, _about in self.model.reviews if kind == "gone"
            ]
            assert gone == payment.refunded or explained, (
                f"{money.name}: {gone} went back, not {payment.refunded}"
            )
            if payment.outcome in ("no_place", "surplus") and not explained:
                assert payment.left == 0, f"{money.name} bought nothing and is kept"
