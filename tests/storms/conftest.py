"""One durable server, migrated once, for all storms; each has a database of its own there."""

import pytest

from tests.storms import site


@pytest.fixture(scope="session")
def database():
    with site.databases() as fresh:
        yield fresh
