"""Real rivals: threads with their own connections that meet at the line where it hurts.

No outcome hangs on a clock. Who waits for a rival waits until that one has come, has ended, or stands
before a lock, which PostgreSQL tells (`Racer.is_out`).
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from time import monotonic

from django.db import connection, connections

from clinic.transactions import LockingQuerySet

READ_UNDER_LOCK = "STATEMENT_TIMESTAMP"
"""Stands in the one statement with which every action reads a window (bookings.queries)."""
ENOUGH = 120
"""Seconds after which a race that stands still is a bug of its test, and says so."""
SQLITE_PATIENCE = 0.3
"""SQLite has one lock and tells nobody who waits for it. Whoever does not come in this many seconds does."""


class Racer:
    """One call of a race on a connection of its own, and how far it has come."""

    def __init__(self, call):
        self.call, self.pid, self.has_come, self.has_ended = call, None, False, False

    def run(self, begin, wrapper=None):
        """Connects, begins when told, and gives back what the call returns or raises."""
        try:
            connection.ensure_connection()
            if connection.vendor == "postgresql":
                self.pid = connection.connection.info.backend_pid
            begin(timeout=ENOUGH)
            with connection.execute_wrapper(wrapper) if wrapper else nullcontext():
                return self.call()
        except Exception as error:
            return error
        finally:
            self.has_ended = True
            connections.close_all()

    def is_out(self) -> bool:
        """It has ended or stands before a lock: nothing comes of it before somebody else goes on."""
        if self.has_ended or connection.vendor != "postgresql":
            return self.has_ended
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)"
        return connection.connection.execute(waits, [self.pid]).fetchone()[0]  # past our own wrappers


class Meeting:
    """Makes racers wait for each other right after their first statement that holds `at`.

    Under a lock they cannot all get there: the first one sees the others wait behind it, and goes on.
    Without the lock they all have read before any of them writes. Then all go on together; `in_turn`,
    for a negative control, each goes on when those before it have ended. So what comes of it is decided
    by what they have read; side by side PostgreSQL might find a deadlock, and who begins again, reads again.
    """

    def __init__(self, at: str = READ_UNDER_LOCK, *, in_turn: bool = False):
        self._at, self._in_turn = at, in_turn

    def of(self, racer: Racer, racers: list[Racer]):
        """The execute wrapper of one racer."""

        def wrapper(execute, sql, params, many, context):
            answer = execute(sql, params, many, context)
            if self._at in sql and not racer.has_come:
                racer.has_come = True
                for rival in racers:
                    until(lambda rival=rival: rival.has_come or rival.is_out())
                if self._in_turn:
                    for rival in racers[: racers.index(racer)]:
                        until(rival.is_out)
            return answer

        return wrapper


def until(come_true) -> None:
    """Looks every few milliseconds. Gives up on SQLite soon; else raises TimeoutError, for a race stands still."""
    began, pause = monotonic(), threading.Event()
    while not come_true():
        waited = monotonic() - began
        if connection.vendor == "sqlite" and waited > SQLITE_PATIENCE:
            return
        if waited > ENOUGH:
            raise TimeoutError("A rival neither comes, nor ends, nor waits for a lock.")
        pause.wait(0.005)


def at_once(*calls, meeting: Meeting | None = None) -> list:
    """Runs all calls at the same time, each on its own connection; their results or exceptions."""
    racers, start = [Racer(call) for call in calls], threading.Barrier(len(calls))
    with ThreadPoolExecutor(len(calls)) as pool:
        running = [
            pool.submit(racer.run, start.wait, meeting and meeting.of(racer, racers)) for racer in racers
        ]
        return [each.result() for each in running]


def overtaken(call, *, at: str, by) -> list:
    """Runs `call`, and `by` as a whole right after its first statement that holds `at`; or as far as a
    lock lets it, and the rest afterwards. The results or exceptions of both."""
    racer, rival, there = Racer(call), Racer(by), threading.Event()

    def wrapper(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if at in sql and not there.is_set():
            there.set()
            until(rival.is_out)
        return answer

    with ThreadPoolExecutor(2) as pool:
        second = pool.submit(rival.run, there.wait)
        first = pool.submit(racer.run, lambda timeout: None, wrapper).result()
        assert there.is_set(), f"{first}, and no statement held {at}"
        return [first, second.result()]


def without_locks(monkeypatch) -> None:
    """The negative control: the same code, with `locked()` that does not lock."""
    monkeypatch.setattr(LockingQuerySet, "locked", lambda self, **kwargs: self.order_by("pk"))
