"""What is read: under the lock, for the live page, and for the desk."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bookings.models import Booking
from bookings.states import LIVE, OVER, WAITING, Status
from clinic import money
from schedules.models import Schedule
from schedules.states import Mode

CLOCK = {
    "postgresql": "STATEMENT_TIMESTAMP()",
    "sqlite": "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')",  # text, in UTC
}
"""What `Now()` is to Django, for a statement of our own."""


def read_under_lock(windows: dict[int, Schedule], also: Q | None = None) -> tuple[datetime, list[Booking]]:
    """The database's clock and the bookings that a decision about these locked windows needs:
    their lapsed holds, and what `also` names.

    One statement, and the first after the lock: `Now()` inside the locking statement would be
    the time before the wait (DESIGN §4). The clock decides past and lapsed, and is every stamp.
    The join gives the clock also where no booking is found. Written as a FilteredRelation, it takes
    Django twice as long to put together, and others wait for this lock meanwhile.
    """
    lapsed = Q(status=Status.HELD, hold_expires_at__lte=Now())
    wanted = Booking.objects.filter(lapsed | also if also else lapsed, schedule__in=[*windows]).order_by()
    found, params = wanted.query.sql_with_params()
    clock = CLOCK[connection.vendor]
    rows = list(
        Booking.objects.raw(
            f"SELECT {clock} AS clock, found.* FROM (SELECT 1) AS always LEFT JOIN ({found}) AS found ON 1 = 1",
            params,
        )
    )
    bookings = [row for row in rows if row.pk]
    for booking in bookings:
        booking.schedule = windows[booking.schedule_id]
    now = rows[0].clock
    return now if isinstance(now, datetime) else datetime.fromisoformat(now).replace(tzinfo=UTC), bookings


TIMED = Q(units__gt=0, service__isnull=False)
"""For `read_under_lock`: the services that take a pool's minutes, each at its own time."""


def live_in_window(patient_id: int) -> Q:
    """For `read_under_lock`: the place that this patient already has in the window."""
    return Q(patient_id=patient_id, status__in=LIVE, service=None)


def in_the_way_of(patient_id: int) -> Q:
    """For `read_under_lock`: what may keep a booking of this patient from its place: another one of
    theirs, or in a pool whoever has that time."""
    return live_in_window(patient_id) | TIMED


WATCHED = timedelta(hours=3)
"""How long before its start a line is shown with who is ahead."""


LATE_MONEY = timedelta(hours=1)
"""How long a page waits for a payment that was begun before its hold lapsed."""


@dataclass(frozen=True)
class Ticket:
    """The live state of one booking, as its page and its status answer say it."""

    booking: Booking
    now: datetime
    ahead: int = 0

    @property
    def token_label(self) -> str:
        return self.booking.token_label

    @property
    def label(self) -> str:
        return self.booking.label

    @property
    def now_serving(self) -> str:
        return self.booking.schedule.label(self.booking.schedule.now_serving)

    @property
    def is_held(self) -> bool:
        return self.booking.status == Status.HELD and not self.booking.hold_lapsed(self.now)

    @property
    def is_over(self) -> bool:
        """Nothing will change any more. Money may come a little late, and so may a no-show."""
        booking = self.booking
        if booking.status == Status.EXPIRED:
            return self.now - booking.hold_expires_at > LATE_MONEY
        if booking.status == Status.NO_SHOW:
            return self.now > booking.schedule.ends_at
        return booking.status in OVER

    @property
    def is_waiting(self) -> bool:
        return self.booking.status in WAITING

    @property
    def estimate_minutes(self) -> int | None:
        """About how long until called: those ahead times the window's average, from its start on, or from
        the patient's own time."""
        if not self.is_waiting:
            return None
        until_start = max((self.booking.starts - self.now) / timedelta(minutes=1), 0)
        return round(until_start + self.ahead * self.booking.schedule.minutes_each)

    @property
    def progress(self) -> int:
        """How much of the line before this number is done, 0–100."""
        number = self.booking.queue_number or 1
        return max(0, min(100, round(100 * (1 - self.ahead / number))))

    @property
    def is_lapsed(self) -> bool:
        """Not paid in time, whether or not a sweep has seen it."""
        return self.booking.status == Status.EXPIRED or self.booking.hold_lapsed(self.now)

    @property
    def is_in_line(self) -> bool:
        """The line is worth watching: this number waits in it, and it moves or soon will."""
        return bool(self.token_label) and self.is_waiting and self.booking.starts - self.now < WATCHED

    @property
    def tone(self) -> str:
        if self.is_lapsed:
            return "over"
        return {
            Status.HELD: "held",
            Status.CONFIRMED: "yours",
            Status.CHECKED_IN: "wait",
            Status.IN_CONSULTATION: "yours",
            Status.OVERFLOW: "sorry",
        }.get(self.booking.status, "over")

    @property
    def status_word(self) -> str:
        if self.booking.hold_lapsed(self.now):
            return str(Status.EXPIRED.label)
        return self.booking.get_status_display()

    @property
    def next_step(self) -> str:
        """What the patient does or expects now, in one or two sentences."""
        booking = self.booking
        if self.is_held:
            if self.booking.start_at:
                return _("Pay to keep this time.")
            return _("Pay to get your number.")
        if self.is_lapsed:
            return _(
                "The time to pay has passed and the place was given back. Money that still arrives buys your place if there is room, and else goes back to you."
            )
        if self.is_waiting:
            if booking.mode == Mode.VIDEO:
                return _("The doctor sees you by video at this time. Stay near your phone.")
            if self.now < booking.schedule.starts_at and booking.start_at:
                return _("Come a few minutes before, and tell the desk that you are here.")
            if self.now < booking.schedule.starts_at:
                return _("Come a few minutes before your doctor starts. This page follows the line.")
            if not self.ahead:
                return _("You are next. Please stay near the door.")
            return ngettext(
                "One person is ahead of you.", "%(count)d people are ahead of you.", self.ahead
            ) % {"count": self.ahead}
        return {
            Status.IN_CONSULTATION: _("It is your turn. Please go in."),
            Status.COMPLETED: _("Your visit is finished. Get well soon."),
            Status.NO_SHOW: _(
                "You were called and were not there. Please ask at the desk: you can still be seen today."
            ),
            Status.CANCELLED: _("This booking was cancelled."),
            Status.OVERFLOW: _(
                "The last place went while you were paying. We are sorry. All of your money goes back to you."
            ),
        }.get(booking.status, "")

    @property
    def version(self) -> str:
        """Changes whenever something on the live page changes."""
        estimate = self.estimate_minutes
        return "-".join(
            str(part)
            for part in (
                self.booking.status,
                self.booking.schedule_id,
                self.booking.queue_number or 0,
                self.booking.schedule.now_serving,
                self.ahead,
                "" if estimate is None else estimate // 5,
                int(self.booking.hold_lapsed(self.now)),
            )
        )

    @property
    def poll_seconds(self) -> int:
        """Within five seconds of a call while the line moves; slower before, to spare a cheap phone."""
        if self.is_held:
            return 3
        if not self.is_waiting:
            return 15
        running = self.booking.starts <= self.now < self.booking.schedule.ends_at
        return 4 if running or self.estimate_minutes <= 60 else 30


