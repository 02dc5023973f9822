"""The shared cache, in the database: one statement an operation, and counters that lose nothing.

Django's own database cache counts its rows before every write, and its incr() is a read and a
write of five statements, which two processes can do at once: a throttle by it costs as much as the
booking, and lets more through than it says.
"""

import base64
import pickle
import random
import time

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection

CULL_EVERY = 200
"""One write of so many throws away what has expired."""
FOREVER = float(2**53)


class DatabaseCache(BaseCache):
    """Rows of clinic_cacheentry. Whole numbers stand there as such; the rest is pickled."""

    def __init__(self, _location, params):
        super().__init__(params)

    def get(self, key, default=None, version=None):
        rows = self._sql(
            "SELECT value FROM {t} WHERE key = %s AND expires > %s", self._key(key, version), _now()
        )
        return _loads(rows[0][0]) if rows else default

    def set(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        self._put(key, value, timeout, version)

    def add(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        return bool(self._put(key, value, timeout, version, "WHERE {t}.expires <= %s", _now()))

    def incr(self, key, delta=1, version=None):
        rows = self._sql(
            "UPDATE {t} SET value = CAST(CAST(value AS bigint) + %s AS text)"
            " WHERE key = %s AND expires > %s RETURNING value",
            delta, self._key(key, version), _now(),
        )  # fmt: skip
        if not rows:
            raise ValueError(f"Key '{key}' not found")
        return int(rows[0][0])

    def touch(self, key, timeout=DEFAULT_TIMEOUT, version=None):
        return bool(
            self._sql(
                "UPDATE {t} SET expires = %s WHERE key = %s AND expires > %s RETURNING key",
                self._expires(timeout), self._key(key, version), _now(),
            )
        )  # fmt: skip

    def delete(self, key, version=None):
        return bool(self._sql("DELETE FROM {t} WHERE key = %s RETURNING key", self._key(key, version)))

    def clear(self):
        self._sql("DELETE FROM {t} RETURNING key")

    def _put(self, key, value, timeout, version, only="", *more):
        if random.randrange(CULL_EVERY) == 0:
            self._sql("DELETE FROM {t} WHERE expires <= %s RETURNING key", _now())
        return self._sql(
            "INSERT INTO {t} (key, value, expires) VALUES (%s, %s, %s)"
            f" ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires {only}"
            " RETURNING key",
            self._key(key, version), _dumps(value), self._expires(timeout), *more,
        )  # fmt: skip

    def _key(self, key, version) -> str:
        return self.make_and_validate_key(key, version=version)

    def _expires(self, timeout) -> float:
        at = self.get_backend_timeout(timeout)
        return FOREVER if at is None else at

    def _sql(self, sql: str, *params) -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(sql.format(t="clinic_cacheentry"), params)
            return cursor.fetchall()


def _now() -> float:
    return time.time()


def _dumps(value) -> str:
    return str(value) if type(value) is int else base64.b64encode(pickle.dumps(value)).decode()


def _loads(text: str):
    """A pickle in base64 begins with a letter, a number never does."""
    return pickle.loads(base64.b64decode(text)) if text[0].isalpha() else int(text)
