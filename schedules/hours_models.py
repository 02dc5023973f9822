"""When a doctor receives every week. Windows are opened from these rows, 14 days ahead."""

from datetime import date

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from clinic import money
from clinic.models import Doctor
from clinic.transactions import LockingQuerySet
from schedules.states import Kind, Mode


class WeeklyHoursQuerySet(LockingQuerySet):
    def of(self, doctor):
        return self.filter(doctor=doctor)

    def pools(self):
        return self.filter(kind=Kind.POOL)

    def until(self, day):
        """Those that begin on that day or before."""
        return self.filter(effective_from__lte=day)

    def since(self, day):
        """Those that have not ended before that day."""
        return self.filter(Q(effective_until=None) | Q(effective_until__gte=day))

    def due(self, until):
        """Those of doctors who receive, with days up to `until` that nobody has looked at yet."""
        goes_on = Q(effective_until=None) | Q(effective_until__gt=F("opened_until"))
        fresh = Q(opened_until=None) | Q(goes_on, opened_until__lt=until)
        return self.until(until).filter(fresh, doctor__is_active=True)

    def clashing(self, hours):
        """Other rows of the same doctor that share time on the same weekday."""
        last = hours.effective_until or date.max
        return (
            self.of(hours.doctor)
            .until(last)
            .since(hours.effective_from)
            .filter(weekday=hours.weekday, start_time__lt=hours.end_time, end_time__gt=hours.start_time)
            .exclude(pk=hours.pk)
        )

    def look_again(self) -> int:
        """Lets the next pass of the worker open whatever is missing."""
        return self.update(opened_until=None)


class WeeklyHours(models.Model):
    """One weekday's hours of one doctor, by the clinic's clock. They change under the doctor's lock.

    A token window takes `capacity` patients and a pool has so many minutes; slots take one patient
    each and last `slot_minutes`. No fee of its own means the doctor's usual one, on the day it opens.
    """

    doctor = models.ForeignKey(Doctor, models.PROTECT, related_name="weekly_hours", verbose_name=_("doctor"))
    weekday = models.PositiveSmallIntegerField(_("weekday"), choices=WEEKDAYS.items())
    start_time = models.TimeField(_("from"))
    end_time = models.TimeField(_("to"))
    kind = models.CharField(_("kind"), max_length=5, choices=Kind, default=Kind.TOKEN)
    mode = models.CharField(_("mode"), max_length=9, choices=Mode, default=Mode.IN_PERSON)
    capacity = models.PositiveIntegerField(_("places"), default=1)
    slot_minutes = models.PositiveSmallIntegerField(_("minutes of each time"), null=True, blank=True)
    fee_minor = models.PositiveIntegerField(_("fee"), null=True, blank=True)
    prefix = models.CharField(_("token prefix"), max_length=3, blank=True)
    reserved_for_desk = models.PositiveIntegerField(_("kept for the desk"), default=0)
    holds_reserve = models.BooleanField(_("unpaid bookings hold a place"), default=True)
    effective_from = models.DateField(_("from the day"))
    effective_until = models.DateField(_("until the day"), null=True, blank=True)
    opened_until = models.DateField(null=True, blank=True, editable=False)
    """Windows of these hours are open up to this day; empty where somebody must look again."""

    objects = WeeklyHoursQuerySet.as_manager()

    class Meta:
        ordering = ["doctor__name", "weekday", "start_time", "effective_from"]
        verbose_name = _("weekly hours")
        verbose_name_plural = _("weekly hours")
        constraints = [
            models.CheckConstraint(condition=Q(weekday__lte=6), name="hours_on_a_weekday"),
            models.CheckConstraint(condition=Q(start_time__lt=F("end_time")), name="hours_end_after_start"),
            models.CheckConstraint(condition=Q(capacity__gt=0), name="hours_have_places"),
            models.CheckConstraint(
                condition=Q(reserved_for_desk__lte=F("capacity")), name="hours_desk_within_places"
            ),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="hours_known_kind"),
            models.CheckConstraint(
                condition=Q(kind=Kind.SLOT, slot_minutes__gt=0, capacity=1)
                | (~Q(kind=Kind.SLOT) & Q(slot_minutes=None)),
                name="hours_slots_have_minutes",
            ),
            models.CheckConstraint(
                condition=Q(effective_until=None) | Q(effective_until__gte=F("effective_from")),
                name="hours_until_after_from",
            ),
        ]

    def __str__(self):
        return f"{self.doctor}, {self.get_weekday_display()}, {self.hours}"

    @property
    def hours(self) -> str:
        return f"{self.start_time:%H:%M}–{self.end_time:%H:%M}"

    @property
    def source(self) -> str:
        """What the windows of these hours carry as `opened_from`."""
        return f"{WEEKLY}{self.pk}"

    def is_on(self, day: date) -> bool:
        begun = self.effective_from <= day
        return (
            begun
            and day.weekday() == self.weekday
            and (not self.effective_until or day <= self.effective_until)
        )

    @property
    def fee(self) -> str:
        """As it is shown; the doctor's usual one where these hours say none."""
        minor = self.doctor.fee_minor if self.fee_minor is None else self.fee_minor
        return money.display(minor, settings.CLINIC_CURRENCY)


WEEKLY = "weekly "
"""How `Schedule.opened_from` begins where a window comes from weekly hours."""
