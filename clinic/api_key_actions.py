"""Making keys for machines, and taking them away."""

from django.utils import timezone

from clinic.api_key_models import ApiKey, digest_of, new_key, prefix_of


def make_key(*, actor, **fields) -> tuple[ApiKey, str]:
    """A new key, and the words of it that nobody can read again. `fields`: name, account, scopes,
    per_minute, expires_at."""
    key = new_key()
    row = ApiKey.objects.create(prefix=prefix_of(key), digest=digest_of(key), created_by=actor, **fields)
    return row, key


def revoke_key(pk: int, *, actor) -> bool:
    """It works no longer, from the next request on. False where somebody revoked it already."""
    standing = ApiKey.objects.filter(pk=pk, revoked_at=None)
    return bool(standing.update(revoked_at=timezone.now(), revoked_by=actor))
