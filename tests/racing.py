"""Real rivals: threads with their own connections that meet at the line where it hurts."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

from django.db import connection, connections

from clinic.transactions import LockingQuerySet

READ_UNDER_LOCK = "STATEMENT_TIMESTAMP"
"""Stands in the one statement with which every action reads a window (bookings.queries)."""


class Meeting:
    """Makes racers wait for each other right after their first statement that holds `at`.

    Under a lock they cannot all get there: the first one waits `patience` seconds in vain, and
    the others go on behind it. Without the lock they all have read before any of them writes.
    """

    def __init__(self, racers: int, at: str = READ_UNDER_LOCK, patience: float = 0.3):
        self._barrier = threading.Barrier(racers)
        self._at, self._patience = at, patience
        self._here = threading.local()

    def __call__(self, execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if self._at in sql and not hasattr(self._here, "was"):
            self._here.was = True
            self.wait()
        return answer

    def wait(self):
        with suppress(threading.BrokenBarrierError):
            self._barrier.wait(self._patience)


def at_once(*calls, meeting: Meeting | None = None) -> list:
    """Runs all calls at the same time, each on its own connection; their results or exceptions."""
    start = threading.Barrier(len(calls))

    def run(call):
        try:
            with ExitStack() as stack:
                connection.ensure_connection()
                if meeting:
                    stack.enter_context(connection.execute_wrapper(meeting))
                start.wait(20)
                return call()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def without_locks(monkeypatch) -> None:
    """The negative control: the same code, with `locked()` that does not lock."""
    monkeypatch.setattr(LockingQuerySet, "locked", lambda self, **kwargs: self.order_by("pk"))
