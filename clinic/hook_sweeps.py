"""Webhooks that are due, delivered one by one. Any number of workers may."""

from django.utils import timezone

from clinic.hook_actions import deliver
from clinic.hook_models import Delivery
from clinic.sweeping import each

BATCH = 200


def deliver_hooks() -> int:
    """Tries what is due, the oldest first; an address that does not answer keeps no other waiting for long."""
    due = Delivery.objects.to_send(timezone.now()).order_by("due_at", "pk")
    return each(deliver, due[:BATCH])
