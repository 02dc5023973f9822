"""Opening windows from weekly hours, and letting go of them. The doctor's row is locked already."""

import logging
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from clinic.models import Doctor
from clinic.steps import review
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.opening_queries import plan
from schedules.opening_rules import Day, last_day
from schedules.states import SETTLES, Status

log = logging.getLogger("clinic")

LET_GO = "let go"
"""`Schedule.opened_from` of a window that was cancelled so that its time can be opened anew; of one
that somebody withdrew by hand it stays as it was, and weekly hours do not open over it."""


def open_ahead(doctor: Doctor, now: datetime) -> int:
    """Opens what is missing of a locked doctor's next days; returns how many windows.

    Days that somebody has looked at are not looked at again, unless `opened_until` was emptied.
    Clocks that change raise a ReviewItem, once for each weekday's hours and day.
    """
    until = last_day(timezone.localdate(now))
    hours = list(WeeklyHours.objects.of(doctor).due(until))
    seen = [one.opened_until for one in hours]
    since = min(seen) + timedelta(days=1) if seen and None not in seen else None
    days = plan(doctor, hours, now, since=since)
    windows = Schedule.objects.bulk_create([window for day in days for window in day.windows], batch_size=500)
    for day in days:
        for one, message in day.clock_changes:
            _clocks_change(one, day, message)
    WeeklyHours.objects.filter(pk__in=[one.pk for one in hours]).update(opened_until=until)
    if windows:
        log.info("schedule-create", extra={"doctor": doctor.pk, "windows": len(windows)})
    return len(windows)


def _clocks_change(hours: WeeklyHours, day: Day, message: str) -> None:
    said = {"hours": hours.hours, "doctor": hours.doctor, "day": formats.date_format(day.date, "l j F")}
    review(
        f"hours:{hours.pk}:{day.date}",
        _("Not all of %(hours)s could be opened on %(day)s for %(doctor)s") % said,
        message + " " + _("Open a window by hand if the doctor receives."),
        reverse("admin:hours-of", args=[hours.doctor_id]),
    )


def let_go(windows) -> int:
    """Takes back windows that nobody has booked, so that their time is free; returns how many.

    `windows` names them; they are locked here, after the doctor. One that nobody ever booked is deleted. One
    whose bookings are all gone is cancelled and kept, for their history. The others stay as they were sold.
    """
    wanted = list(windows.order_by().values_list("pk", flat=True))
    locked = {row.pk for row in Schedule.objects.filter(pk__in=wanted).locked() if row.status in SETTLES}
    these = Schedule.objects.filter(pk__in=locked)
    sold = set(these.given_away().values_list("pk", flat=True))
    unused = set(these.never_booked().values_list("pk", flat=True)) - sold
    history = locked - sold - unused
    Schedule.objects.filter(pk__in=history).update(status=Status.CANCELLED, opened_from=LET_GO)
    Schedule.objects.filter(pk__in=unused).delete()
    return len(unused) + len(history)
