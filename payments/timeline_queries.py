"""A payment's history as one list: what its gateway said, what we did and who, what goes back, what was booked."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from clinic import money
from clinic.models import ReviewItem
from payments.ledger_models import LedgerEntry, Receipt
from payments.models import GatewayEvent, Payment
from payments.states import Outcome


@dataclass(frozen=True)
class Moment:
    """One line. `row` leads to a page of its own, where there is one."""

    at: datetime
    source: str
    what: str
    amount: str = ""
    who: str = ""
    note: str = ""
    link: tuple[str, int] | None = None
    """A URL name and the key of the row behind it."""


def timeline(payment: Payment, user) -> list[Moment]:
    """All that `user` may see of a payment's history, the oldest first; what is written at the same
    moment stays in the order of cause: the gateway speaks, we act, money goes back, it is booked."""
    found = []
    if user.has_perm("payments.view_gatewayevent"):
        found += _said(payment)
    if user.has_perm("payments.view_paymentevent"):
        found += _done(payment)
    if user.has_perm("payments.view_refund"):
        found += _gone(payment)
    if user.has_perm("payments.view_receipt"):
        found += _on_paper(payment)
    if user.has_perm("payments.view_ledgerentry"):
        found += _earned(payment)
    if user.has_perm("clinic.view_reviewitem"):
        found += _looked_at(payment)
    return sorted(found, key=lambda moment: moment.at)


def _said(payment: Payment) -> list[Moment]:
    return [
        Moment(
            event.received_at,
            payment.gateway,
            event.name,
            note=event.error or ("" if event.processed_at else _("not acted on yet")),
            link=("admin:payments_gatewayevent_change", event.pk),
        )
        for event in GatewayEvent.objects.filter(_about(payment)).defer("body").order_by("pk")
    ]


def _about(payment: Payment) -> Q:
    """Its events; also those of its attempt that name this money: of what was paid twice, the second payment
    has a row of its own, and its event came to the first."""
    own = Q(payment=payment)
    if not (payment.reference and payment.gateway_payment):
        return own
    same = Q(payment__gateway=payment.gateway, payment__reference=payment.reference)
    return own | same & Q(body__contains=payment.gateway_payment)


def _done(payment: Payment) -> list[Moment]:
    return [
        Moment(
            event.at,
            _("clinic"),
            event.kind,
            money.display(event.amount_minor, payment.currency) if event.amount_minor else "",
            str(event.actor or ""),
            str(Outcome(event.note).label) if event.note in Outcome.values else event.note,
        )
        for event in payment.events.select_related("actor")
    ]


def _gone(payment: Payment) -> list[Moment]:
    return [
        Moment(
            refund.done_at or refund.created_at,
            _("refund"),
            refund.get_status_display(),
            money.display(refund.amount_minor, payment.currency),
            note=refund.reason or refund.cause.partition(":")[0],
            link=("admin:payments_refund_change", refund.pk),
        )
        for refund in payment.refunds.order_by("pk")
    ]


def _on_paper(payment: Payment) -> list[Moment]:
    papers = Receipt.objects.filter(Q(payment=payment) | Q(refund__payment=payment))
    return [
        Moment(
            paper.issued_at,
            _("books"),
            f"{paper.get_kind_display()} {paper.label}",
            paper.amount,
            link=("admin:payments_receipt_change", paper.pk),
        )
        for paper in papers.select_related("series").order_by("pk")
    ]


def _earned(payment: Payment) -> list[Moment]:
    entries = LedgerEntry.objects.filter(Q(payment=payment) | Q(refund__payment=payment))
    return [
        Moment(
            entry.at,
            _("books"),
            entry.get_kind_display(),
            entry.amount,
            note=entry.doctor.name,
            link=("admin:payments_ledgerentry_change", entry.pk),
        )
        for entry in entries.select_related("doctor").order_by("pk")
    ]


def _looked_at(payment: Payment) -> list[Moment]:
    """What was raised about it or its refunds, and how that ended."""
    keys = [f"refund:{pk}" for pk in payment.refunds.values_list("pk", flat=True)]
    about = Q(key__startswith=f"payment:{payment.pk}:") | Q(key__in=[f"attempt:{payment.pk}", *keys])
    found = []
    for item in ReviewItem.objects.filter(about).select_related("resolved_by").order_by("pk"):
        link = "admin:clinic_reviewitem_change", item.pk
        found.append(Moment(item.created_at, _("to look at"), item.subject, link=link))
        if item.resolved_at:
            who = str(item.resolved_by or "")
            found.append(Moment(item.resolved_at, _("to look at"), _("resolved"), "", who, item.note, link))
    return found
