"""Clock times as typed at the clinic, and the instants that they mean."""

from datetime import UTC, date, datetime, time

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from schedules.localtime import instant
from schedules.models import Schedule


@pytest.fixture
def zone(settings):
    def choose(name):
        settings.TIME_ZONE = name
        timezone.get_default_timezone.cache_clear()

    yield choose
    timezone.get_default_timezone.cache_clear()


@pytest.fixture(autouse=True)
def zones_come_back(zone):
    """Also after a test that chose none."""


def test_nine_in_mumbai_is_half_past_three_in_utc(zone):
    zone("Asia/Kolkata")
    assert instant(date(2026, 11, 21), time(9)) == datetime(2026, 11, 21, 3, 30, tzinfo=UTC)


def test_nine_in_kathmandu_is_a_quarter_past_three_in_utc(zone):
    zone("Asia/Kathmandu")
    assert instant(date(2026, 11, 21), time(9)) == datetime(2026, 11, 21, 3, 15, tzinfo=UTC)


def test_the_same_clock_time_is_another_instant_in_summer(zone):
    zone("Europe/Berlin")
    assert instant(date(2026, 1, 15), time(9)).hour == 8
    assert instant(date(2026, 7, 15), time(9)).hour == 7


@pytest.mark.parametrize("at", [time(2), time(2, 30), time(2, 59)])
def test_a_time_that_the_clocks_skip_is_refused(zone, at):
    zone("Europe/Berlin")
    with pytest.raises(ValidationError, match="does not exist") as refusal:
        instant(date(2026, 3, 29), at)
    assert refusal.value.code == "clock_change"


@pytest.mark.parametrize("at", [time(2), time(2, 30), time(2, 59)])
def test_a_time_that_happens_twice_is_refused(zone, at):
    zone("Europe/Berlin")
    with pytest.raises(ValidationError, match="happens twice"):
        instant(date(2026, 10, 25), at)


def test_just_before_and_after_a_clock_change_is_fine(zone):
    zone("Europe/Berlin")
    assert instant(date(2026, 3, 29), time(1, 59)) == datetime(2026, 3, 29, 0, 59, tzinfo=UTC)
    assert instant(date(2026, 3, 29), time(3)) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert instant(date(2026, 10, 25), time(3)) == datetime(2026, 10, 25, 2, tzinfo=UTC)


def typed(first: time, last: time, day=date(2026, 11, 21)) -> Schedule:
    window = Schedule(date=day, start_time=first, end_time=last, capacity=3, currency="INR")
    window.clean()
    return window


def test_a_window_knows_its_instants_from_the_clock(zone):
    zone("Asia/Kolkata")
    window = typed(time(9), time(12))
    assert window.starts_at == datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
    assert window.ends_at == datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
    assert window.hours == "09:00–12:00"


@pytest.mark.parametrize("last", [time(9), time(8)])
def test_a_window_that_does_not_end_after_it_starts_is_refused(last):
    with pytest.raises(ValidationError) as refusal:
        typed(time(9), last)
    assert set(refusal.value.message_dict) == {"end_time"}


def test_a_window_across_a_clock_change_is_as_long_as_it_really_is(zone):
    zone("Europe/Berlin")
    window = typed(time(1), time(4), day=date(2026, 3, 29))
    assert (window.ends_at - window.starts_at).total_seconds() == 2 * 3600


@pytest.mark.parametrize(
    ("start", "period"),
    [(time(9), "morning"), (time(11, 59), "morning"), (time(12), "afternoon"), (time(16, 59), "afternoon"), (time(17), "evening")],
)  # fmt: skip
def test_the_time_of_day_has_a_name(start, period):
    found = Schedule(start_time=start).period
    assert found == period and found.label == period.capitalize()
