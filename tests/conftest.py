"""What every test stands on: clean caches, a demo gateway of its own, and locks in one order."""

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from tests.lock_order import LockOrder

APPEND_ONLY = (
    "bookings_bookingevent", "payments_paymentevent", "payments_receipt", "payments_ledgerentry",
)  # fmt: skip
EMPTIED_AFTERWARDS = {"transactional_db", "live_server", "django_db_reset_sequences"}
locks = LockOrder()


@receiver(connection_created)
def watch_locks(connection, **kwargs):
    """Also in the threads of races: each has its own connection."""
    if connection.vendor == "postgresql" and locks not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, locks)  # first, so that a test's own one ends before it


@pytest.fixture(autouse=True)
def locks_in_order():
    """On PostgreSQL, fails the test whose transactions locked in another order than DESIGN §4's."""
    locks.wrongs.clear()
    yield
    assert not locks.wrongs, "\n".join(locks.wrongs)


@pytest.fixture(autouse=True)
def clean_surroundings(settings, tmp_path):
    """Throttles count from nothing, the demo gateway's book lies in the test's own folder, and
    passwords are hashed in no time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.DEMO_GATEWAY_BOOK = tmp_path / "demo-gateway.sqlite3"
    cache.clear()


@pytest.fixture(autouse=True)
def append_only_tables_are_emptied(request):
    """A test that really commits is cleaned up by DELETE on SQLite, which append-only tables refuse.

    Drops those triggers first; the flush ends with post_migrate, which creates them again.
    """
    marker = request.node.get_closest_marker("django_db")
    commits = EMPTIED_AFTERWARDS & {*request.fixturenames} or (marker and marker.kwargs.get("transaction"))
    if commits:
        request.getfixturevalue("transactional_db")  # set up before us, so torn down after us
    yield
    if commits and connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for table in APPEND_ONLY:
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_DELETE")
