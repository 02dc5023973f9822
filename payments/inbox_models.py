"""What gateways told us, kept before anything is done about it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from clinic.transactions import LockingQuerySet


class GatewayEventQuerySet(LockingQuerySet):
    def unprocessed(self):
        return self.filter(processed_at=None)


class GatewayEvent(models.Model):
    """The inbox: one verified webhook body, kept before anything is done about it."""

    gateway = models.CharField(_("gateway"), max_length=20)
    dedupe_key = models.CharField(max_length=255)
    name = models.CharField(_("event"), max_length=80, blank=True)
    body = models.TextField(_("body"))
    received_at = models.DateTimeField(_("received"))
    processed_at = models.DateTimeField(_("processed"), null=True, blank=True)
    payment = models.ForeignKey(
        "payments.Payment",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="gateway_events",
        verbose_name=_("payment"),
    )
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"))
    error = models.CharField(_("why not yet"), max_length=200, blank=True)

    objects = GatewayEventQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("gateway event")
        verbose_name_plural = _("gateway events")
        constraints = [models.UniqueConstraint(fields=["gateway", "dedupe_key"], name="gateway_event_once")]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(processed_at=None), name="gateway_event_todo")
        ]

    def __str__(self):
        return f"{self.gateway} {self.name}"
