"""Services in a pool of minutes: never more than the sum, never two at once (issue 5; seed 002)."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions, minutes_queries, steps
from bookings.models import Booking
from bookings.states import Channel, Status
from clinic.errors import Refused
from clinic.models import Patient, Service
from payments import sweeps
from payments.management.commands.check_invariants import violations
from schedules.models import Schedule
from schedules.states import Status as Window
from tests import factories as f

pytestmark = pytest.mark.django_db
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def pool():
    """Three hours from two hours on, so that no test meets midnight or the past."""
    return f.pool(starts_in=timedelta(days=2))


@pytest.fixture
def ecg(pool):
    """Thirty minutes, and ten to clean up."""
    return f.service(pool.doctor, name="ECG", duration=30, buffer=10)


@pytest.fixture
def long(pool):
    """An hour, and ten to clean up."""
    return f.service(pool.doctor, name="Skin care", duration=60, buffer=10)


def everything() -> list:
    rows = (Booking, Schedule, Patient, Service)
    return [list(row.objects.order_by("pk").values()) for row in rows]


def refusal_of(act, *args, **fields) -> Refused:
    """The refusal, after looking that nothing changed."""
    before = everything()
    with pytest.raises(Refused) as refused:
        act(*args, **fields)
    assert everything() == before and violations() == {}
    return refused.value


def refused(*args, **fields) -> str:
    return refusal_of(f.reserve, *args, **fields).code


def remaining(pool) -> int:
    """What a page says is left."""
    [found] = minutes_queries.pools(timezone.now(), pool.date, pool.date, doctor=pool.doctor)
    return found.remaining


def taken(pool) -> int:
    return Schedule.objects.get(pk=pool.pk).taken


def begins(pool, booking) -> int:
    """How many minutes after the pool's start."""
    return (booking.start_at - pool.starts_at) // timedelta(minutes=1)


def later(pool, minutes: int):
    return pool.starts_at + timedelta(minutes=minutes)


# --- The sum, and no overlap --------------------------------------------------------------


def test_the_worked_example_of_the_document_to_the_minute(pool, ecg, long):
    left = []
    for start in (0, 40, 80):
        f.reserve(pool, ecg, start)
        left.append(remaining(pool))
    refusal = refusal_of(f.reserve, pool, long, 120)
    assert (refusal.code, refusal.message) == (
        "NOT_ENOUGH_MINUTES",
        "Only 60 minutes are left, and this takes 70.",
    )
    f.reserve(pool, ecg, 120)
    assert [*left, remaining(pool)] == [140, 100, 60, 20]
    assert taken(pool) == 160 and violations() == {}


def test_sixty_minutes_in_two_halves_do_not_sell_sixty(pool):
    half, hour = (f.service(pool.doctor, duration=n, buffer=0) for n in (30, 60))
    middle = f.service(pool.doctor, duration=120, buffer=0)
    f.reserve(pool, middle, 30)
    assert remaining(pool) == 60
    assert {refused(pool, hour, start) for start in (0, 15, 30, 90, 120)} == {"OVERLAP"}
    assert refused(pool, hour, 150) == "NO_SUCH_START"  # it would end after the window
    refusal = refusal_of(f.reserve, pool, hour, None)
    assert refusal.message == "60 minutes are left, but not 60 in one piece."
    assert [begins(pool, f.reserve(pool, half, None)) for _ in range(2)] == [0, 150]
    assert taken(pool) == 180 and violations() == {}


def test_a_booking_keeps_the_service_as_it_was_sold(pool, ecg):
    booking = f.reserve(pool, ecg, 40)
    Service.objects.filter(pk=ecg.pk).update(name="Heart check", duration=60, price_minor=90000)
    booking.refresh_from_db()
    assert (booking.service, booking.service_name, booking.minutes) == (ecg, "ECG", 40)
    assert (booking.status, booking.units, booking.price_minor) == (Status.HELD, 40, 40000)
    assert (booking.start_at, booking.end_at) == (
        pool.starts_at + timedelta(minutes=40),
        pool.starts_at + timedelta(minutes=80),
    )
    assert booking.queue_number is None and taken(pool) == 40


