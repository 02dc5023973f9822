"""What managers do to weekly hours. Windows ahead that nobody has booked follow; the others stay as they were sold."""

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from clinic.errors import Refused
from clinic.models import Doctor
from clinic.transactions import action
from schedules import opening_steps as steps
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule


@action
def add_hours(doctor_id: int, weekdays: list[int], *, actor, **fields) -> list[WeeklyHours]:
    """The same hours on each of these weekdays, and their windows of the next 14 days.

    `fields` are the model's. Raises Refused (OVERLAP) naming the hours that are in the way; then no
    weekday is added.
    """
    doctor = Doctor.objects.locked().get(pk=doctor_id)
    added = [WeeklyHours(doctor=doctor, weekday=weekday, **fields) for weekday in weekdays]
    for hours in added:
        _check_free(hours)
        hours.save(force_insert=True)
    _record(actor, added, ADDITION, _("Added"))
    steps.open_ahead(doctor, timezone.now())
    return added


@action
def change_hours(hours_id: int, *, actor, **fields) -> WeeklyHours:
    """Other hours from now on. Windows ahead that nobody has booked are opened anew.

    Raises Refused: OVERLAP, GONE when somebody has removed them meanwhile.
    """
    doctor, hours = _lock(hours_id)
    for name, value in fields.items():
        setattr(hours, name, value)
    _check_free(hours)
    hours.opened_until = None
    hours.save(update_fields=[*fields, "opened_until"])
    _record(actor, [hours], CHANGE, _("Changed"))
    _give_back(hours)
    steps.open_ahead(doctor, timezone.now())
    return hours


@action
def remove_hours(hours_id: int, *, actor) -> WeeklyHours:
    """No more windows of these hours; those ahead that nobody has booked go. Raises Refused (GONE)."""
    _doctor, hours = _lock(hours_id)
    _record(actor, [hours], DELETION, _("Removed"))
    _give_back(hours)
    WeeklyHours.objects.filter(pk=hours_id).delete()
    return hours


def _lock(hours_id: int) -> tuple[Doctor, WeeklyHours]:
    """The locked doctor, and the hours as they are now."""
    row = WeeklyHours.objects.filter(pk=hours_id)
    doctor_id = row.values_list("doctor_id", flat=True).first()
    doctor = Doctor.objects.locked().filter(pk=doctor_id).first()
    hours = row.first()
    if hours is None:
        raise Refused("GONE", _("Somebody has removed these hours meanwhile."), status=404)
    hours.doctor = doctor
    return doctor, hours


def _give_back(hours: WeeklyHours) -> None:
    steps.let_go(Schedule.objects.to_come(timezone.now()).opened_by(hours))


def _check_free(hours: WeeklyHours) -> None:
    other = WeeklyHours.objects.clashing(hours).first()
    if other is None:
        return
    said = {"doctor": hours.doctor, "weekday": other.get_weekday_display(), "hours": other.hours}
    message = _("%(doctor)s already has hours on %(weekday)s, %(hours)s. Choose a time outside them.") % said
    if other.effective_until or other.effective_from > timezone.localdate():
        message += " " + _("Those begin on %(first)s.") % {"first": formats.date_format(other.effective_from)}
    raise Refused("OVERLAP", message, hours=other)


def _record(actor, rows: list[WeeklyHours], flag: int, message: str) -> None:
    """Writes who did it into the history in admin."""
    if actor is not None:
        LogEntry.objects.log_actions(actor.pk, rows, flag, message)
