"""What was let off of a price at the counter, and why. Minor units."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from bookings.models import Booking
from clinic import money
from clinic.transactions import LockingQuerySet


class ConcessionQuerySet(LockingQuerySet):
    def made_on(self, day):
        """What was let off on one of the clinic's days, with whose price it was and who decided."""
        rows = self.filter(at__date=day).select_related("booking__patient", "booking__schedule", "by")
        return rows.order_by("at", "pk")


class Concession(models.Model):
    """A part of a booking's price that the clinic does not ask for: a discount, or all of it. Never
    edited (append-only by trigger), and never the price: that stays as it was sold."""

    key = models.UUIDField(unique=True, editable=False)
    booking = models.OneToOneField(
        Booking, models.PROTECT, related_name="concession", verbose_name=_("booking")
    )
    amount_minor = models.PositiveIntegerField(_("amount"))
    reason = models.CharField(_("reason"), max_length=200)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("decided by")
    )
    at = models.DateTimeField(_("when"))

    objects = ConcessionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("discount")
        verbose_name_plural = _("discounts")
        default_permissions = ["view"]
        permissions = [("discount", _("Can take less than the price at the counter, or nothing"))]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="concession_of_something"),
            models.CheckConstraint(condition=~Q(reason=""), name="concession_says_why"),
        ]

    def __str__(self):
        return self.amount

    @property
    def amount(self) -> str:
        return money.display(self.amount_minor, self.booking.currency)

    @property
    def is_waiver(self) -> bool:
        """All of the price."""
        return self.amount_minor == self.booking.price_minor
