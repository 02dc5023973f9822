"""Work that is due by itself: rows in a state, not jobs in a queue. Any number of workers may run these."""

import logging

from django.utils import timezone

from clinic.sweeping import each
from payments import actions, attempt_actions, ledger_actions
from payments.gateways.base import GatewayError
from payments.models import GatewayEvent, Payment, Refund
from payments.states import Outcome

log = logging.getLogger("clinic")
BATCH = 100
BOOKED_AT_ONCE = 1000
"""Much more at once: it asks no gateway, and a new installation of this version has its whole past to book."""


def process_inbox() -> int:
    """Tries again what a webhook could not finish."""
    due = GatewayEvent.objects.unprocessed().filter(next_try_at__lte=timezone.now()).order_by("pk")[:BATCH]
    return each(actions.process, due)


def close_open_payments() -> int:
    """Ends attempts whose hold is over, at the gateway too; asks first whether money arrived, and
    takes what was only authorised."""
    now = timezone.now()

    def close(payment: Payment) -> bool:
        mine = Payment.objects.in_question().filter(pk=payment.pk, next_check_at=payment.next_check_at)
        if not mine.update(next_check_at=now + actions.LEASE):
            return False
        try:
            attempt_actions.look_after(payment)
        except GatewayError as error:
            log.warning(
                "gateway-error",
                extra={"gateway": payment.gateway, "payment": payment.pk, "why": error.message},
            )
            if not error.retryable:
                attempt_actions.stuck(payment, error)
            return False
        return True

    due = Payment.objects.to_look_at(now).select_related("booking").order_by("next_check_at")
    return each(close, due[:BATCH])


def make_refunds() -> int:
    """Turns what is due back into refunds: payments that bought nothing, and cancelled bookings."""
    owed = Payment.objects.with_rest()
    returned = owed.owed_back().without_own_refund().values_list("pk", "outcome")[:BATCH]
    cancelled = (
        owed.captured()
        .filter(
            outcome=Outcome.BOUGHT, booking__refund_due_at__lte=timezone.now(), booking__refund_percent__gt=0
        )
        .exclude(refunds__cause="cancel")
        .values_list("pk", "booking__refund_percent")[:BATCH]
    )
    due = [(pk, Outcome(outcome).value, 100) for pk, outcome in returned]
    due += [(pk, "cancel", percent) for pk, percent in cancelled]
    return each(lambda owed: actions.owe(*owed) is not None, due)


def book_ledger() -> int:
    """Receipts and doctors' earnings for money that came, then credit notes for money that went
    back, each in the order in which it moved.

    Asks for the keys alone: where PostgreSQL's statistics are from before the first money came, it
    would read every combination of visits and patients.
    """
    came = Payment.objects.without_receipt().values_list("pk", flat=True)
    booked = each(ledger_actions.book_payment, came[:BOOKED_AT_ONCE])
    went = Refund.objects.without_credit_note().values_list("pk", flat=True)
    return booked + each(ledger_actions.book_refund, went[:BOOKED_AT_ONCE])


def send_refunds() -> int:
    """Sends the refunds that are due."""
    return each(actions.send, Refund.objects.to_send(timezone.now()).select_related("payment")[:BATCH])
