"""What every test stands on: clean caches, a demo gateway of its own, and locks in one order."""

import pytest
from django.core.cache import cache
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.test import TransactionTestCase

from tests.emptying import empty
from tests.lock_order import LockOrder

locks = LockOrder()
TransactionTestCase._fixture_teardown = empty


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
