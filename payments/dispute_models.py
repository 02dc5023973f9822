"""What payers' banks want back."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from payments.states import DisputeStatus


class DisputeQuerySet(models.QuerySet):
    def open(self):
        return self.filter(status=DisputeStatus.OPEN)


class Dispute(models.Model):
    """A bank took up its customer's complaint about a payment. Written under the payment's lock.

    A payment may have several, one after the other. What a lost one took stands in refunds that
    name it; `Payment.disputed_at` says whether any is open.
    """

    payment = models.ForeignKey(
        "payments.Payment", models.PROTECT, related_name="disputes", verbose_name=_("payment")
    )
    reference = models.CharField(_("the gateway's dispute"), max_length=255)
    amount_minor = models.PositiveIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=4, choices=DisputeStatus, default=DisputeStatus.OPEN)
    reason = models.CharField(_("the bank's reason"), max_length=200, blank=True)
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    objects = DisputeQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        constraints = [
            models.UniqueConstraint(fields=["payment", "reference"], name="dispute_once"),
            models.CheckConstraint(condition=Q(status__in=DisputeStatus.values), name="dispute_known_status"),
            models.CheckConstraint(
                condition=Q(status=DisputeStatus.OPEN, closed_at=None)
                | (~Q(status=DisputeStatus.OPEN) & Q(closed_at__isnull=False)),
                name="dispute_closed_when_decided",
            ),
        ]

    def __str__(self):
        return self.reference

    @property
    def unbooked_minor(self) -> int:
        """What a lost one took and no refund tells of yet, in minor units of its own currency."""
        if self.status != DisputeStatus.LOST:
            return 0
        booked = self.refunds.aggregate(sum=models.Sum("amount_minor"))["sum"] or 0
        return max(self.amount_minor - booked, 0)
