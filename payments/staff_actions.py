"""What staff decide about money that arrived: some of it goes back, or it buys its place after all."""

import logging
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from bookings import steps as places
from bookings.queries import in_the_way_of
from bookings.states import Status as BookingStatus
from clinic import money
from clinic.errors import Refused
from clinic.models import ReviewItem
from clinic.transactions import action
from payments import dispute_steps, steps
from payments.models import Payment, Refund
from payments.queries import left_unbooked, payment_in_question
from payments.states import RETURNED, Outcome

log = logging.getLogger("clinic")


@action
def refund(payment_id: int, *, amount_minor: int, reason: str, key: UUID, actor, review_id=None) -> Refund:
    """Gives some of a payment back, because a person says so: reserved here, sent by the sweep.

    `key` is the form's: sent twice, it gives back once. A ReviewItem about this payment is resolved
    by it. Raises Refused, with nothing reserved: REFUND_TWICE, DISPUTED, REFUND_BY_ITSELF, TOO_MUCH.
    """
    payment = Payment.objects.locked().get(pk=payment_id)
    now, cause = timezone.now(), f"staff:{key}"
    if payment.refunds.filter(cause=cause).exists():
        raise Refused("REFUND_TWICE", _("This refund was asked for already. It is sent once."))
    if payment.disputed_at:
        raise Refused(
            "DISPUTED",
            _(
                "The patient's bank disputes this payment and may take the money back by itself. Wait until the dispute is closed."
            ),
        )
    if payment.outcome in RETURNED and not payment.refunds.exists():
        raise Refused("REFUND_BY_ITSELF", _("This payment bought nothing: all of it goes back by itself."))
    if not 0 < amount_minor <= payment.left_minor:
        left = money.display(payment.left_minor, payment.currency)
        raise Refused("TOO_MUCH", _("At most %(left)s can still be given back.") % {"left": left})
    refund = steps.reserve(payment, cause, amount_minor, now=now, actor=actor, why=reason)
    _resolve(
        review_id, payment, now=now, actor=actor,
        note=_("Refunded %(amount)s: %(reason)s") % {"amount": refund.amount, "reason": reason},
    )  # fmt: skip
    return refund


@action
def accept(payment_id: int, *, reason: str, actor, review_id=None) -> Payment:
    """Money that was not what was asked for buys its place after all: confirmed, and the next number.

    Under the window's lock, like any payment. A ReviewItem about it is resolved by it. Raises
    Refused, with nothing changed: NOT_UNDER_REVIEW, MOVE (the booking needs no money), FULL.
    """
    stale = Payment.objects.select_related("booking").get(pk=payment_id)
    patient = in_the_way_of(stale.booking.patient_id)
    booking, now, others = places.lock_for(stale.booking_id, stale.booking.schedule_id, patient)
    payment = Payment.objects.locked().get(pk=payment_id)
    if payment.outcome != Outcome.REVIEW or payment.refunded_minor:
        raise Refused("NOT_UNDER_REVIEW", _("This payment was decided about already."))
    if not booking.owes and booking.status not in (BookingStatus.HELD, BookingStatus.EXPIRED):
        raise places.immovable(booking)
    if not booking.owes and not places.has_room_for(booking, others, now):
        raise places.full(booking.schedule)
    payment.outcome = Outcome.BOUGHT
    payment.save(update_fields=["outcome"])
    steps.note(payment, "accepted", now=now, amount_minor=payment.captured_minor, actor=actor, why=reason)
    steps.give(booking, others, now=now, actor=actor, cause=f"payment accepted: {reason}"[:200])
    said = {"token": booking.label, "reason": reason}
    note = _("Accepted for the booking, %(token)s: %(reason)s") % said
    _resolve(review_id, payment, now=now, actor=actor, note=note)
    return payment


@action
def write_down(payment_id: int, *, reason: str, actor, review_id: int) -> Payment:
    """Money that went back at the gateway, and was more than was left here, goes into the books now that
    it fits: nothing is sent. The ReviewItem about it is resolved by it.

    Raises Refused, with nothing written: NOTHING_TO_WRITE_DOWN (it is in the books, or the item tells of
    something else), DOES_NOT_FIT (another refund has its part of the payment, or the currency is another).
    """
    payment = Payment.objects.locked().get(pk=payment_id)
    now, item = timezone.now(), ReviewItem.objects.open().filter(pk=review_id).first()
    left = left_unbooked(item) if item else None
    if left is None or left.payment != payment:
        raise Refused("NOTHING_TO_WRITE_DOWN", _("This is in the books already, or was decided otherwise."))
    said = {
        "gone": money.display(left.amount_minor, left.currency),
        "left": money.display(payment.left_minor, payment.currency),
        "reason": reason,
    }
    if not steps.fits(payment, left.amount_minor, left.currency):
        raise Refused(
            "DOES_NOT_FIT",
            _("%(gone)s went back, and only %(left)s is left of this payment here. Where another refund is still under way, wait until it is sent or has failed.") % said,
        )  # fmt: skip
    if left.dispute:
        dispute_steps.book(payment, left.dispute, now=now)
    else:
        steps.gone(
            payment, steps.at_gateway(left.gateway_refund), left.amount_minor,
            now=now, gateway_refund=left.gateway_refund,
        )  # fmt: skip
    steps.note(payment, "written down", now=now, amount_minor=left.amount_minor, actor=actor, why=reason)
    _resolve(review_id, payment, now=now, actor=actor, note=_("Written down, %(gone)s: %(reason)s") % said)
    return payment


def _resolve(review_id, payment: Payment, *, now, actor, note: str) -> None:
    """Closes an item that is about this payment; what somebody else has closed stays as they left it."""
    item = ReviewItem.objects.open().filter(pk=review_id).first()
    if item and payment_in_question(item) == payment:
        ReviewItem.objects.open().filter(pk=item.pk).update(resolved_at=now, resolved_by=actor, note=note)
