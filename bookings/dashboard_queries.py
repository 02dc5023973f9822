"""What the dashboard shows live: today and the next days, how much is used, held and free, and what still fits."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import F, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from bookings.minutes_queries import Pool
from bookings.minutes_rules import Span
from bookings.models import Booking
from bookings.states import Status
from bookings.use_queries import Sells, Use, total
from clinic.models import Doctor, Service
from clinic.templatetags.clinic import clinic_time
from schedules.models import Schedule
from schedules.states import Kind
from schedules.states import Status as Window

AHEAD = 7
"""So many days after today."""


def windows_of(user, now: datetime, *, ahead: int = AHEAD) -> list[Schedule]:
    """Today's windows and those of so many days ahead that `user` sees, each with its `use`. One statement."""
    today = timezone.localdate(now)
    held = Q(bookings__status=Status.HELD)
    found = (
        Schedule.objects.standing()
        .between(today, today + timedelta(days=ahead))
        .seen_by(user)
        .select_related("doctor")
        .annotate(
            held=_units(held & Q(bookings__hold_expires_at__gt=now)),
            lapsed=_units(held & Q(bookings__hold_expires_at__lte=now)),
        )
        .order_by("starts_at", "doctor__name", "pk")
    )
    for window in found:
        window.use = Use.counted(
            total=window.capacity, taken=window.taken, held=window.held, lapsed=window.lapsed
        )
    return list(found)


def _units(which: Q) -> Coalesce:
    return Coalesce(Sum("bookings__units", filter=which), 0)


# --- Days, doctors, parts of the day ------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """What a doctor's windows in one part of a day sell: seats, or minutes."""

    now: datetime
    windows: list[Schedule]
    fits: list["Fit"]

    @property
    def doctor(self) -> Doctor:
        return self.windows[0].doctor

    @property
    def period(self) -> str:
        return self.windows[0].period.label

    @property
    def sells(self) -> Sells:
        return Sells.of(self.windows[0].kind)

    @property
    def use(self) -> Use:
        return total(window.use for window in self.windows)

    @property
    def starts_at(self) -> datetime:
        return self.windows[0].starts_at

    @property
    def ends_at(self) -> datetime:
        return max(window.ends_at for window in self.windows)

    @property
    def is_on_sale(self) -> bool:
        """Somebody may still get a place here, online or at the desk."""
        return any(window.status == Window.OPEN and window.ends_at > self.now for window in self.windows)


@dataclass(frozen=True)
class Mix:
    """Seats and minutes side by side: they are never added up."""

    seats: Use
    minutes: Use

    @property
    def uses(self) -> list[tuple[Sells, Use]]:
        """Those of which there are any."""
        both = (Sells.SEATS, self.seats), (Sells.MINUTES, self.minutes)
        return [(sells, use) for sells, use in both if use.total]


def mix(windows: list[Schedule]) -> Mix:
    """What these windows sell, in all."""
    by_kind = {sells: [w.use for w in windows if Sells.of(w.kind) == sells] for sells in Sells}
    return Mix(total(by_kind[Sells.SEATS]), total(by_kind[Sells.MINUTES]))


@dataclass(frozen=True)
class Day:
    date: date
    is_today: bool
    chosen: bool
    mix: Mix
    by_doctor: list[Mix]
    """In the order of `Dashboard.doctors`."""


# --- The chosen day, place by place -------------------------------------------------------

SHOWN = ("schedule", "status", "service_name", "start_at", "end_at", "queue_number", "hold_expires_at")
"""Of a booking: nothing of the patient."""


@dataclass(frozen=True)
class Place:
    """One booking of the chosen day where it stands in time. Nothing of the patient."""

    booking: Booking
    start: datetime
    end: datetime
    number: int
    """Its place among the window's, from 0 on."""

    @property
    def window(self) -> Schedule:
        return self.booking.schedule

    @property
    def what(self) -> str:
        """ "Facial", "A7", or "" for an exact time."""
        return self.booking.service_name or self.booking.token_label

    @property
    def tone(self) -> str:
        """held, missed, seen, or booked."""
        tones = {Status.HELD: "held", Status.NO_SHOW: "missed", Status.COMPLETED: "seen"}
        return tones.get(self.booking.status, "booked")

    @property
    def state(self) -> str:
        if self.booking.status == Status.HELD:
            until = clinic_time(timezone.localtime(self.booking.hold_expires_at))
            return _("held until %(time)s") % {"time": until}
        return self.booking.get_status_display()

    @property
    def minutes(self) -> int:
        return round((self.end - self.start) / timedelta(minutes=1))


def places_of(windows: list[Schedule], now: datetime) -> list[Place]:
    """Who has or holds a place in these windows, in the order of time. One statement.

    A number has no time of its own: the numbers of a window stand in their order, each as long as a
    place of it is on average, those that are only held last.
    """
    known = {window.pk: window for window in windows}
    rows = Booking.objects.with_place(now).filter(schedule__in=[*known]).only(*SHOWN)
    order = F("queue_number").asc(nulls_last=True)
    places, counts = [], dict.fromkeys(known, 0)
    for booking in rows.order_by("start_at", order, "pk"):
        window = booking.schedule = known[booking.schedule_id]
        places.append(_placed(booking, window, counts[window.pk]))
        counts[window.pk] += 1
    return sorted(places, key=lambda place: (place.start, place.window.doctor.name, place.booking.pk))


