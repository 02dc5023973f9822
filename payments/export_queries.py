"""Payments, refunds, the ledger and the reports as tables for a spreadsheet: the rows that the pages sum up."""

import csv
from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from clinic import money
from payments import report_queries
from payments.ledger_models import LedgerEntry
from payments.models import CAPTURED, Payment, Refund
from payments.money_queries import Days
from payments.states import RefundStatus

MARK = "\ufeff"
"""Excel reads a file as UTF-8 only if it begins so; without it every ₹ and every Devanagari name is broken."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet run a cell (owasp.org/www-community/attacks/CSV_Injection)."""
AT_ONCE = 1000


def cell(value) -> str:
    """A value as one cell: moments in the clinic's time with their offset, text that no spreadsheet runs."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return str(value)


class _Echo:
    """A file that hands on what is written to it."""

    def write(self, value: str) -> str:
        return value


def as_csv(what: str, days: Days) -> Iterator[str]:
    """A table line by line; never more than a thousand rows are in memory."""
    columns, rows = TABLES[what]
    writer = csv.writer(_Echo())
    yield MARK + writer.writerow(columns)
    for row in rows(days):
        yield writer.writerow([cell(value) for value in row])


def _in_order(rows: QuerySet, at: str, days: Days) -> Iterator:
    """Rows of these days by moment, a thousand by each statement: no long statement, no open cursor (a
    pooler in front of PostgreSQL has none), and what is added meanwhile is not read twice."""
    rows = rows.filter(**{f"{at}__gte": days.start, f"{at}__lt": days.end}).order_by(at, "pk")
    part = list(rows[:AT_ONCE])
    while part:
        yield from part
        last, pk = getattr(part[-1], at), part[-1].pk
        further = rows.filter(
            Q(**{at: last, "pk__gt": pk}) | Q(**{f"{at}__gt": last}), **{f"{at}__gte": last}
        )
        part = list(further[:AT_ONCE])


def _visit(booking) -> list:
    """A visit without the patient: whoever needs the name looks the booking up."""
    schedule = booking.schedule
    return [booking.pk, schedule.date.isoformat(), schedule.doctor.name, booking.token_label]


VISIT = ["booking", "visit_date", "doctor", "token"]


def _payments(days: Days) -> Iterator[list]:
    """What arrived in these days, then what was asked for in them and did not."""
    known = Payment.objects.select_related("booking__schedule__doctor", "receipt__series")
    yield from map(_payment, _in_order(known.filter(CAPTURED), "captured_at", days))
    yield from map(_payment, _in_order(known.filter(~CAPTURED), "created_at", days))


def _payment(payment: Payment) -> list:
    receipt = getattr(payment, "receipt", None)
    amounts = payment.amount_minor, payment.captured_minor, payment.refunded_minor
    return [
        payment.pk, *_visit(payment.booking), payment.gateway, payment.method, payment.reference,
        payment.money_id, payment.status, payment.outcome,
        *(money.to_major(minor, payment.currency) for minor in amounts), payment.currency,
        payment.created_at, payment.captured_at, receipt and receipt.label,
    ]  # fmt: skip


def _refunds(days: Days) -> Iterator[list]:
    """What went back in these days, then what was decided in them and has not gone."""
    known = Refund.objects.select_related("payment__booking__schedule__doctor", "receipt__series")
    done = Q(status=RefundStatus.DONE)
    yield from map(_refund, _in_order(known.filter(done), "done_at", days))
    yield from map(_refund, _in_order(known.filter(~done), "created_at", days))


def _refund(refund: Refund) -> list:
    payment, note = refund.payment, getattr(refund, "receipt", None)
    return [
        refund.pk, payment.pk, *_visit(payment.booking), payment.gateway, payment.method, payment.money_id,
        refund.gateway_refund, refund.cause.partition(":")[0], refund.status,
        money.to_major(refund.amount_minor, payment.currency), payment.currency,
        refund.created_at, refund.done_at, note and note.label,
    ]  # fmt: skip


def _ledger(days: Days) -> Iterator[list]:
    known = LedgerEntry.objects.select_related(
        "doctor", "actor", "payment__booking__schedule__doctor", "refund__payment__booking__schedule__doctor"
    )
    yield from map(_entry, _in_order(known, "at", days))


def _entry(entry: LedgerEntry) -> list:
    visit = entry.visit
    return [
        entry.pk, entry.at, entry.doctor.name, entry.kind, money.to_major(entry.amount_minor, entry.currency),
        entry.currency, visit and visit.pk, visit and visit.schedule.date.isoformat(), visit and visit.token_label,
        entry.payment_id, entry.refund_id, entry.payout_id, entry.actor and str(entry.actor), entry.reason,
    ]  # fmt: skip


TABLES = {
    "payments": (
        ["payment", *VISIT, "gateway", "method", "gateway_order", "gateway_payment", "status", "outcome",
         "asked", "captured", "refunded", "currency", "created_at", "captured_at", "receipt"],
        _payments,
    ),
    "refunds": (
        ["refund", "payment", *VISIT, "gateway", "method", "gateway_payment", "gateway_refund", "cause",
         "status", "amount", "currency", "created_at", "done_at", "credit_note"],
        _refunds,
    ),
    "ledger": (
        ["entry", "at", "doctor", "kind", "amount", "currency", "booking", "visit_date", "token", "payment",
         "refund", "payout", "by", "reason"],
        _ledger,
    ),
    **report_queries.TABLES,
}  # fmt: skip
"""By the word in the address: the head, and the rows of some days. Amounts are decimals in major units."""
