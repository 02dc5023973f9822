"""The day at the desk: who is here, who is next, who did not come.

Each action locks the window, so that two receptionists never call the same patient.
"""

from django.contrib.admin.models import CHANGE
from django.db.models import Q
from django.utils.translation import gettext as _

from bookings import steps
from bookings.desk_queries import call_order, together, was_called
from bookings.models import Booking
from bookings.queries import in_the_way_of
from bookings.states import LIVE, OCCUPYING, WAITING, Status
from clinic.errors import Refused
from clinic.transactions import action
from schedules.actions import record
from schedules.models import Schedule
from schedules.states import SETTLES
from schedules.states import Status as Window


@action
def call_next(schedule_id: int, *, actor, serving: int | None = None) -> Booking:
    """Finishes whoever is with the doctor and calls the next patient; returns that booking.

    Next is who has checked in, by priority and then number, or time in a day of slots; when nobody
    has, the first that is still expected is called (and counts as checked in). `serving` is the booking
    that the screen showed with the doctor, 0 for nobody: a double click, or a colleague who was
    faster, must not send the patient home who was called a moment ago.
    Raises Refused: NOBODY_WAITING, with the visit under way left as it is; ALREADY_CALLED.
    """
    wanted = Q(status__in=[*WAITING, Status.IN_CONSULTATION])
    line = together(Schedule.objects.get(pk=schedule_id)).values_list("pk", flat=True)
    _windows, now, bookings = steps.lock_windows({schedule_id, *line}, wanted)
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
    if called.queue_number:
        called.schedule.now_serving = called.queue_number
        called.schedule.save(update_fields=["now_serving"])
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


def bring_to(booking_id: int, status: Status, *, actor) -> Booking:
    """The button that leads to `status` from where the booking stands. It stands there already: nothing.

    Raises Refused: MOVE where there is no such button, and what the others raise.
    """
    booking = Booking.objects.get(pk=booking_id)
    if booking.status == status:
        return booking
    if status not in BUTTONS:
        raise steps.immovable(booking)
    press = call_back if (booking.status, status) == RECALLED else BUTTONS[status]
    return press(booking_id, actor=actor)


BUTTONS = {
    Status.CONFIRMED: undo_check_in,
    Status.CHECKED_IN: check_in,
    Status.COMPLETED: complete,
    Status.NO_SHOW: no_show,
}
RECALLED = Status.IN_CONSULTATION, Status.CHECKED_IN


@action
def _to(booking_id: int, status: Status, expected: tuple, actor, cause: str, stamp: str = "") -> Booking:
    """Moves a booking that is in one of the `expected` states. The table of moves is wider than a
    button may be: money moves a hold to confirmed, "undo check-in" must not. Raises Refused: MOVE,
    and ALREADY_BOOKED where who did not come has another place by now."""
    stale = Booking.objects.get(pk=booking_id)
    booking, now, others = steps.lock_for(booking_id, stale.schedule_id, in_the_way_of(stale.patient_id))
    if booking.status not in expected:
        raise steps.immovable(booking)
    comes_back = status in LIVE and booking.status not in LIVE
    if comes_back and steps.live_rivals(booking, others):
        raise Refused("ALREADY_BOOKED", _("This patient has taken another place in this window meanwhile."))
    if status == Status.NO_SHOW and booking.status == Status.IN_CONSULTATION:
        steps.move(booking, Status.CHECKED_IN, now=now, actor=actor, cause="called in vain")
    steps.move(booking, status, now=now, actor=actor, cause=cause, **({stamp: now} if stamp else {}))
    return booking


# --- The end of a session -----------------------------------------------------------------


@action
def finish(schedule_id: int, *, actor=None) -> Schedule:
    """Ends a window: nobody new gets in, and nobody is left waiting (DESIGN §5).

    Who is here or with the doctor counts as seen. Who was expected did not come, if patients
    were called there at all; where nobody uses the buttons, they count as seen. Unpaid holds
    lapse, and money that still comes for them goes back. An ended window stays as it is.
    """
    schedule, now, bookings = steps.lock_window(schedule_id, Q(status__in=LIVE))
    if schedule.status not in SETTLES:
        return schedule
    absent = Status.NO_SHOW if was_called(schedule) else Status.COMPLETED
    becomes = {Status.CONFIRMED: absent, Status.HELD: Status.EXPIRED}
    for booking in bookings:
        if booking.status in LIVE:
            to = becomes.get(booking.status, Status.COMPLETED)
            steps.move(booking, to, now=now, actor=actor, cause="session ended", ended_at=now)
    schedule.status = Window.FINISHED
    schedule.save(update_fields=["status"])
    record(schedule, actor, CHANGE, _("Session ended"))
    return schedule
