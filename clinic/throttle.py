"""Counts in the shared cache how often somebody did something, in windows of fixed length."""

import hashlib

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _

from clinic.errors import Refused


def throttle(what: str, who: str):
    """Counts one more `what` by `who`. Raises Refused (429) past settings.THROTTLES[what].

    `who` (an address, a phone number) is stored hashed.
    """
    limit, seconds = settings.THROTTLES[what]
    key = f"throttle:{what}:{hashlib.sha256(who.encode()).hexdigest()}"
    if count(key, seconds) > limit:
        raise Refused(
            "TOO_MANY",
            _("Too many bookings in a short time. Please wait a while, or call the clinic."),
            status=429,
            retry_after=seconds,
        )


def count(key: str, seconds: int) -> int:
    """How often this was counted within `seconds` of the first time, this time included."""
    try:
        return cache.incr(key)
    except ValueError:  # the first time, or for the first time again
        return 1 if cache.add(key, 1, seconds) else cache.incr(key)