def test_a_start_may_follow_exactly_on_another_booking_off_the_grid(pool, ecg):
    odd = f.service(pool.doctor, duration=20, buffer=3)
    assert refused(pool, ecg, 23) == "NO_SUCH_START"
    f.reserve(pool, odd, 0)
    f.reserve(pool, ecg, 23)
    assert taken(pool) == 63 and violations() == {}


def test_a_part_of_a_taken_time_is_taken(pool, ecg):
    f.reserve(pool, ecg, 60)
    assert {refused(pool, ecg, start) for start in (25, 60, 95)} == {"OVERLAP"}
    assert f.reserve(pool, ecg, 20) and f.reserve(pool, ecg, 100)


def test_a_lowered_capacity_sells_no_more_although_hours_are_free(ecg):
    holiday = f.pool(doctor=ecg.doctors.get(), starts_in=timedelta(days=5), capacity=60)
    f.reserve(holiday, ecg, 0)
    assert refusal_of(f.reserve, holiday, ecg, 120).message == "Only 20 minutes are left, and this takes 40."


def test_what_is_kept_for_the_desk_is_not_sold_online(ecg):
    kept = f.pool(doctor=ecg.doctors.get(), starts_in=timedelta(days=5), reserved_for_desk=150)
    assert remaining(kept) == 30
    assert refused(kept, ecg, 0) == "NOT_ENOUGH_MINUTES"
    f.reserve(kept, ecg, 0, channel=Channel.PHONE)
    assert remaining(kept) == 30 and violations() == {}


def test_a_hold_reserves_its_minutes_also_where_windows_of_numbers_would_not(ecg):
    pool = f.pool(doctor=ecg.doctors.get(), starts_in=timedelta(days=5), holds_reserve=False)
    f.reserve(pool, ecg, 0)
    assert taken(pool) == 40 and refused(pool, ecg, 0) == "OVERLAP"


def test_one_patient_may_have_two_services_in_a_morning_but_not_at_once(pool, ecg, long):
    patient = f.patient()
    f.reserve(pool, ecg, 0, patient)
    assert refused(pool, long, 30, patient) == "OVERLAP"
    f.reserve(pool, long, 40, patient)
    assert Booking.objects.live().filter(patient=patient).count() == 2 and violations() == {}


def test_code_that_forgets_to_look_is_refused_by_the_database(pool, ecg):
    first = f.reserve(pool, ecg, 40)
    before = everything()
    with pytest.raises(IntegrityError, match="booking_no_overlap"), transaction.atomic():
        schedule, now, _found = steps.lock_window(pool.pk)
        place = {"service": ecg, "minutes": 40, "start_at": later(pool, 60), "end_at": later(pool, 100)}
        rival = steps.new_booking(
            schedule, first.patient, now=now, channel=Channel.ONLINE, price_minor=0, **place
        )
        steps.move(rival, Status.CONFIRMED, now=now, cause="not looked")
    assert everything() == before and violations() == {}


def test_a_form_sent_twice_books_once(pool, ecg):
    key, who = uuid4(), f.guest()
    first, again = (f.reserve(pool, ecg, 0, who, request_key=key) for _ in range(2))
    assert first.pk == again.pk and taken(pool) == 40
    assert refused(pool, ecg, 40, who, request_key=key) == "REQUEST_REUSED"


# --- What bad input gets ------------------------------------------------------------------


@pytest.mark.parametrize("start", [-40, -1, 141, 142, 180, 10_000_000])
def test_a_start_outside_the_window_is_none(pool, ecg, start):
    assert refused(pool, ecg, start) == "NO_SUCH_START"


@pytest.mark.parametrize("start", [1, 39, 139])
def test_a_start_off_the_grid_is_none(pool, ecg, start):
    assert refused(pool, ecg, start) == "NO_SUCH_START"


@pytest.mark.parametrize(("moment", "code"), [(FIRST, "PAST"), (LAST, "NO_SUCH_START")])
def test_a_start_at_the_end_of_time_is_refused_like_any_other(pool, ecg, moment, code):
    assert refused(pool, ecg, start_at=moment) == code


