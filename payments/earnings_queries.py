"""How a doctor stands with the clinic, now and month by month. Minor units."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db.models import Q, Sum
from django.utils import timezone

from clinic import money
from clinic.models import Doctor
from payments.ledger_models import LedgerEntry, Payout
from payments.models import Payment
from payments.states import EntryKind, PayoutStatus


def share_of(share: int, whole: int, rest: int) -> int:
    """What the clinic keeps of its share of `whole` once `rest` of the money is left: in proportion,
    rounded down. So refunds in any number of parts end at nothing kept of nothing."""
    return share * rest // whole


@dataclass(frozen=True)
class Standing:
    """Sums of one doctor in one currency; `free_minor` is what they may ask for."""

    currency: str
    owed_minor: int = 0
    """The sum of the ledger: earned, less the clinic's share, reversed, adjusted, less what was paid out."""
    going_back_minor: int = 0
    """Their part of refunds that are due or on their way, which the ledger does not know yet."""
    requested_minor: int = 0
    processing_minor: int = 0
    paid_minor: int = 0

    @property
    def covered_minor(self) -> int:
        """What is owed beyond the payouts that are being paid: below nothing, one of them must wait."""
        return self.owed_minor - self.going_back_minor - self.processing_minor

    @property
    def free_minor(self) -> int:
        """Never below nothing, though what is owed may be: money went back that had been paid out."""
        return max(self.covered_minor - self.requested_minor, 0)


def standing(doctor: Doctor, currency: str = "") -> Standing:
    """Where a doctor stands now. Under the doctor's lock, which every entry and every move of a
    payout takes, nothing is read twice or missed between the statements."""
    currency = currency or settings.CLINIC_CURRENCY
    entries = LedgerEntry.objects.of(doctor).filter(currency=currency)
    sums = {
        row["status"]: row["sum"] for row in Payout.objects.of(doctor).sums() if row["currency"] == currency
    }
    return Standing(
        currency,
        owed_minor=entries.total(),
        going_back_minor=going_back(doctor, currency),
        requested_minor=sums.get(PayoutStatus.REQUESTED, 0),
        processing_minor=sums.get(PayoutStatus.PROCESSING, 0),
        paid_minor=sums.get(PayoutStatus.COMPLETED, 0),
    )


def going_back(doctor: Doctor, currency: str) -> int:
    """What the ledger will take from a doctor when the refunds under way are done: to the unit, as
    `ledger_steps.book_refund` will enter it."""
    payments = list(
        Payment.objects.earned_by(doctor).going_back().filter(currency=currency).select_related("booking")
    )
    entries = LedgerEntry.objects.filter(Q(payment__in=payments) | Q(refund__payment__in=payments))
    now, share = {}, {}
    for payment, of_refund, kind, minor in entries.values_list(
        "payment", "refund__payment", "kind", "amount_minor"
    ):
        now[payment or of_refund] = now.get(payment or of_refund, 0) + minor
        if payment and kind == EntryKind.COMMISSION:
            share[payment] = -minor
    total = 0
    for payment in payments:
        rest = payment.rest_minor
        kept = share_of(share.get(payment.pk, 0), payment.captured_minor, rest)
        total += now[payment.pk] - (rest - kept)
    return total


# --- Month by month -----------------------------------------------------------------------


@dataclass
class Row:
    """One thing that happened: an entry, with the clinic's share of it, and what was owed after both."""

    entry: LedgerEntry
    share_minor: int
    balance_minor: int

    @property
    def amount(self) -> str:
        return "–" if self.entry.kind == EntryKind.COMMISSION else self.entry.amount

    @property
    def share(self) -> str:
        return money.signed(self.share_minor, self.entry.currency) if self.share_minor else "–"


@dataclass(frozen=True)
class Month:
    """A doctor's statement of one of the clinic's months, in one currency, the oldest first."""

    first: date
    currency: str
    before_minor: int
    """What was owed when the month began."""
    rows: list[Row]

    @property
    def after_minor(self) -> int:
        return self.rows[-1].balance_minor if self.rows else self.before_minor

    @property
    def has_shares(self) -> bool:
        return any(row.share_minor for row in self.rows)

    @property
    def sums(self) -> list[tuple[str, str]]:
        """What the month consists of, by kind: it leads from before to after."""
        sums = Counter()
        for row in self.rows:
            sums[EntryKind.COMMISSION] += row.share_minor
            if row.entry.kind != EntryKind.COMMISSION:
                sums[row.entry.kind] += row.entry.amount_minor
        return [(kind.label, money.signed(sums[kind], self.currency)) for kind in EntryKind if sums[kind]]


def months(doctor: Doctor, first: date) -> list[Month]:
    """The statement of the month that begins on `first`: one for each currency the doctor ever had money
    in, mostly one. By when the money moved; an earning and its share are one row."""
    after = (first + timedelta(days=31)).replace(day=1)
    start, end = (timezone.make_aware(datetime.combine(day, time.min)) for day in (first, after))
    ever = LedgerEntry.objects.of(doctor).filter(at__lt=end)
    before = (
        ever.order_by("currency").values("currency").annotate(sum=Sum("amount_minor", filter=Q(at__lt=start)))
    )
    entries = list(ever.filter(at__gte=start).for_statement())
    return [_month(first, row["currency"], row["sum"] or 0, entries) for row in before]


def _month(first: date, currency: str, before: int, entries) -> Month:
    rows, balance = [], before
    for entry in (entry for entry in entries if entry.currency == currency):
        balance += entry.amount_minor
        is_share = entry.kind == EntryKind.COMMISSION
        if is_share and rows and rows[-1].entry.cause == entry.cause:
            rows[-1].share_minor, rows[-1].balance_minor = entry.amount_minor, balance
        else:
            rows.append(Row(entry, entry.amount_minor if is_share else 0, balance))
    return Month(first, currency, before, rows)


def balances() -> list[dict]:
    """Every doctor's sums in every currency: owed, asked for, being paid and paid out."""
    rows = {
        (row["doctor"], row["currency"]): row | dict.fromkeys(PayoutStatus.values, 0)
        for row in LedgerEntry.objects.balances()
    }
    for row in (
        Payout.objects.order_by().values("doctor", "currency", "status").annotate(sum=Sum("amount_minor"))
    ):
        rows[row["doctor"], row["currency"]][row["status"]] = row["sum"]
    return list(rows.values())
