"""What a window can be, in words."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Kind(TextChoices):
    TOKEN = "token", _("numbered tokens")
    SLOT = "slot", _("one exact time")
    POOL = "pool", _("minutes for services")


class Mode(TextChoices):
    IN_PERSON = "in_person", _("at the clinic")
    VIDEO = "video", _("by video")


class Status(TextChoices):
    OPEN = "open", _("open")
    CLOSED = "closed", _("closed to new bookings")
    CANCELLED = "cancelled", _("cancelled")
    FINISHED = "finished", _("finished")


SETTLES = (Status.OPEN, Status.CLOSED)
"""Windows in which a place may still be confirmed: a closed one only takes no new holds."""
