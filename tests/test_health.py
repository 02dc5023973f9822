"""What a load balancer and a monitor read: /healthz and /readyz."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from payments import readiness
from tests import factories

PROBE = {"host": "10.0.0.7:8000"}  # a probe knows the machine, not the clinic's name


def readyz(client):
    return client.get("/readyz", headers=PROBE)


def test_healthz_answers_anyone_without_asking_the_database(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/healthz", headers=PROBE)
    assert (answer.status_code, answer.content) == (200, b"ok")


@pytest.mark.django_db
def test_readyz_is_ready_while_a_worker_runs(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    call_command("worker", once=True)
    answer = readyz(client)
    assert answer.status_code == 200
    assert answer["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    facts = answer.json()
    assert (facts["status"], facts["broken"], facts["warnings"]) == ("ready", [], [])
    assert {*facts["sweeps"]} == {*settings.SWEEPS}
    assert all(0 <= sweep["age"] < 60 for sweep in facts["sweeps"].values())


@pytest.mark.django_db
def test_readyz_warns_of_a_worker_that_never_ran_but_takes_patients(client, settings):
    answer = readyz(client)
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert len(answer.json()["warnings"]) == len(settings.SWEEPS)


@pytest.mark.django_db
def test_readyz_warns_of_a_worker_that_died(client, settings):
    [settings.SWEEPS] = [["bookings.sweeps.expire_lapsed_holds"]]
    factories.heartbeat(settings.SWEEPS[0], finished_at=timezone.now() - timedelta(minutes=2))
    [warning] = readyz(client).json()["warnings"]
    assert warning == "bookings.sweeps.expire_lapsed_holds: no worker for 60 s"


@pytest.mark.django_db
def test_readyz_names_a_sweep_that_fails(client, settings):
    [settings.SWEEPS] = [["payments.sweeps.send_refunds"]]
    factories.heartbeat(settings.SWEEPS[0], error="KeyError")
    assert readyz(client).json()["warnings"] == ["payments.sweeps.send_refunds: fails with KeyError"]


@pytest.mark.django_db
def test_readyz_warns_of_webhooks_that_nobody_signed(client):
    call_command("worker", once=True)
    readiness.note_forgery()
    assert readyz(client).json()["warnings"] == ["unsigned_webhooks_last_hour: 1"]


@pytest.mark.django_db
def test_readyz_refuses_patients_while_a_migration_is_missing(client):
    MigrationRecorder.Migration.objects.filter(app="payments", name="0001_initial").delete()
    answer = readyz(client)
    assert answer.status_code == 503
    assert answer.json()["pending_migrations"] == ["payments.0001_initial"]


@pytest.mark.django_db
def test_readyz_refuses_patients_while_the_database_is_away(client, settings):
    def away(execute, sql, params, many, context):
        raise OperationalError(f"password {settings.SECRET_KEY} refused")

    with connection.execute_wrapper(away):
        answer = readyz(client)
    assert answer.status_code == 503
    assert answer.json()["broken"] == ["database or cache: OperationalError"]
    assert settings.SECRET_KEY not in answer.text


@pytest.mark.django_db
@pytest.mark.postgres
def test_readyz_shows_the_timeouts_in_force_and_warns_of_one_that_is_off(client, settings):
    call_command("worker", once=True)
    facts = readyz(client).json()
    assert {*facts["database_timeouts"]} == {*settings.DATABASE_TIMEOUTS}
    assert facts["database_timeouts"]["lock_timeout"] == settings.DATABASE_TIMEOUTS["lock_timeout"]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")
    assert readyz(client).json()["warnings"] == ["lock_timeout is off: see docs/running.md"]
