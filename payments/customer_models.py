"""Who pays, as a gateway knows them."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Customer(models.Model):
    """A gateway's id for an account, made once and reused."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="customers")
    gateway = models.CharField(max_length=20)
    reference = models.CharField(max_length=255)

    class Meta:
        verbose_name = _("gateway customer")
        verbose_name_plural = _("gateway customers")
        constraints = [models.UniqueConstraint(fields=["user", "gateway"], name="customer_once")]

    def __str__(self):
        return self.reference
