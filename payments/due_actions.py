"""The counter takes what a patient owes, or what would have bought a place that they hold."""

import logging
from uuid import UUID

from django.db import IntegrityError
from django.utils.translation import gettext as _

from bookings import steps as places
from bookings.models import Booking
from bookings.queries import in_the_way_of
from bookings.states import Status
from clinic import money
from clinic.errors import Refused
from clinic.transactions import action
from payments import steps
from payments.counter import take
from payments.due_models import Concession
from payments.ledger_actions import book_at_once
from payments.models import Payment
from payments.states import Method
from schedules.states import SETTLES

log = logging.getLogger("clinic")


def collect(
    booking_id: int, *, collected_minor: int | None = None, method: Method, reason: str = "", key: UUID, actor
) -> Booking:
    """Takes what is to be paid for a booking, in one sum: all of it (None), or less, with a reason why
    the rest is let off; the caller checks the permission for that.

    A held place becomes the patient's with its number, also one whose time to pay is over, as long
    as there is room. `key` is the form's: sent twice, it takes the money once.
    Raises Refused, with nothing changed: NOTHING_DUE, TOO_MUCH, REASON_NEEDED, CLOSED, PAST, FULL,
    ALREADY_BOOKED, REQUEST_REUSED.
    """
    try:
        booking = _collect(booking_id, collected_minor, method, reason, key, actor)
    except IntegrityError as error:
        # Only the key can collide, with a form that was used for another booking.
        if Payment.objects.filter(key=key).exists() or Concession.objects.filter(key=key).exists():
            raise places.reused() from error
        raise
    book_at_once(booking.pk)
    return booking


@action
def _collect(booking_id, collected_minor, method, reason, key, actor) -> Booking:
    schedule_id, patient_id = Booking.objects.values_list("schedule_id", "patient_id").get(pk=booking_id)
    booking, now, others = places.lock_for(booking_id, schedule_id, in_the_way_of(patient_id))
    if was_taken(booking, key):
        return booking
    due = booking.to_collect_minor
    collected = due if collected_minor is None else collected_minor
    check_amount(booking, due, collected, reason)
    if not booking.owes:
        check_room(booking, others, now)
    off = due - collected
    payment = take(booking, method, collected, now=now, actor=actor, key=key) if collected else None
    if booking.owes:
        places.pay_off(booking, discount_minor=off)
    else:
        cause = f"paid at the desk, {method}" if collected else "let off at the desk"
        places.seat(booking, others, now=now, actor=actor, cause=cause, discount_minor=off)
    if off:
        let_off(booking, off, payment, key=key, reason=reason, by=actor, at=now)
    return booking


def let_off(booking: Booking, minor: int, payment: Payment | None, *, reason: str, by, at, key: UUID) -> None:
    """Writes who did not ask for a part of the price, and why; also into the history of what was paid."""
    Concession.objects.create(booking=booking, amount_minor=minor, reason=reason, by=by, at=at, key=key)
    if payment:
        steps.note(payment, "discount", now=at, amount_minor=minor, actor=by, why=reason)
    log.info("discount", extra={"booking": booking.pk, "amount_minor": minor})


def was_taken(booking: Booking, key: UUID) -> bool:
    """Whether this very form has been here before."""
    return (
        booking.payments.filter(key=key).exists()
        or Concession.objects.filter(booking=booking, key=key).exists()
    )


def check_amount(booking: Booking, due: int, collected: int, reason: str) -> None:
    """Raises Refused: NOTHING_DUE, TOO_MUCH, REASON_NEEDED."""
    if not due:
        raise Refused(
            "NOTHING_DUE",
            _("Nothing is to be paid for this booking (any more). Nothing was taken."),
            booking=booking,
        )
    if collected > due:
        most = money.display(due, booking.currency)
        raise Refused("TOO_MUCH", _("At most %(most)s is to be paid.") % {"most": most})
    if collected < due and not reason:
        raise Refused(
            "REASON_NEEDED",
            _("Write why less is taken: what is missing is let off for good."),
        )


def check_room(booking: Booking, others: list[Booking], now) -> None:
    """Raises Refused where a held or expired booking can't become the patient's at the desk any more."""
    if places.has_room_for(booking, others, now, at_desk=True):
        return
    rival = next((r for r in places.live_rivals(booking, others) if r.status != Status.HELD), None)
    if rival:
        said = {"token": rival.token_label}
        raise Refused(
            "ALREADY_BOOKED",
            _("This patient already has number %(token)s in this window.") % said,
            booking=rival,
        )
    if booking.schedule.status not in SETTLES:
        raise Refused("CLOSED", _("This window does not take place. Nothing was taken."))
    if now >= places.session_over(booking.schedule):
        raise Refused("PAST", _("This window is over."))
    if places.time_is_taken(booking, others):
        raise Refused("OVERLAP", _("Somebody else has this time by now. Nothing was taken."), booking=booking)
    raise places.full(booking.schedule)
