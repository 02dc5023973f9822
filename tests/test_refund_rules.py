"""What comes back when a patient cancels, to the second, and in words."""

from datetime import UTC, datetime, timedelta

import pytest

from bookings.models import Booking
from bookings.refund_rules import own_until, percent_back, terms, why_not_own, words
from bookings.states import Status
from schedules.models import Schedule

START = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
TIERS = [[24, 50], [72, 100], [2, 10]]
SECOND = timedelta(seconds=1)


def booking(
    rules=None, *, start_at=None, created=START - timedelta(days=9), status=Status.CONFIRMED, **fields
):
    return Booking(
        schedule=Schedule(starts_at=START), start_at=start_at, created_at=created, status=status,
        refund_rules=[[24, 100]] if rules is None else rules, **fields,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "percent"),
    [
        (timedelta(days=3), 100), (timedelta(hours=24), 100), (timedelta(hours=24) - SECOND, 0),
        (timedelta(0), 0), (-timedelta(hours=1), 0),
    ],
)  # fmt: skip
def test_by_default_all_comes_back_a_day_before_and_nothing_later(before, percent):
    assert percent_back(booking(), START - before) == percent


@pytest.mark.parametrize(
    ("hours", "percent"), [(80, 100), (72, 100), (71, 50), (24, 50), (23, 10), (2, 10), (1, 0)]
)
def test_rules_may_have_steps_in_any_order(hours, percent):
    assert percent_back(booking(TIERS), START - timedelta(hours=hours)) == percent


def test_in_the_first_half_hour_one_may_change_ones_mind(settings):
    late = booking(created=START - timedelta(hours=1))
    assert percent_back(late, late.created_at + timedelta(minutes=30) - SECOND) == 100
    assert percent_back(late, late.created_at + timedelta(minutes=30)) == 0
    settings.REFUND_GRACE_MINUTES = 0
    assert percent_back(late, late.created_at) == 0


def test_a_slot_counts_to_its_own_time_and_a_token_to_its_windows():
    own = booking(start_at=START + timedelta(hours=2))
    assert percent_back(own, START - timedelta(hours=22)) == 100
    assert percent_back(booking(), START - timedelta(hours=22)) == 0


def test_sold_without_rules_nothing_comes_back():
    assert percent_back(booking([]), START - timedelta(days=5)) == 0
    assert "without a refund" in words(booking([]), START - timedelta(days=5))


def test_the_rule_is_said_in_words():
    assert "more than 24 hours" in words(booking(), START - timedelta(days=2))
    assert "less than 24 hours" in words(booking(), START - timedelta(hours=2))
    assert "30 minutes ago" in words(booking(created=START), START)
    assert "less than 2 hours" in words(booking(TIERS), START - timedelta(hours=1))


def test_patients_cancel_by_themselves_until_the_start_or_the_cut_off(settings):
    assert own_until(booking()) == START
    settings.CANCEL_UNTIL_MINUTES = 120
    assert why_not_own(booking(), START - timedelta(minutes=121)) == ""
    assert "too late" in why_not_own(booking(), START - timedelta(minutes=120))


def test_whoever_booked_a_window_that_runs_may_still_change_their_mind():
    late = booking(created=START + timedelta(hours=1))
    assert why_not_own(late, START + timedelta(hours=1, minutes=29)) == ""
    assert why_not_own(late, START + timedelta(hours=1, minutes=30))


@pytest.mark.parametrize(
    "status", [Status.CHECKED_IN, Status.IN_CONSULTATION, Status.COMPLETED, Status.OVERFLOW]
)
def test_whoever_is_at_the_desk_or_done_does_not_cancel_by_themselves(status):
    assert why_not_own(booking(status=status), START - timedelta(days=2))


def test_terms_are_dates_and_amounts():
    said = terms(TIERS, price_minor=999, currency="INR", starts=START, now=START - timedelta(hours=30))
    assert said.deadlines == [(START - timedelta(hours=24), 499), (START - timedelta(hours=2), 99)]
    assert said.last_hours == 2
