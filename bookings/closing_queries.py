"""What a closure does to windows that have bookings, before it does it."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from bookings.models import Booking
from bookings.states import WAITING, Status
from schedules.closure_models import Closure
from schedules.models import Schedule
from schedules.states import Kind

GOES = (Status.HELD, *WAITING)
"""Who can still be sent home. A visit under way is finished."""


def is_whole(closure: Closure, schedule: Schedule) -> bool:
    """Whether nothing of the window is left. An exact time is one visit: touched, it is gone."""
    hours = schedule.date, schedule.start_time, schedule.end_time
    return closure.covers(*hours) or (schedule.kind == Kind.SLOT and closure.touches(*hours))


def is_hit(closure: Closure, booking: Booking) -> bool:
    """Whether this booking ends with the closure: its window is gone, or its own time is inside.

    In a token window that is closed in part nobody has a time of their own, so all keep their places.
    """
    if booking.status not in GOES:
        return False
    if is_whole(closure, booking.schedule):
        return True
    if not booking.start_at:
        return False
    start, end = timezone.localtime(booking.start_at), timezone.localtime(booking.end_at)
    return closure.touches(start.date(), start.time(), end.time())


@dataclass
class Hit:
    """A window that a closure takes, wholly or in part, and its bookings."""

    schedule: Schedule
    whole: bool
    going: list[Booking] = field(default_factory=list)
    staying: list[Booking] = field(default_factory=list)


def hits(closures: list[Closure], now: datetime) -> list[Hit]:
    """Windows ahead in which somebody is booked and that any of these closures takes, the earliest first.

    Two queries, however long the list is.
    """
    first = min(closure.first_day for closure in closures)
    last = max(closure.last_day for closure in closures)
    windows = Schedule.objects.to_come(now).between(first, last).given_away().select_related("doctor")
    found, taking = {}, {}
    for window in windows.order_by("starts_at", "pk"):
        taking[window.pk] = [closure for closure in closures if closure.takes(window)]
        if taking[window.pk]:
            found[window.pk] = Hit(window, any(is_whole(closure, window) for closure in taking[window.pk]))
    bookings = Booking.objects.live().filter(schedule__in=list(found)).select_related("patient")
    for booking in bookings.order_by("start_at", "queue_number", "pk"):
        hit = found[booking.schedule_id]
        booking.schedule = hit.schedule
        goes = any(is_hit(closure, booking) for closure in taking[booking.schedule_id])
        (hit.going if goes else hit.staying).append(booking)
    return [hit for hit in found.values() if hit.going or hit.staying]


def leaving(schedule: Schedule) -> tuple[list[Booking], list[Booking]]:
    """Who loses their place when a window is cancelled, and who is seen to the end. One query."""
    live = list(schedule.bookings.live().select_related("patient").order_by("queue_number", "pk"))
    for booking in live:
        booking.schedule = schedule
    return [b for b in live if b.status in GOES], [b for b in live if b.status not in GOES]


def fingerprint(closures: list[Closure], found: list[Hit]) -> str:
    """Changes when other days are closed, or when other bookings would end, than the page showed."""
    days = [(c.doctor_id, c.first_day, c.last_day, c.start_time, c.end_time, c.reason) for c in closures]
    ending = sorted(booking.pk for hit in found for booking in hit.going)
    return hashlib.sha256(repr((days, ending)).encode()).hexdigest()[:32]
