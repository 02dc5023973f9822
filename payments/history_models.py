"""What happened to a payment, line by line."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class PaymentEvent(models.Model):
    """One thing that happened to a payment, never edited (append-only by trigger)."""

    payment = models.ForeignKey(
        "payments.Payment", models.PROTECT, related_name="events", verbose_name=_("payment")
    )
    at = models.DateTimeField(_("when"))
    kind = models.CharField(_("what"), max_length=40)
    amount_minor = models.PositiveIntegerField(_("amount"), default=0)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("who"),
    )
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("payment event")
        verbose_name_plural = _("payment events")

    def __str__(self):
        return self.kind
