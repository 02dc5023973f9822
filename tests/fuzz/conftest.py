"""A web server of its own on the test's PostgreSQL, and what each request wrote there."""

import os
from dataclasses import dataclass

import pytest
from django.db import connection

from tests.fuzz import clinic, written
from tests.services import free_port
from tests.storms import site


@dataclass(frozen=True)
class Server:
    url: str
    clinic: clinic.Clinic
    written: written.Written
    site: site.Site


@pytest.fixture
def server(transactional_db, tmp_path, monkeypatch):
    """The clinic, opened, behind one gunicorn process, which alone writes from now on."""
    name, port = connection.settings_dict["NAME"], free_port()
    database = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"
    environment = site.environment(port, tmp_path) | {"DATABASE_URL": database, "PAY_AT_DESK": "1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    opened = clinic.opened()
    with (
        site.serving(port, tmp_path, "--workers", "1") as running,
        written.noted(database) as notes,
    ):
        yield Server(f"http://127.0.0.1:{port}", opened, notes, running)
