"""Closing days, and windows that have bookings: patients are told why, and all of their money goes back.

A closure is written first, in one transaction; from then on nothing opens inside it. Then the windows
inside go one by one, each under its own lock, so that a whole clinic's holiday keeps nobody waiting.
Whatever a crash leaves undone, the worker finishes: `Closure.carried_out_at` is still empty.
"""

import logging
from datetime import datetime

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from bookings import steps
from bookings.closing_queries import GOES, fingerprint, hits, is_hit, is_whole
from bookings.models import Booking
from bookings.states import LIVE
from clinic import sweeping
from clinic.errors import Refused
from clinic.models import Doctor
from clinic.transactions import action
from schedules import opening_steps
from schedules.closure_models import Closure
from schedules.hours_models import WEEKLY, WeeklyHours
from schedules.models import Schedule
from schedules.states import SETTLES
from schedules.states import Status as Window

log = logging.getLogger("clinic")


# --- Closures -----------------------------------------------------------------------------


@action
def add_closures(closures: list[Closure], *, actor, shown: str) -> list[Closure]:
    """Writes closures that are not there yet; returns them. `carry_out` does the rest.

    `shown` is the fingerprint of what the manager saw. Raises Refused (LIST_CHANGED) when other
    bookings would end by now: nobody is sent home unseen.
    """
    _lock_doctors(closures)
    if fingerprint(closures, hits(closures, timezone.now())) != shown:
        raise Refused(
            "LIST_CHANGED",
            _(
                "Days or bookings have changed since you looked at this page. Nothing was closed. Please look again."
            ),
        )
    added = []
    for closure in closures:
        if not Closure.objects.same_as(closure).exists():
            closure.created_by = actor
            closure.save(force_insert=True)
            added.append(closure)
    LogEntry.objects.log_actions(actor.pk, added, ADDITION, _("Closed"))
    return added


@action
def remove_closure(closure_id: int, *, actor) -> Closure:
    """The doctor receives after all: the worker opens what the weekly hours say. Bookings that were
    cancelled stay cancelled. Raises Refused (GONE) when somebody has removed it already."""
    closure = Closure.objects.filter(pk=closure_id).first()
    if closure is None:
        raise Refused("GONE", _("Somebody has removed this closure already."), status=404)
    _lock_doctors([closure])
    LogEntry.objects.log_actions(actor.pk, [closure], DELETION, _("Removed"))
    Closure.objects.filter(pk=closure_id).delete()
    _hours_of(closure).look_again()
    return closure


def carry_out(closure: Closure, *, most: int | None = None) -> int:
    """Takes the windows inside a closure away; returns how many bookings it cancelled.

    Done twice, or by two workers at once, it cancels nothing twice. With `most` it stops after so many
    windows that have bookings, and leaves the others to the worker.
    """
    now = timezone.now()
    windows = Schedule.objects.to_come(now).inside(closure)
    doctors = windows.order_by("doctor_id").values_list("doctor_id", flat=True).distinct()
    for doctor_id in list(doctors):
        _let_go(doctor_id, closure, now)
    left = list(windows.order_by("starts_at", "pk").values_list("pk", flat=True))
    cancelled = sweeping.each(lambda pk: close_window(pk, closure), left[:most])
    if (most is None or len(left) <= most) and not sweeping.stopping():
        _carried_out(closure)
    return cancelled


@action
def _let_go(doctor_id: int, closure: Closure, now: datetime) -> None:
    """Windows of one doctor that nobody has booked. Weekly hours open anew around hours of a day."""
    Doctor.objects.locked().get(pk=doctor_id)
    opening_steps.let_go(Schedule.objects.to_come(now).giving_way_to(closure).filter(doctor=doctor_id))


@action
def close_window(schedule_id: int, closure: Closure) -> int:
    """Cancels what a closure ends in one window; returns how many bookings.

    Nobody left, the window is cancelled; else it takes no new bookings, and those in it keep their places.
    """
    schedule, now, bookings = steps.lock_window(schedule_id, Q(status__in=LIVE))
    if schedule.status not in SETTLES or schedule.ends_at <= now:
        return 0
    going = [booking for booking in bookings if is_hit(closure, booking)]
    by_hand = not schedule.opened_from.startswith(WEEKLY)
    return _end(
        schedule, bookings, going, now=now, actor=closure.created_by, reason=closure.reason,
        keep=by_hand and not is_whole(closure, schedule),
    )  # fmt: skip


@action
def cancel_window(schedule_id: int, *, actor, reason: str, shown: str) -> Schedule:
    """Cancels a window and whoever is booked in it, all money back; a visit under way is finished.

    `shown` is `window_fingerprint` of what the page listed. Raises Refused: OVER, LIST_CHANGED.
    """
    schedule, now, bookings = steps.lock_window(schedule_id, Q(status__in=LIVE))
    if schedule.status not in SETTLES:
        raise Refused("OVER", _("This window is over or cancelled already."), schedule=schedule)
    going = [booking for booking in bookings if booking.status in GOES]
    if window_fingerprint(going) != shown:
        raise Refused(
            "LIST_CHANGED",
            _(
                "Bookings have come or gone since you opened this page. Nothing was cancelled. Please look again."
            ),
        )
    # Its time stays empty: weekly hours do not open over what somebody cancelled by hand.
    _end(schedule, bookings, going, now=now, actor=actor, reason=reason, source=schedule.opened_from)
    LogEntry.objects.log_actions(
        actor.pk, [schedule], CHANGE, _("Cancelled: %(reason)s") % {"reason": reason}, single_object=True
    )
    return schedule


def window_fingerprint(going: list[Booking]) -> str:
    return ".".join(str(pk) for pk in sorted(booking.pk for booking in going))


def _end(
    schedule: Schedule, bookings, going, *, now, actor, reason, source=opening_steps.LET_GO, keep=False
) -> int:
    """Cancels who is `going`, then the window, or closes it where somebody stays or it must be kept."""
    for booking in going:
        steps.call_off(booking, 100, now=now, actor=actor, reason=reason)
    if keep or schedule.taken or any(booking.status in LIVE for booking in bookings):
        schedule.status = Window.CLOSED
    else:
        schedule.status, schedule.opened_from = Window.CANCELLED, source
    schedule.save(update_fields=["status", "opened_from"])
    if going:
        log.info("window-closed", extra={"schedule": schedule.pk, "cancelled": len(going)})
    return len(going)


@action
def _carried_out(closure: Closure) -> None:
    """Nothing of it is left to do. Where hours of a day are closed, the worker opens what lies around them."""
    _lock_doctors([closure])
    Closure.objects.to_carry_out().filter(pk=closure.pk).update(carried_out_at=timezone.now())
    if not closure.is_all_day:
        _hours_of(closure).look_again()


def _lock_doctors(closures: list[Closure]) -> None:
    """Nobody opens windows of these doctors meanwhile; where one is of the whole clinic, of any."""
    doctors = {closure.doctor_id for closure in closures}
    wanted = Doctor.objects.all() if None in doctors else Doctor.objects.filter(pk__in=doctors)
    list(wanted.locked())


def _hours_of(closure: Closure):
    hours = WeeklyHours.objects.all()
    return hours.of(closure.doctor) if closure.doctor_id else hours