def test_a_start_that_is_over_is_refused_while_the_window_runs(ecg):
    running = f.pool(doctor=ecg.doctors.get(), starts_in=-timedelta(minutes=61))
    assert refused(running, ecg, 60) == "PAST"
    assert begins(running, f.reserve(running, ecg, None)) == 65


@pytest.mark.parametrize("status", [Window.CLOSED, Window.CANCELLED, Window.FINISHED])
def test_a_window_that_is_not_open_sells_nothing(ecg, status):
    shut = f.pool(doctor=ecg.doctors.get(), starts_in=timedelta(days=5), status=status)
    assert refused(shut, ecg, 0) == "CLOSED"


def test_a_window_that_is_over_sells_nothing(ecg):
    over = f.pool(doctor=ecg.doctors.get(), starts_in=-timedelta(hours=4))
    assert refused(over, ecg, 0) == "PAST"


@pytest.mark.parametrize("change", [{"visible": False}, {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}])
def test_a_hidden_or_removed_service_is_not_sold(pool, ecg, change):
    Service.objects.filter(pk=ecg.pk).update(**change)
    assert refused(pool, ecg) == "NOT_OFFERED"


def test_a_service_of_another_doctor_is_not_sold(pool):
    assert refused(pool, f.service(f.doctor())) == "NOT_OFFERED"


@pytest.mark.parametrize("number", [0, -1, 10**30])
def test_a_service_that_there_never_was_is_not_sold(pool, ecg, number):
    assert refused(pool, ecg, service_id=number) == "NOT_OFFERED"


def test_a_service_is_not_sold_in_a_window_of_numbers_or_exact_times(pool, ecg):
    for other in (f.window(doctor=pool.doctor), f.slot(doctor=f.doctor())):
        assert refused(other, ecg, 0) == "NOT_OFFERED"


def test_a_service_longer_than_any_pool_fits_nowhere(pool):
    endless = f.service(pool.doctor, duration=181, buffer=0)
    assert refused(pool, endless) == "NOT_ENOUGH_MINUTES"
    assert refusal_of(f.reserve, pool, endless).details["suggestions"] == []


def test_a_changed_price_is_said_and_nothing_is_sold(pool, ecg):
    asked = f.asking(pool, ecg)
    Service.objects.filter(pk=ecg.pk).update(price_minor=50000)
    assert refusal_of(f.hold, pool, **asked).code == "PRICE_CHANGED"
    assert f.hold(pool, **asked | {"price_minor": 50000})


@pytest.mark.parametrize("change", [{"duration": 45}, {"buffer": 0}])
def test_a_changed_length_is_said_and_nothing_is_sold(pool, ecg, change):
    asked = f.asking(pool, ecg)
    Service.objects.filter(pk=ecg.pk).update(**change)
    assert refusal_of(f.hold, pool, **asked).code == "PRICE_CHANGED"
    assert f.hold(pool, **asked | {"minutes": None}).minutes == Service.objects.get(pk=ecg.pk).minutes


# --- What a refusal offers instead --------------------------------------------------------


