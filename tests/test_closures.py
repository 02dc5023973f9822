"""Closed days and hours: what nobody booked goes, who booked is told once, and all of the money goes back."""

from datetime import time, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions, closing, desk
from bookings import sweeps as booking_sweeps
from bookings.closing_queries import fingerprint, hits, is_hit
from bookings.models import Booking, BookingEvent
from bookings.states import Status
from clinic import sweeping
from clinic.errors import Refused
from payments import sweeps as money
from payments.management.commands.check_invariants import violations
from schedules import sweeps
from schedules.closure_models import Closure
from schedules.localtime import instant
from schedules.models import Schedule
from schedules.states import Kind
from schedules.states import Status as Window
from tests import factories as f

pytestmark = pytest.mark.django_db


def tomorrow():
    return timezone.localdate() + timedelta(days=1)


@pytest.fixture
def manager():
    return f.staff("Manager")


@pytest.fixture
def morning():
    """Nine to twelve tomorrow, three numbers, from weekly hours."""
    row = f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    return Schedule.objects.opened_by(row).get(date=tomorrow())


def planned(day=None, **fields) -> list[Closure]:
    day = day or tomorrow()
    return [Closure(**{"first_day": day, "last_day": day, "reason": "Diwali"} | fields)]


def close(manager, closures) -> int:
    """The manager looked at the page and pressed the button; how many bookings ended."""
    shown = fingerprint(closures, hits(closures, timezone.now()))
    added = closing.add_closures(closures, actor=manager, shown=shown)
    return sum(closing.carry_out(closure) for closure in added)


def test_a_closed_day_takes_what_nobody_booked(manager, morning):
    other = Schedule.objects.exclude(pk=morning.pk).get()
    assert close(manager, planned()) == 0
    assert list(Schedule.objects.all()) == [other]
    closure = Closure.objects.get()
    assert closure.carried_out_at and closure.created_by == manager
    assert sweeps.open_ahead() == 0
    assert LogEntry.objects.get().object_repr == str(closure)


def test_each_patient_is_cancelled_once_with_the_reason_and_all_of_the_money(manager, morning):
    paid, held = f.paid(morning), f.hold(morning)
    other = f.paid(Schedule.objects.exclude(pk=morning.pk).get())
    assert close(manager, planned()) == 2
    booking_sweeps.carry_out_closures()
    closing.carry_out(Closure.objects.get())
    for booking in (paid, held):
        booking.refresh_from_db()
        assert (booking.status, booking.cancel_reason) == (Status.CANCELLED, "Diwali")
        event = BookingEvent.objects.get(booking=booking, to_status=Status.CANCELLED)
        assert (event.actor, event.cause) == (manager, "cancelled: Diwali")
    assert (paid.refund_percent, held.refund_percent) == (100, None)
    morning.refresh_from_db()
    assert (morning.status, morning.taken) == (Window.CANCELLED, 0)
    other.refresh_from_db()
    assert other.status == Status.CONFIRMED
    money.make_refunds()
    assert paid.payments.get().refunded_minor == 50000
    assert violations() == {}


def test_a_booking_made_after_the_page_was_read_sends_the_manager_back_to_it(manager, morning):
    closures = planned()
    shown = fingerprint(closures, hits(closures, timezone.now()))
    booking = f.paid(morning)
    with pytest.raises(Refused) as refusal:
        closing.add_closures(closures, actor=manager, shown=shown)
    assert refusal.value.code == "LIST_CHANGED"
    booking.refresh_from_db()
    assert booking.status == Status.CONFIRMED
    assert not Closure.objects.exists() and not LogEntry.objects.exists()


def test_whoever_is_with_the_doctor_is_seen_to_the_end(manager):
    window = f.window(starts_in=timedelta(minutes=-5))
    inside, waiting = f.paid(window), f.paid(window)
    desk.check_in(inside.pk, actor=manager)
    desk.call_next(window.pk, actor=manager)
    closures = planned(window.date)
    (hit,) = hits(closures, timezone.now())
    assert ([b.pk for b in hit.going], [b.pk for b in hit.staying]) == ([waiting.pk], [inside.pk])
    assert close(manager, closures) == 1
    inside.refresh_from_db()
    window.refresh_from_db()
    assert (inside.status, window.status) == (Status.IN_CONSULTATION, Window.CLOSED)
    desk.complete(inside.pk, actor=manager)
    assert violations() == {}


def test_hours_inside_an_unbooked_window_leave_the_rest_of_it_open(manager, morning):
    close(manager, planned(start_time=time(10), end_time=time(11)))
    sweeps.open_ahead()
    left = Schedule.objects.filter(date=tomorrow()).order_by("starts_at")
    assert [(w.hours, w.capacity, w.status) for w in left] == [
        ("09:00–10:00", 1, Window.OPEN), ("11:00–12:00", 1, Window.OPEN),
    ]  # fmt: skip


