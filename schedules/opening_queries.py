"""What weekly hours open next, and what stands already: for the worker, and for managers before they save."""

from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _

from clinic.models import Doctor
from schedules.closure_models import Closure
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.opening_rules import Day, clock_changes, last_day, plan_day

STANDING = "date", "start_time", "end_time", "starts_at", "ends_at", "opened_from"
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
    return standing.only(*STANDING)


def clock_changes_ahead(hours: list[WeeklyHours], now: datetime) -> list[str]:
    """In words, the days of the next year on which clocks change during these hours."""
    today = timezone.localdate(now)
    return [said for one in hours for said in clock_changes(one, today, weeks=A_YEAR)]


Week = list[tuple[int, str, list[WeeklyHours]]]
"""Monday first: the weekday, its name, its hours."""


def week_of(doctor: Doctor, today: date) -> Week:
    """A doctor's hours by weekday; those that have ended are left out."""
    return _by_weekday(list(WeeklyHours.objects.of(doctor).since(today).select_related("doctor")))


def weeks(today: date) -> list[tuple[Doctor, list[tuple[str, str]]]]:
    """Every doctor who receives, with their week in short. Two queries."""
    rows = {}
    for one in WeeklyHours.objects.since(today).select_related("doctor"):
        rows.setdefault(one.doctor_id, []).append(one)
    doctors = Doctor.objects.active().order_by("name")
    return [(doctor, in_short(_by_weekday(rows.get(doctor.pk, [])))) for doctor in doctors]


def in_short(week: Week) -> list[tuple[str, str]]:
    """Days with the same hours in one line: ("Mon–Sat", "09:00–12:00, 17:00–20:00")."""
    days = {}
    for weekday, _weekday_name, rows in week:
        if rows:
            days.setdefault(", ".join(dict.fromkeys(one.hours for one in rows)), []).append(weekday)
    return [(_named(weekdays), hours) for hours, weekdays in days.items()]


def _named(weekdays: list[int]) -> str:
    if len(weekdays) == 7:
        return _("Every day")
    runs = []
    for day in weekdays:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    names = [
        [f"{WEEKDAYS_ABBR[run[0]]}–{WEEKDAYS_ABBR[run[-1]]}"]
        if len(run) > 2
        else [str(WEEKDAYS_ABBR[day]) for day in run]
        for run in runs
    ]
    return ", ".join(name for run in names for name in run)


def days_ahead(doctor: Doctor, today: date) -> list[Day]:
    """What stands of a doctor's next 14 days; days without windows are left out."""
    windows = Schedule.objects.standing().between(today, last_day(today)).filter(doctor=doctor)
    found = {}
    for window in windows.order_by("starts_at"):
        found.setdefault(window.date, Day(window.date)).windows.append(window)
    return list(found.values())


def _by_weekday(rows: list[WeeklyHours]) -> Week:
    names = dict(WeeklyHours._meta.get_field("weekday").choices)
    return [(day, name, [one for one in rows if one.weekday == day]) for day, name in names.items()]
