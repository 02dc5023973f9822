"""Disputes: a payer's bank wants money back, and decides. On a locked payment; no transaction, no clock."""

import logging
from datetime import datetime

from django.utils.translation import gettext as _

from clinic import money
from clinic.models import ReviewItem
from payments import steps
from payments.dispute_models import Dispute
from payments.gateways.base import Event
from payments.models import Payment
from payments.states import DisputeStatus, RefundStatus

log = logging.getLogger("clinic")


def told(payment: Payment, event: Event, *, now: datetime) -> None:
    """Writes what a gateway says of a dispute (kind `dispute_open`, `_won` or `_lost`), once.

    While one is open, no refund of the payment is sent. Won: refunds go on. Lost: what the bank took
    is written down as given back. Events come in any order: what is closed is not opened again, and
    where a lost one is said to be won, a person is asked.
    """
    status = DisputeStatus(event.kind.removeprefix("dispute_"))
    dispute, new = payment.disputes.get_or_create(
        reference=event.gateway_dispute,
        defaults={
            "amount_minor": event.amount_minor,
            "currency": event.currency[:3],
            "reason": event.reason[:200],
            "opened_at": now,
        },
    )
    if new:
        _opened(payment, dispute, now=now)
    if status in (DisputeStatus.OPEN, dispute.status):
        return
    if dispute.status == DisputeStatus.LOST:
        _note(payment, dispute, "dispute won after all", now=now)
        steps.review(
            f"{_key(payment, dispute)}:won",
            _("A dispute of %(amount)s ended in two ways") % _said(payment, dispute),
            _("%(gateway)s said that it was lost, and then that it was won. Look at its own page: if the money came back, tell whoever keeps the books.") % _said(payment, dispute),
            steps.admin_link(payment),
        )  # fmt: skip
        return
    _closed(payment, dispute, status, event.amount_minor, now=now)


def book(payment: Payment, dispute: Dispute, *, now: datetime) -> int:
    """Writes down what a lost dispute took, as far as it fits into what is left of the payment.

    Refunds that nobody has begun to send are what went back by it, so they are done; the rest becomes
    a refund of its own. Returns the minor units that did not fit.
    """
    missing = dispute.unbooked_minor
    if dispute.currency != payment.currency:
        return missing
    for refund in payment.refunds.unsent().locked():
        if refund.amount_minor <= missing:
            refund.payment, refund.dispute = payment, dispute
            refund.save(update_fields=["dispute"])
            steps.record_refund(payment, refund, RefundStatus.DONE, now=now, why=_("the bank took it"))
            missing -= refund.amount_minor
    if taken := min(missing, payment.left_minor):
        nth = dispute.refunds.count() + 1
        steps.gone(payment, f"dispute:{dispute.pk}:{nth}", taken, now=now, dispute=dispute)
    return missing - taken


def _opened(payment: Payment, dispute: Dispute, *, now: datetime) -> None:
    _note(payment, dispute, "dispute opened", now=now)
    _mark(payment)
    said = _said(payment, dispute)
    steps.review(
        _key(payment, dispute),
        _("The patient's bank disputes a payment of %(amount)s") % said,
        _(
            "The bank's reason: %(why)s. Answer on %(gateway)s's own page before its date. Until it is closed nothing is given back here: the money could go back twice."
        )
        % said,
        steps.admin_link(payment),
    )


def _closed(payment: Payment, dispute: Dispute, status: DisputeStatus, amount: int, *, now: datetime) -> None:
    """Decided. What the bank wants to have looked at is, and a lost one is shown to a person anew."""
    dispute.status, dispute.closed_at = status, now
    dispute.amount_minor = amount or dispute.amount_minor
    dispute.save(update_fields=["status", "closed_at", "amount_minor"])
    _mark(payment)
    _note(payment, dispute, f"dispute {status}", now=now)
    unfit = book(payment, dispute, now=now)
    ReviewItem.objects.open().filter(key=_key(payment, dispute)).update(
        resolved_at=now, note=dispute.get_status_display()
    )
    if status == DisputeStatus.LOST:
        said = _said(payment, dispute) | {"unfit": money.display(unfit, dispute.currency)}
        what_now = _(
            "The booking stays as it is. The patient has the money back: decide whether they still come."
        )
        if unfit:
            what_now += " " + _("%(unfit)s of it is more than was left here, and not in our books yet: another refund is under way, or went out before.") % said  # fmt: skip
        steps.review(
            f"{_key(payment, dispute)}:lost",
            _("A dispute was lost: the bank took %(amount)s back") % said,
            what_now,
            steps.admin_link(payment),
        )


def _mark(payment: Payment) -> None:
    """Says on the payment whether any dispute of it is open, and since when."""
    first = payment.disputes.open().order_by("opened_at").first()
    payment.disputed_at = first.opened_at if first else None
    payment.save(update_fields=["disputed_at"])


def _note(payment: Payment, dispute: Dispute, kind: str, *, now: datetime) -> None:
    steps.note(payment, kind, now=now, amount_minor=dispute.amount_minor, why=dispute.reason)
    log.info("dispute", extra={"payment": payment.pk, "dispute": dispute.pk, "what": kind})


def _key(payment: Payment, dispute: Dispute) -> str:
    return f"payment:{payment.pk}:dispute:{dispute.pk}"


def _said(payment: Payment, dispute: Dispute) -> dict[str, str]:
    return {
        "amount": money.display(dispute.amount_minor, dispute.currency),
        "gateway": payment.gateway,
        "why": dispute.reason or "?",
    }
