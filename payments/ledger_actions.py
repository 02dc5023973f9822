"""Money into the books, one payment or refund at a time. The lock of the series makes one of any rivals."""

import logging
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from bookings.models import Booking
from clinic.errors import Refused
from clinic.models import Doctor
from clinic.transactions import action
from payments import ledger_steps as steps
from payments.ledger_models import LedgerEntry, Receipt
from payments.models import Payment, Refund
from payments.states import EntryKind

log = logging.getLogger("clinic")


@action
def book_payment(payment: Payment) -> bool:
    """Gives a captured payment its receipt and the doctor's earning; False when it has them.

    The year is that of the capture, also for a receipt that is made later.
    """
    series = steps.lock_series(payment.captured_at)
    if Receipt.objects.filter(payment=payment).exists():
        return False
    steps.book_capture(payment, series, now=timezone.now())
    return True


@action
def book_refund(refund: Refund) -> bool:
    """Gives a refund that was sent its credit note, and takes back what the doctor earned; False
    when that is done."""
    series = steps.lock_series(refund.done_at)
    if Receipt.objects.filter(refund=refund).exists():
        return False
    steps.book_refund(refund, series, now=timezone.now())
    return True


def book_at_once(booking: Booking) -> None:
    """The receipt of money that was just taken or handed back at the counter.

    The money is safe already. Whatever goes wrong here is logged, and the sweep tries again.
    """
    try:
        for payment in Payment.objects.without_receipt().filter(booking=booking).with_visit():
            book_payment(payment)
        for refund in Refund.objects.without_credit_note().filter(payment__booking=booking).with_visit():
            book_refund(refund)
    except Exception:
        log.exception("receipt-later", extra={"booking": booking.pk})


def adjust(doctor: Doctor, *, amount_minor: int, reason: str, key: UUID, actor) -> LedgerEntry:
    """Adds to what a doctor earned, or takes from it, by hand and with a reason. The same `key`
    returns the same entry. Raises Refused (NOTHING) for no amount."""
    if not amount_minor:
        raise Refused("NOTHING", _("Write an amount, with a minus to take it away."))
    try:
        return _adjust(doctor, amount_minor, reason, key, actor)
    except IntegrityError:
        return LedgerEntry.objects.get(key=key)


@action
def _adjust(doctor, amount_minor, reason, key, actor) -> LedgerEntry:
    return LedgerEntry.objects.create(
        doctor=doctor,
        kind=EntryKind.ADJUSTMENT,
        amount_minor=amount_minor,
        currency=settings.CLINIC_CURRENCY,
        key=key,
        at=timezone.now(),
        reason=reason,
        actor=actor,
    )
