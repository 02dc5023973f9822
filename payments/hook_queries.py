"""What webhooks say of money that was sent back."""

from bookings import hook_queries
from payments.models import Refund


def facts(refund_id: int) -> dict | None:
    """A refund and its booking as they stand now. `amount` in minor units. One query."""
    found = Refund.objects.select_related("payment__booking__schedule").filter(pk=refund_id).first()
    return found and {
        "refundId": found.pk,
        "amount": found.amount_minor,
        "currency": found.payment.currency,
        "appointment": hook_queries.of(found.payment.booking),
    }
