"""A POST with an Idempotency-Key: claimed by its first request, answered alike to every other.

Only what was done is kept. Whatever was refused has changed nothing, so its key is free again.
"""

from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.errors import Refused
from clinic.idempotency_models import StoredAnswer


def claim(caller: str, key: str, digest: str) -> StoredAnswer:
    """The answer that this key has got (`code` is set), or the claim to work it out now.

    Raises Refused: IDEMPOTENCY_KEY_REUSED (422) with other content, IN_PROGRESS (409) while
    another request is at it. A claim whose process died is taken over after LEASE.
    """
    now = timezone.now()
    found, made = StoredAnswer.objects.get_or_create(
        caller=caller, key=key, defaults={"digest": digest, "created_at": now, "claimed_at": now}
    )
    if not made and found.digest != digest:
        said = _("This Idempotency-Key came with other content before.")
        raise Refused("IDEMPOTENCY_KEY_REUSED", said, status=422)
    if made or found.code:
        return found
    if StoredAnswer.objects.abandoned(now).filter(pk=found.pk).update(claimed_at=now):
        found.claimed_at = now
        return found
    said = _("The first request with this Idempotency-Key is still under way.")
    raise Refused("IN_PROGRESS", said, retry_after=1)


def keep(claimed: StoredAnswer, code: int, body: str) -> None:
    """What this request was answered stands for the next 24 hours.

    One that outlived its lease keeps nothing: the key is its successor's.
    """
    StoredAnswer.objects.still_claimed_as(claimed).update(code=code, body=body)


def release(claimed: StoredAnswer) -> None:
    """The same key may be tried again at once. A successor's claim stays."""
    StoredAnswer.objects.still_claimed_as(claimed).delete()
