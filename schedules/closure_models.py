"""When the clinic, or one doctor, does not receive although the week says so."""

from datetime import date, time

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.models import Doctor
from clinic.transactions import LockingQuerySet


class ClosureQuerySet(LockingQuerySet):
    def for_doctor(self, doctor):
        """The doctor's own, and those of the whole clinic."""
        return self.filter(Q(doctor=None) | Q(doctor=doctor))

    def between(self, first, last):
        """Those that touch the days `first` to `last`, both included."""
        return self.filter(first_day__lte=last, last_day__gte=first)

    def in_the_way_of(self, window):
        """The first that takes any of a window's hours, or None."""
        found = self.between(window.date, window.date)
        return next((closure for closure in found if closure.takes(window)), None)

    def ahead(self, today):
        return self.filter(last_day__gte=today)

    def to_carry_out(self):
        """Those whose windows still stand."""
        return self.filter(carried_out_at=None)

    def same_as(self, closure):
        return self.filter(
            doctor=closure.doctor, first_day=closure.first_day, last_day=closure.last_day,
            start_time=closure.start_time, end_time=closure.end_time,
        )  # fmt: skip


class Closure(models.Model):
    """Days, or the same hours of each of these days, by the clinic's clock. No doctor: the whole clinic.

    While `carried_out_at` is empty, windows inside may still stand: the worker finishes the rest.
    """

    doctor = models.ForeignKey(
        Doctor,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="closures",
        verbose_name=gettext_lazy("doctor"),
    )
    first_day = models.DateField(gettext_lazy("first day"))
    last_day = models.DateField(gettext_lazy("last day"))
    start_time = models.TimeField(gettext_lazy("from"), null=True, blank=True)
    end_time = models.TimeField(gettext_lazy("to"), null=True, blank=True)
    reason = models.CharField(gettext_lazy("reason"), max_length=120)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=gettext_lazy("entered by"),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    carried_out_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ClosureQuerySet.as_manager()

    class Meta:
        ordering = ["first_day", "start_time", "pk"]
        verbose_name = gettext_lazy("closure")
        verbose_name_plural = gettext_lazy("closures")
        constraints = [
            models.CheckConstraint(
                condition=Q(first_day__lte=F("last_day")), name="closure_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(start_time=None, end_time=None)
                | Q(start_time__isnull=False, end_time__isnull=False, start_time__lt=F("end_time")),
                name="closure_hours_end_after_start",
            ),
        ]
        indexes = [
            models.Index(fields=["last_day"], name="closure_last_day"),
            models.Index(
                fields=["created_at"], condition=Q(carried_out_at=None), name="closure_to_carry_out"
            ),
        ]

    def __str__(self):
        return f"{self.when}: {self.reason}"

    @property
    def is_all_day(self) -> bool:
        return self.start_time is None

    @property
    def when(self) -> str:
        """ "Tue 24 Nov 2026", the same "… to Thu 26 Nov 2026", or with hours: "…, 14:00–16:00"."""
        first, last = (formats.date_format(day, _("D j M Y")) for day in (self.first_day, self.last_day))
        said = first if first == last else _("%(first)s to %(last)s") % {"first": first, "last": last}
        return said if self.is_all_day else f"{said}, {self.hours}"

    @property
    def sentence(self) -> str:
        """For patients: "Closed on Tuesday 24 November: Diwali", "Away from … to …: On leave"."""
        said = {
            "first": formats.date_format(self.first_day, _("l j F")),
            "last": formats.date_format(self.last_day, _("l j F")),
            "hours": f", {self.hours}" if self.hours else "",
            "reason": self.reason,
        }
        if self.first_day != self.last_day:
            if self.doctor_id:
                return _("Away from %(first)s to %(last)s%(hours)s: %(reason)s") % said
            return _("Closed from %(first)s to %(last)s%(hours)s: %(reason)s") % said
        if self.doctor_id:
            return _("Away on %(first)s%(hours)s: %(reason)s") % said
        return _("Closed on %(first)s%(hours)s: %(reason)s") % said

    @property
    def hours(self) -> str:
        return "" if self.is_all_day else f"{self.start_time:%H:%M}–{self.end_time:%H:%M}"

    @property
    def whom(self) -> str:
        return str(self.doctor) if self.doctor_id else _("The whole clinic")

    def is_on(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day

    def takes(self, window) -> bool:
        """Whether it takes any of a window's hours."""
        whose = self.doctor_id is None or self.doctor_id == window.doctor_id
        return whose and self.touches(window.date, window.start_time, window.end_time)

    def touches(self, day: date, start: time, end: time) -> bool:
        """Whether it takes any of these hours."""
        return self.is_on(day) and (self.is_all_day or (self.start_time < end and start < self.end_time))

    def covers(self, day: date, start: time, end: time) -> bool:
        """Whether it takes all of these hours."""
        return self.is_on(day) and (self.is_all_day or (self.start_time <= start and end <= self.end_time))
