"""Systems that want to know: where webhooks go, and what became of each."""

import base64
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.notice_models import WAITING, State

EVENTS = {
    "visit-confirmed": "booking.confirmed",
    "visit-moved": "booking.moved",
    "visit-cancelled": "booking.cancelled",
    "visit-overflow": "booking.overflow",
    "visit-called": "token.called",
    "refund-sent": "refund.succeeded",
}
"""What a notice is called outside (docs/webhooks.md)."""


KEPT = timedelta(days=30)
"""So long a delivery stands in the log after its last try: its body opens a booking."""


def new_secret() -> str:
    """As https://www.standardwebhooks.com has it: whsec_ and base64, here of 256 random bits."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class HookQuerySet(models.QuerySet):
    def active(self):
        return self.filter(is_active=True)


class Hook(models.Model):
    """An address that is told of some events, signed with its secret."""

    name = models.CharField(_("whose it is"), max_length=80, help_text=_("Like: the laboratory's system."))
    url = models.URLField(_("address"), max_length=500)
    events = models.JSONField(_("is told of"), default=list)
    secret = models.CharField(max_length=80, default=new_secret, editable=False)
    previous_secret = models.CharField(max_length=80, blank=True, editable=False)
    previous_until = models.DateTimeField(_("old secret signs until"), null=True, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    rests_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("made by")
    )

    objects = HookQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")

    def __str__(self):
        return self.name

    def secrets_at(self, now) -> list[str]:
        """What a message is signed with: the secret, and for a day after a change the one before it."""
        both = self.previous_until is not None and now < self.previous_until
        return [self.secret, self.previous_secret] if both else [self.secret]


class DeliveryQuerySet(models.QuerySet):
    def due(self, now):
        """Due ones, and those whose sender died, when its lease is over. One claims by updating these:
        without a join, for PostgreSQL looks again at the row that it waited for, and not at a subquery."""
        return self.filter(status__in=WAITING, due_at__lte=now)

    def to_send(self, now):
        """Due ones whose address is not resting."""
        rested = Q(hook__rests_until=None) | Q(hook__rests_until__lte=now)
        return self.due(now).filter(rested, hook__is_active=True)

    def sending(self):
        return self.filter(status=State.SENDING)

    def older_than_kept(self, now):
        """Nothing has become of them for KEPT, and by itself nothing will: done, or to a webhook that is off."""
        yet_to_be_tried = Q(status__in=WAITING, hook__in=Hook.objects.active())
        return self.filter(due_at__lt=now - KEPT).exclude(yet_to_be_tried)

    def repeatable(self):
        """What a person may send again: delivered or given up, but not under way."""
        return self.exclude(status__in=WAITING)


class Delivery(models.Model):
    """One event for one address: the same id and body however often it is tried."""

    hook = models.ForeignKey(Hook, models.CASCADE, related_name="deliveries", verbose_name=_("webhook"))
    message = models.CharField(_("message"), max_length=40, editable=False)
    event = models.CharField(_("event"), max_length=40)
    body = models.TextField(_("content"))
    status = models.CharField(_("status"), max_length=7, choices=State, default=State.DUE)
    due_at = models.DateTimeField(_("due"))
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    answer = models.PositiveSmallIntegerField(_("last answer"), null=True, help_text=_("The HTTP status."))
    error = models.CharField(_("what went wrong"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    sent_at = models.DateTimeField(_("delivered"), null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        constraints = [
            models.UniqueConstraint(fields=["hook", "message"], name="delivery_once"),
            models.CheckConstraint(condition=Q(status__in=State.values), name="delivery_known_status"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(status__in=WAITING), name="delivery_to_send"),
            models.Index(fields=["due_at"], name="delivery_to_forget"),
        ]

    def __str__(self):
        return f"{self.event} · {self.hook}"
