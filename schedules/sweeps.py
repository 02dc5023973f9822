"""Work that is due by itself: rows in a state, not jobs in a queue."""

from django.utils import timezone

from clinic.sweeping import each
from schedules import opening_actions as actions
from schedules.models import Schedule

BATCH = 500


def open_ahead() -> int:
    """Opens the windows of the next 14 days from the weekly hours; returns how many."""
    now = timezone.now()
    return each(lambda doctor_id: actions.open_for(doctor_id, now), actions.doctors_due(now))


def delete_empty() -> int:
    """Deletes windows that ended a week ago and that nobody ever booked; returns how many."""
    empty = Schedule.objects.empty_since(timezone.now() - actions.KEPT).order_by("pk")
    found = list(empty.values_list("pk", flat=True)[:BATCH])
    return actions.delete_unused(found) if found else 0
