"""Whether money can be taken, and what an operator should know about it."""

from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from payments import gateways
from payments.models import GatewayEvent, Payment, Refund

FORGED = "webhook-signature-errors"


def can_pay() -> bool:
    """A patient who books can pay: through a gateway, or at the desk."""
    return settings.PAY_AT_DESK or bool(gateways.enabled())


def note_forgery() -> None:
    """Counts a webhook that nobody signed, for an hour, so that /readyz can warn."""
    cache.add(FORGED, 0, 3600)
    try:
        cache.incr(FORGED)
    except ValueError:  # expired between the two lines
        cache.add(FORGED, 1, 3600)


def warnings() -> dict:
    """For /readyz: the oldest undone work in seconds, and unsigned webhooks of the last hour."""
    now = timezone.now()
    waiting = (
        GatewayEvent.objects.unprocessed()
        .order_by("received_at")
        .values_list("received_at", flat=True)
        .first()
    )
    refund = Refund.objects.to_send(now).order_by("created_at").values_list("created_at", flat=True).first()
    unbooked = Payment.objects.without_receipt().values_list("captured_at", flat=True).first()
    return {
        "oldest_unprocessed_webhook": _age(now, waiting),
        "oldest_unsent_refund": _age(now, refund),
        "oldest_payment_without_receipt": _age(now, unbooked),
        "unsigned_webhooks_last_hour": cache.get(FORGED, 0),
    }


def _age(now, since) -> int | None:
    return None if since is None else int((now - since) / timedelta(seconds=1))
