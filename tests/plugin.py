"""Chooses the database before pytest-django reads the settings, and whether the browser journeys run.

Loaded by `-p` in pyproject.toml: a conftest.py would come too late.
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services import memory, postgres


def pytest_addoption(parser):
    group = parser.getgroup("clinic")
    group.addoption("--postgres", action="store_true", help="on PostgreSQL: DATABASE_URL, else our own")
    group.addoption("--browser", action="store_true", help="the browser journeys, and nothing else")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config):
    services = ExitStack()
    early_config.add_cleanup(services.close)
    asked = early_config.known_args_namespace
    if on_postgres():
        pass
    elif asked.postgres:
        os.environ["DATABASE_URL"] = services.enter_context(postgres())
    else:  # never the demo's file
        folder = services.enter_context(tempfile.TemporaryDirectory(prefix="clinic-sqlite-", dir=memory()))
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/clinic.sqlite3"
    os.environ["DEBUG"] = "1"
    if asked.browser:
        # Playwright keeps an event loop in the test's thread, where Django would refuse to query.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    return (yield)


def pytest_configure():
    from django.conf import settings  # only now is its environment complete

    database = settings.DATABASES["default"]
    if not on_postgres():
        # A file, because SQLite in memory has one connection for all threads and locks unlike the real thing.
        database.setdefault("TEST", {})["NAME"] = str(Path(database["NAME"]).with_name("test.sqlite3"))


def pytest_collection_modifyitems(config, items):
    chosen, others = [], []
    for item in items:
        journey = item.get_closest_marker("browser") is not None
        (chosen if journey == config.option.browser else others).append(item)
        if item.get_closest_marker("postgres") and not on_postgres():
            item.add_marker(pytest.mark.skip(reason="needs a real PostgreSQL"))
        if item.get_closest_marker("once") and on_postgres():
            item.add_marker(pytest.mark.skip(reason="says the same as on SQLite, where it runs"))
    if others:
        config.hook.pytest_deselected(items=others)
    items[:] = chosen


def pytest_report_header():
    return f"clinic database: {'PostgreSQL' if on_postgres() else 'SQLite, a file of its own'}"


def on_postgres():
    return os.environ.get("DATABASE_URL", "").startswith("postgres")
