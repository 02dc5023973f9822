"""Money into the books, one payment or refund at a time: who marks the row as booked first, books it.

Every entry is written under its doctor's lock, so that what is free to be paid out is read whole.
"""

import logging
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.errors import Refused
from clinic.models import Doctor
from clinic.sweeping import each
from clinic.transactions import action
from payments import ledger_steps as steps
from payments.ledger_models import LedgerEntry
from payments.models import Payment, Refund
from payments.states import EntryKind

log = logging.getLogger("clinic")


@action
def book_payment(payment_id: int) -> bool:
    """Gives a captured payment its receipt and the doctor's earning; False when it has them.

    The year is that of the capture, also for a receipt that is made later.
    """
    payment = Payment.objects.with_visit().get(pk=payment_id)
    Doctor.objects.locked().get(pk=steps.doctor_of(payment))
    if not Payment.objects.unbooked().filter(pk=payment_id).update(in_books=True):
        return False
    series = steps.lock_series(payment.captured_at)
    steps.book_capture(payment, series, now=timezone.now())
    return True


@action
def book_refund(refund_id: int) -> bool:
    """Gives a refund that was sent its credit note, and takes back what the doctor earned; False
    when that is done."""
    refund = Refund.objects.with_visit().get(pk=refund_id)
    Doctor.objects.locked().get(pk=steps.doctor_of(refund.payment))
    if not Refund.objects.unbooked().filter(pk=refund_id).update(in_books=True):
        return False
    series = steps.lock_series(refund.done_at)
    steps.book_refund(refund, series, now=timezone.now())
    return True


AT_ONCE = 50
"""So many who paid before are booked with a sale at the counter; more means that the worker is behind."""


def book_at_once(booking_id: int) -> None:
    """The receipt of money that was just taken or handed back at the counter, after those of who paid
    before: numbers follow the order in which money came.

    The money is safe already. Whatever goes wrong here is logged, and the sweep tries again.
    """
    try:
        each(book_payment, _up_to(Payment.objects.without_receipt(), "captured_at", booking=booking_id))
        each(
            book_refund, _up_to(Refund.objects.without_credit_note(), "done_at", payment__booking=booking_id)
        )
    except Exception:
        log.exception("receipt-later", extra={"booking": booking_id})


def _up_to(unbooked, moved_at: str, **ours) -> list[int]:
    """The keys of what moved up to the last of ours, ours among them."""
    last = unbooked.filter(**ours).aggregate(last=Max(moved_at))["last"]
    return (
        list(unbooked.filter(**{f"{moved_at}__lte": last}).values_list("pk", flat=True)[:AT_ONCE])
        if last
        else []
    )


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
    doctor = Doctor.objects.locked().get(pk=doctor.pk)
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
