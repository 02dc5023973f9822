"""Whose key a request carries."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from clinic.api_key_models import STARTS, ApiKey, digest_of, prefix_of
from clinic.errors import Refused
from clinic.throttle import count

WRITTEN_EVERY = timedelta(minutes=1)
"""How often at most "last used" is written: a kiosk that polls must not write with every poll."""


def key_of(request) -> ApiKey | None:
    """The key in `Authorization: Bearer ck_…`, with its account; None without one that works.

    Counts the request, and notes when the key was last used. Raises Refused (429) past the key's limit.
    One statement, and one more each minute; the count is the cache's.
    """
    kind, _blank, key = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not key.startswith(STARTS) or not prefix_of(key).isalnum():
        return None
    now = timezone.now()
    found = ApiKey.objects.usable(now).select_related("account").filter(prefix=prefix_of(key)).first()
    if not constant_time_compare(digest_of(key), found.digest if found else ""):
        return None
    if count(f"api-key:{found.pk}", 60) > found.per_minute:
        raise Refused(
            "TOO_MANY", _("Too many requests with this key. Wait a minute."), status=429, retry_after=60
        )
    note_use(found, now)
    return found


def note_use(key: ApiKey, now) -> None:
    """Writes "last used", unless somebody did within the last minute."""
    earlier = now - WRITTEN_EVERY
    if key.last_used_at is None or key.last_used_at <= earlier:
        long_ago = Q(last_used_at=None) | Q(last_used_at__lte=earlier)
        ApiKey.objects.filter(long_ago, pk=key.pk).update(last_used_at=now)
