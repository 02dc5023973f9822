"""Moves against everything else that may happen at that instant, on real connections; and without the locks.

As in test_races.py: with the locks only one of the rivals can be at the line where they meet.
"""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from bookings import actions, desk
from bookings.models import Booking
from bookings.states import Status
from payments import steps as settling
from payments import sweeps
from schedules.models import Schedule
from tests import factories as f
from tests.racing import Meeting, at_once
from tests.test_races import fair, healthy, meeting, said, unwatched  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def windows(*capacities):
    doctor = f.doctor()
    return [
        f.window(doctor=doctor, starts_in=timedelta(days=n + 1), capacity=capacity)
        for n, capacity in enumerate(capacities)
    ]


def move(booking, to):
    return lambda: actions.reschedule(booking.pk, to.pk, own=True)


def test_two_visits_want_the_last_place_of_a_window(fair, meeting):  # noqa: F811
    first, second, wanted = windows(1, 1, 1)
    results = at_once(move(f.paid(first), wanted), move(f.paid(second), wanted), meeting=meeting)
    right = said(results) == {"confirmed": 1, "FULL": 1} and healthy()
    assert right is fair


def test_two_visits_change_places():
    """Each locks both windows, and both in one order: nobody waits for the other for ever. Without the
    locks PostgreSQL itself finds the deadlock, so this has no negative control; the next one has."""
    one, other = windows(2, 2)
    results = at_once(move(f.paid(one), other), move(f.paid(other), one), meeting=Meeting())
    assert said(results) == {"confirmed": 2} and healthy()


def test_two_visits_leave_one_window_for_another(fair, meeting):  # noqa: F811
    start, wanted = windows(2, 2)
    results = at_once(move(f.paid(start), wanted), move(f.paid(start), wanted), meeting=meeting)
    right = said(results) == {"confirmed": 2} and healthy()
    assert right is fair


def test_a_visit_moves_to_two_windows_at_once(fair, meeting):  # noqa: F811
    """In one of them it ends, and the other has nothing of it."""
    start, one, other = windows(1, 1, 1)
    booking = f.paid(start)
    at_once(move(booking, one), move(booking, other), meeting=meeting)
    taken = dict(Schedule.objects.values_list("pk", "taken"))
    booking.refresh_from_db()
    right = sum(taken.values()) == taken[booking.schedule_id] == 1 and healthy()
    assert right is fair


def test_a_visit_is_cancelled_while_it_moves(fair, meeting):  # noqa: F811
    """Whoever is first: it ends cancelled, takes nothing anywhere, and all of the money goes back."""
    start, wanted = windows(1, 1)
    booking = f.paid(start)
    at_once(
        move(booking, wanted), lambda: actions.cancel(booking.pk, reason="changed my mind"), meeting=meeting
    )
    sweeps.make_refunds()
    booking.refresh_from_db()
    payment = booking.payments.get()
    right = (booking.status, payment.refunded_minor) == (Status.CANCELLED, 50000) and healthy()
    assert right is fair


@pytest.mark.parametrize("planted", [False, True], ids=["as it is", "paid taken for held"])
def test_a_patient_pays_once_more_while_the_visit_moves(planted, monkeypatch):
    """The second payment bought nothing, wherever the visit is by now; the first one moved along.

    It ends well without the locks, too: what a move writes, this payment does not read but to find its
    window. So the negative control is another fault, a settling that takes a paid visit for a held one.
    """
    if planted:
        monkeypatch.setattr(settling, "BookingStatus", SimpleNamespace(HELD=Status.CONFIRMED, EXPIRED=None))
    start, wanted = windows(1, 1)
    booking = f.paid(start)
    body = f.capture_body(booking.payments.get(), again=True)
    at_once(move(booking, wanted), lambda: f.deliver(body), meeting=Meeting())
    sweeps.process_inbox()
    outcomes = sorted(booking.payments.values_list("outcome", flat=True))
    right = outcomes == ["bought", "surplus"] and healthy()
    assert right is not planted


def test_a_session_ends_while_a_visit_moves_into_it(fair, meeting):  # noqa: F811
    """Either it moved in and ended with the session, or it stayed where it was: it is never left live in it."""
    start, wanted = windows(1, 1)
    booking = f.paid(start)
    at_once(move(booking, wanted), lambda: desk.finish(wanted.pk), meeting=meeting)
    live = Booking.objects.live().filter(schedule__status="finished").exists()
    right = not live and healthy()
    assert right is fair
