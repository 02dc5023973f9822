"""Several workers open, close and delete at the same instant; and the same without the locks, which goes wrong."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings import closing
from bookings import sweeps as booking_sweeps
from bookings.closing_queries import fingerprint, hits
from bookings.models import Booking, BookingEvent
from bookings.states import Status
from clinic.errors import Refused
from payments.management.commands.check_invariants import violations
from schedules import hours_actions, opening_actions, sweeps
from schedules.closure_models import Closure
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.states import Kind
from tests import factories as f
from tests.conftest import locks
from tests.racing import Meeting, at_once, without_locks

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["with locks", "without locks"])
def fair(request, monkeypatch):
    if request.param == "without locks":
        without_locks(monkeypatch)
    yield request.param == "with locks"
    if request.param == "without locks":
        locks.wrongs.clear()


def tomorrow():
    return timezone.localdate() + timedelta(days=1)


def a_week_of_slots(doctor):
    for weekday in range(7):
        f.hours(doctor=doctor, weekday=weekday, kind=Kind.SLOT, slot_minutes=20, capacity=1)


def planned():
    return [Closure(first_day=tomorrow(), last_day=tomorrow(), reason="Diwali")]


def test_two_workers_open_the_same_doctors_week(fair):
    """One of them finds everything done. Without the lock both find nothing, and the database refuses one."""
    doctor, now = f.doctor(), timezone.now()
    a_week_of_slots(doctor)
    meeting = Meeting('FROM "schedules_schedule"', in_turn=not fair)
    results = at_once(*[lambda: opening_actions.open_for(doctor.pk, now)] * 2, meeting=meeting)
    opened = Schedule.objects.count()
    right = sorted(map(str, results)) == sorted(["0", str(opened)])
    assert right is fair
    assert opened == Schedule.objects.values("starts_at").distinct().count()
    assert violations() == {}


def test_six_workers_open_ten_doctors_and_nothing_twice():
    for _n in range(10):
        a_week_of_slots(f.doctor())
    results = at_once(*[sweeps.open_ahead] * 6)
    assert sum(results) == Schedule.objects.count() >= 10 * 13 * 9  # today's may be over
    assert violations() == {}


def test_a_day_is_closed_while_a_worker_opens_it():
    """Whoever is first: nothing is open on that day."""
    doctor, manager, now = f.doctor(), f.staff("Manager"), timezone.now()
    f.hours(doctor=doctor, weekday=tomorrow().weekday())
    shown = fingerprint(planned(), [])

    def close():
        for closure in closing.add_closures(planned(), actor=manager, shown=shown):
            closing.carry_out(closure)

    meeting = Meeting('FROM "schedules_schedule"')
    at_once(lambda: opening_actions.open_for(doctor.pk, now), close, meeting=meeting)
    assert not Schedule.objects.standing().filter(date=tomorrow()).exists()
    assert Closure.objects.count() == 1


def test_two_workers_carry_out_one_closure():
    """Each patient is cancelled once, and told once."""
    manager = f.staff("Manager")
    windows = [f.window(starts_in=timedelta(days=1), fee_minor=0) for _n in range(3)]
    for window in windows:
        for _n in range(3):
            f.hold(window)
    closures = [Closure(first_day=tomorrow(), last_day=tomorrow() + timedelta(days=1), reason="Diwali")]
    closing.add_closures(closures, actor=manager, shown=fingerprint(closures, hits(closures, timezone.now())))
    assert sum(at_once(*[booking_sweeps.carry_out_closures] * 4)) == 9
    cancelled = BookingEvent.objects.filter(to_status=Status.CANCELLED)
    assert cancelled.count() == cancelled.values("booking").distinct().count() == 9
    assert violations() == {}


def test_a_patient_books_while_the_hours_change(fair):
    """Either the booking is there and its window stayed, or the window is gone and nobody has a place in it.

    Without the lock a place is given in a window that has just been deleted: there is no row to write to.
    """
    row, manager = f.hours(weekday=tomorrow().weekday(), fee_minor=0), f.staff("Manager")
    sweeps.open_ahead()
    window = Schedule.objects.get(date=tomorrow())
    fields = {name: getattr(row, name) for name in ("start_time", "end_time", "weekday")} | {"capacity": 8}
    meeting = Meeting('FROM "bookings_booking"', in_turn=not fair)
    change, booking = at_once(
        lambda: hours_actions.change_hours(row.pk, actor=manager, **fields),
        lambda: f.hold(window),
        meeting=meeting,
    )
    booked = Booking.objects.filter(schedule=window).exists()
    assert booked is isinstance(booking, Booking)
    assert Schedule.objects.filter(pk=window.pk).exists() is booked
    assert isinstance(change, WeeklyHours)
    assert isinstance(booking, (Booking, Refused)) is fair
    if fair:
        assert Schedule.objects.standing().filter(date=tomorrow()).count() == 1
    assert violations() == {}


def test_two_managers_close_the_same_day():
    f.doctor()  # whose lock they meet at
    manager = f.staff("Manager")
    shown = fingerprint(planned(), [])
    results = at_once(*[lambda: closing.add_closures(planned(), actor=manager, shown=shown)] * 2)
    assert sorted(map(len, results)) == [0, 1]
    assert Closure.objects.count() == 1