def test_numbers_in_a_window_that_is_closed_in_part_stay_and_nobody_new_gets_in(manager, morning):
    booking = f.paid(morning)
    closures = planned(start_time=time(11), end_time=time(13))
    (hit,) = hits(closures, timezone.now())
    assert (hit.whole, hit.going, [b.pk for b in hit.staying]) == (False, [], [booking.pk])
    assert close(manager, closures) == 0
    booking.refresh_from_db()
    morning.refresh_from_db()
    assert (booking.status, morning.status, morning.capacity) == (Status.CONFIRMED, Window.CLOSED, 3)
    with pytest.raises(Refused):
        f.hold(morning)
    assert sweeps.open_ahead() == 0  # the window that was sold is in the way


def test_a_morning_whose_visits_are_over_is_closed_unasked_and_keeps_what_took_place(manager):
    pool = f.morning()
    visit = f.reserve(pool, f.service(pool.doctor, price_minor=0))
    desk.complete(visit.pk, actor=manager)
    assert hits(planned(pool.date), timezone.now()) == []
    assert close(manager, planned(pool.date)) == 0
    pool.refresh_from_db()
    assert (pool.status, pool.taken) == (Window.CLOSED, 40) and violations() == {}


def test_an_exact_time_that_a_closure_touches_is_gone_and_the_next_one_stays(manager):
    row = f.hours(weekday=tomorrow().weekday(), kind=Kind.SLOT, slot_minutes=60, capacity=1)
    sweeps.open_ahead()
    nine, ten, eleven = Schedule.objects.opened_by(row).filter(date=tomorrow()).order_by("starts_at")
    assert close(manager, planned(start_time=time(10, 30), end_time=time(11))) == 0
    sweeps.open_ahead()
    assert list(Schedule.objects.filter(date=tomorrow())) == [nine, eleven]
    assert not Schedule.objects.filter(pk=ten.pk).exists()


def test_a_service_whose_own_time_is_closed_ends_and_the_one_before_stays():
    morning = Schedule(kind=Kind.POOL, date=tomorrow(), start_time=time(9), end_time=time(15))
    noon = instant(tomorrow(), time(12))
    half = timedelta(minutes=30)
    inside = Booking(schedule=morning, status=Status.CONFIRMED, start_at=noon, end_at=noon + half)
    before = Booking(schedule=morning, status=Status.CONFIRMED, start_at=noon - half, end_at=noon)
    (closure,) = planned(start_time=time(12), end_time=time(13))
    assert (is_hit(closure, inside), is_hit(closure, before)) == (True, False)


def test_a_window_opened_by_hand_is_not_cut_but_closed(manager):
    window = f.window(starts_in=timedelta(days=1), lasts=timedelta(hours=1))
    end = (timezone.localtime(window.starts_at) + timedelta(minutes=30)).time()
    if end < window.start_time:
        pytest.skip("the half hour goes past midnight")
    close(manager, planned(window.date, start_time=window.start_time, end_time=end))
    window.refresh_from_db()
    assert window.status == Window.CLOSED


def test_what_a_crash_left_undone_the_worker_finishes(manager, morning):
    booking = f.paid(morning)
    closures = planned()
    shown = fingerprint(closures, hits(closures, timezone.now()))
    closing.add_closures(closures, actor=manager, shown=shown)  # and here the power went
    assert booking_sweeps.carry_out_closures() == 1
    booking.refresh_from_db()
    assert (booking.status, booking.refund_percent) == (Status.CANCELLED, 100)
    assert Closure.objects.get().carried_out_at
    assert booking_sweeps.carry_out_closures() == 0


def test_a_worker_asked_to_stop_leaves_the_rest_for_the_next(manager, morning):
    f.paid(morning)
    closures = planned()
    added = closing.add_closures(
        closures, actor=manager, shown=fingerprint(closures, hits(closures, timezone.now()))
    )
    sweeping.stop()
    try:
        assert closing.carry_out(added[0]) == 0
    finally:
        sweeping._orders.get_nowait()
    assert Closure.objects.get().carried_out_at is None
    assert closing.carry_out(added[0]) == 1


def test_a_manager_waits_for_some_windows_and_the_worker_does_the_others(manager):
    day, windows = tomorrow(), [f.window(starts_in=timedelta(days=1)) for _n in range(3)]
    for window in windows:
        f.paid(window)
    closures = [Closure(first_day=day, last_day=day + timedelta(days=1), reason="Dashain")]
    added = closing.add_closures(
        closures, actor=manager, shown=fingerprint(closures, hits(closures, timezone.now()))
    )
    assert closing.carry_out(added[0], most=2) == 2
    assert Closure.objects.get().carried_out_at is None
    assert booking_sweeps.carry_out_closures() == 1
    assert violations() == {}


