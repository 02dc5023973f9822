"""Nine o'clock stays nine o'clock: zones with and without summer time, both changes of clocks, midnight, 29 February."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from icalendar import Calendar

from bookings.calendar import ics
from bookings.notice_words import words
from clinic.models import ReviewItem
from clinic.notice_models import Notice
from schedules import opening_actions, opening_queries, queries
from schedules.models import Schedule
from schedules.states import Kind
from tests import factories as f

pytestmark = pytest.mark.django_db

LONDON, NEW_YORK, CAIRO = "Europe/London", "America/New_York", "Africa/Cairo"
CHANGES = {
    # zone: (first day of summer time, the hour that is missing), (last day, the hour that comes twice)
    LONDON: ((date(2028, 3, 26), 1), (date(2028, 10, 29), 1)),
    NEW_YORK: ((date(2028, 3, 12), 2), (date(2028, 11, 5), 1)),
    CAIRO: ((date(2028, 4, 28), 0), (date(2028, 10, 26), 23)),  # at midnight
}
STEADY = ["Asia/Kolkata", "Asia/Kathmandu"]
ZONES = [*STEADY, *CHANGES]
DAYS = [
    date(2028, 2, 29), date(2028, 3, 12), date(2028, 3, 26), date(2028, 4, 28), date(2028, 10, 26), date(2028, 10, 29),
    date(2028, 11, 5), date(2028, 12, 31),
]  # fmt: skip


@pytest.fixture
def zone(settings):
    def choose(name):
        settings.TIME_ZONE = name
        timezone.get_default_timezone.cache_clear()
        return ZoneInfo(name)

    yield choose
    timezone.get_default_timezone.cache_clear()


@pytest.fixture(autouse=True)
def zones_come_back(zone):
    """Also after a test that chose none."""


def every_day(**fields):
    doctor = f.doctor()
    for weekday in range(7):
        f.hours(**{"doctor": doctor, "weekday": weekday, "effective_from": date(2028, 1, 1)} | fields)
    return doctor


def morning_of(day, zone, hour=6) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)


def open_all(doctor, now):
    return opening_actions.open_for(doctor.pk, now)


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("name", ZONES)
def test_nine_is_nine_on_every_day_around_a_clock_change(zone, name, day):
    here = zone(name)
    doctor = every_day()
    now = morning_of(day - timedelta(days=6), here)
    assert open_all(doctor, now) == 14
    for window in Schedule.objects.all():
        start, end = window.starts_at.astimezone(here), window.ends_at.astimezone(here)
        assert (start.time(), end.time()) == (time(9), time(12))
        assert start.date() == end.date() == window.date
        assert window.ends_at - window.starts_at == timedelta(hours=3)
    assert Schedule.objects.filter(date=day).count() == 1
    assert not ReviewItem.objects.exists()


@pytest.mark.parametrize("name", ZONES)
def test_the_days_that_are_open_are_the_clinics_own_at_both_sides_of_midnight(zone, name):
    """29 February is one of them, and the first window of a new day appears when the day begins here."""
    here = zone(name)
    doctor = every_day()
    before = datetime(2028, 2, 28, 23, 59, 59, tzinfo=here).astimezone(UTC)
    assert open_all(doctor, before) == 13  # today's is over
    dates = list(Schedule.objects.order_by("date").values_list("date", flat=True))
    assert (dates[0], dates[-1]) == (date(2028, 2, 29), date(2028, 3, 12))
    assert open_all(doctor, before) == 0
    assert open_all(doctor, before + timedelta(seconds=1)) == 1
    assert Schedule.objects.filter(date=date(2028, 3, 13)).exists()


def slots_of(day) -> list[tuple[str, str]]:
    """As clocks on the wall say it: when each begins and ends."""
    zone = timezone.get_default_timezone()
    return [
        (f"{w.starts_at.astimezone(zone):%H:%M}", f"{w.ends_at.astimezone(zone):%H:%M}")
        for w in Schedule.objects.filter(date=day).order_by("starts_at")
    ]


@pytest.mark.parametrize("name", CHANGES)
def test_times_in_the_hour_that_clocks_skip_are_not_opened_and_somebody_is_told(zone, name):
    here = zone(name)
    (day, hour), _back = CHANGES[name]
    doctor = every_day(kind=Kind.SLOT, slot_minutes=30, capacity=1, start_time=time(0), end_time=time(5))
    open_all(doctor, morning_of(day - timedelta(days=3), here))
    opened = slots_of(day)
    assert not any(start.startswith(f"{hour:02}:") for start, _end in opened)
    assert all(w.ends_at - w.starts_at == timedelta(minutes=30) for w in Schedule.objects.filter(date=day))
    assert ("03:30", "04:00") in opened
    usual = Schedule.objects.filter(date=day + timedelta(days=1)).count()
    assert usual == 10
    assert len(opened) < usual
    item = ReviewItem.objects.get()
    assert "does not exist" in item.explanation and str(doctor) in item.subject


@pytest.mark.parametrize("name", CHANGES)
def test_times_in_the_hour_that_comes_twice_are_not_opened_and_somebody_is_told(zone, name):
    here = zone(name)
    _forward, (day, hour) = CHANGES[name]
    start, end = (time(20), time(23, 59)) if hour == 23 else (time(0), time(5))
    doctor = every_day(kind=Kind.SLOT, slot_minutes=20, capacity=1, start_time=start, end_time=end)
    open_all(doctor, morning_of(day - timedelta(days=3), here))
    opened = slots_of(day)
    assert opened
    assert not any(start.startswith(f"{hour:02}:") for start, _end in opened)
    moments = list(Schedule.objects.filter(date=day).order_by("starts_at"))
    assert all(w.ends_at - w.starts_at == timedelta(minutes=20) for w in moments)
    assert "happens twice" in ReviewItem.objects.get().explanation


@pytest.mark.parametrize("name", CHANGES)
def test_a_manager_is_told_a_year_ahead_on_which_days_the_clocks_are_in_the_way(zone, name):
    here = zone(name)
    (day, hour), _back = CHANGES[name]
    doctor = f.doctor()
    row = f.hours(
        doctor=doctor, weekday=day.weekday(), start_time=time(hour, 30), end_time=time(hour + 4),
        effective_from=date(2028, 1, 1),
    )  # fmt: skip
    said = opening_queries.clock_changes_ahead([row], morning_of(date(2028, 1, 10), here))
    assert any(day.isoformat() in line and "does not exist" in line for line in said)


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("day", DAYS)
def test_what_is_past_is_decided_by_the_moment_not_by_the_wall(zone, name, day):
    """A slot can be opened and booked until the second it begins, also on the day of a clock change."""
    here = zone(name)
    doctor = every_day(kind=Kind.SLOT, slot_minutes=60, capacity=1)
    begins = datetime(day.year, day.month, day.day, 10, tzinfo=here).astimezone(UTC)
    open_all(doctor, begins)
    assert slots_of(day) == [("11:00", "12:00")]
    Schedule.objects.all().delete()
    doctor.weekly_hours.all().look_again()
    open_all(doctor, begins - timedelta(seconds=1))
    assert slots_of(day) == [("10:00", "11:00"), ("11:00", "12:00")]


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("day", DAYS)
def test_patients_see_a_token_window_as_past_half_an_hour_before_its_end(zone, name, day):
    here = zone(name)
    doctor = every_day(fee_minor=0)
    open_all(doctor, morning_of(day, here))
    last = datetime(day.year, day.month, day.day, 11, 30, tzinfo=here).astimezone(UTC)
    for now, code in ((last - timedelta(seconds=1), ""), (last, "PAST")):
        today = queries.calendar(doctor, now, day.isoformat())[0]
        assert today.date == day and today.is_today
        assert [window.why_not_code for window in today.windows] == [code]


@pytest.mark.parametrize("name", ZONES)
def test_a_closure_of_hours_cuts_by_the_clock_on_the_wall(zone, name):
    here = zone(name)
    day = CHANGES.get(name, ((date(2028, 3, 26), 0), None))[0][0]
    doctor = every_day(kind=Kind.SLOT, slot_minutes=60, capacity=1)
    f.closure(day, start_time=time(10), end_time=time(11))
    open_all(doctor, morning_of(day - timedelta(days=1), here))
    assert slots_of(day) == [("09:00", "10:00"), ("11:00", "12:00")]


# --- What a booking in such a window says -------------------------------------------------


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("name", ZONES)
def test_reminders_calendar_and_words_mean_the_same_nine_oclock(zone, name, day):
    """The reminder comes 24 hours before by the clock of the world, whatever clocks on walls did meanwhile."""
    here = zone(name)
    doctor = every_day(kind=Kind.SLOT, slot_minutes=20, capacity=1, fee_minor=0)
    open_all(doctor, morning_of(day - timedelta(days=6), here))
    slot = Schedule.objects.filter(date=day).earliest("starts_at")
    booking = f.hold(slot)
    nine = datetime(day.year, day.month, day.day, 9, tzinfo=here)
    [event] = Calendar.from_ical(ics(booking, timezone.now())).walk("VEVENT")
    assert (event["dtstart"].dt, event["dtend"].dt) == (nine, nine + timedelta(minutes=20))
    due = dict(Notice.objects.filter(kind__startswith="visit-reminder").values_list("kind", "due_at"))
    hours = {"visit-reminder24": timedelta(hours=24), "visit-reminder2": timedelta(hours=2)}
    assert due == {kind: nine.astimezone(UTC) - before for kind, before in hours.items()}
    told = Notice.objects.get(kind="visit-confirmed", recipient="patient", channel="email")
    assert booking.label == "09:00" and words([told])[told.pk].subject.endswith(", 9:00")