def offered(pool, refusal) -> list:
    """The suggestions, as windows and minutes after their start."""
    windows = {window.pk: window for window in Schedule.objects.all()}
    return [
        (one.schedule_id, (one.start - windows[one.schedule_id].starts_at) // timedelta(minutes=1))
        for one in refusal.details["suggestions"]
    ]


def test_a_taken_time_names_the_nearest_that_waste_least(pool, ecg):
    """After 100 nothing is lost; before 60 there are 20 minutes over, wherever it starts."""
    f.reserve(pool, ecg, 60)
    refusal = refusal_of(f.reserve, pool, ecg, 60)
    assert offered(pool, refusal) == [(pool.pk, 100), (pool.pk, 140), (pool.pk, 20)]
    for one in refusal.details["suggestions"]:
        assert f.reserve(pool, ecg, start_at=one.start).status == Status.HELD


def test_where_the_day_is_full_the_next_days_of_the_same_doctor_are_named(pool, ecg):
    f.reserve(pool, f.service(pool.doctor, duration=180, buffer=0), 0)
    f.pool(starts_in=timedelta(days=3))  # somebody else's
    f.pool(doctor=pool.doctor, starts_in=timedelta(days=3), status=Window.CLOSED)
    late, soon, between = (
        f.pool(doctor=pool.doctor, starts_in=timedelta(days=n), capacity=40) for n in (6, 4, 5)
    )
    f.reserve(between, ecg, 0)
    refusal = refusal_of(f.reserve, pool, ecg, 40)
    assert refusal.code == "NOT_ENOUGH_MINUTES"
    assert [window for window, _minutes in offered(pool, refusal)] == [soon.pk] * 3
    f.reserve(soon, ecg, 0)
    assert [one[0] for one in offered(pool, refusal_of(f.reserve, pool, ecg, 40))] == [late.pk] * 3


# --- Money that comes late, and places that are given back --------------------------------


def test_a_lapsed_hold_gives_its_time_to_the_next(pool, ecg):
    f.lapse(f.reserve(pool, ecg, 0))
    assert remaining(pool) == 180
    assert f.reserve(pool, ecg, 0) and taken(pool) == 40 and violations() == {}


def test_late_money_buys_the_time_if_it_is_still_free(pool, ecg):
    booking = f.reserve(pool, ecg, 40)
    body = f.capture_body(f.attempt(booking))
    f.lapse(booking)
    actions.expire_lapsed_in(pool.pk)
    f.reserve(pool, ecg, 0)
    f.deliver(body)
    booking.refresh_from_db()
    assert (booking.status, taken(pool)) == (Status.CONFIRMED, 80) and violations() == {}


@pytest.mark.parametrize("start", [20, 40, 60])
def test_late_money_for_a_time_that_is_taken_goes_back(pool, ecg, start):
    """Also where the minutes would suffice: 100 are left, but not these."""
    booking = f.reserve(pool, ecg, 40)
    payment = f.attempt(booking)
    body = f.capture_body(payment)
    f.lapse(booking)
    rival = f.reserve(pool, ecg, start)
    f.deliver(body)
    booking.refresh_from_db()
    assert (booking.status, booking.refund_percent) == (Status.OVERFLOW, 100)
    assert Booking.objects.get(pk=rival.pk).status == Status.HELD and taken(pool) == 40
    assert sweeps.make_refunds() == 1
    payment.refresh_from_db()
    assert payment.refunded_minor == 40000 and violations() == {}


def test_late_money_where_the_sum_is_gone_goes_back(ecg):
    pool = f.pool(doctor=ecg.doctors.get(), starts_in=timedelta(days=5), capacity=60)
    booking = f.reserve(pool, ecg, 0)
    body = f.capture_body(f.attempt(booking))
    f.lapse(booking)
    f.reserve(pool, ecg, 120)
    f.deliver(body)
    booking.refresh_from_db()
    assert booking.status == Status.OVERFLOW and violations() == {}


def test_money_that_comes_after_the_start_goes_back(ecg):
    pool = f.pool(doctor=ecg.doctors.get())
    booking = f.reserve(pool, ecg, 0)
    body = f.capture_body(f.attempt(booking))
    f.move_window(pool, -timedelta(minutes=61))
    f.lapse(booking)
    f.deliver(body)
    booking.refresh_from_db()
    assert booking.status == Status.OVERFLOW and violations() == {}


def test_another_service_of_the_same_patient_keeps_nobody_from_paying(pool, ecg, long):
    patient = f.patient()
    bookings = f.reserve(pool, ecg, 0, patient), f.reserve(pool, long, 40, patient)
    for booking in bookings:
        f.deliver(f.capture_body(f.attempt(booking)))
        booking.refresh_from_db()
    assert [booking.status for booking in bookings] == [Status.CONFIRMED] * 2
    assert taken(pool) == 110 and violations() == {}


def test_a_cancelled_service_gives_its_minutes_and_its_money_back(pool, ecg):
    booking = f.paid(pool, **f.asking(pool, ecg, 40))
    actions.cancel_own(booking.pk, shown=100)
    assert taken(pool) == 0 and remaining(pool) == 180
    assert sweeps.make_refunds() == 1 and violations() == {}
    assert f.reserve(pool, ecg, 40)


def test_a_free_service_is_the_patients_at_once(pool):
    free = f.service(pool.doctor, price_minor=0)
    booking = f.reserve(pool, free)
    assert (booking.status, booking.free_reason) == (Status.CONFIRMED, "free of charge")
    assert violations() == {}


# --- Moving -------------------------------------------------------------------------------


@pytest.fixture
def visit(pool, ecg):
    """Paid, forty minutes from the pool's start on."""
    return f.paid(pool, **f.asking(pool, ecg, 40))


@pytest.mark.parametrize("to", [0, 20, 45, 140])
def test_a_service_moves_inside_its_own_window_also_across_its_old_time(pool, visit, to):
    moved = actions.reschedule(visit.pk, pool.pk, start_at=later(pool, to), own=True)
    assert (moved.status, begins(pool, moved), moved.moved) == (Status.CONFIRMED, to, 1)
    assert moved.end_at - moved.start_at == timedelta(minutes=40)
    assert taken(pool) == 40 and violations() == {}


def test_a_service_moves_in_a_full_pool(pool, ecg, visit):
    """Its own minutes are the only ones that are left."""
    for start in (0, 80, 120):
        f.reserve(pool, ecg, start)
    Schedule.objects.filter(pk=pool.pk).update(capacity=160)
    actions.cancel(Booking.objects.get(start_at=later(pool, 120)).pk, reason="ill")
    Schedule.objects.filter(pk=pool.pk).update(capacity=120)
    moved = actions.reschedule(visit.pk, pool.pk, start_at=later(pool, 130), own=True)
    assert begins(pool, moved) == 130 and taken(pool) == 120 and violations() == {}


def test_a_service_moves_to_another_day_with_its_minutes_and_its_money(pool, ecg, visit):
    other = f.pool(doctor=pool.doctor, starts_in=timedelta(days=4))
    Service.objects.filter(pk=ecg.pk).update(duration=90, price_minor=99900, visible=False)
    moved = actions.reschedule(visit.pk, other.pk, start_at=later(other, 100), own=True)
    assert (moved.schedule, begins(other, moved), moved.minutes, moved.price_minor) == (other, 100, 40, 40000)
    assert (taken(pool), taken(other)) == (0, 40)
    assert sweeps.make_refunds() == 0 and violations() == {}


def test_to_where_it_is_a_service_does_not_move(pool, visit):
    before = everything()
    actions.reschedule(visit.pk, pool.pk, start_at=visit.start_at, own=True)
    actions.reschedule(visit.pk, pool.pk, own=True)
    assert everything() == before


def test_a_service_does_not_move_onto_another_nor_off_the_grid_nor_into_numbers(pool, ecg, visit):
    f.reserve(pool, ecg, 120)
    numbers = f.window(doctor=pool.doctor, starts_in=timedelta(days=3))

    def code(to, minutes):
        start = None if minutes is None else later(pool, minutes)
        return refusal_of(actions.reschedule, visit.pk, to.pk, start_at=start, own=True).code

    assert code(pool, 100) == "OVERLAP"
    assert code(pool, 43) == "NO_SUCH_START"
    assert code(pool, 160) == "NO_SUCH_START"
    assert code(numbers, None) == "NOT_OFFERED"
    token = f.paid(numbers)
    assert refusal_of(actions.reschedule, token.pk, pool.pk, own=True).code == "NOT_OFFERED"


# --- Statements ---------------------------------------------------------------------------


def test_a_service_is_held_in_seven_statements(pool, ecg):
    """One more than a number: the service. The times that are taken come with the clock."""
    for start in (0, 40, 80):
        f.reserve(pool, ecg, start)
    with CaptureQueriesContext(
        connection,
    ) as sent:
        f.reserve(pool, ecg, 120)
    ours = [query["sql"] for query in sent if not query["sql"].startswith(("BEGIN", "SAVEPOINT", "RELEASE"))]
    assert len(ours) == 7, "\n".join(ours)
