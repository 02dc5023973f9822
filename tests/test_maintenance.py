"""The maintenance switch: patients read a kind page, gateways and probes go on, and no database is asked."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from bookings.states import Status
from clinic import maintenance
from clinic.settings import MIDDLEWARE
from tests import factories


@pytest.fixture(autouse=True)
def switch(settings, tmp_path) -> Path:
    """Every test has a switch of its own, in a folder that does not exist yet."""
    settings.MAINTENANCE_FILE = tmp_path / "run" / "maintenance"
    settings.MIDDLEWARE = MIDDLEWARE
    return settings.MAINTENANCE_FILE


@pytest.fixture
def closed(switch) -> None:
    maintenance.switch_on()


def test_pages_say_that_the_clinic_will_be_back(closed, client, settings):
    """This test has no access to the database."""
    settings.CLINIC_NAME, settings.CLINIC_PHONE = "Lotus Clinic", "080 1234"
    client.cookies[settings.SESSION_COOKIE_NAME] = "somebody"
    for path in ("/", "/book/1/", "/admin/", "/b/x/", "/b/x/status", "/accounts/login/"):
        page = client.get(path)
        assert page.status_code == 503, path
        assert page["Retry-After"] == "300" and "no-store" in page["Cache-Control"]
        text = page.content.decode()
        assert "We will be back soon" in text and "Lotus Clinic" in text and "080 1234" in text


@pytest.mark.parametrize("path", ["/book/1/", "/b/x/cancel/", "/admin/walk-in/"])
def test_a_form_sent_meanwhile_changes_nothing_and_says_so(closed, path):
    """Nor does it get the page about a missing token."""
    page = Client(enforce_csrf_checks=True).post(path, {"name": "Ravi"})
    assert page.status_code == 503 and "We will be back soon" in page.content.decode()


def test_it_says_when_if_somebody_said(switch, client):
    until = timezone.now() + timedelta(minutes=20)
    maintenance.switch_on(until)
    page = client.get("/")
    assert f"at about {timezone.localtime(until):%H:%M}" in page.content.decode()
    assert 1190 <= int(page["Retry-After"]) <= 1200


@pytest.mark.parametrize(
    "said", ["", "soon", "2020-01-01T10:00:00+05:30", "2999-01-01T10:00:00", b"\xff\xfe"]
)
def test_whatever_stands_in_the_file_it_is_on_and_promises_no_wrong_time(switch, client, said):
    switch.parent.mkdir()
    switch.write_bytes(said if isinstance(said, bytes) else said.encode())
    page = client.get("/")
    assert page.status_code == 503 and "in a few minutes" in page.content.decode()
    assert page["Retry-After"] == "300"


@pytest.mark.parametrize("path", ["/api/v1/doctors", "/_allauth/app/v1/config"])
def test_programs_get_it_as_json(closed, client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "MAINTENANCE")
    assert answer["Retry-After"] == "300"


@pytest.mark.django_db
def test_what_a_gateway_says_is_still_taken(closed, client):
    booking = factories.hold(factories.window())
    body = factories.capture_body(factories.attempt(booking))
    answer = client.post(
        "/api/v1/webhooks/demo", body, content_type="application/json",
        headers=factories.demo().signed(body),
    )  # fmt: skip
    assert answer.status_code == 200
    booking.refresh_from_db()
    assert booking.status == Status.CONFIRMED


def test_the_probe_of_life_and_the_colours_go_on(closed, client):
    assert client.get("/healthz").status_code == 200
    assert client.get("/theme.css").status_code == 200


@pytest.mark.django_db
def test_no_process_is_taken_out_of_the_balance_while_it_migrates(switch, client, monkeypatch):
    """It could not say that the clinic will be back, nor take webhooks."""
    monkeypatch.setattr("clinic.health.pending_migrations", lambda: ["clinic.9999"])
    assert client.get("/readyz").status_code == 503
    maintenance.switch_on()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "maintenance")
    assert answer.json()["broken"] == ["migrations are pending: manage.py migrate"]


@pytest.mark.django_db
def test_once_it_is_off_pages_are_back_at_once(switch, client):
    maintenance.switch_on()
    assert client.get("/").status_code == 503
    assert maintenance.switch_off()
    assert client.get("/").status_code == 200
    assert not maintenance.switch_off()


def test_the_command_switches_and_says_what_is(switch, capsys):
    call_command("maintenance", "on", minutes=15)
    until = maintenance.current().until
    assert timedelta(minutes=14) < until - timezone.now() <= timedelta(minutes=15)
    assert f"on, until about {timezone.localtime(until):%H:%M} ({switch})" in capsys.readouterr().out
    call_command("maintenance", "status")
    assert "Maintenance is on, until about" in capsys.readouterr().out
    call_command("maintenance", "on")
    assert maintenance.current().until is None
    call_command("maintenance", "off")
    assert maintenance.current() is None and not switch.exists()
    assert "Maintenance is off" in capsys.readouterr().out.splitlines()[-1]


def test_the_command_works_while_the_database_is_away(switch, settings):
    """A process of its own, whose database nobody answers."""
    environment = {
        "PATH": "/usr/bin", "DEBUG": "1", "MAINTENANCE_FILE": str(switch),
        "DATABASE_URL": "postgres://nobody:x@127.0.0.1:9/none",
    }  # fmt: skip
    command = [sys.executable, "manage.py", "maintenance", "on"]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert maintenance.current()
