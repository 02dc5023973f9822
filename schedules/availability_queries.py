"""What apps read of a doctor's times: seed 000's windows and seed 001's slots."""

from datetime import date, datetime, timedelta

from django.utils import timezone

from clinic.models import Doctor
from schedules.models import places
from schedules.queries import Window, windows
from schedules.states import Kind


def token_windows(doctor: Doctor, day: date, now: datetime) -> list[Window]:
    """A day's windows of numbered tokens, the earliest first, with `confirmed`. One statement."""
    rows = doctor.schedules.standing().between(day, day).filter(kind=Kind.TOKEN)
    found = list(rows.order_by("starts_at").with_holds(now))
    for row in found:
        row.left, row.online_left = places(row, row.freed)
        row.confirmed = row.capacity - row.left - row.paying
    return windows(found, now)


def slots(doctor: Doctor, days: int, now: datetime) -> dict[date, list[Window]]:
    """The exact times of so many days, today's first; a day without any has an empty list. Two statements."""
    today = timezone.localdate(now)
    found = {today + timedelta(days=n): [] for n in range(days)}
    asked = doctor.schedules.standing().between(min(found), max(found)).filter(kind=Kind.SLOT)
    rows = list(asked.order_by("starts_at"))
    freed, paying = asked.holds(rows, now)
    for row in rows:
        row.left, row.online_left = places(row, freed[row.pk])
        row.held = row.pk in paying
    for window in windows(rows, now):
        found[window.date].append(window)
    return found
