"""The counter: a place and its money in one transaction."""

import logging
from datetime import datetime
from uuid import UUID

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from bookings import steps as places
from bookings.minutes_queries import suggesting
from bookings.minutes_steps import Wish, place_of, service_for
from bookings.models import Booking
from bookings.price_steps import price_of
from bookings.queries import TIMED, live_in_window
from bookings.states import LIVE, Channel, Status
from bookings.steps import Guest
from clinic.errors import Refused
from clinic.models import Patient, ReviewItem
from clinic.transactions import action
from payments import steps
from payments.drawer_steps import lock_drawer_of
from payments.ledger_actions import book_at_once
from payments.models import Payment, Refund
from payments.states import Method, Outcome, RefundStatus
from payments.states import Status as PaymentStatus
from schedules.models import Schedule
from schedules.states import SETTLES

log = logging.getLogger("clinic")


def walk_in(
    *,
    schedule_id: int,
    who: Patient | Guest,
    method: Method,
    actor,
    request_key: UUID,
    extra_place: str = "",
    shown: int | None = None,
    service_id: int | None = None,
    start_at: datetime | None = None,
    minutes: int | None = None,
) -> Booking:
    """Sells the next number to somebody at the desk: confirmed, paid and numbered at once; or free,
    where bookings.price_rules says so for a known patient.

    If this patient holds an unpaid place in the window, that place becomes theirs, also where
    the window was closed to new bookings meanwhile. With `extra_place` (the reason) a full window
    gets one more place first; the caller checks the permission. The same `request_key` returns
    the same booking. `shown` is the price that the form showed, in minor units, if it did.
    In a pool it sells a service at `start_at` (None: the first start that fits); `minutes`, `shown` and
    the refusals are as in `bookings.actions.hold`.
    Raises Refused: CLOSED, FULL, ALREADY_BOOKED, REQUEST_REUSED, PRICE_CHANGED.
    """
    wish = None if service_id is None else Wish(service_id, start_at, minutes)
    try:
        booking = _walk_in(schedule_id, who, method, actor, request_key, extra_place, shown, wish)
    except Refused as refusal:
        raise suggesting(refusal, at_desk=True) from None
    except IntegrityError as error:
        # Only the key can collide, with a form that was used for another window.
        if Booking.objects.filter(request_key=request_key).exists():
            raise places.reused() from error
        raise
    book_at_once(booking.pk)
    return booking


@action
def _walk_in(schedule_id, who, method, actor, request_key, extra_place, shown, wish) -> Booking:
    digest = places.digest(schedule_id, who, method, actor, *(wish.content if wish else ()))
    wanted = Q(request_key=request_key)
    if wish:
        wanted |= TIMED
    elif isinstance(who, Patient):
        wanted |= live_in_window(who.pk)
    schedule, now, found = places.lock_window(schedule_id, wanted)
    for booking in found:
        if booking.request_key == request_key:
            return places.check_same(booking, digest)
    booking = None if wish else next((booking for booking in found if booking.status in LIVE), None)
    if booking is None or schedule.status not in SETTLES:
        places.check_open(schedule, now, Channel.WALK_IN)
    if booking is None:
        service, place = service_for(schedule, wish), {}
        if service:
            place = place_of(service, wish.start_at, schedule, found, now=now, channel=Channel.WALK_IN)
        quote = price_of(schedule, who, Channel.WALK_IN, service=service)
        booking = places.new_booking(
            schedule,
            who,
            now=now,
            channel=Channel.WALK_IN,
            price_minor=quote.price_minor,
            free_reason=quote.free_reason,
            membership_id=quote.membership_id,
            **place,
        )
    elif booking.status != Status.HELD:
        raise Refused(
            "ALREADY_BOOKED",
            _("This patient already has %(token)s in this window.") % {"token": booking.label},
            booking=booking,
        )
    if shown not in (None, booking.price_minor):
        raise places.price_changed(schedule)
    if not places.has_left(schedule, booking.size - booking.units, Channel.WALK_IN):
        if not extra_place:
            raise places.full(schedule)
        add_place(schedule, actor=actor, reason=extra_place)
    changes = {"request_key": request_key, "request_digest": digest}  # also of a hold: this form took it over
    places.move(booking, Status.CONFIRMED, now=now, actor=actor, cause=f"walk-in, {method}", **changes)
    if booking.price_minor:
        take(booking, method, booking.price_minor, now=now, actor=actor)
    return booking


def add_place(schedule: Schedule, *, actor, reason: str) -> None:
    """Makes a locked window one patient larger: an explicit act, with its reason, in the log."""
    schedule.capacity += 1
    schedule.save(update_fields=["capacity"])
    message = _("A place was added (now %(capacity)s): %(reason)s") % {
        "capacity": schedule.capacity,
        "reason": reason,
    }
    LogEntry.objects.log_actions(actor.pk, [schedule], CHANGE, message, single_object=True)


def take(booking: Booking, method: Method, minor: int, *, now, actor, **key) -> Payment:
    """Records money taken by hand for a booking that it has just bought, or paid the due of; into the
    actor's drawer, if one is open."""
    payment = Payment.objects.create(
        booking=booking,
        gateway="manual",
        method=method,
        amount_minor=minor,
        currency=booking.currency,
        captured_minor=minor,
        status=PaymentStatus.CAPTURED,
        outcome=Outcome.BOUGHT,
        taken_by=actor,
        drawer=lock_drawer_of(actor),
        created_at=now,
        captured_at=now,
        **key,
    )
    steps.note(payment, "captured", now=now, amount_minor=payment.captured_minor, actor=actor, why=method)
    return payment


def hand_back(refund_id: int, *, actor) -> Refund:
    """The money of a refund by hand was given to the patient: it is done, has its credit note, and
    need not be looked at any more. Raises Refused (NOT_BY_HAND) for any other refund, and for one
    that is done."""
    refund = _hand_back(refund_id, actor)
    book_at_once(refund.payment.booking_id)
    return refund


@action
def _hand_back(refund_id: int, actor) -> Refund:
    payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
    payment = Payment.objects.locked().get(pk=payment_id)
    refund = Refund.objects.locked().get(pk=refund_id)
    refund.payment = payment
    if refund.status != RefundStatus.BY_HAND:
        raise Refused("NOT_BY_HAND", _("This refund is not waiting to be handed back."), refund=refund)
    now = timezone.now()
    steps.record_refund(payment, refund, RefundStatus.DONE, now=now, actor=actor)
    refund.drawer = lock_drawer_of(actor)
    refund.save(update_fields=["drawer"])
    ReviewItem.objects.open().filter(key=f"refund:{refund.pk}").update(
        resolved_at=now, resolved_by=actor, note=_("Handed back at the desk")
    )
    return refund
