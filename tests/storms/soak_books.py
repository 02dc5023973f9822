"""Our books beside the stand-ins' own after a soak: read here from both, by nothing of the product's."""

from collections import Counter
from dataclasses import dataclass, field
from io import StringIO

from django.core.management import CommandError, call_command
from django.db.models import Q, Sum
from django.utils import timezone

from clinic.models import ReviewItem
from payments.ledger_models import LedgerEntry, Receipt
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from payments.reconcile_queries import Comparison
from payments.states import Outcome, ReceiptKind, RefundStatus
from payments.sweeps import book_ledger


@dataclass
class Book:
    """Minor units by the gateway's name of the payment: what came, and what went back of it."""

    came: dict[str, int] = field(default_factory=dict)
    went: Counter[str] = field(default_factory=Counter)

    @property
    def kept(self) -> int:
        return sum(self.came.values()) - self.went.total()


def theirs(stand_in) -> Book:
    """As the stand-in's own objects have it."""
    book = Book()
    for thing in stand_in.pull("book")["objects"]:
        match thing.get("object") or thing.get("entity"), thing.get("status"):
            case "payment_intent", "succeeded":
                book.came[thing["id"]] = thing["amount_received"]
            case "payment", _ if thing["captured"]:
                book.came[thing["id"]] = thing["amount"]
            case "refund", "succeeded" | "processed":
                book.went[thing.get("payment_intent") or thing["payment_id"]] += thing["amount"]
            case "dispute", "lost":
                book.went[thing.get("payment_intent") or thing["payment_id"]] += thing["amount"]
    return book


def ours(gateway: str) -> Book:
    """As our rows have it."""
    book, payments = Book(), Payment.objects.captured().filter(gateway=gateway)
    book.came = dict(payments.values_list("gateway_payment", "captured_minor"))
    done = Refund.objects.filter(payment__gateway=gateway, status=RefundStatus.DONE)
    for name, amount in done.values_list("payment__gateway_payment", "amount_minor"):
        book.went[name] += amount
    return book


def apart(gateway: str, their: Book, our: Book) -> list[dict]:
    """Every payment of which they have another sum than we, and whether somebody is to look at it."""
    found = []
    for name in {*their.came, *our.came, *their.went, *our.went}:
        sums = [(book.came.get(name, 0), book.went[name]) for book in (their, our)]
        if sums[0] != sums[1]:
            payment = Payment.objects.filter(gateway=gateway, gateway_payment=name).first()
            found.append({"name": name, "theirs": sums[0], "ours": sums[1], "in_review": watched(payment)})
    return found


def watched(payment: Payment | None) -> bool:
    """An item that is open about a payment or one of its refunds."""
    if payment is None:
        return False
    named = Q(key__startswith=f"payment:{payment.pk}:")
    for refund in payment.refunds.all():
        named |= Q(key=f"refund:{refund.pk}") | Q(key__startswith=f"refund:{refund.pk}:")
    return ReviewItem.objects.open().filter(named).exists()


def unseen() -> dict[str, int]:
    """Exceptions that nobody would ever see: no place, and no item in Review."""
    odd = [*Payment.objects.filter(outcome=Outcome.REVIEW)]
    odd += [refund.payment for refund in Refund.objects.failed().select_related("payment")]
    short = Payment.objects.owed_back().with_rest()
    return {
        "review or failed": sum(not watched(payment) for payment in odd),
        "owed and not gone": sum(not watched(payment) for payment in short),
        "captured and unjudged": Payment.objects.captured().unsettled().count(),
    }


def ledger() -> dict[str, int]:
    """What came less what went back by the receipts, what is held for a person beside them, and what
    doctors earned beside the visits' money."""
    papers = {kind: _sum(Receipt.objects.filter(kind=kind)) for kind in ReceiptKind.values}
    held = Payment.objects.filter(outcome=Outcome.REVIEW)
    bought = Payment.objects.bought()
    return {
        "receipts": papers[ReceiptKind.RECEIPT] - papers[ReceiptKind.CREDIT_NOTE],
        "held for a person": _kept(held),
        "earned": _sum(LedgerEntry.objects.all()),
        "visits": _kept(bought),
    }


def _kept(payments) -> int:
    gone = Refund.objects.filter(payment__in=payments, status=RefundStatus.DONE)
    return _sum(payments, "captured_minor") - _sum(gone)


def _sum(rows, column: str = "amount_minor") -> int:
    return rows.aggregate(sum=Sum(column))["sum"] or 0


def reconciled(since, *options: str) -> dict:
    """What `manage.py reconcile` says and ends with."""
    said = StringIO()
    status = 0
    try:
        call_command("reconcile", *options, since=since, until=timezone.now(), stdout=said)
    except CommandError as error:
        status = error.returncode
    return {"status": status, "said": said.getvalue()}


def differences(gateway: str, since) -> list[dict]:
    found = Comparison(gateway, since, timezone.now()).differences()
    return [
        {
            "fact": str(each.fact),
            "name": each.name,
            "payment": each.payment.gateway_payment if each.payment else each.name,
            "in_review": each.in_review,
        }
        for each in found
    ]


def verdict(stand_ins, since) -> dict:
    """All that a soak is judged by. What `reconcile` finds is settled as an operator's nightly run does it;
    what is left of that must be with a person."""
    found = {stand_in.name: differences(stand_in.name, since) for stand_in in stand_ins}
    settled, books = reconciled(since, "--settle"), {}
    book_ledger()  # what that settled, should no worker have been here yet
    for stand_in in stand_ins:
        their, our = theirs(stand_in), ours(stand_in.name)
        books[stand_in.name] = {
            "payments": [len(their.came), len(our.came)],
            "refunded": [their.went.total(), our.went.total()],
            "kept": [their.kept, our.kept],
            "apart": apart(stand_in.name, their, our),
            "reconcile": differences(stand_in.name, since),
        }
    reviews = Counter(
        key.partition(":")[0] + ": " + subject
        for key, subject in ReviewItem.objects.values_list("key", "subject")
    )
    return {
        "found": {name: dict(Counter(each["fact"] for each in some)) for name, some in found.items()},
        "settled": settled,
        "books": books,
        "ledger": ledger(),
        "outcomes": dict(Counter(Payment.objects.captured().values_list("outcome", flat=True))),
        "reviews": dict(reviews.most_common(12)),
        "unseen": unseen(),
        "violations": {name: ids[:5] for name, ids in violations().items()},
    }