def _placed(booking: Booking, window: Schedule, number: int) -> Place:
    if booking.start_at:
        return Place(booking, booking.start_at, booking.end_at, number)
    each = (window.ends_at - window.starts_at) / window.capacity
    start = window.starts_at + number * each
    return Place(booking, start, start + each, number)


# --- What still fits ----------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """A service that can still be booked in a part of the day, and its first start."""

    service: Service
    start: datetime


def fits_of(windows: list[Schedule], places: list[Place], now: datetime) -> dict[int, list[Fit]]:
    """By window that sells minutes, which of its doctor's services still fit there, and from when: whether online
    or at the desk. One statement, none where there is no such window."""
    taken = defaultdict(list)
    for place in places:
        taken[place.booking.schedule_id].append(Span(place.start, place.end))
    sharing = [window for window in windows if window.kind == Kind.POOL]
    pools = [Pool(window, now, taken[window.pk], at_desk=True) for window in sharing]
    offered = _offered({pool.schedule.doctor_id for pool in pools}) if pools else {}
    return {
        pool.schedule.pk: [
            Fit(service, starts[0])
            for service in offered.get(pool.schedule.doctor_id, [])
            if (starts := pool.starts(service.minutes))
        ]
        for pool in pools
    }


def _offered(doctors: set[int]) -> dict[int, list[Service]]:
    found = {}
    shown = Service.objects.offered().filter(doctors__in=doctors)
    shown = shown.only("name", "duration", "buffer").annotate(offered_by=F("doctors"))
    for service in shown.order_by("name", "pk"):
        found.setdefault(service.offered_by, []).append(service)
    return found


# --- The page -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Dashboard:
    """All of it at a moment; `chosen` is the day of which every doctor and place is shown."""

    now: datetime
    chosen: date
    doctors: list[Doctor]
    days: list[Day]
    parts: list[Part]
    places: list[Place]
    windows: list[Schedule]
    """Of the chosen day."""

    @property
    def is_today(self) -> bool:
        return self.chosen == timezone.localdate(self.now)

    @property
    def mix(self) -> Mix:
        return next(day.mix for day in self.days if day.chosen)

    @property
    def by_doctor(self) -> list[tuple[Doctor, tuple[Mix, ...]]]:
        """Each doctor's days."""
        return list(zip(self.doctors, zip(*(day.by_doctor for day in self.days), strict=True), strict=True))

    @property
    def version(self) -> str:
        """Changes whenever something on the page changes; and every five minutes, for the mark of now."""
        seen = [
            [(day.date, day.mix, day.by_doctor) for day in self.days],
            [(window.pk, window.status) for window in self.windows],
            [(place.booking.pk, place.booking.status, place.start, place.end) for place in self.places],
            [(fit.service.pk, fit.start) for part in self.parts for fit in part.fits],
            [part.is_on_sale for part in self.parts],
            self.now.timestamp() // 300,
        ]
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def dashboard_of(user, now: datetime, wanted: str = "") -> Dashboard:
    """What `user` sees of it; the chosen day is `wanted` (an ISO date), else today. Three statements at most,
    however many bookings there are."""
    windows = windows_of(user, now)
    today = timezone.localdate(now)
    dates = [today + timedelta(days=n) for n in range(AHEAD + 1)]
    chosen = next((day for day in dates if day.isoformat() == wanted), today)
    doctors = sorted({window.doctor for window in windows}, key=lambda doctor: (doctor.name, doctor.pk))
    by_day = {day: [window for window in windows if window.date == day] for day in dates}
    shown = by_day[chosen]
    places = places_of(shown, now) if shown else []
    return Dashboard(
        now=now,
        chosen=chosen,
        doctors=doctors,
        days=[_day(day, by_day[day], doctors, chosen=chosen, today=today) for day in dates],
        parts=_parts(now, shown, fits_of(shown, places, now)),
        places=places,
        windows=shown,
    )


def _day(day: date, windows: list[Schedule], doctors: list[Doctor], *, chosen: date, today: date) -> Day:
    own = {doctor: [window for window in windows if window.doctor_id == doctor.pk] for doctor in doctors}
    by_doctor = [mix(own[doctor]) for doctor in doctors]
    return Day(day, is_today=day == today, chosen=day == chosen, mix=mix(windows), by_doctor=by_doctor)


def _parts(now: datetime, windows: list[Schedule], fits: dict[int, list[Fit]]) -> list[Part]:
    """By doctor, the earliest part first."""
    groups: dict[tuple, list[Schedule]] = {}
    for window in windows:
        key = window.doctor_id, window.period, Sells.of(window.kind)
        groups.setdefault(key, []).append(window)
    parts = [
        Part(now, group, _first_of([fits.get(window.pk, []) for window in group]))
        for group in groups.values()
    ]
    return sorted(parts, key=lambda part: (part.doctor.name, part.doctor.pk, part.starts_at))


def _first_of(found: list[list[Fit]]) -> list[Fit]:
    """Each service once, at its first start in any of these windows."""
    first: dict[int, Fit] = {}
    for fit in sorted((fit for fits in found for fit in fits), key=lambda fit: (fit.start, fit.service.name)):
        first.setdefault(fit.service.pk, fit)
    return list(first.values())