def test_a_removed_closure_opens_the_hours_again_and_brings_no_booking_back(manager, morning):
    booking = f.paid(morning)
    close(manager, planned())
    closing.remove_closure(Closure.objects.get().pk, actor=manager)
    assert sweeps.open_ahead() == 1
    again = Schedule.objects.standing().get(date=tomorrow())
    assert again.pk != morning.pk and again.last_number == 0
    booking.refresh_from_db()
    assert booking.status == Status.CANCELLED
    with pytest.raises(Refused):
        closing.remove_closure(0, actor=manager)
    assert violations() == {}


def test_one_doctors_leave_closes_only_theirs(manager, morning):
    other = f.window(starts_in=timedelta(days=1))
    close(manager, planned(doctor=morning.doctor, last_day=tomorrow() + timedelta(days=1)))
    other.refresh_from_db()
    assert other.status == Window.OPEN
    assert not Schedule.objects.filter(pk=morning.pk).exists()


def test_the_same_day_closed_twice_is_one_closure(manager):
    close(manager, planned())
    close(manager, planned() + planned(tomorrow() + timedelta(days=1)))
    assert Closure.objects.count() == 2


def test_late_money_for_a_closed_window_goes_back(manager, morning):
    booking = f.hold(morning)
    body = f.capture_body(f.attempt(booking))
    close(manager, planned())
    f.deliver(body)
    booking.refresh_from_db()
    assert booking.status == Status.CANCELLED
    money.make_refunds()
    assert booking.payments.get().refunded_minor == 50000
    assert violations() == {}


def test_a_day_in_the_list_twice_shows_whoever_loses_their_place_by_either_line(manager, morning):
    booking = f.paid(morning)
    closures = planned(start_time=time(11), end_time=time(13), reason="Eve") + planned()
    (hit,) = hits(closures, timezone.now())
    assert (hit.whole, [b.pk for b in hit.going], hit.staying) == (True, [booking.pk], [])
    assert close(manager, closures) == 1


def test_the_list_asks_two_questions_whatever_its_length():
    for _n in range(4):
        window = f.window(starts_in=timedelta(days=1), fee_minor=0)
        f.hold(window)
        f.hold(window)
    closures = planned(last_day=tomorrow() + timedelta(days=2)) + planned() + planned(reason="Once more")
    with CaptureQueriesContext(connection) as asked:
        found = hits(closures, timezone.now())
        assert len(found) == 4
        assert all(b.schedule.doctor.name and b.patient.name for hit in found for b in hit.going)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"last_day": timezone.localdate()}, "closure_ends_after_it_begins"),
        ({"start_time": time(9)}, "closure_hours_end_after_start"),
        ({"start_time": time(9), "end_time": time(9)}, "closure_hours_end_after_start"),
    ],
)
def test_closures_that_mean_nothing_are_refused_by_the_database(wrong, rule):
    with pytest.raises(DatabaseError, match=rule), transaction.atomic():
        f.closure(tomorrow(), **wrong)
    assert not Closure.objects.exists()


# --- One window, by hand ------------------------------------------------------------------


def test_a_window_is_cancelled_with_everybody_in_it_and_stays_cancelled(manager, morning):
    booking = f.paid(morning)
    closing.cancel_window(
        morning.pk, actor=manager, reason="The doctor is ill", shown=closing.window_fingerprint([booking])
    )
    booking.refresh_from_db()
    morning.refresh_from_db()
    assert (booking.status, booking.refund_percent, booking.cancel_reason) == (
        Status.CANCELLED, 100, "The doctor is ill",
    )  # fmt: skip
    assert morning.status == Window.CANCELLED
    morning.doctor.weekly_hours.all().look_again()
    assert sweeps.open_ahead() == 0
    with pytest.raises(Refused) as refusal:
        closing.cancel_window(morning.pk, actor=manager, reason="again", shown="")
    assert refusal.value.code == "OVER"
    assert violations() == {}


def test_a_window_is_not_cancelled_over_a_booking_that_nobody_saw(manager, morning):
    booking = f.paid(morning)
    with pytest.raises(Refused) as refusal:
        closing.cancel_window(morning.pk, actor=manager, reason="ill", shown="")
    assert refusal.value.code == "LIST_CHANGED"
    booking.refresh_from_db()
    morning.refresh_from_db()
    assert (booking.status, morning.status) == (Status.CONFIRMED, Window.OPEN)


def test_a_patients_own_cancellation_before_is_not_told_again(manager, morning):
    booking = f.paid(morning)
    actions.cancel_own(booking.pk, shown=100)
    assert close(manager, planned()) == 0
    booking.refresh_from_db()
    assert booking.cancel_reason != "Diwali"
    morning.refresh_from_db()
    assert morning.status == Window.CANCELLED
