"""gunicorn's configuration for a storm on pools: each decision is written into the file STORM_LOG, with what
stood in the database while its window was locked. The product knows nothing of it; pool_replay.py judges it.
"""

import json
import os
import threading
import time
from datetime import datetime, timedelta

from tests.storms import without_lock

held = threading.local()
MINUTE = timedelta(minutes=1)


def post_worker_init(worker):
    from bookings import actions, steps

    if os.environ.get("STORM_WITHOUT_LOCK"):
        without_lock.post_worker_init(worker)
    log = os.open(os.environ["STORM_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    steps.lock_window = looks_around(steps.lock_window)
    actions.hold = writes(log, actions.hold)
    actions.give_up = writes(log, actions.give_up)


def looks_around(lock):
    """Reads by a statement of its own, right after the lock, who has which minutes."""

    def locked(schedule_id, *args, **kwargs):
        answer = lock(schedule_id, *args, **kwargs)
        held.at = time.monotonic_ns()
        held.taken = rows(
            "SELECT start_at, end_at FROM bookings_booking WHERE schedule_id = %s AND units > 0", schedule_id
        )
        return answer

    return locked


def writes(log: int, act):
    """The same action, which tells the log what was decided. Both kinds of it begin at a lock."""
    from clinic.errors import Refused

    def written_down(*args, **wish):
        held.at = None
        try:
            booking = act(*args, **wish)
        except Refused as refusal:
            if held.at and "start_at" in wish:
                tell(log, wish["schedule_id"], wish["start_at"], needed(wish["service_id"]), refusal.code)
            raise
        if booking.service_id:
            answer = "sold" if "start_at" in wish else "freed"
            tell(log, booking.schedule_id, booking.start_at, booking.minutes, answer)
        return booking

    return written_down


def needed(service_id: int) -> int:
    [(minutes,)] = rows("SELECT duration + buffer FROM clinic_service WHERE id = %s", service_id)
    return minutes


def tell(log: int, pool: int, start: datetime, minutes: int, answer: str) -> None:
    from django.conf import settings

    [(opens, closes, capacity)] = rows(
        "SELECT starts_at, ends_at, capacity FROM schedules_schedule WHERE id = %s", pool
    )
    line = {
        "pool": pool,
        "at": held.at,
        "window": [0, (closes - opens) // MINUTE],
        "capacity": capacity,
        "step": settings.START_GRID_MINUTES,
        "taken": [[(a - opens) // MINUTE, (b - opens) // MINUTE] for a, b in held.taken],
        "start": (start - opens) // MINUTE,
        "minutes": minutes,
        "answer": answer,
    }
    os.write(log, (json.dumps(line) + "\n").encode())  # one write: lines of several processes do not mix


def rows(sql: str, *params) -> list[tuple]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
