"""The day at the desk: who is here, who is next, who did not come.

Each action locks the window, so that two receptionists never call the same patient.
"""

from django.db.models import Q
from django.utils.translation import gettext as _

from bookings import steps
from bookings.desk_queries import call_order
from bookings.models import Booking
from bookings.queries import live_in_window
from bookings.states import LIVE, OCCUPYING, WAITING, Status
from clinic.errors import Refused
from clinic.transactions import action


@action
def call_next(schedule_id: int, *, actor, serving: int | None = None) -> Booking:
    """Finishes whoever is with the doctor and calls the next patient; returns that booking.

    Next is who has checked in, by priority and then number; when nobody has, the lowest
    number that is still expected is called (and counts as checked in). `serving` is the booking
    that the screen showed with the doctor, 0 for nobody: a double click, or a colleague who was
    faster, must not send the patient home who was called a moment ago.
    Raises Refused: NOBODY_WAITING, with the visit under way left as it is; ALREADY_CALLED.
    """
    wanted = Q(status__in=[*WAITING, Status.IN_CONSULTATION])
    schedule, now, bookings = steps.lock_window(schedule_id, wanted)
    waiting = [booking for booking in bookings if booking.status in WAITING]
    inside = [booking for booking in bookings if booking.status == Status.IN_CONSULTATION]
    if serving is not None and serving not in ({booking.pk for booking in inside} or {0}):
        raise Refused("ALREADY_CALLED", _("The line has moved on meanwhile. Look again before you call."))
    if not waiting:
        raise Refused("NOBODY_WAITING", _("Nobody is waiting in this window."))
    called = min(waiting, key=call_order)
    for booking in inside:
        steps.move(booking, Status.COMPLETED, now=now, actor=actor, cause="next was called", ended_at=now)
    if called.status == Status.CONFIRMED:
        steps.move(called, Status.CHECKED_IN, now=now, actor=actor, cause="called", checked_in_at=now)
    steps.move(called, Status.IN_CONSULTATION, now=now, actor=actor, cause="called", called_at=now)
    schedule.now_serving = called.queue_number or 0
    schedule.save(update_fields=["now_serving"])
    return called


def check_in(booking_id: int, *, actor) -> Booking:
    """The patient is here (also after "did not come")."""
    expected = (Status.CONFIRMED, Status.NO_SHOW)
    return _to(booking_id, Status.CHECKED_IN, expected, actor, "arrived", "checked_in_at")


def undo_check_in(booking_id: int, *, actor) -> Booking:
    """The wrong patient was checked in."""
    return _to(booking_id, Status.CONFIRMED, (Status.CHECKED_IN,), actor, "check-in undone")


def call_back(booking_id: int, *, actor) -> Booking:
    """The wrong patient was called: back to the waiting room."""
    return _to(booking_id, Status.CHECKED_IN, (Status.IN_CONSULTATION,), actor, "call undone")


def complete(booking_id: int, *, actor) -> Booking:
    """The visit is finished."""
    return _to(booking_id, Status.COMPLETED, OCCUPYING, actor, "visit finished", "ended_at")


def no_show(booking_id: int, *, actor) -> Booking:
    """The patient is not there; one who was called in vain counts as never having gone in."""
    return _to(booking_id, Status.NO_SHOW, OCCUPYING, actor, "did not come", "ended_at")


@action
def _to(booking_id: int, status: Status, expected: tuple, actor, cause: str, stamp: str = "") -> Booking:
    """Moves a booking that is in one of the `expected` states. The table of moves is wider than a
    button may be: money moves a hold to confirmed, "undo check-in" must not. Raises Refused: MOVE,
    and ALREADY_BOOKED where who did not come has another place by now."""
    stale = Booking.objects.get(pk=booking_id)
    booking, now, others = steps.lock_for(booking_id, stale.schedule_id, live_in_window(stale.patient_id))
    if booking.status not in expected:
        raise steps.immovable(booking)
    comes_back = status in LIVE and booking.status not in LIVE
    if comes_back and steps.live_rivals(booking, others):
        raise Refused("ALREADY_BOOKED", _("This patient has taken another place in this window meanwhile."))
    if status == Status.NO_SHOW and booking.status == Status.IN_CONSULTATION:
        steps.move(booking, Status.CHECKED_IN, now=now, actor=actor, cause="called in vain")
    steps.move(booking, status, now=now, actor=actor, cause=cause, **({stamp: now} if stamp else {}))
    return booking
