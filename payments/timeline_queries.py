"""A payment's history as one list: what we did, what its gateway said, what goes back."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from clinic import money
from payments.models import Payment


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
    moment stays in the order of cause: the gateway speaks, we act, money goes back."""
    found = []
    if user.has_perm("payments.view_gatewayevent"):
        found += _said(payment)
    if user.has_perm("payments.view_paymentevent"):
        found += _done(payment)
    if user.has_perm("payments.view_refund"):
        found += _gone(payment)
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
        for event in payment.gateway_events.defer("body").order_by("pk")
    ]


def _done(payment: Payment) -> list[Moment]:
    return [
        Moment(
            event.at,
            _("clinic"),
            event.kind,
            money.display(event.amount_minor, payment.currency) if event.amount_minor else "",
            str(event.actor or ""),
            event.note,
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
