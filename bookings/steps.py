"""Short steps on rows that are already locked. They open no transaction; actions compose them.

A place is taken in one way: lock the window, read the clock under the lock, decide, `move`.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Model, Q
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from bookings.models import Booking, BookingEvent
from bookings.notice_steps import of_move
from bookings.queries import read_under_lock
from bookings.refund_rules import why_not_move_own
from bookings.states import DESK_CHANNELS, LIVE, MOVES, NEW, OCCUPYING, Channel, Status
from clinic.errors import Refused
from clinic.models import Patient
from clinic.notice_steps import tell
from clinic.transactions import StartOver
from schedules.models import Schedule
from schedules.states import SETTLES, Kind
from schedules.states import Status as Window

log = logging.getLogger("clinic")


def move(
    booking: Booking,
    to: Status,
    *,
    now: datetime,
    actor=None,
    cause: str,
    into: Schedule | None = None,
    quietly: bool = False,
    **changes,
) -> None:
    """The only writer of a booking's status, window, units and number; its window must be locked.

    Effects: `booking.status` and `changes` are saved (inserted when new) · `booking.units`
    becomes 0, 1 or minutes, and the window's `taken` follows by the same difference · the
    first move to a place in the queue takes `last_number + 1` · one BookingEvent is written, and
    the notices of it.
    With `into`, another locked window, the place and its number are taken there, and what it
    took in its old window is given back; its own window stands for another time there.
    `quietly`: nobody is told, as of what another system has told already.

    Raises Refused: MOVE where `states.MOVES` forbids it, FULL where no units are left.
    """
    was, old, window = booking.status or NEW, booking.schedule, into or booking.schedule
    if to not in MOVES[was] or (to == was and not into):
        raise immovable(booking)
    units, had, number = units_in(to, booking), booking.units, booking.queue_number
    leaves = 0
    if window != old:
        leaves, had, number = had, 0, None
        there = {"schedule": into, "mode": into.mode, "queue_number": None, "numbered_at": None}
        changes = there | times_in(into) | changes
    changes |= {"status": to, "units": units}
    if window.taken + units - had > window.capacity:
        raise full(window)
    if to in OCCUPYING and number is None and window.kind == Kind.TOKEN:
        changes |= {"queue_number": window.last_number + 1, "numbered_at": now}
    adding = booking._state.adding
    _assign(booking, changes)
    booking.save(force_insert=adding, update_fields=None if adding else changes)
    event = BookingEvent(booking=booking, at=now, actor=actor, from_status=was, to_status=to, cause=cause)
    event.save(force_insert=True)
    if not quietly:
        tell(of_move(booking, event, now))
    _take(old, booking, -leaves)
    _take(window, booking, units - had, changes.get("queue_number"))
    if changes.get("queue_number"):
        log.info(
            "token-assign",
            extra={"booking": booking.pk, "schedule": window.pk, "number": booking.queue_number},
        )


def _take(schedule: Schedule, booking: Booking, units: int, number: int | None = None) -> None:
    """Counts so many more units as taken, the desk's also as its own, and the number as given."""
    changed = {}
    if units:
        changed["taken"] = schedule.taken + units
    if units and booking.channel in DESK_CHANNELS:
        changed["taken_at_desk"] = schedule.taken_at_desk + units
    if number:
        changed["last_number"] = number
    if changed:
        _assign(schedule, changed)
        schedule.save(update_fields=changed)


def times_in(schedule: Schedule) -> dict:
    """The patient's own time: a slot is all of its window, a token has none, a service says its own."""
    if schedule.kind == Kind.SLOT:
        return {"start_at": schedule.starts_at, "end_at": schedule.ends_at}
    return {"start_at": None, "end_at": None}


def immovable(booking: Booking) -> Refused:
    said = {"status": booking.get_status_display()}
    return Refused("MOVE", _("This booking is “%(status)s” and cannot be changed that way.") % said)


def _assign(row, values: dict) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def units_in(status: Status, booking: Booking) -> int:
    """What a booking takes of its window in a status: nothing, or its size.

    A hold's units follow the window's `holds_reserve` at the moment it is made; slots and
    pools always reserve.
    """
    if status == Status.HELD:
        return booking.size if booking.schedule.holds_reserve or booking.start_at else 0
    return booking.size if status in OCCUPYING else 0


# --- Locks --------------------------------------------------------------------------------


def lock_windows(schedule_ids, also: Q | None = None) -> tuple[dict[int, Schedule], datetime, list[Booking]]:
    """Locks windows, all in one order; returns them by id, the clock under the lock, and the
    bookings that `also` names.

    Lapsed holds give their places back first, so that `taken` is the truth, and nothing that is
    decided depends on whether a sweep was here before. Raises Refused (404) for no such window.
    """
    windows = {window.pk: window for window in Schedule.objects.locked().filter(pk__in=schedule_ids)}
    if len(windows) < len({*schedule_ids}):
        raise Refused("NOT_FOUND", _("There is no such window."), status=404)
    now, bookings = read_under_lock(windows, also)
    for booking in bookings:
        if booking.hold_lapsed(now):
            move(booking, Status.EXPIRED, now=now, cause="hold lapsed")
    return windows, now, bookings


