"""A service in a pool, under the window's lock: is it offered, and is that time free."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from bookings import minutes_rules as rules
from bookings import steps
from bookings.minutes_queries import near_to, not_offered, why_not
from bookings.minutes_rules import Span, span
from bookings.models import Booking
from bookings.queries import TIMED
from bookings.states import Channel
from clinic.errors import Refused
from clinic.models import Service
from schedules.models import Schedule
from schedules.states import Kind


@dataclass(frozen=True)
class Wish:
    """A service at a time: what was chosen on a page. `minutes` is how long the page said that it takes,
    with the time after it; None: it did not say. `start_at` None: the first start that fits."""

    service_id: int
    start_at: datetime | None = None
    minutes: int | None = None

    @property
    def neighbours(self) -> Q:
        """For `read_under_lock`: whose time decides about this one. Where the page said when and how long,
        those who have a minute of it or end as it begins; else everybody with a time in the window."""
        if self.start_at is None or self.minutes is None:
            return TIMED
        try:
            wanted = span(self.start_at, self.minutes)
        except OverflowError:  # the end of time, which place_for refuses
            return TIMED
        return TIMED & Q(start_at__lt=wanted.end, end_at__gte=wanted.start)

    @property
    def content(self) -> tuple:
        """For `steps.digest`."""
        return (self.service_id, self.start_at and self.start_at.timestamp(), self.minutes)


def service_for(schedule: Schedule, wish: Wish | None) -> Service | None:
    """The service as it is now, read under the window's lock; None where the window sells none.

    Raises Refused: NOT_OFFERED where it is hidden, removed, not this doctor's, or what the window sells
    is something else; PRICE_CHANGED where it takes another time than the page showed.
    """
    pool = schedule.kind == Kind.POOL
    if not pool and wish is None:
        return None
    service = None
    if pool and wish:
        service = Service.objects.offered().by(schedule.doctor_id).filter(pk=wish.service_id).first()
    if service is None:
        raise Refused("NOT_OFFERED", not_offered(), schedule=schedule)
    if wish.minutes not in (None, service.minutes):
        raise steps.price_changed(schedule)
    return service


def taken_by(bookings: list[Booking], schedule: Schedule, *, but: Booking | None = None) -> list[Span]:
    """The times that others have in a locked window; `bookings` were read under its lock."""
    return [
        Span(other.start_at, other.end_at)
        for other in bookings
        if other.units and other.start_at and other.schedule_id == schedule.pk and other != but
    ]


def place_of(service: Service, start: datetime | None, schedule: Schedule, bookings, **kwargs) -> dict:
    """As `place_for`, with the service and what it is called and takes today."""
    place = place_for(service.minutes, start, schedule, bookings, **kwargs)
    return place | {"service": service, "service_name": service.name, "minutes": service.minutes}


def place_for(
    minutes: int,
    start: datetime | None,
    schedule: Schedule,
    bookings: list[Booking],
    *,
    now: datetime,
    channel: Channel,
    but: Booking | None = None,
) -> dict:
    """The booking's fields for so many minutes from `start` (None: the first start that fits), which are
    free. `bookings` are those with units in the locked window; `but`, if any, gives its own time up.

    Raises Refused: PAST, NO_SUCH_START outside the window or off the grid, NOT_ENOUGH_MINUTES where the
    sum is gone, OVERLAP where that time is (partly) taken. `details` have what `nearest` needs.
    """
    taken = taken_by(bookings, schedule, but=but)
    window, step = Span(schedule.starts_at, schedule.ends_at), settings.START_GRID_MINUTES
    instead = {"schedule": schedule, "minutes": minutes, "start": near_to(start or now, schedule), "now": now}
    if start and start < now:
        raise Refused("PAST", _("This time is over. Please choose a later one."), **instead)
    given_up = but.units if but and but.schedule_id == schedule.pk else 0
    left = steps.left_for(schedule, channel) + given_up
    if minutes > left:
        raise Refused("NOT_ENOUGH_MINUTES", why_not(minutes, left), **instead)
    if start is None:
        fitting = rules.fitting_starts(window, taken, minutes, step=step, not_before=now)
        if not fitting:
            raise Refused("OVERLAP", why_not(minutes, left), **instead)
        start = fitting[0]
    if not rules.is_start(start, minutes, window, taken, step=step):
        raise Refused(
            "NO_SUCH_START", _("This can't start at that time. Please choose another one."), **instead
        )
    wanted = span(start, minutes)
    if any(wanted.overlaps(other) for other in taken):
        raise Refused("OVERLAP", _("This time was just taken. Someone was faster."), **instead)
    return {"start_at": start, "end_at": wanted.end}
