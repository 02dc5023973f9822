"""What weekly hours open next, and what stands already: for the worker, and for managers before they save."""

from datetime import date, datetime, timedelta

from django.utils import timezone

from clinic.models import Doctor
from schedules.closure_models import Closure
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.opening_rules import Day, clock_changes, last_day, plan_day

A_YEAR = 53
"""Weeks in which a manager is told of clock changes that her hours will meet."""


def plan(
    doctor: Doctor,
    hours: list[WeeklyHours],
    now: datetime,
    *,
    since: date | None = None,
    instead_of: WeeklyHours | None = None,
) -> list[Day]:
    """What these hours would open from today (or a later day, `since`) to the last day that patients see.

    Two queries. With `instead_of`, the windows of those hours that nobody has booked count as gone.
    """
    today = timezone.localdate(now)
    first, last = max(today, since or today), last_day(today)
    closures = list(Closure.objects.for_doctor(doctor).between(first, last))
    taken = {}
    for window in _standing(doctor, first, last, instead_of):
        taken.setdefault(window.date, []).append(window)
    for one in hours:
        one.doctor = doctor
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [plan_day(day, hours, closures, taken.get(day, []), now) for day in days]


def _standing(doctor, first, last, instead_of):
    standing = Schedule.objects.taking_time(doctor, first, last)
    if instead_of:
        theirs = Schedule.objects.opened_by(instead_of)
        standing = standing.exclude(pk__in=theirs.exclude(pk__in=theirs.given_away()).values("pk"))
    return standing.only("date", "start_time", "end_time", "starts_at", "ends_at")


def clock_changes_ahead(hours: list[WeeklyHours], now: datetime) -> list[str]:
    """In words, the days of the next year on which clocks change during these hours."""
    today = timezone.localdate(now)
    return [said for one in hours for said in clock_changes(one, today, weeks=A_YEAR)]


Week = list[tuple[int, str, list[WeeklyHours]]]
"""Monday first: the weekday, its name, its hours."""


def week_of(doctor: Doctor, today: date) -> Week:
    """A doctor's hours by weekday; those that have ended are left out."""
    return _by_weekday(list(WeeklyHours.objects.of(doctor).since(today).select_related("doctor")))


def weeks(today: date) -> list[tuple[Doctor, Week]]:
    """Every doctor who receives, with their week. Two queries."""
    rows = {}
    for one in WeeklyHours.objects.since(today).select_related("doctor"):
        rows.setdefault(one.doctor_id, []).append(one)
    doctors = Doctor.objects.active().order_by("name")
    return [(doctor, _by_weekday(rows.get(doctor.pk, []))) for doctor in doctors]


def _by_weekday(rows: list[WeeklyHours]) -> Week:
    names = dict(WeeklyHours._meta.get_field("weekday").choices)
    return [(day, name, [one for one in rows if one.weekday == day]) for day, name in names.items()]
