"""Signed JSON from strangers: Stripe's scheme, which the demo gateway speaks too.

The header is `t=<unix>,v1=<hex>`, v1 may come several times, and
v1 = HMAC-SHA256(secret, t + "." + raw body): https://docs.stripe.com/webhooks#verify-manually.
"""

import hmac
import json
from collections.abc import Iterable
from uuid import UUID

from payments.gateways.base import BadSignature

TOLERANCE = 300
"""Seconds. An older stamp may be a recorded body played again. One ahead of our clock passes, as
with Stripe's own libraries: clocks differ, and the stamp is signed."""


def sign(body: bytes, secret: str, *, at: int) -> str:
    """The header's value for a body signed at a unix time."""
    return f"t={at},v1={_mac(body, secret, str(at))}"


def check(body: bytes, header: str | None, secrets: Iterable[str], *, now: float) -> None:
    """Raises BadSignature unless one of the secrets signed exactly these bytes lately.

    Empty secrets sign nothing: anyone could compute an HMAC with them.
    """
    parts = [part.partition("=")[::2] for part in (header or "").split(",")]
    stamp = next((value for name, value in parts if name == "t"), "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise BadSignature("no readable time stamp")
    given = [value.encode("utf-8", "replace") for name, value in parts if name == "v1"]
    expected = [_mac(body, secret, stamp).encode() for secret in secrets if secret.strip()]
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given):
        raise BadSignature("no secret of ours made this signature")
    if int(stamp) < now - TOLERANCE:
        raise BadSignature("signed too long ago")


def read_object(body: bytes | str) -> dict:
    """A JSON object in UTF-8; BadSignature for every other sequence of bytes."""
    try:
        value = json.loads(body if isinstance(body, str) else body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadSignature("not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise BadSignature("not a JSON object")
    return value


def member(value: dict, name: str) -> dict:
    """An object inside an object; empty if it is something else."""
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def text(value: object) -> str:
    """A short printable string that every database takes (no NUL, no half character); else ""."""
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 255 else ""


def our_key(value: object) -> str:
    """A key of ours, which is always a UUID; else "". Others may use the same account and words."""
    try:
        return str(UUID(text(value)))
    except ValueError:
        return ""


def whole(value: object) -> int:
    """A whole amount that fits a column; else 0, which no payment expects."""
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _mac(body: bytes, secret: str, stamp: str) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, "sha256").hexdigest()
