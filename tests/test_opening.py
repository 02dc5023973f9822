"""Weekly hours become windows: 14 days ahead, once, and around whatever is in the way."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from bookings import actions as bookings
from clinic.errors import Refused
from clinic.models import ReviewItem
from schedules import actions, opening_actions, sweeps
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.opening_rules import DAYS, divide, slots, without
from schedules.states import Kind, Status
from tests import factories as f

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)
"""Half past seven on a Monday morning in Mumbai."""
MONDAY = date(2026, 11, 23)


def week(**fields):
    """Mondays from nine to twelve, known long before."""
    return f.hours(**{"weekday": 0, "effective_from": date(2026, 1, 1)} | fields)


def tomorrow():
    return timezone.localdate() + timedelta(days=1)


def opened(now=NOW) -> int:
    return sum(opening_actions.open_for(doctor, now) for doctor in opening_actions.doctors_due(now))


def times(**where) -> list[str]:
    return [window.hours for window in Schedule.objects.filter(**where).order_by("starts_at")]


# --- What fits ----------------------------------------------------------------------------

stretches = st.tuples(st.integers(0, 1438), st.integers(1, 1439)).filter(lambda pair: pair[0] < pair[1])


@given(stretches, st.integers(1, 720), st.lists(stretches, max_size=4))
def test_slots_fill_the_hours_and_none_overruns_them(whole, each, cuts):
    found = slots(whole, each, cuts)
    assert all(stop - start == each for start, stop in found)
    assert all(whole[0] <= start and stop <= whole[1] for start, stop in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    assert not any(start < cut[1] and cut[0] < stop for start, stop in found for cut in cuts)
    grid = [(start, start + each) for start in range(whole[0], whole[1] - each + 1, each)]
    free = [one for one in grid if not any(one[0] < cut[1] and cut[0] < one[1] for cut in cuts)]
    assert found == free  # nothing that fits is left out, and no slot moves because of a closure


@given(stretches, st.lists(stretches, max_size=5))
def test_what_is_left_around_closures_is_every_minute_that_is_not_closed(whole, cuts):
    left = without(whole, cuts)
    closed = {minute for start, stop in cuts for minute in range(start, stop)}
    assert [m for start, stop in left for m in range(start, stop)] == [
        m for m in range(*whole) if m not in closed
    ]


@given(stretches, st.lists(stretches, max_size=4), st.integers(1, 200), st.integers(0, 200))
def test_parts_of_a_window_never_have_more_places_than_the_whole(whole, cuts, capacity, kept):
    row = WeeklyHours(
        start_time=time(*divmod(whole[0], 60)), end_time=time(*divmod(whole[1], 60)), kind=Kind.TOKEN,
        capacity=capacity, reserved_for_desk=min(kept, capacity),
    )  # fmt: skip
    parts = divide(row, cuts)
    assert sum(places for _part, places, _kept in parts) <= capacity
    assert all(places > 0 and kept_here <= places for _part, places, kept_here in parts)
    if not cuts:
        assert parts == [(whole, capacity, min(kept, capacity))]


@pytest.mark.django_db
def test_a_slot_length_that_does_not_divide_the_hours_leaves_the_rest_empty():
    week(kind=Kind.SLOT, slot_minutes=25, capacity=1, end_time=time(10))
    opened()
    assert times(date=MONDAY) == ["09:00–09:25", "09:25–09:50"]


# --- What is opened -----------------------------------------------------------------------


@pytest.mark.django_db
def test_fourteen_days_are_open_and_a_second_pass_opens_nothing():
    doctor = f.doctor(fee_minor=60000, prefix="B")
    for weekday in range(7):
        week(doctor=doctor, weekday=weekday, capacity=15, reserved_for_desk=2, fee_minor=None)
    assert opened() == DAYS
    assert opened() == 0
    window = Schedule.objects.order_by("date")[0]
    assert (window.capacity, window.reserved_for_desk, window.fee_minor, window.prefix) == (15, 2, 60000, "B")
    assert [w.date for w in Schedule.objects.order_by("date")] == [
        MONDAY + timedelta(days=n) for n in range(DAYS)
    ]
    assert window.starts_at == datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
    assert {w.opened_from for w in Schedule.objects.all()} == {w.source for w in WeeklyHours.objects.all()}


@pytest.mark.django_db
def test_the_next_days_window_is_there_when_one_ends():
    doctor = f.doctor()
    for weekday in range(7):
        week(doctor=doctor, weekday=weekday)
    opened()
    for day in range(1, 30):
        assert opened(NOW + timedelta(days=day)) == 1


@pytest.mark.django_db
def test_a_worker_that_slept_a_month_opens_what_is_ahead_and_nothing_behind():
    week()
    opened()
    assert opened(NOW + timedelta(days=35)) == 2
    assert not Schedule.objects.filter(date__range=("2026-12-07", "2026-12-27")).exists()


@pytest.mark.django_db
def test_an_idle_pass_asks_one_question():
    for weekday in range(7):
        week(weekday=weekday)
    sweeps.open_ahead()
    with CaptureQueriesContext(connection) as asked:
        assert sweeps.open_ahead() == 0
    assert len(asked) == 1


@pytest.mark.django_db
def test_hours_begin_and_end_on_their_days():
    week(effective_from=date(2026, 11, 30), effective_until=date(2026, 11, 30))
    assert opened() == 1
    assert opened(NOW + timedelta(days=7)) == 0
    assert times() == ["09:00–12:00"]
    assert Schedule.objects.get().date == date(2026, 11, 30)


@pytest.mark.django_db
def test_a_window_under_way_is_opened_and_an_exact_time_that_began_is_not():
    now = NOW + timedelta(hours=2)  # half past nine
    week()
    week(kind=Kind.SLOT, slot_minutes=60, capacity=1)
    opened(now)
    assert times(date=MONDAY, kind=Kind.TOKEN) == ["09:00–12:00"]
    assert times(date=MONDAY, kind=Kind.SLOT) == ["10:00–11:00", "11:00–12:00"]
    assert opened(NOW + timedelta(hours=5)) == 0


@pytest.mark.django_db
def test_a_window_opened_by_hand_stays_and_only_what_overlaps_it_is_left_out():
    row = week(kind=Kind.SLOT, slot_minutes=60, capacity=1)
    by_hand = actions.open_window(
        doctor_id=row.doctor_id, date=date(2026, 11, 30), start_time=time(9, 30), end_time=time(10, 30), capacity=5
    )  # fmt: skip
    opened()
    assert times(date=date(2026, 11, 30)) == ["09:30–10:30", "11:00–12:00"]
    assert Schedule.objects.get(pk=by_hand.pk).capacity == 5


@pytest.mark.django_db
def test_what_somebody_withdrew_by_hand_is_not_opened_again():
    row = week()
    opened()
    window = Schedule.objects.get(date=MONDAY + timedelta(days=7))
    actions.withdraw(window.pk, actor=None)
    WeeklyHours.objects.all().look_again()
    assert opened() == 0
    assert Schedule.objects.opened_by(row).standing().count() == 1


@pytest.mark.django_db
def test_a_doctor_who_left_opens_nothing():
    week(doctor=f.doctor(is_active=False))
    assert opened() == 0


@pytest.mark.django_db
def test_a_closed_day_opens_nothing_and_closed_hours_leave_a_gap():
    doctor = f.doctor()
    week(doctor=doctor, capacity=9, reserved_for_desk=3)
    slots_row = week(kind=Kind.SLOT, slot_minutes=20, capacity=1)
    pool = week(kind=Kind.POOL, capacity=180)
    f.closure(MONDAY)
    f.closure(MONDAY + timedelta(days=7), start_time=time(10), end_time=time(10, 30))
    opened()
    assert not Schedule.objects.filter(date=MONDAY).exists()
    parts = list(Schedule.objects.filter(doctor=doctor).order_by("starts_at"))
    assert [(p.hours, p.capacity, p.reserved_for_desk) for p in parts] == [
        ("09:00–10:00", 3, 1), ("10:30–12:00", 4, 1),
    ]  # fmt: skip
    assert times(doctor=slots_row.doctor) == [
        "09:00–09:20", "09:20–09:40", "09:40–10:00", "10:40–11:00", "11:00–11:20", "11:20–11:40", "11:40–12:00",
    ]  # fmt: skip
    assert [(p.hours, p.capacity) for p in Schedule.objects.filter(doctor=pool.doctor).order_by("starts_at")] == [
        ("09:00–10:00", 60), ("10:30–12:00", 90),
    ]  # fmt: skip


@pytest.mark.django_db
def test_one_doctors_leave_is_not_anothers():
    away, here = week(), week()
    f.closure(MONDAY, doctor=away.doctor)
    opened()
    assert times(doctor=away.doctor, date=MONDAY) == []
    assert times(doctor=here.doctor, date=MONDAY) == ["09:00–12:00"]


@pytest.mark.django_db
def test_nobody_opens_a_window_by_hand_on_a_closed_day():
    doctor, day = f.doctor(), timezone.localdate() + timedelta(days=2)
    f.closure(day, start_time=time(10), end_time=time(11))
    with pytest.raises(Refused, match="Diwali"):
        actions.open_window(doctor_id=doctor.pk, date=day, start_time=time(9), end_time=time(12), capacity=3)
    assert not Schedule.objects.exists()
    actions.open_window(doctor_id=doctor.pk, date=day, start_time=time(11), end_time=time(12), capacity=3)


@pytest.mark.django_db
def test_the_command_opens_what_the_worker_would(capsys):
    week()
    call_command("open_schedules")
    assert "Opened 2 windows of 1 doctors." in capsys.readouterr().out
    call_command("open_schedules")
    assert "Opened 0 windows of 0 doctors." in capsys.readouterr().out


@pytest.mark.django_db
def test_fifty_doctors_with_twenty_four_slots_a_day_need_few_statements():
    for _n in range(3):
        doctor = f.doctor()
        WeeklyHours.objects.bulk_create(
            WeeklyHours(
                doctor=doctor, weekday=weekday, start_time=time(9), end_time=time(17), kind=Kind.SLOT, slot_minutes=20,
                effective_from=date(2026, 1, 1),
            )
            for weekday in range(7)
        )  # fmt: skip
    with CaptureQueriesContext(connection) as sent:
        assert opened() == 3 * 14 * 24
    ours = [q["sql"] for q in sent if not q["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))]
    inserts = [sql for sql in ours if sql.startswith("INSERT")]
    assert len(ours) - len(inserts) <= 1 + 3 * 6, "\n".join(sql[:200] for sql in ours)
    assert connection.vendor == "sqlite" or len(inserts) == 3  # SQLite takes fewer values at once


# --- What goes ----------------------------------------------------------------------------


@pytest.mark.django_db
def test_empty_windows_that_ended_a_week_ago_are_deleted_and_no_others():
    old = {"starts_in": timedelta(days=-8)}
    gone = f.window(**old)
    f.window(status=Status.CANCELLED, **old)
    young, ahead = f.window(starts_in=timedelta(days=-6)), f.window()
    used = f.window(starts_in=timedelta(days=1))
    f.paid(used)
    left = f.window(starts_in=timedelta(days=1))
    bookings.give_up(f.hold(left).pk)
    for window in (used, left):
        f.move_window(window, timedelta(days=-9))
    assert sweeps.delete_empty() == 2
    assert not Schedule.objects.filter(pk=gone.pk).exists()
    assert {*Schedule.objects.all()} == {young, ahead, used, left}
    assert sweeps.delete_empty() == 0


@pytest.mark.django_db
def test_after_the_clinics_zone_changed_unbooked_windows_are_opened_afresh(settings):
    row = f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    sold, free = Schedule.objects.order_by("date")
    f.hold(sold)
    Schedule.objects.filter(pk=free.pk).update(
        starts_at=free.starts_at + timedelta(minutes=15), ends_at=free.ends_at + timedelta(minutes=15)
    )
    call_command("open_schedules", afresh=True)
    sold.refresh_from_db()
    new = Schedule.objects.opened_by(row).exclude(pk=sold.pk).get()
    assert (new.starts_at, new.hours) == (free.starts_at, "09:00–12:00")
    assert not ReviewItem.objects.exists()
