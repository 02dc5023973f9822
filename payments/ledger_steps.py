"""What a receipt says and what a doctor earns by it, under the locks of the doctor and the series. No transaction, no clock."""

from datetime import datetime

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from bookings.models import Booking
from clinic.templatetags.clinic import clinic_time
from payments import gateways
from payments.earnings_queries import share_of
from payments.ledger_models import LedgerEntry, Receipt, ReceiptSeries
from payments.models import Payment, Refund
from payments.states import EntryKind, Outcome, ReceiptKind

MAY_EARN = Outcome.BOUGHT
"""Money that bought nothing is never a doctor's."""


def fiscal_year(moment: datetime) -> str:
    """The clinic's year by settings.RECEIPT_YEAR_STARTS: "2026-27"; "2026" where it begins in January."""
    start = tuple(int(part) for part in settings.RECEIPT_YEAR_STARTS.split("-"))
    day = timezone.localdate(moment)
    year = day.year - ((day.month, day.day) < start)
    return str(year) if start == (1, 1) else f"{year}-{(year + 1) % 100:02}"


def lock_series(moment: datetime) -> ReceiptSeries:
    """The series of the year in which money moved, locked: the last lock of the order. The first of
    a year makes its row; a rival that makes it too waits for ours."""
    series = ReceiptSeries.objects.locked().filter(name=f"{settings.RECEIPT_SERIES}/{fiscal_year(moment)}")
    found = series.first()
    if found is None:
        ReceiptSeries.objects.get_or_create(name=f"{settings.RECEIPT_SERIES}/{fiscal_year(moment)}")
        found = series.get()
    return found


def book_capture(payment: Payment, series: ReceiptSeries, *, now: datetime) -> Receipt:
    """Gives money that came the next number, and the doctor what it earns: all of it, less the clinic's share.

    `series` is locked, and `payment` was marked as booked by this transaction.
    """
    bought = payment.outcome == MAY_EARN
    receipt = _issue(
        series, _lines(payment), ReceiptKind.RECEIPT,
        payment=payment, amount_minor=payment.captured_minor, at=payment.captured_at, issued_at=now,
    )  # fmt: skip
    if bought:
        share = payment.captured_minor * settings.COMMISSION_PERCENT // 100
        earned = {EntryKind.EARNING: payment.captured_minor, EntryKind.COMMISSION: -share}
        _enter(earned, doctor_of(payment), payment.currency, at=payment.captured_at, payment=payment)
    return receipt


def book_refund(refund: Refund, series: ReceiptSeries, *, now: datetime) -> Receipt:
    """A credit note for money that went back; of what the doctor had earned by it, the same part goes back.

    `series` is locked, `refund` was marked as booked by this transaction, and its payment has a receipt.
    """
    payment = refund.payment
    receipt = _issue(
        series, [_line(payment.receipt.snapshot["lines"][0]["label"], refund.amount_minor)], ReceiptKind.CREDIT_NOTE,
        refund=refund, amount_minor=refund.amount_minor, at=refund.done_at, issued_at=now,
        credits=payment.receipt.label,
    )  # fmt: skip
    if payment.outcome == MAY_EARN:
        entries = LedgerEntry.objects.of_payment(payment)
        back = {EntryKind.REVERSAL: -refund.amount_minor, EntryKind.COMMISSION: _share_back(refund, entries)}
        _enter(back, doctor_of(payment), payment.currency, refund=refund, at=refund.done_at)
    return receipt


def _share_back(refund: Refund, entries) -> int:
    """The part of the clinic's share that goes back to the doctor with a refund; `entries` are those of
    its payment so far."""
    payment = refund.payment
    gone = -entries.filter(kind=EntryKind.REVERSAL).total() + refund.amount_minor
    shares = entries.filter(kind=EntryKind.COMMISSION)
    share = -shares.filter(payment=payment).total()
    return -shares.total() - share_of(share, payment.captured_minor, payment.captured_minor - gone)


def visit_in_words(booking: Booking) -> str:
    """A visit on a receipt: "Visit, Dr Rao, token A7, 24 November 2026"; of a service also how long it
    takes and the time."""
    starts = timezone.localtime(booking.starts)
    day = date_format(starts, pgettext("day on paper", "j F Y"))
    if booking.service_line:
        day = f"{day}, {clinic_time(starts)}"
    words = [booking.service_line or _("Visit"), booking.schedule.doctor.name]
    if booking.token_label:
        words.append(_("token %(label)s") % {"label": booking.token_label})
    return ", ".join([*words, day])


def _lines(payment: Payment) -> list[dict]:
    """What money was for: the visit, at its price, less what was let off."""
    booking, paid = payment.booking, payment.captured_minor
    if payment.outcome != MAY_EARN:
        return [_line(_("Paid for a place that could not be given"), paid)]
    off = booking.discount_minor
    return [_line(visit_in_words(booking), paid + off), *([_line(_("Discount"), -off)] if off else [])]


def _line(label: str, minor: int) -> dict:
    return {"label": label, "minor": minor}


def _issue(series, lines, kind, *, credits="", **values) -> Receipt:
    """The next number of a locked series, with a copy of all that is printed."""
    payment = values["payment"] if "payment" in values else values["refund"].payment
    series.last_number += 1
    series.save(update_fields=["last_number"])
    method = payment.get_method_display() or gateways.label(payment.gateway)
    receipt = Receipt(
        series=series,
        number=series.last_number,
        kind=kind,
        currency=payment.currency,
        snapshot={
            "clinic": {"name": settings.CLINIC_NAME},
            "tax_line": settings.CLINIC_TAX_LINE,
            "patient": payment.booking.patient.name,
            "lines": lines,
            "method": method,
            "reference": payment.money_id,
            "credits": credits,
        },
        **values,
    )
    receipt.save(force_insert=True)
    return receipt


def doctor_of(payment: Payment) -> int:
    """Whose earnings a payment is: of whoever earned it, also where the visit was moved to another doctor
    since; before that of whose window it pays for."""
    earned = LedgerEntry.objects.filter(payment=payment, kind=EntryKind.EARNING)
    return earned.values_list("doctor", flat=True).first() or payment.booking.schedule.doctor_id


def _enter(amounts: dict[EntryKind, int], doctor_id: int, currency: str, **cause) -> None:
    """Writes the entries that are not zero, of a doctor who is locked."""
    LedgerEntry.objects.bulk_create(
        LedgerEntry(doctor_id=doctor_id, kind=kind, amount_minor=amount, currency=currency, **cause)
        for kind, amount in amounts.items()
        if amount
    )
