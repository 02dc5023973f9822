"""When a doctor receives: a dated window with a capacity. Its row is the lock for its places."""

from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Coalesce, Greatest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from clinic.models import Doctor
from clinic.transactions import LockingQuerySet
from schedules import closure_models  # noqa: F401  (Django looks for models here)
from schedules.hours_models import WEEKLY
from schedules.localtime import Period, instant, part_of_day
from schedules.states import SETTLES, Kind, Mode, Status


def selling(now) -> Q:
    """Open to patients online at `now`: tokens until a little before the end, exact times until the
    start, and minutes to the end, since each service has a start of its own."""
    last_end = now + timedelta(minutes=settings.TOKEN_SALES_END_MINUTES)
    in_time = Q(kind=Kind.TOKEN, ends_at__gt=last_end) | Q(kind=Kind.SLOT, starts_at__gt=now)
    return (in_time | Q(kind=Kind.POOL, ends_at__gt=now)) & Q(status=Status.OPEN)


COUNTERS = ("capacity", "taken", "taken_at_desk", "reserved_for_desk")


def places(window, freed, greatest=max):
    """Places left, and those of them left online, in the booking's units (patients, or minutes).

    `freed` is what lapsed holds give back, so that pages are right with the worker dead; what the desk
    keeps for itself is not left online. Of a window's numbers, or with Greatest of its COLUMNS.
    """
    left = window.capacity - window.taken + freed
    return left, greatest(left - greatest(window.reserved_for_desk - window.taken_at_desk, 0), 0)


