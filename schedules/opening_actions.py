"""What the worker and `manage.py open_schedules` do: windows ahead, and no empty ones behind."""

from datetime import datetime, timedelta

from django.utils import timezone

from clinic.models import Doctor
from clinic.transactions import action
from schedules import opening_steps as steps
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.opening_rules import last_day

KEPT = timedelta(days=7)
"""So long an empty window stays after its end."""


def doctors_due(now: datetime) -> list[int]:
    """Doctors whose weekly hours have days ahead that nobody has looked at yet."""
    due = WeeklyHours.objects.due(last_day(timezone.localdate(now)))
    return list(due.order_by("doctor_id").values_list("doctor_id", flat=True).distinct())


@action
def open_for(doctor_id: int, now: datetime) -> int:
    """Opens what is missing of a doctor's next 14 days; returns how many windows.

    Nobody else opens windows of this doctor meanwhile, so it may run in any number of workers; what
    one has opened, the next finds done.
    """
    return steps.open_ahead(Doctor.objects.locked().get(pk=doctor_id), now)


@action
def open_afresh(doctor_id: int, now: datetime) -> int:
    """The same after letting go of every window ahead that nobody has booked: for a clinic whose time
    zone changed. Booked ones keep the moment that they were sold for."""
    doctor = Doctor.objects.locked().get(pk=doctor_id)
    steps.let_go(Schedule.objects.to_come(now).from_weekly_hours(doctor))
    WeeklyHours.objects.of(doctor).look_again()
    return steps.open_ahead(doctor, now)


@action
def delete_unused(schedule_ids: list[int]) -> int:
    """Deletes those of these windows that nobody has ever booked; returns how many."""
    locked = [schedule.pk for schedule in Schedule.objects.filter(pk__in=schedule_ids).locked()]
    unused = list(Schedule.objects.filter(pk__in=locked).never_booked().values_list("pk", flat=True))
    return Schedule.objects.filter(pk__in=unused).delete()[0]
