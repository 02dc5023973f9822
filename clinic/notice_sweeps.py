"""Notices that are due, sent one by one. Any number of workers may."""

from django.utils import timezone

from clinic.notice_actions import send
from clinic.notice_models import Notice
from clinic.sweeping import each

BATCH = 200


def send_notices() -> int:
    """Sends what is due, the oldest first."""
    due = Notice.objects.to_send(timezone.now()).order_by("due_at", "pk")
    return each(send, due[:BATCH])
