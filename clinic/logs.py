"""Which request a log line belongs to, and what it must not tell of it."""

import logging
import re
from contextvars import ContextVar

request_id = ContextVar("request_id", default="")
"""Of the request that this thread answers; "" in the worker and in commands."""


class OfRequest(logging.Filter):
    """Writes the request's id on every line that is logged while it is answered."""

    def filter(self, record):
        if found := request_id.get():
            record.request_id = found
        return True


OPENS = re.compile(
    r"(/(?:b|pay|calendar|api/v1/appointments|accounts/password/reset/key|accounts/confirm-email)/)[^/\s]+"
)
"""Addresses whose next part is a secret: whoever has it opens a booking, a calendar or an account."""


class NoSecrets(logging.Filter):
    """Masks those parts where Django logs a request: it names the path, and adds the request itself, of
    which the method is enough."""

    def filter(self, record):
        if hasattr(record, "request"):
            record.msg, record.args = OPENS.sub(r"\1…", record.getMessage()), ()
            record.request = getattr(record.request, "method", record.request)
        return True