def lock_window(schedule_id: int, also: Q | None = None) -> tuple[Schedule, datetime, list[Booking]]:
    """As `lock_windows`, for one."""
    windows, now, bookings = lock_windows([schedule_id], also)
    return windows[schedule_id], now, bookings


def lock_for(
    booking_id: int, schedule_id: int, also: Q | None = None
) -> tuple[Booking, datetime, list[Booking]]:
    """Locks the window of a booking and reads both anew; returns booking, clock, other bookings.

    Starts the action over when the booking moved to another window meanwhile: it never takes
    a second lock out of order.
    """
    this = Q(pk=booking_id)
    _schedule, now, bookings = lock_window(schedule_id, this | also if also else this)
    found = next((booking for booking in bookings if booking.pk == booking_id), None)
    if found is None:
        raise StartOver
    return found, now, [booking for booking in bookings if booking is not found]


# --- Room ---------------------------------------------------------------------------------


def full(schedule: Schedule) -> Refused:
    return Refused("FULL", _("This window is full. Someone was faster."), schedule=schedule)


def price_changed(schedule: Schedule) -> Refused:
    said = _("The price has changed. Please look at it again.")
    return Refused("PRICE_CHANGED", said, schedule=schedule)


def check_open(schedule: Schedule, now: datetime, channel: Channel) -> None:
    """Raises Refused (CLOSED, PAST) where this channel may take no new place now.

    Online tokens sell until a little before the end, slots until the start, and a pool to its end,
    where each start must lie ahead; the desk sells a slot while it lasts, and a token as long as the
    session may still be going on (settings.FINISH_AFTER_HOURS past its end).
    """
    if schedule.status != Window.OPEN:
        raise Refused("CLOSED", _("This window is closed to new bookings."), schedule=schedule)
    if channel not in DESK_CHANNELS and now >= schedule.online_until:
        raise Refused("PAST", _("It is too late to book this window online."), schedule=schedule)
    if now >= session_over(schedule):
        raise Refused("PAST", _("This window is over."), schedule=schedule)


def session_over(schedule: Schedule) -> datetime:
    """From when on the desk takes nobody into a window any more: slots and pools end on time."""
    longer = settings.FINISH_AFTER_HOURS if schedule.kind == Kind.TOKEN else 0
    return schedule.ends_at + timedelta(hours=longer)


def check_movable(booking: Booking, target: Schedule, now: datetime, *, own: bool) -> None:
    """Raises Refused unless this visit may move to `target`: MOVE, TOO_LATE, OTHER_DOCTOR, OTHER_MODE,
    NOT_OFFERED, CLOSED, PAST."""
    if own and (why_not := why_not_move_own(booking, now)):
        raise Refused("TOO_LATE", why_not, booking=booking)
    if booking.status != Status.CONFIRMED:
        raise immovable(booking)
    if target.doctor_id != booking.schedule.doctor_id:
        raise Refused("OTHER_DOCTOR", _("A visit moves to another time of the same doctor."), schedule=target)
    if own and target.mode != booking.mode:
        said = _("A visit at the clinic stays at the clinic when it moves, and one by video stays by video.")
        raise Refused("OTHER_MODE", said, schedule=target)
    if (target.kind == Kind.POOL) != bool(booking.service_id):
        raise Refused("NOT_OFFERED", _("What was booked can't be moved into that window."), schedule=target)
    check_open(target, now, booking.channel if own else Channel.PHONE)


def has_left(schedule: Schedule, units: int, channel: Channel) -> bool:
    """Whether a channel may take so many more units."""
    return units <= left_for(schedule, channel)


def left_for(schedule: Schedule, channel: Channel) -> int:
    """The units that a channel may still take: online leaves the desk what is kept for it."""
    left = schedule.capacity - schedule.taken
    if channel not in DESK_CHANNELS:
        left -= max(schedule.reserved_for_desk - schedule.taken_at_desk, 0)
    return max(left, 0)


def has_room_for(booking: Booking, others: list[Booking], now: datetime, *, at_desk: bool = False) -> bool:
    """Whether money that has just arrived can still buy this held or expired booking its place.

    The same question as for a hold: the window stands and has not ended (an exact time has not
    started; `at_desk` the session may still be going on), what the booking does not take yet is left,
    nobody has its time, and the patient has no other paid place there. A place that the patient only
    holds counts as left: it will be given up. `others` were read by `queries.in_the_way_of`.
    """
    schedule, rivals = booking.schedule, live_rivals(booking, others)
    over = now >= (session_over(schedule) if at_desk else booking.start_at or schedule.ends_at)
    missing = booking.size - booking.units - sum(rival.units for rival in rivals)
    return (
        schedule.status in SETTLES
        and not over
        and all(rival.status == Status.HELD for rival in rivals)
        and (booking.units > 0 or not time_is_taken(booking, others, but=rivals))
        and has_left(schedule, max(missing, 0), Channel.WALK_IN if at_desk else booking.channel)
    )


