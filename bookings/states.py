"""The life of a booking: its states, the sets that have names, and every allowed move."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Status(TextChoices):
    HELD = "held", _("waiting for payment")
    CONFIRMED = "confirmed", _("confirmed")
    CHECKED_IN = "checked_in", _("in the waiting room")
    IN_CONSULTATION = "in_consultation", _("with the doctor")
    COMPLETED = "completed", _("completed")
    NO_SHOW = "no_show", _("did not come")
    CANCELLED = "cancelled", _("cancelled")
    EXPIRED = "expired", _("not paid in time")
    OVERFLOW = "overflow", _("paid, but no place was left")


class Channel(TextChoices):
    ONLINE = "online", _("online")
    WALK_IN = "walk_in", _("walk-in")
    PHONE = "phone", _("by phone")
    API = "api", _("by an app")


S = Status
NEW = ""
LIVE = (S.HELD, S.CONFIRMED, S.CHECKED_IN, S.IN_CONSULTATION)
WAITING = (S.CONFIRMED, S.CHECKED_IN)
OCCUPYING = (S.CONFIRMED, S.CHECKED_IN, S.IN_CONSULTATION, S.COMPLETED, S.NO_SHOW)
OWING = (S.CONFIRMED, S.CHECKED_IN, S.IN_CONSULTATION, S.COMPLETED)
"""Who has an amount due still has to pay it: not who did not come, and not who cancelled."""
OVER = (S.COMPLETED, S.NO_SHOW, S.CANCELLED, S.EXPIRED)
NO_VISIT = (S.HELD, S.EXPIRED, S.OVERFLOW)
DESK_CHANNELS = (Channel.WALK_IN, Channel.PHONE)

MOVES = {
    NEW: {S.HELD, S.CONFIRMED},
    S.HELD: {S.CONFIRMED, S.EXPIRED, S.CANCELLED, S.OVERFLOW},
    S.EXPIRED: {S.CONFIRMED, S.OVERFLOW},  # late money
    S.CONFIRMED: {
        S.CHECKED_IN,
        S.CANCELLED,
        S.NO_SHOW,
        S.COMPLETED,
        S.CONFIRMED,
    },  # itself: in another window
    S.CHECKED_IN: {S.IN_CONSULTATION, S.CONFIRMED, S.NO_SHOW, S.CANCELLED, S.COMPLETED},
    S.IN_CONSULTATION: {S.COMPLETED, S.CHECKED_IN},
    S.NO_SHOW: {S.CHECKED_IN},  # came after all
    S.OVERFLOW: {S.CONFIRMED},  # re-seated
    S.COMPLETED: set(),
    S.CANCELLED: set(),
}
