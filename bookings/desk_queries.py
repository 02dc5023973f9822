"""What the desk sees of a day: its windows with their counts, and one window's line."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce

from bookings.models import Booking
from bookings.queries import Owed
from bookings.states import LIVE, OVER, OWING, WAITING, Status
from schedules.models import Schedule
from schedules.states import SETTLES

OWES = Q(bookings__due_minor__gt=0, bookings__status__in=OWING)


def windows_of(day, user):
    """The day's windows that `user` sees, with how many are here, expected, inside and paying, and
    how many owe how much."""
    return (
        Schedule.objects.standing()
        .between(day, day)
        .seen_by(user)
        .select_related("doctor")
        .annotate(
            here=_count(Status.CHECKED_IN),
            expected=_count(Status.CONFIRMED),
            inside=_count(Status.IN_CONSULTATION),
            paying=_count(Status.HELD),
            seen=_count(Status.COMPLETED),
            owing=Count("bookings", filter=OWES),
            owed_minor=Coalesce(Sum("bookings__due_minor", filter=OWES), 0),
        )
        .order_by("starts_at", "doctor__name", "pk")
    )


def _count(status: Status) -> Count:
    return Count("bookings", filter=Q(bookings__status=status))


def owed_in(windows: list[Schedule]) -> list[Owed]:
    """What the patients of these windows, from `windows_of`, still owe: a line for each currency."""
    counts, sums = defaultdict(int), defaultdict(int)
    for window in windows:
        counts[window.currency] += window.owing
        sums[window.currency] += window.owed_minor
    return [Owed(count, sums[currency], currency) for currency, count in sorted(counts.items()) if count]


def in_question(windows: list[Schedule], now: datetime) -> Schedule | None:
    """The window that somebody at the desk most likely means: one that runs now, else the next
    one, else the last; open ones first."""

    def rank(window):
        over, ends = window.ends_at <= now, window.ends_at.timestamp()
        return (window.status not in SETTLES, over, -ends if over else window.starts_at.timestamp())

    return min(windows, key=rank, default=None)


def call_order(booking: Booking) -> tuple:
    """The order in which the line is called: who is here first, then by priority and number."""
    return (booking.status != Status.CHECKED_IN, -booking.priority, booking.queue_number or 0)


@dataclass(frozen=True)
class Line:
    """One window's bookings at a moment, as the desk works through them."""

    schedule: Schedule
    now: datetime
    inside: list[Booking]
    waiting: list[Booking]
    paying: list[Booking]
    owing: list[Booking]
    """Seen, and not paid."""
    gone: list[Booking]

    @property
    def serving(self) -> int:
        """The booking that is with the doctor, 0 for nobody: what `desk.call_next` checks."""
        return self.inside[0].pk if self.inside else 0

    @property
    def now_serving(self) -> str:
        return self.schedule.label(self.schedule.now_serving)

    @property
    def left(self) -> int:
        """Free places; a lapsed hold's counts as free although no sweep has been there yet."""
        lapsed = sum(booking.units for booking in self.gone if booking.status == Status.HELD)
        return self.schedule.capacity - self.schedule.taken + lapsed


def line_of(schedule: Schedule, now: datetime) -> Line:
    """One query: everybody in the window, in the order in which they will be called."""
    bookings = list(schedule.bookings.select_related("patient").order_by("queue_number", "pk"))
    for booking in bookings:
        booking.schedule = schedule
    return Line(
        schedule,
        now,
        inside=[b for b in bookings if b.status == Status.IN_CONSULTATION],
        waiting=sorted((b for b in bookings if b.status in WAITING), key=call_order),
        paying=[b for b in bookings if b.status == Status.HELD and not b.hold_lapsed(now)],
        owing=[b for b in bookings if b.status == Status.COMPLETED and b.owes],
        gone=[b for b in bookings if is_gone(b, now) and not b.owes],
    )


def is_gone(booking: Booking, now: datetime) -> bool:
    return booking.status in (*OVER, Status.OVERFLOW) or booking.hold_lapsed(now)


def version_of(windows: list[Schedule], line: Line | None) -> str:
    """Changes whenever something on the desk's page changes."""
    seen = [
        (w.pk, w.status, w.taken, w.capacity, w.now_serving, w.here, w.expected, w.inside, w.owed_minor)
        for w in windows
    ]
    if line:
        for group in (line.inside, line.waiting, line.paying, line.owing, line.gone):
            seen.append([(b.pk, b.status, b.priority, b.due_minor) for b in group])
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def live_places(patient_ids, schedule_id: int) -> dict[int, Booking]:
    """By patient, the place that each of them already has in a window."""
    found = Booking.objects.filter(schedule=schedule_id, patient__in=patient_ids, status__in=LIVE)
    return {booking.patient_id: booking for booking in found.select_related("schedule")}
