"""What is read: under the lock, for the live page, and for the desk."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, FilteredRelation, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bookings.models import Booking
from bookings.states import LIVE, OVER, WAITING, Status
from schedules.models import Schedule

FIELDS = [field.attname for field in Booking._meta.concrete_fields]


def read_under_lock(schedule: Schedule, also: Q | None = None) -> tuple[datetime, list[Booking]]:
    """The database's clock and the bookings that a decision about this locked window needs:
    its lapsed holds, and what `also` names (conditions on `bookings__…`).

    One statement, and the first after the lock: `Now()` inside the locking statement would be
    the time before the wait (DESIGN §4). The clock decides past and lapsed, and is every stamp.
    """
    wanted = Q(bookings__status=Status.HELD, bookings__hold_expires_at__lte=Now())
    rows = (
        Schedule.objects.filter(pk=schedule.pk)
        .annotate(found=FilteredRelation("bookings", condition=wanted | also if also else wanted))
        .order_by()
        .values_list(Now(), *(f"found__{name}" for name in FIELDS))
    )
    rows = list(rows)
    bookings = [Booking.from_db("default", FIELDS, row[1:]) for row in rows if row[1] is not None]
    for booking in bookings:
        booking.schedule = schedule
    return rows[0][0], bookings


def live_in_window(patient_id: int) -> Q:
    """For `read_under_lock`: the place that this patient already has in the window."""
    return Q(bookings__patient_id=patient_id, bookings__status__in=LIVE, bookings__service=None)


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
    def now_serving(self) -> str:
        return self.booking.schedule.label(self.booking.schedule.now_serving)

    @property
    def is_held(self) -> bool:
        return self.booking.status == Status.HELD and not self.booking.hold_lapsed(self.now)

    @property
    def is_over(self) -> bool:
        """Nothing on the page will change any more."""
        return self.booking.status in OVER and not self.booking.refund_due_at

    @property
    def is_waiting(self) -> bool:
        return self.booking.status in WAITING

    @property
    def estimate_minutes(self) -> int | None:
        """About how long until called: those ahead times the window's average, from its start on."""
        if not self.is_waiting:
            return None
        schedule = self.booking.schedule
        until_start = max((schedule.starts_at - self.now) / timedelta(minutes=1), 0)
        return round(until_start + self.ahead * schedule.minutes_each)

    @property
    def progress(self) -> int:
        """How much of the line before this number is done, 0–100."""
        number = self.booking.queue_number or 1
        return max(0, min(100, round(100 * (1 - self.ahead / number))))

    @property
    def tone(self) -> str:
        if self.booking.hold_lapsed(self.now):
            return "late"
        return {
            Status.HELD: "held",
            Status.CONFIRMED: "yours",
            Status.CHECKED_IN: "wait",
            Status.IN_CONSULTATION: "yours",
            Status.EXPIRED: "late",
            Status.NO_SHOW: "late",
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
            return _("Pay to get your number. Your place is held for you until then.")
        if self.tone == "late" and booking.status != Status.NO_SHOW:
            return _(
                "The time to pay has passed and the place was given back. You have not been charged. Choose a new time."
            )
        if self.is_waiting:
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
                self.booking.queue_number or 0,
                self.booking.schedule.now_serving,
                self.ahead,
                "" if estimate is None else estimate // 5,
                int(self.booking.hold_lapsed(self.now)),
            )
        )

    @property
    def poll_seconds(self) -> int:
        """Slower the longer it will take: less work for the server, and for a cheap phone."""
        if self.is_held:
            return 3
        if not self.is_waiting:
            return 15
        return 4 if self.estimate_minutes <= 60 else 30


def ticket(booking: Booking, now: datetime) -> Ticket:
    """Counts who is ahead: lower numbers not called yet, and earlier ones by priority."""
    if booking.status not in WAITING:
        return Ticket(booking, now)
    before = Q(queue_number__lt=booking.queue_number or 0, priority=booking.priority)
    ahead = (
        Booking.objects.waiting()
        .filter(schedule_id=booking.schedule_id)
        .filter(before | Q(priority__gt=booking.priority))
        .count()
    )
    return Ticket(booking, now, ahead)


def day_counts(day) -> dict[str, int]:
    """How many bookings of a day are in each status, for the desk's headline."""
    rows = Booking.objects.on(day).order_by().values("status").annotate(n=Count("pk"))
    return {row["status"]: row["n"] for row in rows}
