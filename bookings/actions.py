"""What people do to bookings. Each action is one transaction, started over when it must be."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Q
from django.utils.translation import gettext as _

from bookings import steps
from bookings.minutes_queries import suggesting
from bookings.minutes_steps import Wish, place_for, place_of, service_for
from bookings.models import Booking
from bookings.price_steps import gone, price_of
from bookings.queries import in_the_way_of, live_in_window
from bookings.refund_rules import percent_back, why_not_own
from bookings.states import DESK_CHANNELS, LIVE, OCCUPYING, Channel, Status
from bookings.steps import Guest
from clinic.errors import Refused
from clinic.models import Patient
from clinic.transactions import StartOver, action
from schedules.models import Schedule

log = logging.getLogger("clinic")


def hold(
    *,
    schedule_id: int,
    patient: Patient | Guest,
    price_minor: int | None,
    request_key: UUID,
    booked_by=None,
    channel=Channel.ONLINE,
    consent_version="",
    service_id: int | None = None,
    start_at: datetime | None = None,
    minutes: int | None = None,
) -> Booking:
    """Takes a place until it is paid or settings.HOLD_MINUTES have passed; free, it is confirmed at once.

    In a pool a place is a service from `start_at` on (None: the first start that fits). `price_minor`
    and `minutes` are what was shown (None: not said); both are decided anew under the
    lock (bookings.price_rules, bookings.minutes_steps). The same `request_key` from the same account
    returns the same booking; with other content it is refused.
    Raises Refused: NOT_FOUND, CLOSED, PAST, FULL, ALREADY_BOOKED, PRICE_CHANGED, REQUEST_REUSED,
    SUBSCRIBE_TO_BOOK (403); in a pool NOT_OFFERED, NO_SUCH_START, NOT_ENOUGH_MINUTES and OVERLAP, where
    `details["suggestions"]` has up to three starts (minutes_queries.Start) that fit.
    """
    wish = None if service_id is None else Wish(service_id, start_at, minutes)
    try:
        booking = _hold(
            schedule_id, patient, price_minor, request_key, booked_by, channel, consent_version, wish
        )
    except Refused as refusal:
        raise suggesting(refusal, at_desk=channel in DESK_CHANNELS) from None
    except IntegrityError as error:
        # Everything else is decided under the lock, but three things may collide across windows:
        # the key, the first "myself" of an account that books in two tabs at once, and a patient
        # whom their account takes off its list at this moment.
        if Booking.objects.filter(request_key=request_key).exists() or steps.is_known(patient):
            raise steps.reused() from error
        if isinstance(patient, Patient) and not Patient.objects.filter(pk=patient.pk).exists():
            raise gone() from error
        raise
    log.info("booking-start", extra={"booking": booking.pk, "schedule": schedule_id})
    return booking


@action
def _hold(
    schedule_id, patient, price_minor, request_key, booked_by, channel, consent_version, wish
) -> Booking:
    digest = steps.digest(schedule_id, patient, price_minor, booked_by, *(wish.content if wish else ()))
    wanted = Q(request_key=request_key)
    if wish:
        wanted |= wish.neighbours
    elif isinstance(patient, Patient):
        wanted |= live_in_window(patient.pk)
    schedule, now, bookings = steps.lock_window(schedule_id, wanted)
    for booking in bookings:
        if booking.request_key == request_key:
            return steps.check_same(booking, digest)
    steps.check_open(schedule, now, channel)
    service = service_for(schedule, wish)
    if service:
        place = place_of(service, wish.start_at, schedule, bookings, now=now, channel=channel)
    else:
        place = {}
        check_room(schedule, bookings, channel)
    quote = price_of(schedule, patient, channel, service=service)
    if price_minor not in (None, quote.price_minor):
        raise steps.price_changed(schedule)
    booking = steps.new_booking(
        schedule,
        patient,
        now=now,
        channel=channel,
        price_minor=quote.price_minor,
        membership_id=quote.membership_id,
        booked_by=booked_by,
        request_key=request_key,
        request_digest=digest,
        consent_version=consent_version,
        **place,
    )
    if quote.price_minor:
        steps.move(
            booking,
            Status.HELD,
            now=now,
            actor=booked_by,
            cause="held",
            hold_expires_at=steps.hold_until(now),
        )
    else:
        steps.move(
            booking,
            Status.CONFIRMED,
            now=now,
            actor=booked_by,
            cause="free",
            free_reason=quote.free_reason,
        )
    return booking


def check_room(schedule: Schedule, bookings: list[Booking], channel: Channel) -> None:
    """Raises Refused (ALREADY_BOOKED, FULL) where this patient, whose `bookings` these are, can't have one
    more place."""
    for booking in bookings:
        if booking.status in LIVE:  # only this patient's: lapsed holds have just been expired
            raise Refused(
                "ALREADY_BOOKED", _("This person already has a place in this window."), booking=booking
            )
    if not steps.has_left(schedule, 1, channel):
        raise steps.full(schedule)


@action
def pay_at_desk(booking_id: int, *, actor=None) -> Booking:
    """The patient pays when they come: a held place becomes theirs, with its number and an amount due.

    A place that is theirs already stays as it is. Raises Refused: DESK_NOT_OFFERED where this
    can't be paid so, NOT_PAYABLE when the hold is over, FULL where it reserved nothing.
    """
    schedule_id, patient_id = Booking.objects.values_list("schedule_id", "patient_id").get(pk=booking_id)
    booking, now, others = steps.lock_for(booking_id, schedule_id, in_the_way_of(patient_id))
    if booking.status in OCCUPYING:
        return booking
    if not booking.may_pay_at_desk:
        raise Refused(
            "DESK_NOT_OFFERED", _("This can't be paid at the desk. Please choose another way to pay.")
        )
    if not booking.awaits_money(now):
        raise Refused("NOT_PAYABLE", _("The time to pay has passed. Please choose a new time."))
    if not steps.has_room_for(booking, others, now):
        raise steps.full(booking.schedule)
    due = {"pay_at_desk": True, "due_minor": booking.price_minor}
    steps.seat(booking, others, now=now, actor=actor, cause="pays at the desk", **due)
    return booking


@action
def cancel(booking_id: int, *, actor=None, reason: str, percent: int | None = 100) -> Booking:
    """Ends a booking; `percent` of what was paid for it is due back (the clinic's own: all of it).

    None: the patient asked the desk for it, so the rules as sold say how much. Writes what is due
    on the booking; a sweep in payments turns it into refunds. A second cancellation changes
    nothing. Raises Refused (MOVE) when the visit is over or under way.
    """
    schedule_id = Booking.objects.values_list("schedule_id", flat=True).get(pk=booking_id)
    booking, now, _others = steps.lock_for(booking_id, schedule_id)
    if booking.status != Status.CANCELLED:
        due = percent_back(booking, now) if percent is None else percent
        steps.call_off(booking, due, now=now, actor=actor, reason=reason)
    return booking


@action
def cancel_own(booking_id: int, *, actor=None, shown: int | None) -> Booking:
    """A patient cancels their own booking, by the rules as sold and the lock's clock.

    `shown` is the percent that the page promised; None where nothing was paid. A second
    cancellation changes nothing. Raises Refused: TOO_LATE past the cut-off or at the desk already,
    REFUND_CHANGED when another percent comes back than was shown.
    """
    schedule_id = Booking.objects.values_list("schedule_id", flat=True).get(pk=booking_id)
    booking, now, _others = steps.lock_for(booking_id, schedule_id)
    if booking.status == Status.CANCELLED:
        return booking
    if why_not := why_not_own(booking, now):
        raise Refused("TOO_LATE", why_not, booking=booking)
    percent = percent_back(booking, now) if booking.gives_back else None
    if percent != shown:
        raise Refused(
            "REFUND_CHANGED",
            _(
                "What comes back has changed since you opened this page. Nothing was cancelled. Please look again."
            ),
            booking=booking,
        )
    steps.call_off(booking, percent or 0, now=now, actor=actor, reason=_("by the patient"))
    return booking


def reschedule(
    booking_id: int,
    to: int,
    *,
    start_at: datetime | None = None,
    actor=None,
    reason: str = "",
    own: bool = False,
) -> Booking:
    """Moves a confirmed visit to another window of the same doctor: new place and number, same
    link, same money. The new place is taken before the old one is left, and both at once. A service
    moves to `start_at` (None: the first start that fits) in a pool, also in its own, and takes the
    minutes that were sold.

    `own`: by the patient, within settings.MOVES_PER_BOOKING and before the cut-off; what a
    cancellation would give back never grows by it. Staff move without limits, for a `reason`.
    To where it already is, it changes nothing. Raises Refused: MOVE, TOO_LATE, OTHER_DOCTOR,
    OTHER_MODE (`own`), CLOSED, PAST, FULL, ALREADY_BOOKED, OTHER_PRICE (`own`: free now, and not there), and for a service
    NOT_OFFERED (no pool), NO_SUCH_START, NOT_ENOUGH_MINUTES and OVERLAP, as `hold`.
    """
    try:
        return _reschedule(booking_id, to, start_at, actor, reason, own)
    except Refused as refusal:
        raise suggesting(refusal, at_desk=not own) from None


@action
def _reschedule(booking_id, to, start_at, actor, reason, own) -> Booking:
    stale = Booking.objects.get(pk=booking_id)
    wanted = Q(pk=booking_id) | in_the_way_of(stale.patient_id)
    windows, now, found = steps.lock_windows({stale.schedule_id, to}, wanted)
    booking = next((found for found in found if found.pk == booking_id), None)
    if booking is None:
        raise StartOver
    target, channel = windows[to], booking.channel if own else Channel.PHONE
    if booking.schedule_id == to and start_at in (None, booking.start_at):
        return booking
    steps.check_movable(booking, target, now, own=own)
    if booking.service_id:
        place = place_for(booking.minutes, start_at, target, found, now=now, channel=channel, but=booking)
    else:
        place = {}
        there = [other for other in found if other.schedule_id == to]
        check_room(target, there, channel)
    if (
        own
        and booking.free_reason
        and not booking.service_id
        and price_of(target, booking.patient, booking.channel, but=booking).price_minor
    ):
        raise Refused(
            "OTHER_PRICE",
            _("Your visit is free (%(why)s), but it would not be at this time. Please choose another one.")
            % {"why": booking.free_reason},
            schedule=target,
        )
    kept = {"moved": booking.moved + 1, "refund_at_most": percent_back(booking, now)} if own else {}
    cause = f"moved from {booking.starts:%Y-%m-%d %H:%M} UTC: {reason or 'by the patient'}"
    steps.move(
        booking, Status.CONFIRMED, now=now, actor=actor, cause=cause[:200], into=target, **kept, **place
    )
    return booking


@action
def give_up(booking_id: int, *, actor=None) -> Booking:
    """The patient will not pay: their place is free again. Money that still comes goes back.

    Giving up twice changes nothing. Raises Refused (MOVE) once the place is paid or gone.
    """
    schedule_id = Booking.objects.values_list("schedule_id", flat=True).get(pk=booking_id)
    booking, now, _others = steps.lock_for(booking_id, schedule_id)
    if booking.status == Status.HELD:
        steps.move(booking, Status.CANCELLED, now=now, actor=actor, cause="given up unpaid", ended_at=now)
    elif booking.status != Status.CANCELLED:
        raise Refused("MOVE", _("This place is not waiting for a payment any more."), booking=booking)
    return booking


@action
def expire_lapsed_in(schedule_id: int) -> int:
    """Expires the lapsed holds of one window; returns how many."""
    _schedule, _now, bookings = steps.lock_window(schedule_id)
    return len(bookings)
