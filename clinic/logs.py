"""Which request a log line belongs to."""

import logging
from contextvars import ContextVar

request_id = ContextVar("request_id", default="")
"""Of the request that this thread answers; "" in the worker and in commands."""


class OfRequest(logging.Filter):
    """Writes the request's id on every line that is logged while it is answered."""

    def filter(self, record):
        if found := request_id.get():
            record.request_id = found
        return True
