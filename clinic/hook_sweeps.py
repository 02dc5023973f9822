"""Webhooks that are due, delivered one by one, and their log, kept for a month. Any number of workers may."""

from django.utils import timezone

from clinic.hook_actions import deliver
from clinic.hook_models import Delivery
from clinic.sweeping import each

BATCH = 200


def deliver_hooks() -> int:
    """Tries what is due, the oldest first; an address that does not answer keeps no other waiting for long."""
    due = Delivery.objects.to_send(timezone.now()).order_by("due_at", "pk")
    return each(deliver, due[:BATCH])


def forget_deliveries() -> int:
    """Deletes what was last tried 30 days ago and is not waiting to be tried again; returns how many."""
    return Delivery.objects.older_than_kept(timezone.now()).delete()[0]
