"""What a caller's POST was answered, so that sending it again under the same key does nothing twice."""

from datetime import timedelta

from django.db import models

KEPT = timedelta(hours=24)
LEASE = timedelta(minutes=2)
"""How long one try has a key to itself: longer than any request takes, gateways included."""


class StoredAnswerQuerySet(models.QuerySet):
    def older_than_kept(self, now):
        return self.filter(created_at__lt=now - KEPT)

    def abandoned(self, now):
        """Begun and never answered: the process was killed."""
        return self.filter(code=None, claimed_at__lt=now - LEASE)

    def still_claimed_as(self, claimed):
        """This claim, unless another request has taken it over."""
        return self.filter(pk=claimed.pk, claimed_at=claimed.claimed_at)


class StoredAnswer(models.Model):
    caller = models.CharField(max_length=40)
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    """Of the path and the body: another one under the same key is refused."""
    code = models.PositiveSmallIntegerField(null=True)
    """The HTTP status. None while the first request is at it."""
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(db_index=True)
    claimed_at = models.DateTimeField()

    objects = StoredAnswerQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="answer_once_a_key")]

    def __str__(self):
        return f"{self.caller}: {self.code or 'under way'}"
