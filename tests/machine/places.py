"""Places taken and given back, and a clinic that changes its mind."""

from uuid import uuid4

from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bookings import actions as places
from bookings import desk
from payments import counter
from payments.models import Payment
from schedules import actions as windows
from tests.machine import model_rows
from tests.machine.both import FEE, GATEWAYS, HOW_FAR, PATIENTS, RULES, BothSides, pick, which

WINDOW = st.sampled_from([0, 0, 1])
TIMES = [
    2 * model_rows.MINUTE,
    16 * model_rows.MINUTE,
    16 * model_rows.MINUTE,
    31 * model_rows.MINUTE,
    2 * model_rows.HOUR,
    model_rows.DAY,
    60 * model_rows.HOUR,
]


class Places(BothSides):
    @rule(window=WINDOW, patient=PATIENTS, gateway=GATEWAYS, how_far=HOW_FAR)
    def hold(self, window, patient, gateway, how_far):
        """And, to get further in a story: goes on to the gateway, pays there, is told."""
        w = self.model.windows[window]
        booking, mine = self.both(
            lambda: places.hold(
                schedule_id=self.pks[w],
                patient=self.house.person(patient),
                price_minor=FEE,
                request_key=uuid4(),
            ),
            lambda: self.model.hold(w, patient),
        )
        if booking is None:
            return
        self.pks[mine] = booking.pk
        if how_far > 0:
            self.start(0, gateway, "")
        if how_far > 1:
            self.pay(0, FEE, "INR")
        if how_far > 2:
            self.tell(gateway, self.house.banks[gateway].bodies()[-1])

    @rule(window=WINDOW, patient=PATIENTS)
    def walk_in(self, window, patient):
        w = self.model.windows[window]
        before = len(self.model.payments)
        booking, mine = self.both(
            lambda: counter.walk_in(
                schedule_id=self.pks[w], who=self.house.person(patient), method="cash",
                actor=self.house.staff, request_key=uuid4(),
            ),
            lambda: self.model.walk_in(w, patient),
        )  # fmt: skip
        if booking:
            self.pks[mine] = booking.pk
            self.pks[self.model.payments[before]] = Payment.objects.get(booking=booking, gateway="manual").pk

    @precondition(lambda self: self.bookings())
    @rule(number=which, right=st.sampled_from([True, True, True, False]))
    def cancel_own(self, number, right):
        booking = pick(self.bookings(), number)
        shown = None if booking.status == "held" else self.model.percent(booking)
        shown = shown if right else 77
        self.both(
            lambda: places.cancel_own(self.pks[booking], shown=shown),
            lambda: self.model.cancel_own(booking, shown),
        )

    @precondition(lambda self: self.bookings())
    @rule(number=which, percent=st.sampled_from([100, None]))
    def cancel(self, number, percent):
        booking = pick(self.bookings(), number)
        self.both(
            lambda: places.cancel(self.pks[booking], reason="x", percent=percent, actor=self.house.staff),
            lambda: self.model.cancel(booking, percent),
        )

    @precondition(lambda self: self.bookings("held", "expired", "cancelled"))
    @rule(number=which)
    def give_up(self, number):
        booking = pick(self.bookings("held", "expired", "cancelled"), number)
        self.both(lambda: places.give_up(self.pks[booking]), lambda: self.model.give_up(booking))

    @precondition(lambda self: self.bookings("confirmed", "checked_in", "no_show"))
    @rule(number=which, what=st.sampled_from([*model_rows.DESK]))
    def desk(self, number, what):
        booking = pick(self.bookings("confirmed", "checked_in", "no_show"), number)
        self.both(
            lambda: getattr(desk, what)(self.pks[booking], actor=self.house.staff),
            lambda: self.model.desk(booking, what),
        )

    @rule(seconds=st.sampled_from(TIMES))
    def pass_time(self, seconds):
        self.house.pass_time(seconds)
        self.model.pass_time(seconds)

    # --- The clinic changes its mind ---

    def change_rules(self, rules):
        """What was sold keeps its own."""
        self.model.rules = RULES[rules]
        self.stack.enter_context(override_settings(REFUND_RULES=RULES[rules]))

    @rule(
        window=WINDOW,
        what=st.sampled_from(["rules", "close", "reopen", "smaller", "larger", "withdraw"]),
        number=which,
    )
    def change(self, window, what, number):
        if what == "rules":
            return self.change_rules(number % len(RULES))
        w = self.model.windows[window]
        live = [booking for booking in w.bookings if booking.units or booking.status == "held"]
        booked = w.last or live
        if w.status == "cancelled" or (what == "withdraw" and booked):
            return
        pk, actor = self.pks[w], self.house.staff
        match what:
            case "close" | "reopen":
                getattr(windows, what)(pk, actor=actor)
                w.status = {"close": "closed", "reopen": "open"}[what]
            case "withdraw":
                windows.withdraw(pk, actor=actor)
                w.status = "cancelled"
            case _:
                w.capacity = max(w.capacity + {"smaller": -1, "larger": 1}[what], w.taken, 1)
                windows.change_capacity(pk, w.capacity, actor=actor)
