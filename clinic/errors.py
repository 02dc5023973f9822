"""The one exception that says no, and which database errors mean "try again in a moment"."""

from django.db import OperationalError
from django.utils.translation import gettext_lazy as _

BUSY_SQLSTATES = {"55P03", "57014"}  # lock_timeout, statement_timeout
RETRY_SQLSTATES = {"40001", "40P01"}  # serialization failure, deadlock


class Refused(Exception):
    """A refusal in the user's words: nothing was changed.

    code: stable and upper-case, for the API (DESIGN §8). message: safe to show to anyone.
    status: the HTTP status that says the same. details: what a page may offer instead.
    """

    def __init__(self, code: str, message, *, status: int = 409, **details):
        super().__init__(message)
        self.code, self.message, self.status, self.details = code, message, status, details


BUSY = _("A lot of people are booking at this moment. Please try again in a few seconds.")


def sqlstate(error: Exception) -> str:
    """PostgreSQL's error class, or ""."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def is_busy(error: Exception) -> bool:
    """True when the database was only too busy: a lock, a statement or the pool timed out."""
    if not isinstance(error, OperationalError):
        return False
    cause = type(error.__cause__).__name__
    return (
        sqlstate(error) in BUSY_SQLSTATES | RETRY_SQLSTATES
        or cause == "PoolTimeout"
        or "locked" in str(error)
    )
