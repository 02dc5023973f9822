"""When the sample clinic receives: regular hours, and hours around now, whatever the hour is."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import zip_longest

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.models import Doctor
from payments.sample.people import DOCTORS, Profile
from schedules.closure_models import Closure
from schedules.hours_models import WEEKLY, WeeklyHours
from schedules.models import Schedule
from schedules.opening_steps import open_ahead
from schedules.states import Kind, Mode

MARK = "demo"
"""`Schedule.opened_from` of what `demo` opened by hand; with `PLAYED`, its day was played already."""
PLAYED = "demo, played"
TO_PLAY = (MARK, WEEKLY)
"""How the `opened_from` of windows begins that nobody has played yet."""
DAYS_BACK = 6
ON_DUTY = [timedelta(minutes=past) for past in (0, 30, 15, 45, 0)]
"""The first doctors receive around now on any day; each begins so long past the full hour."""
SOON = timedelta(hours=1)
AWAY = "pemba-sherpa"


@dataclass(frozen=True)
class Hours:
    """Clock times of one day, at the clinic."""

    day: date
    start: time
    end: time

    @property
    def begins(self) -> datetime:
        return datetime.combine(self.day, self.start)

    @property
    def ends(self) -> datetime:
        return datetime.combine(self.day, self.end)

    @property
    def minutes(self) -> int:
        return (self.ends - self.begins) // timedelta(minutes=1)

    def overlaps(self, other: "Hours") -> bool:
        return self.begins < other.ends and other.begins < self.ends


def regular(profile: Profile, day: date) -> list[Hours]:
    return [Hours(day, *hours) for hours in profile.hours if day.weekday() in profile.days]


def around(now: datetime, past: timedelta) -> list[Hours]:
    """About four hours of today that run at `now` (clinic-local), none of them past midnight.

    `past` the full hour (by less than one) they begin. So late in the evening that nobody can
    book them online any more, there are three more hours from midnight on.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    start = hour - SOON + past if hour.hour else hour
    end = start + timedelta(hours=4)
    if end.date() == now.date():
        return [Hours(now.date(), start.time(), end.time())]
    tonight = Hours(now.date(), start.time(), time(23, 59))
    if tonight.ends - now >= SOON:
        return [tonight]
    return [tonight, Hours(now.date() + timedelta(days=1), time(0), time(3))]


def on_duty(now: datetime, known: list[Hours], past: timedelta) -> list[Hours]:
    """What a doctor with the windows `known` needs beside them to receive now or within the hour."""
    soon = now + SOON
    if any(hours.begins <= soon <= hours.ends for hours in known):
        return []
    return [hours for wanted in around(now, past) if (hours := _beside(wanted, now, known))]


def _beside(wanted: Hours, now: datetime, known: list[Hours]) -> Hours | None:
    """The part of `wanted` that lies between the windows before now and those after it."""
    begins, ends = wanted.begins, wanted.ends
    for hours in known:
        if hours.overlaps(wanted):
            begins, ends = (
                (max(begins, hours.ends), ends) if hours.begins <= now else (begins, min(ends, hours.begins))
            )
    return Hours(wanted.day, begins.time(), ends.time()) if ends - begins >= SOON else None


def behind(profile: Profile, now: datetime, known: list[Hours]) -> list[Hours]:
    """Regular hours of the last days that are over, except where something stands; not of exact times."""
    if profile.kind == Kind.SLOT:
        return []
    days = (now.date() - timedelta(days=n) for n in range(DAYS_BACK + 1))
    over = (hours for day in days for hours in regular(profile, day) if hours.ends <= now)
    return [hours for hours in over if not any(hours.overlaps(other) for other in known)]


def open_windows(now: datetime, *, first_time: bool) -> list[Schedule]:
    """Opens what is missing of the next 14 days (and, the first time, of the last two); returns it.

    The weekly hours do the most of it, as they do in a real clinic. By hand: somebody receives now,
    whatever the hour is, and what is over when the clinic is new.
    """
    local = timezone.localtime(now).replace(tzinfo=None)
    if first_time:
        add_leave(local.date())
    last = Schedule.objects.aggregate(pk=Max("pk"))["pk"] or 0
    for profile, past in zip_longest(DOCTORS, ON_DUTY):
        doctor = Doctor.objects.locked().get(slug=profile.slug)
        standing = Schedule.objects.standing().filter(doctor=doctor)
        known = [Hours(window.date, window.start_time, window.end_time) for window in standing]
        hours = [] if past is None else on_duty(local, known, past)
        if first_time:
            hours += behind(profile, local, hours)
            add_week(doctor, profile, local.date())
        Schedule.objects.bulk_create(filter(None, (_window(doctor, profile, each) for each in hours)))
        open_ahead(doctor, now)
    return list(Schedule.objects.filter(pk__gt=last).select_related("doctor").order_by("starts_at", "pk"))


def add_leave(today: date) -> None:
    """One doctor is away for some days, as somebody always is. Nothing is open there yet."""
    Closure.objects.create(
        doctor=Doctor.objects.get(slug=AWAY),
        first_day=today + timedelta(days=4),
        last_day=today + timedelta(days=7),
        reason=_("At a conference in Delhi"),
        carried_out_at=timezone.now(),
    )


def add_week(doctor: Doctor, profile: Profile, today: date) -> None:
    WeeklyHours.objects.bulk_create(
        WeeklyHours(
            doctor=doctor,
            weekday=weekday,
            start_time=start,
            end_time=end,
            kind=profile.kind,
            slot_minutes=profile.slot_minutes or None,
            mode=Mode.VIDEO if (start, end) in profile.by_video else Mode.IN_PERSON,
            capacity=places(profile, Hours(today, start, end)),
            reserved_for_desk=profile.kept_for_desk,
            effective_from=today,
        )
        for weekday in profile.days
        for start, end in profile.hours
    )


def places(profile: Profile, hours: Hours) -> int:
    """Patients of one window; of a pool all of its minutes."""
    return {Kind.POOL: hours.minutes, Kind.SLOT: 1, Kind.TOKEN: profile.capacity}[profile.kind]


def _window(doctor: Doctor, profile: Profile, hours: Hours) -> Schedule | None:
    window = Schedule(
        doctor=doctor,
        date=hours.day,
        start_time=hours.start,
        end_time=hours.end,
        kind=profile.kind,
        capacity=places(profile, hours),
        reserved_for_desk=profile.kept_for_desk,
        prefix=doctor.prefix,
        fee_minor=doctor.fee_minor,
        currency=settings.CLINIC_CURRENCY,
        opened_from=MARK,
    )
    try:
        window.clean()
    except ValidationError:  # clocks change in that hour
        return None
    return window
