"""How a doctor stands with the clinic: owed, promised, about to go back, free to be asked for. Minor units."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q

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
    def promised_minor(self) -> int:
        return self.requested_minor + self.processing_minor

    @property
    def free_minor(self) -> int:
        """Never below nothing, though what is owed may be: money went back that had been paid out."""
        return max(self.owed_minor - self.going_back_minor - self.promised_minor, 0)


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
