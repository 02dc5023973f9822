"""Rivals for the same minutes, on real connections; and the same race without the lock, which goes wrong.

Without the lock both have read that the time is free. Then the database refuses the second one by itself
(EXCLUDE): nobody is seated twice, but somebody gets an error instead of an answer.
"""

from datetime import timedelta

import pytest

from bookings import actions
from bookings.models import Booking
from bookings.states import Status
from clinic.models import Service
from schedules.models import Schedule
from tests import factories as f
from tests.racing import at_once
from tests.test_races import fair, healthy, meeting, said, unwatched  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pool():
    return f.pool(starts_in=timedelta(days=2))


@pytest.fixture
def ecg(pool):
    return f.service(pool.doctor, duration=30, buffer=10)


@pytest.mark.parametrize("starts", [(60, 60), (60, 80), (20, 45)], ids=["the same", "later", "earlier"])
def test_two_patients_want_overlapping_times(fair, meeting, pool, ecg, starts):  # noqa: F811
    results = at_once(*(lambda s=start: f.reserve(pool, ecg, s) for start in starts), meeting=meeting)
    right = said(results) == {"held": 1, "OVERLAP": 1} and healthy()
    assert right is fair


def test_two_patients_want_the_last_minutes_at_different_times(fair, meeting, ecg):  # noqa: F811
    pool = f.pool(doctor=ecg.doctors.get(), starts_in=timedelta(days=4), capacity=60)
    results = at_once(*(lambda s=start: f.reserve(pool, ecg, s) for start in (0, 120)), meeting=meeting)
    right = said(results) == {"held": 1, "NOT_ENOUGH_MINUTES": 1} and healthy()
    assert right is fair


def test_late_money_and_a_new_hold_want_the_same_time(fair, meeting, pool, ecg):  # noqa: F811
    """Whoever is first has it: the money is back, or the new one is told."""
    booking = f.reserve(pool, ecg, 60)
    body = f.capture_body(f.attempt(booking))
    f.lapse(booking)
    actions.expire_lapsed_in(pool.pk)
    _none, hold = at_once(lambda: f.deliver(body), lambda: f.reserve(pool, ecg, 80), meeting=meeting)
    booking.refresh_from_db()
    ends = (booking.status, *said([hold]))
    right = ends in ((Status.CONFIRMED, "OVERLAP"), (Status.OVERFLOW, "held")) and healthy()
    assert right is fair


def test_two_visits_move_onto_the_same_time(fair, meeting, pool, ecg):  # noqa: F811
    visits = [f.paid(pool, **f.asking(pool, ecg, start)) for start in (0, 40)]
    to = pool.starts_at + timedelta(minutes=120)
    results = at_once(
        *(lambda v=visit: actions.reschedule(v.pk, pool.pk, start_at=to, own=True) for visit in visits),
        meeting=meeting,
    )
    right = said(results) == {"confirmed": 1, "OVERLAP": 1} and healthy()
    assert right is fair


def test_the_price_changes_between_the_page_and_the_click_of_many(pool, ecg):
    """Who is sold something has the price and the length of their page."""
    asked = [f.asking(pool, ecg, start) for start in range(0, 160, 40)]

    def change():
        Service.objects.filter(pk=ecg.pk).update(duration=50, price_minor=90000)

    results = at_once(change, *(lambda a=one: f.hold(pool, **a) for one in asked))
    assert set(said(results[1:])) <= {"held", "PRICE_CHANGED"}
    assert all((b.minutes, b.price_minor) == (40, 40000) for b in Booking.objects.all())
    assert healthy()


def test_many_rivals_fill_a_morning_to_the_last_minute(pool, ecg):
    """Three want each of the four times: each is had by one of them, and no minute is left."""
    whole = f.service(pool.doctor, duration=35, buffer=10)
    wanted = [(start, whole) for start in (0, 45, 90, 135)] * 3
    results = at_once(*(lambda s=start, w=what: f.reserve(pool, w, s) for start, what in wanted))
    answers = said(results)
    assert answers.pop("held") == 4
    assert set(answers) <= {"OVERLAP", "NOT_ENOUGH_MINUTES"} and answers.total() == 8
    assert Schedule.objects.get(pk=pool.pk).taken == 180
    assert healthy()