def ticket(booking: Booking, now: datetime) -> Ticket:
    """Counts who is ahead: lower numbers not called yet, and earlier ones by priority."""
    if booking.status not in WAITING:
        return Ticket(booking, now)
    ahead = ahead_of(booking.schedule_id, booking.queue_number or 0, booking.priority)
    return Ticket(booking, now, ahead.count())


def ahead_of(schedule, number, priority):
    """Who is called before this number of this window. Values, or names of an outer query's columns."""
    before = Q(queue_number__lt=number, priority=priority) | Q(priority__gt=priority)
    return Booking.objects.waiting().filter(before, schedule=schedule)


@dataclass(frozen=True)
class Owed:
    """What is still to be paid at the desk, in one currency."""

    count: int
    minor: int
    currency: str

    @property
    def amount(self) -> str:
        return money.display(self.minor, self.currency)


def owed(bookings) -> list[Owed]:
    """How many of `bookings` still owe, and how much together: one query, a line for each currency."""
    rows = bookings.owing().order_by("currency").values("currency")
    rows = rows.annotate(count=Count("pk"), minor=Sum("due_minor"))
    return [Owed(**row) for row in rows]


@dataclass(frozen=True)
class BoardLine:
    """One window on the waiting room's screen. Numbers only, or times where there are no numbers."""

    room: str
    doctor_name: str
    now_serving: str
    next: list[str]
    word: str = ""
    tone: str = "over"


def board(now: datetime, *, most: int = 4) -> list[BoardLine]:
    """The windows that run now, with who is called next in `desk.call_next`'s order.

    One that is over stays as long as somebody waits.
    """
    windows = list(Schedule.objects.about(now).select_related("doctor").order_by("doctor__room", "starts_at"))
    by_pk = {window.pk: window for window in windows}
    waiting, inside = {pk: [] for pk in by_pk}, {}
    line = (
        Booking.objects.in_line()
        .filter(schedule__in=windows)
        .order_by("-priority", "queue_number", "start_at")
    )
    for booking in line.only("schedule", "status", "queue_number", "start_at"):
        booking.schedule = by_pk[booking.schedule_id]
        if booking.status == Status.IN_CONSULTATION:
            inside[booking.schedule_id] = booking.label
        else:
            waiting[booking.schedule_id].append((booking.status != Status.CHECKED_IN, booking.label))
    return [
        BoardLine(
            room=window.doctor.room,
            doctor_name=window.doctor.name,
            now_serving=window.label(window.now_serving) or inside.get(window.pk, ""),
            next=[label for _late, label in sorted(waiting[window.pk], key=lambda w: w[0])[:most]],
            word=""
            if window.starts_at <= now
            else _("starts at %(time)s") % {"time": window.start_time.strftime("%H:%M")},
        )
        for window in windows
        if window.ends_at > now or waiting[window.pk]
    ]
