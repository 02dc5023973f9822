"""One visit for a service: as an address asks for it, as the form shows it, and where it may move."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from urllib.parse import urlencode

from django.conf import settings
from django.core.validators import slug_re
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from bookings.minutes_queries import (
    Pool,
    ServiceDay,
    Start,
    days_with,
    near_to,
    nearest,
    not_offered,
    pools,
    why_not,
)
from bookings.minutes_rules import Span
from bookings.models import Booking
from clinic.models import Service
from schedules.localtime import stamp, typed_instant
from schedules.opening_rules import last_day
from schedules.queries import Window
from schedules.queries import why_not as why_not_window


@dataclass(frozen=True)
class Asked:
    """What an address asks for beside a window: a service, and when it begins. Nothing, where the window is
    booked as it is."""

    service: Service | None = None
    start: datetime | None = None

    @property
    def query(self) -> str:
        """As it stands in an address."""
        if not (self.service and self.start):
            return ""
        return urlencode({"service": self.service.code, "start": stamp(self.start)})

    def booking_url(self, schedule_id: int) -> str:
        """The form for it in a pool."""
        return f"{reverse('book', args=[schedule_id])}?{self.query}"

    @property
    def is_whole(self) -> bool:
        """A service is not asked for without its start: the first that fits would be taken."""
        return self.service is None or self.start is not None

    def wish(self) -> dict:
        """What `actions.hold` is asked for."""
        return {"service_id": self.service.pk, "start_at": self.start} if self.service else {}

    def elsewhere(self, pool: Window) -> str:
        """Where one says first what a pool is wanted for, and when; "" where both are said."""
        day = urlencode({"date": pool.date})
        if self.service is None:
            return f"{pool.doctor.get_absolute_url()}?{day}#services"
        if self.start is None or not self.service.is_offered:
            return f"{self.service.get_absolute_url()}?{day}&doctor={pool.doctor.slug}"
        return ""


def asked(query) -> Asked:
    """Reads the query of an address: one statement where it names a service. What makes no sense there
    counts as not said."""
    code = query.get("service", "")
    service = Service.objects.filter(code=code).first() if slug_re.match(code) else None
    return Asked(service, typed_instant(query.get("start", "")))


@dataclass(frozen=True)
class Visit(Window):
    """So many minutes of a pool from a start of their own: what a form asks about. Its hours, price and
    reasons are its own; all else is the window's."""

    asked: Asked = Asked()
    minutes: int = 0
    pool: Pool | None = None

    @property
    def service(self) -> Service:
        return self.asked.service

    @property
    def starts_at(self) -> datetime:
        return self.asked.start

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def fee_minor(self) -> int:
        return self.service.price_minor

    @property
    def pay_at_desk(self) -> bool:
        own = self.service.pay_at_desk
        return settings.PAY_AT_DESK if own is None else own

    @property
    def change_url(self) -> str:
        said = urlencode({"date": self.date, "doctor": self.doctor.slug})
        return f"{self.service.get_absolute_url()}?{said}"

    @property
    def stamp(self) -> str:
        return stamp(self.starts_at)

    @cached_property
    def _refusal(self) -> tuple[str, str]:
        """As of a window, and what the lock would say of this start."""
        closed = why_not_window(self.schedule, self.now)
        if closed[0] in ("CLOSED", "PAST"):
            return closed
        if self.pool and self.starts_at in self.pool.starts(self.minutes):
            if self.fee_minor and not self.can_pay:
                return "PAYMENT_NOT_CONFIGURED", _("This can't be paid online yet. Please book at the desk.")
            return "", ""
        if self.pool is None:
            return "NOT_OFFERED", not_offered()
        if self.starts_at < self.now:
            return "PAST", _("This time is over. Please choose a later one.")
        if self.pool.left < self.minutes:
            return "NOT_ENOUGH_MINUTES", why_not(self.minutes, self.pool.remaining)
        return "OVERLAP", _("This time is taken.")


def visit(window: Window, wanted: Asked) -> Visit:
    """What a form asks about that sells a service, read with the other times of its pool: two statements."""
    own = pools(window.now, window.date, window.date, doctor=window.doctor, service=wanted.service)
    pool = next((pool for pool in own if pool.schedule.pk == window.pk), None)
    return Visit(
        window.schedule, window.now, window.can_pay, asked=wanted, minutes=wanted.service.minutes, pool=pool
    )


@dataclass(frozen=True)
class Instead:
    """A time that is free where another one is not."""

    starts_at: datetime
    url: str


def instead_of(visit: Visit, starts: list[Start] | None = None) -> list[Instead]:
    """The free `starts` that a refusal named, as the page offers them; else the nearest ones: two statements."""
    if starts is None:
        near = near_to(visit.starts_at, visit.schedule)
        starts = nearest(visit.minutes, visit.doctor, near, visit.now)
    return [
        Instead(one.start, Asked(visit.service, one.start).booking_url(one.schedule_id)) for one in starts
    ]


# --- Moving -------------------------------------------------------------------------------


def days_to_move_to(
    booking: Booking, now: datetime, wanted: str, *, at_desk: bool = False
) -> list[ServiceDay]:
    """The doctor's next 14 days for a visit as it was sold; its own time counts as free. Patients are
    offered no other way of being seen than they chose. Two statements."""
    today = timezone.localdate(now)
    found = pools(now, today, last_day(today), doctor=booking.schedule.doctor, at_desk=at_desk)
    if not at_desk:
        found = [pool for pool in found if pool.schedule.mode == booking.mode]
    own = Span(booking.start_at, booking.end_at)
    freed = [replace(pool, taken=[span for span in pool.taken if span != own]) for pool in found]
    return days_with(freed, booking.minutes, now, wanted)


def visit_at(booking: Booking, day: ServiceDay, to: str, start: datetime | None) -> Visit | None:
    """The visit as it would be at `start` in the day's window with the key `to`, where it fits."""
    for pool in day.pools:
        if str(pool.schedule.pk) == to and start in pool.starts(booking.minutes):
            asked = Asked(booking.service, start)
            return Visit(pool.schedule, pool.now, asked=asked, minutes=booking.minutes, pool=pool)
    return None