def still_ahead(window, left: int, now) -> int:
    """Of what is left of a window, or of one of its `counters`, what lies ahead: a pool's minutes pass."""
    if window.minutes_until is None:
        return left
    return min(left, -((now - window.minutes_until) // timedelta(minutes=1)))


COLUMNS = SimpleNamespace(**{name: F(name) for name in COUNTERS})


class ScheduleQuerySet(LockingQuerySet):
    def standing(self):
        """Windows that take a doctor's time: all but the cancelled ones."""
        return self.exclude(status=Status.CANCELLED)

    def pools(self):
        """Windows whose minutes are shared by services."""
        return self.filter(kind=Kind.POOL)

    def overlapping(self, doctor, starts_at, ends_at):
        return self.standing().filter(doctor=doctor, starts_at__lt=ends_at, ends_at__gt=starts_at)

    def between(self, first, last):
        """Windows on the clinic's dates `first` to `last`, both included."""
        return self.filter(date__range=(first, last))

    def taking_time(self, doctor, first, last):
        """What weekly hours do not open over on these days: standing windows, and those of weekly
        hours that somebody withdrew by hand."""
        stays = ~Q(status=Status.CANCELLED) | Q(opened_from__startswith=WEEKLY)
        return self.between(first, last).filter(stays, doctor=doctor)

    def to_come(self, now):
        """Standing windows that have not ended and that nobody has finished."""
        return self.filter(status__in=SETTLES, ends_at__gt=now)

    def empty_since(self, then):
        """Windows that ended before `then` and that nobody ever booked."""
        return self.filter(taken=0, last_number=0, ends_at__lt=then).never_booked()

    def from_weekly_hours(self, doctor):
        return self.filter(doctor=doctor, opened_from__startswith=WEEKLY)

    def opened_by(self, hours):
        """Windows that these weekly hours opened."""
        return self.filter(doctor=hours.doctor_id, opened_from=hours.source)

    def inside(self, closure):
        """Windows that a closure takes, wholly or in part."""
        found = self.between(closure.first_day, closure.last_day)
        if closure.doctor_id:
            found = found.filter(doctor=closure.doctor_id)
        if closure.is_all_day:
            return found
        return found.filter(start_time__lt=closure.end_time, end_time__gt=closure.start_time)

    def giving_way_to(self, closure):
        """Windows inside a closure that open anew around it, or not at all: those of weekly hours, and
        whatever it takes wholly. A window that somebody opened by hand is not cut to pieces."""
        found = self.inside(closure)
        if closure.is_all_day:
            return found
        whole = Q(start_time__gte=closure.start_time, end_time__lte=closure.end_time)
        return found.filter(whole | Q(opened_from__startswith=WEEKLY))

    def never_booked(self):
        """Nobody ever held a place there."""
        return self.exclude(Exists(self._bookings().filter(schedule=OuterRef("pk")).order_by()))

    def given_away(self):
        """Windows that have given a number, or in which somebody has a place, had one to the end, or is
        paying for one."""
        live = self._bookings().live().filter(schedule=OuterRef("pk")).order_by()
        return self.filter(Q(taken__gt=0) | Q(last_number__gt=0) | Exists(live))

    def _bookings(self):
        """This app imports no later one."""
        return self.model._meta.get_field("bookings").related_model.objects

    def seen_by(self, user):
        """What staff see in admin: those who may open windows see all, a doctor their own."""
        return self if user.has_perm("schedules.add_schedule") else self.filter(doctor__user=user)

    def running_or_next(self, now):
        """Today's and later windows that have not ended, the one running now first."""
        return self.filter(status__in=SETTLES, ends_at__gt=now).order_by("starts_at", "pk")

    def at_desk(self, day):
        """A day's windows in which the desk may still seat somebody."""
        return self.between(day, day).filter(status__in=SETTLES)

    def without_gone_times(self, now, but=None):
        """Leaves out exact times that are taken or over, all but `but`. After `with_left`."""
        return self.filter(~Q(kind=Kind.SLOT) | Q(left__gt=0, ends_at__gt=now) | Q(pk=but))

    def on_sale(self, now):
        """Windows that patients may book online now, as far as the clock decides it."""
        return self.filter(selling(now))

    def with_places_left(self, now):
        """Windows with a free place for patients online."""
        return self.with_left(now).filter(online_left__gt=0)

    def counters(self, now):
        """A light row of each window: what `places` needs, and whether at `now` patients may book it
        online (`on_sale`) or it is `shut` although it is not over, as far as that is not its fee.

        `minutes_until` is said of running pools alone: to read a time for each window takes its time.
        """
        shut = Q(status=Status.CLOSED, ends_at__gt=now)
        until = Case(When(kind=Kind.POOL, starts_at__lt=now, then="ends_at"))
        rows = self.annotate(on_sale=selling(now), shut=shut, minutes_until=until).order_by()
        names = ("pk", "date", "kind", "on_sale", "shut", "minutes_until", "fee_minor", *COUNTERS)
        return rows.values_list(*names, named=True)

    def holds(self, rows, now):
        """What holds come to in the windows of these `counters`: units that the lapsed ones give back, for
        each window, and the windows in which somebody pays for a place now. At most one statement.

        The windows are named one by one: with a subquery PostgreSQL may walk through all of the clinic's.
        """
        taken = [row.pk for row in rows if row.taken]
        held = self._bookings().held().filter(schedule__in=taken).order_by()
        freed, paying = Counter(), set()
        for window, units, expires in held.values_list("schedule_id", "units", "hold_expires_at"):
            if expires <= now:
                freed[window] += units
            else:
                paying.add(window)
        return freed, paying

    def with_holds(self, now):
        """Annotates what holds come to: `freed` units of the lapsed ones and `paying` ones of the others.

        For `places` of what was read: cheaper than `with_left`, which the database can filter by.
        """
        bookings = self._bookings()
        return self.annotate(freed=_units(bookings.lapsed(now)), paying=_units(bookings.paying(now)))

    def about(self, now):
        """Windows that start within the hour, run, or ended lately with nobody saying so."""
        start, end = now + timedelta(hours=1), now - timedelta(hours=3)
        return self.filter(status__in=SETTLES, starts_at__lte=start, ends_at__gt=end)

    def with_left(self, now):
        """Annotates `left` and `online_left`: see `places`."""
        freed = _units(self._bookings().lapsed(now))
        left, online_left = places(COLUMNS, freed, Greatest)
        return self.annotate(left=left, online_left=online_left)


def _units(bookings):
    """The sum of units of these bookings of an outer query's window."""
    theirs = bookings.filter(schedule=OuterRef("pk")).order_by().values("schedule")
    return Coalesce(Subquery(theirs.annotate(sum=Sum("units")).values("sum")), 0)


class Schedule(models.Model):
    """One doctor's window. `taken` is the sum of its bookings' units, always (DESIGN §3)."""

    doctor = models.ForeignKey(Doctor, models.PROTECT, related_name="schedules", verbose_name=_("doctor"))
    kind = models.CharField(_("kind"), max_length=5, choices=Kind, default=Kind.TOKEN)
    mode = models.CharField(_("mode"), max_length=9, choices=Mode, default=Mode.IN_PERSON)
    date = models.DateField(_("date"))
    start_time = models.TimeField(_("from"))
    end_time = models.TimeField(_("to"))
    starts_at = models.DateTimeField(editable=False)
    ends_at = models.DateTimeField(editable=False)
    capacity = models.PositiveIntegerField(_("places"), help_text=_("Patients, or minutes for a pool."))
    taken = models.PositiveIntegerField(_("taken"), default=0, editable=False)
    taken_at_desk = models.PositiveIntegerField(default=0, editable=False)
    reserved_for_desk = models.PositiveIntegerField(_("kept for the desk"), default=0)
    holds_reserve = models.BooleanField(
        _("unpaid bookings hold a place"),
        default=True,
        help_text=_("Off: the place belongs to whoever pays first."),
    )
    prefix = models.CharField(_("token prefix"), max_length=3, blank=True)
    last_number = models.PositiveIntegerField(default=0, editable=False)
    now_serving = models.PositiveIntegerField(_("now serving"), default=0, editable=False)
    fee_minor = models.PositiveIntegerField(_("fee"), default=0)
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.OPEN)
    opened_from = models.CharField(max_length=40, blank=True, editable=False)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["starts_at", "pk"]
        verbose_name = _("window")
        verbose_name_plural = _("windows")
        permissions = [("overbook", _("Can add a place to a full window"))]
        constraints = [
            models.CheckConstraint(condition=Q(taken__lte=F("capacity")), name="schedule_never_oversold"),
            models.CheckConstraint(
                condition=Q(taken_at_desk__lte=F("taken")), name="schedule_desk_within_taken"
            ),
            models.CheckConstraint(condition=Q(starts_at__lt=F("ends_at")), name="schedule_ends_after_start"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="schedule_known_kind"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="schedule_known_status"),
        ]
        indexes = [
            models.Index(fields=["doctor", "date"], name="schedule_of_doctor"),
            models.Index(fields=["date", "status"], name="schedule_of_day"),
            models.Index(
                fields=["ends_at"], condition=Q(taken=0, last_number=0), name="schedule_nobody_came"
            ),
        ]

    def __str__(self):
        return f"{self.doctor}, {self.date:%a %-d %b}, {self.hours}"

    def get_absolute_url(self):
        return reverse("book", args=[self.pk])

    def clean(self):
        """Derives the instants from the clock times, and refuses times that mean nothing."""
        if not (self.date and self.start_time and self.end_time):
            return
        if self.end_time <= self.start_time:
            raise ValidationError({"end_time": _("A window ends after it starts, on the same day.")})
        self.starts_at, self.ends_at = instant(self.date, self.start_time), instant(self.date, self.end_time)

    @property
    def hours(self) -> str:
        return f"{self.start_time:%H:%M}–{self.end_time:%H:%M}"

    @property
    def period(self) -> Period:
        return part_of_day(self.start_time)

    def label(self, number: int | None) -> str:
        """A number as people say it: A7. Empty for none."""
        return f"{self.prefix}{number}" if number else ""

    @property
    def online_until(self):
        """The last instant of online sales: tokens close a little before the end, an exact time at its
        start; in a pool each start must lie ahead, to the end."""
        if self.kind == Kind.TOKEN:
            return self.ends_at - timedelta(minutes=settings.TOKEN_SALES_END_MINUTES)
        return self.ends_at if self.kind == Kind.POOL else self.starts_at

    @property
    def has_minutes(self) -> bool:
        """Whether capacity and what is taken of it are minutes, and not patients."""
        return self.kind == Kind.POOL

    @property
    def minutes_until(self):
        """When the last of its minutes has passed; None where it has none."""
        return self.ends_at if self.has_minutes else None

    @property
    def length(self) -> int:
        """In minutes."""
        return int((self.ends_at - self.starts_at) / timedelta(minutes=1))

    def is_running(self, now) -> bool:
        return self.starts_at <= now < self.ends_at

    @property
    def minutes_each(self) -> float:
        """Minutes that one place of a token window lasts on average."""
        return (self.ends_at - self.starts_at) / timedelta(minutes=1) / max(self.capacity, 1)
