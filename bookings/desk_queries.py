"""What the desk sees of a day: its windows with their counts, and one window's line."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from bookings.models import Booking
from bookings.queries import Owed
from bookings.states import OVER, OWING, WAITING, Status
from schedules.models import Schedule
from schedules.queries import DAYS
from schedules.states import SETTLES, Kind
from schedules.states import Status as Window


@dataclass(frozen=True)
class Session:
    """What the desk works through as one line: a token window, or a day's slots of a doctor."""

    windows: list[Schedule]

    def __getattr__(self, name):
        """All that isn't said here is as in the first of its windows."""
        return getattr(self.windows[0], name)

    def _sum(self, name: str) -> int:
        return sum(getattr(window, name) for window in self.windows)

    here = property(lambda self: self._sum("here"))
    expected = property(lambda self: self._sum("expected"))
    inside = property(lambda self: self._sum("inside"))
    seen = property(lambda self: self._sum("seen"))
    taken = property(lambda self: self._sum("taken"))
    capacity = property(lambda self: self._sum("capacity"))
    owed_minor = property(lambda self: self._sum("owed_minor"))

    @property
    def last(self) -> Schedule:
        return self.windows[-1]

    @property
    def ends_at(self) -> datetime:
        return self.last.ends_at

    @property
    def hours(self) -> str:
        return f"{self.start_time:%H:%M}–{self.last.end_time:%H:%M}"

    @property
    def status(self) -> str:
        """Open while one of its windows is, else as they ended."""
        states = [window.status for window in self.windows]
        return next((state for state in (Window.OPEN, Window.CLOSED) if state in states), states[0])

    @property
    def status_word(self) -> str:
        return Window(self.status).label

    def holds(self, schedule_id: str) -> bool:
        return schedule_id in {str(window.pk) for window in self.windows}


def sessions_of(day, user) -> list[Session]:
    """The day's lines that `user` sees, the earliest first. One query."""
    lines = {}
    for window in windows_of(day, user):
        slots = window.kind == Kind.SLOT
        lines.setdefault(("slots", window.doctor_id) if slots else window.pk, []).append(window)
    return [Session(windows) for windows in lines.values()]


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


def owed_in(sessions: list[Session]) -> list[Owed]:
    """What the patients of these sessions still owe: a line for each currency."""
    counts, sums = defaultdict(int), defaultdict(int)
    for window in (window for session in sessions for window in session.windows):
        counts[window.currency] += window.owing
        sums[window.currency] += window.owed_minor
    return [Owed(count, sums[currency], currency) for currency, count in sorted(counts.items()) if count]


def in_question(windows: list, now: datetime):
    """The window that somebody at the desk most likely means: one that runs now, else the next
    one, else the last; open ones first."""

    def rank(window):
        over, ends = window.ends_at <= now, window.ends_at.timestamp()
        return (window.status not in SETTLES, over, -ends if over else window.starts_at.timestamp())

    return min(windows, key=rank, default=None)


def call_order(booking: Booking) -> tuple:
    """The order in which the line is called: who is here first, then by priority, number and time."""
    late = booking.status != Status.CHECKED_IN
    return (late, -booking.priority, booking.queue_number or 0, booking.starts)


@dataclass(frozen=True)
class Line:
    """A session's bookings at a moment, as the desk works through them."""

    session: Session
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
        if self.session.kind == Kind.TOKEN:
            return self.session.label(self.session.now_serving)
        return self.inside[0].label if self.inside else ""

    @property
    def left(self) -> int:
        """Free places; a lapsed hold's counts as free although no sweep has been there yet."""
        lapsed = sum(booking.units for booking in self.gone if booking.status == Status.HELD)
        return self.session.capacity - self.session.taken + lapsed


def line_of(session: Session, now: datetime) -> Line:
    """One query: everybody in the session, in the order in which they will be called."""
    windows = {window.pk: window for window in session.windows}
    rows = Booking.objects.filter(schedule__in=[*windows]).select_related("patient")
    bookings = list(rows.order_by("start_at", "queue_number", "pk"))
    for booking in bookings:
        booking.schedule = windows[booking.schedule_id]
    return Line(
        session,
        now,
        inside=[b for b in bookings if b.status == Status.IN_CONSULTATION],
        waiting=sorted((b for b in bookings if b.status in WAITING), key=call_order),
        paying=[b for b in bookings if b.status == Status.HELD and not b.hold_lapsed(now)],
        owing=[b for b in bookings if b.status == Status.COMPLETED and b.owes],
        gone=[b for b in bookings if is_gone(b, now) and not b.owes],
    )


def is_gone(booking: Booking, now: datetime) -> bool:
    return booking.status in (*OVER, Status.OVERFLOW) or booking.hold_lapsed(now)


def version_of(sessions: list[Session], line: Line | None) -> str:
    """Changes whenever something on the desk's page changes."""
    seen = [
        (s.pk, s.status, s.taken, s.capacity, s.now_serving, s.here, s.expected, s.inside, s.owed_minor)
        for s in sessions
    ]
    if line:
        for group in (line.inside, line.waiting, line.paying, line.owing, line.gone):
            seen.append([(b.pk, b.status, b.priority, b.due_minor) for b in group])
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def live_places(patient_ids, schedule_id: int) -> dict[int, Booking]:
    """By patient, the place that each of them already has in a window. Of services one may have several."""
    found = Booking.objects.live().filter(schedule=schedule_id, patient__in=patient_ids, service=None)
    return {booking.patient_id: booking for booking in found.select_related("schedule")}


def was_called(schedule: Schedule) -> bool:
    """Whether patients were called in this window; for a slot, in any of the doctor's that day."""
    return Booking.objects.filter(schedule__in=together(schedule), called_at__isnull=False).exists()


def together(schedule: Schedule):
    """The windows that the desk works through as one line: a day's slots of a doctor, or one window."""
    if schedule.kind != Kind.SLOT:
        return Schedule.objects.filter(pk=schedule.pk)
    return Schedule.objects.standing().filter(
        doctor=schedule.doctor_id, date=schedule.date, kind=schedule.kind
    )


def to_finish(now: datetime):
    """Windows that ended settings.FINISH_AFTER_HOURS ago, and where nothing happened since."""
    since = now - timedelta(hours=settings.FINISH_AFTER_HOURS)
    lately = Q(checked_in_at__gt=since) | Q(called_at__gt=since) | Q(ended_at__gt=since)
    busy = Booking.objects.filter(lately, schedule=OuterRef("pk"))
    return Schedule.objects.filter(status__in=SETTLES, ends_at__lte=since).exclude(Exists(busy))


def free_windows(schedule: Schedule, now: datetime):
    """The doctor's other windows of the next 14 days with a free place, the earliest first."""
    today = timezone.localdate(now)
    soon = Schedule.objects.between(today, today + timedelta(days=DAYS)).filter(
        doctor=schedule.doctor_id, status=Window.OPEN, ends_at__gt=now
    )
    return soon.exclude(kind=Kind.POOL).exclude(pk=schedule.pk).with_left(now).filter(left__gt=0)
