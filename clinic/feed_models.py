"""A doctor's calendar at a secret address, for the calendar on their phone (bookings/feed_views.py)."""

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


def new_code() -> str:
    """128 random bits: whoever knows the address reads the calendar."""
    return secrets.token_urlsafe(16)


class FeedQuerySet(models.QuerySet):
    def at(self, code: str):
        """The feed with this code, unless its doctor's account was closed."""
        here = Q(doctor__user=None) | Q(doctor__user__is_active=True)
        return self.filter(here, code=code).select_related("doctor")


class Feed(models.Model):
    """The one address of a doctor's calendar. Renewed or switched off, the old one shows nothing any more."""

    doctor = models.OneToOneField(
        "clinic.Doctor", models.CASCADE, related_name="feed", verbose_name=_("doctor")
    )
    code = models.CharField(max_length=22, unique=True, default=new_code, editable=False)
    made_at = models.DateTimeField(_("made"))
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("made by")
    )

    objects = FeedQuerySet.as_manager()

    class Meta:
        verbose_name = _("calendar address")
        verbose_name_plural = _("calendar addresses")
        default_permissions = ()
        permissions = [("own_calendar", _("Can have their own calendar at a secret address"))]

    def __str__(self):
        return str(self.doctor)