def live_rivals(booking: Booking, others: list[Booking]) -> list[Booking]:
    """Other places of the same patient in the same window. Of services one may have several."""
    theirs = (other for other in others if other.patient_id == booking.patient_id)
    return [
        other for other in theirs if other.status in LIVE and not (booking.service_id or other.service_id)
    ]


def time_is_taken(booking: Booking, others: list[Booking], *, but=()) -> bool:
    """Whether somebody has the exact time of this booking, or a part of it."""
    return any(
        other.start_at < booking.end_at and booking.start_at < other.end_at
        for other in others
        if booking.start_at and other.start_at and other.units and other not in but
    )


def check_same(booking: Booking, digest: str) -> Booking:
    """The booking that this request key already made. Raises Refused if it asked for something else."""
    if booking.request_digest != digest:
        raise reused()
    return booking


def reused() -> Refused:
    return Refused(
        "REQUEST_REUSED", _("This form was already sent with other details. Please start again."), status=422
    )


def digest(*content) -> str:
    """A fingerprint of what a form asked for and who sent it, so that its key cannot be used for
    something else. A row stands for itself, whatever it is called."""

    def name(value) -> str:
        return f"{value._meta.label} {value.pk}" if isinstance(value, Model) else repr(value)

    return hashlib.sha256(json.dumps(content, default=name).encode()).hexdigest()


# --- Taking a place -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Guest:
    """A person as they typed themselves, or as the desk typed them: always a new Patient, so
    that a form never reveals who is known here. Unclaimed, unless an account adds its own."""

    name: str
    phone: str = ""
    email: str = ""
    age: int | None = None
    date_of_birth: date | None = None
    sex: str = ""
    account_id: int | None = None
    relationship: str = ""


def as_patient(who: Patient | Guest) -> Patient:
    """A guest becomes a row, with the language that they read us in."""
    return (
        who
        if isinstance(who, Patient)
        else Patient.objects.create(**asdict(who), language=get_language() or "")
    )


def is_known(who: Patient | Guest) -> bool:
    """Whether an account typed itself in once more, although it has been here meanwhile."""
    return bool(
        isinstance(who, Guest)
        and who.relationship == Patient.Relationship.SELF
        and Patient.objects.of(who.account_id).filter(relationship=who.relationship).exists()
    )


def hold_until(now: datetime) -> datetime:
    return now + timedelta(minutes=settings.HOLD_MINUTES)


def new_booking(
    schedule: Schedule, who: Patient | Guest, *, now: datetime, channel: Channel, price_minor: int, **fields
) -> Booking:
    """An unsaved booking with what is snapshotted when it is sold; `move` stores it."""
    return Booking(
        schedule=schedule,
        patient=as_patient(who),
        channel=channel,
        mode=schedule.mode,
        price_minor=price_minor,
        currency=schedule.currency,
        refund_rules=settings.REFUND_RULES,
        created_at=now,
        status=NEW,
        **times_in(schedule) | fields,
    )


def seat(
    booking: Booking, others: list[Booking], *, now: datetime, cause: str, actor=None, **changes
) -> None:
    """Confirms a booking that `has_room_for`; a place that its patient only held is given up."""
    for rival in live_rivals(booking, others):
        move(rival, Status.EXPIRED, now=now, cause="another booking of this patient was paid")
    move(booking, Status.CONFIRMED, now=now, actor=actor, cause=cause, **changes)


def pay_off(booking: Booking, *, discount_minor: int = 0) -> None:
    """Nothing is owed for a booking any more: paid, but for `discount_minor` that was let off. Its
    window is locked; who calls this writes the payment, or the row that says why."""
    booking.due_minor = 0
    booking.discount_minor += discount_minor
    booking.save(update_fields=["due_minor", "discount_minor"])


def overflow(booking: Booking, *, now: datetime) -> None:
    """Paid, but no place was left: all of the money is due back at once."""
    cause = "OVERFLOW_AFTER_PAYMENT"
    move(booking, Status.OVERFLOW, now=now, cause=cause, refund_percent=100, refund_due_at=now)
    log.info("overflow", extra={"booking": booking.pk, "schedule": booking.schedule_id, "reason": cause})


def call_off(booking: Booking, percent: int, *, now: datetime, actor=None, reason: str) -> None:
    """Cancels a booking: `percent` of what was paid for it is due back at once."""
    due = {"refund_percent": percent, "refund_due_at": now} if booking.gives_back else {}
    move(
        booking, Status.CANCELLED, now=now, actor=actor, cause=f"cancelled: {reason}"[:200],
        cancel_reason=reason, ended_at=now, **due,
    )  # fmt: skip
