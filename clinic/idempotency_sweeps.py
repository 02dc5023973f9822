"""Answers that are kept no longer."""

from django.utils import timezone

from clinic.idempotency_models import StoredAnswer


def forget_answers() -> int:
    """Deletes what POSTs were answered more than a day ago; returns how many."""
    return StoredAnswer.objects.older_than_kept(timezone.now()).delete()[0]
