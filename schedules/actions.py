"""What the clinic does to its windows. Each action is one transaction, started over when it must be."""

import logging
from datetime import date, time

from django.conf import settings
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.utils import formats
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from clinic.errors import Refused
from clinic.models import Doctor
from clinic.transactions import action
from schedules.closure_models import Closure
from schedules.models import Schedule
from schedules.states import Kind, Mode, Status

log = logging.getLogger("clinic")


@action
def open_window(
    *,
    doctor_id: int,
    date: date,
    start_time: time,
    end_time: time,
    capacity: int,
    kind: Kind = Kind.TOKEN,
    mode: Mode = Mode.IN_PERSON,
    fee_minor: int | None = None,
    prefix: str = "",
    reserved_for_desk: int = 0,
    holds_reserve: bool = True,
    opened_from: str = "",
    actor=None,
) -> Schedule:
    """Opens a window on the clinic's `date`, between clock times as typed there.

    Fee (minor units of the clinic's currency) and prefix are the doctor's usual ones unless
    said. The doctor's row is locked, so that two people never open overlapping windows.
    Raises Refused: OVERLAP naming the other window, CLOSED naming the closure; ValidationError for times
    that mean nothing.
    """
    doctor = Doctor.objects.locked().get(pk=doctor_id)
    schedule = Schedule(
        doctor=doctor,
        kind=kind,
        mode=mode,
        date=date,
        start_time=start_time,
        end_time=end_time,
        capacity=capacity,
        fee_minor=doctor.fee_minor if fee_minor is None else fee_minor,
        currency=settings.CLINIC_CURRENCY,
        prefix=prefix or doctor.prefix,
        reserved_for_desk=reserved_for_desk,
        holds_reserve=holds_reserve,
        opened_from=opened_from,
    )
    schedule.clean()
    other = Schedule.objects.overlapping(doctor, schedule.starts_at, schedule.ends_at).first()
    if other:
        raise Refused(
            "OVERLAP",
            _(
                "%(doctor)s already has a window on %(day)s from %(start)s to %(end)s. Choose a time outside it."
            )
            % {
                "doctor": doctor,
                "day": formats.date_format(other.date, "l j F"),
                "start": f"{other.start_time:%H:%M}",
                "end": f"{other.end_time:%H:%M}",
            },
            schedule=other,
        )
    closure = Closure.objects.for_doctor(doctor).in_the_way_of(schedule)
    if closure:
        raise Refused(
            "CLOSED",
            _("Closed on %(when)s: %(reason)s. Remove that first if the doctor receives after all.")
            % {"when": closure.when, "reason": closure.reason},
            closure=closure,
        )
    schedule.save(force_insert=True)
    record(schedule, actor, ADDITION, _("Opened"))
    log.info("schedule-create", extra={"schedule": schedule.pk, "doctor": doctor.pk})
    return schedule


@action
def change_capacity(schedule_id: int, capacity: int, *, actor) -> Schedule:
    """Gives a window more or fewer places, a pool more or fewer minutes.

    Raises Refused: TAKEN below what is taken, TOO_LONG for more minutes than its hours have, OVER.
    """
    schedule = standing(schedule_id)
    if capacity < schedule.taken:
        raise Refused("TAKEN", _below_taken(schedule), schedule=schedule)
    if schedule.has_minutes and capacity > schedule.length:
        said = _("These hours have only %(minutes)s minutes.") % {"minutes": schedule.length}
        raise Refused("TOO_LONG", said, schedule=schedule)
    message = (
        _("Minutes changed from %(was)d to %(now)d")
        if schedule.has_minutes
        else _("Places changed from %(was)d to %(now)d")
    )
    was, schedule.capacity = schedule.capacity, capacity
    schedule.save(update_fields=["capacity"])
    record(schedule, actor, CHANGE, message % {"was": was, "now": capacity})
    return schedule


def _below_taken(schedule: Schedule) -> str:
    words = (
        _("%(taken)d minutes are taken already. You can close the window instead: nobody new gets in.")
        if schedule.has_minutes
        else _("%(taken)d places are taken already. You can close the window instead: nobody new gets in.")
    )
    return words % {"taken": schedule.taken}


@action
def close(schedule_id: int, *, actor) -> Schedule:
    """Takes no new bookings; those that are waiting for payment may still settle."""
    return _to(standing(schedule_id), Status.CLOSED, actor, _("Closed to new bookings"))


@action
def reopen(schedule_id: int, *, actor) -> Schedule:
    """Takes bookings again."""
    return _to(standing(schedule_id), Status.OPEN, actor, _("Opened again"))


@action
def withdraw(schedule_id: int, *, actor) -> Schedule:
    """Cancels a window that nobody has booked, so that its time is free for another.

    Raises Refused (BOOKED) once it has given a number or a time, or somebody is paying for a place.
    """
    schedule = standing(schedule_id)
    if Schedule.objects.filter(pk=schedule_id).given_away().exists():
        raise Refused(
            "BOOKED",
            _("There are bookings in this window, so it cannot be withdrawn. You can close it."),
            schedule=schedule,
        )
    return _to(schedule, Status.CANCELLED, actor, _("Withdrawn: nobody had booked"))


def standing(schedule_id: int) -> Schedule:
    """The locked window, its lapsed holds given back (settings.LOCK_WINDOW, since bookings come later than
    this app). Raises Refused: OVER when it is finished or cancelled, NOT_FOUND."""
    schedule, *_others = import_string(settings.LOCK_WINDOW)(schedule_id)
    if schedule.status not in (Status.OPEN, Status.CLOSED):
        raise Refused(
            "OVER",
            _("This window is %(status)s and cannot be changed.") % {"status": schedule.get_status_display()},
            schedule=schedule,
        )
    return schedule


def _to(schedule: Schedule, status: Status, actor, message: str) -> Schedule:
    if schedule.status != status:
        schedule.status = status
        schedule.save(update_fields=["status"])
        record(schedule, actor, CHANGE, message)
    return schedule


def record(schedule: Schedule, actor, flag: int, message: str) -> None:
    """Writes who did it into the window's history in admin; the worker and the demo are nobody."""
    if actor is not None:
        LogEntry.objects.log_actions(actor.pk, [schedule], flag, message, single_object=True)
