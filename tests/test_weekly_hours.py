"""Weekly hours change: what nobody has booked follows, what was sold stays, and what means nothing is refused."""

from datetime import date, time, timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from bookings import actions as bookings
from bookings import desk
from clinic.errors import Refused
from schedules import hours_actions, sweeps
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.states import Kind, Status
from tests import factories as f


def week(**fields):
    """Mondays from nine to twelve, known long before."""
    return f.hours(**{"weekday": 0, "effective_from": date(2026, 1, 1)} | fields)


@pytest.fixture
def manager():
    return f.staff("Manager")


def fields(row, **changed) -> dict:
    names = (
        "weekday", "start_time", "end_time", "kind", "capacity", "slot_minutes", "mode", "fee_minor", "prefix",
        "reserved_for_desk", "holds_reserve", "effective_from", "effective_until",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names} | changed


def tomorrow():
    return timezone.localdate() + timedelta(days=1)


@pytest.mark.django_db
def test_new_hours_change_what_nobody_has_booked_and_leave_what_was_sold(manager):
    row = f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    sold, free = Schedule.objects.order_by("date")
    booking = f.paid(sold)
    before = Schedule.objects.values().get(pk=sold.pk)

    hours_actions.change_hours(
        row.pk, actor=manager, **fields(row, start_time=time(10), capacity=8, fee_minor=70000)
    )

    assert Schedule.objects.values().get(pk=sold.pk) == before
    booking.refresh_from_db()
    assert (booking.status, booking.price_minor) == ("confirmed", 50000)
    assert not Schedule.objects.filter(pk=free.pk).exists()
    new = Schedule.objects.exclude(pk=sold.pk).get()
    assert (new.date, new.hours, new.capacity, new.fee_minor) == (free.date, "10:00–12:00", 8, 70000)


@pytest.mark.django_db
def test_a_window_that_has_given_a_number_stays_although_everybody_left(manager):
    row = f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    window = Schedule.objects.order_by("date")[0]
    bookings.cancel(f.paid(window).pk, reason="ill")
    hours_actions.change_hours(row.pk, actor=manager, **fields(row, capacity=8))
    window.refresh_from_db()
    assert (window.status, window.capacity) == (Status.OPEN, 3)


@pytest.mark.django_db
def test_minutes_in_which_nobody_came_keep_their_window_although_they_have_no_number(manager):
    row = f.hours(weekday=tomorrow().weekday(), kind=Kind.POOL, capacity=180)
    sweeps.open_ahead()
    window = Schedule.objects.order_by("date")[0]
    desk.no_show(f.reserve(window, f.service(row.doctor, price_minor=0)).pk, actor=manager)
    hours_actions.change_hours(row.pk, actor=manager, **fields(row, start_time=time(10)))
    window.refresh_from_db()
    assert (window.status, window.hours) == (Status.OPEN, "09:00–12:00")
    assert not Schedule.objects.standing().filter(date=window.date).exclude(pk=window.pk).exists()


@pytest.mark.django_db
def test_a_hold_that_was_given_up_does_not_keep_the_old_hours(manager):
    row = f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    window = Schedule.objects.order_by("date")[0]
    bookings.give_up(f.hold(window).pk)
    hours_actions.change_hours(row.pk, actor=manager, **fields(row, capacity=8))
    window.refresh_from_db()
    assert window.status == Status.CANCELLED
    assert Schedule.objects.standing().get(date=window.date).capacity == 8


@pytest.mark.django_db
def test_somebody_who_is_paying_keeps_their_window(manager):
    row = f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    window = Schedule.objects.order_by("date")[0]
    f.hold(window)
    hours_actions.change_hours(row.pk, actor=manager, **fields(row, start_time=time(15), end_time=time(16)))
    window.refresh_from_db()
    assert (window.status, window.hours) == (Status.OPEN, "09:00–12:00")


@pytest.mark.django_db
def test_removed_hours_take_back_what_nobody_has_booked(manager):
    row = f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    sold, _free = Schedule.objects.order_by("date")
    f.paid(sold)
    hours_actions.remove_hours(row.pk, actor=manager)
    assert list(Schedule.objects.all()) == [sold]
    assert sweeps.open_ahead() == 0
    with pytest.raises(Refused) as refusal:
        hours_actions.remove_hours(row.pk, actor=manager)
    assert refusal.value.code == "GONE"


@pytest.mark.django_db
def test_hours_that_overlap_are_refused_with_words_and_no_day_is_added(manager):
    row = week(weekday=2)
    with pytest.raises(Refused, match="already has hours on Wednesday, 09:00–12:00"):
        hours_actions.add_hours(
            row.doctor_id, list(range(7)), actor=manager,
            **{name: value for name, value in fields(row, start_time=time(11), end_time=time(13)).items() if name != "weekday"},
        )  # fmt: skip
    assert list(WeeklyHours.objects.all()) == [row]
    assert not Schedule.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("other", "clash"),
    [
        ({}, True),
        ({"start_time": time(12), "end_time": time(13)}, False),
        ({"weekday": 1}, False),
        ({"effective_from": date(2027, 1, 1)}, False),
        ({"effective_from": date(2026, 12, 31)}, True),
        ({"effective_from": date(2025, 1, 1), "effective_until": date(2025, 12, 31)}, False),
    ],
)
def test_the_database_refuses_overlapping_hours_too(other, clash):
    row = week(effective_until=date(2026, 12, 31))
    copy = WeeklyHours(**{**fields(row, effective_until=None), "doctor": row.doctor, **other})
    assert WeeklyHours.objects.clashing(copy).exists() is clash
    if clash:
        with pytest.raises(DatabaseError, match="hours_no_overlap"), transaction.atomic():
            copy.save(force_insert=True)
        assert WeeklyHours.objects.count() == 1
    else:
        copy.save(force_insert=True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"weekday": 7}, "hours_on_a_weekday"),
        ({"end_time": time(9)}, "hours_end_after_start"),
        ({"capacity": 0}, "hours_"),
        ({"reserved_for_desk": 4}, "hours_desk_within_places"),
        ({"kind": "queue"}, "hours_"),
        ({"kind": "slot"}, "hours_slots_have_minutes"),
        ({"slot_minutes": 20}, "hours_slots_have_minutes"),
        ({"kind": "slot", "slot_minutes": 20, "capacity": 2}, "hours_slots_have_minutes"),
        ({"effective_until": date(2025, 1, 1)}, "hours_until_after_from"),
    ],
)
def test_hours_that_mean_nothing_are_refused_by_the_database(wrong, rule):
    with pytest.raises(DatabaseError, match=rule), transaction.atomic():
        week(**wrong)
    assert not WeeklyHours.objects.exists()
