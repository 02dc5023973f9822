"""The worker: every sweep runs, none stops another, and an order to stop is obeyed between two items."""

import os
import signal
import subprocess
import sys

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection

from bookings.states import Status
from clinic import sweeping
from clinic.models import Heartbeat
from tests import factories

pytestmark = pytest.mark.django_db
HERE = "tests.test_worker"
tried = []


def broken_sweep():
    raise LookupError("a row of Meera Joshi, +919820012345")


def good_sweep():
    tried.append("good")
    return 3


def idle_sweep():
    return 0


@pytest.fixture(autouse=True)
def nothing_tried_yet():
    tried.clear()


@pytest.fixture
def an_order_to_stop_is_forgotten():
    yield
    while sweeping.stopping():
        sweeping._orders.get_nowait()


def test_a_pass_does_what_is_due_and_stamps_every_sweep(settings):
    booking = factories.hold(factories.window())
    factories.lapse(booking)
    call_command("worker", once=True)
    booking.refresh_from_db()
    assert booking.status == Status.EXPIRED
    assert {*Heartbeat.objects.values_list("sweep", flat=True)} == {*settings.SWEEPS}
    assert Heartbeat.objects.get(sweep="bookings.sweeps.expire_lapsed_holds").did == 1


def test_a_broken_sweep_is_named_and_the_others_run(settings, caplog):
    settings.SWEEPS = [f"{HERE}.broken_sweep", f"{HERE}.good_sweep"]
    call_command("worker", once=True)
    assert tried == ["good"]
    [failure] = [record for record in caplog.records if record.message == "sweep-failed"]
    assert failure.sweep == f"{HERE}.broken_sweep" and failure.exc_info
    beat = Heartbeat.objects.get(sweep=f"{HERE}.broken_sweep")
    assert beat.error == "LookupError"  # and not its words, for /readyz is public


def test_a_sweep_that_works_again_loses_its_error(settings):
    settings.SWEEPS = [f"{HERE}.good_sweep"]
    stamp = factories.heartbeat(f"{HERE}.good_sweep", error="LookupError")
    call_command("worker", once=True)
    stamp.refresh_from_db()
    assert (stamp.error, stamp.did) == ("", 3)


def test_a_pass_is_logged_only_if_it_did_something(settings, caplog):
    settings.SWEEPS = [f"{HERE}.idle_sweep"]
    call_command("worker", once=True)
    assert not caplog.records
    settings.SWEEPS = [f"{HERE}.idle_sweep", f"{HERE}.good_sweep"]
    call_command("worker", once=True)
    [line] = caplog.records
    assert (line.message, line.did) == ("worker-pass", {f"{HERE}.good_sweep": 3})


def test_an_item_that_fails_keeps_no_other_waiting():
    def do(item):
        tried.append(item)
        return 1 // item

    with pytest.raises(ExceptionGroup) as failure:
        sweeping.each(do, [1, 0, 1])
    assert tried == [1, 0, 1]
    assert [type(error) for error in failure.value.exceptions] == [ZeroDivisionError]


def test_asked_to_stop_it_finishes_the_item_in_hand_and_begins_no_other(an_order_to_stop_is_forgotten):
    def do(item):
        sweeping.stop()
        tried.append(item)
        return True

    assert sweeping.each(do, ["in hand", "next"]) == 1
    assert tried == ["in hand"]


def test_it_does_not_start_with_a_configuration_that_is_refused(settings):
    settings.HOLD_MINUTES = 0
    with pytest.raises(SystemCheckError, match="HOLD_MINUTES"):
        call_command("worker", once=True, skip_checks=False)
    assert not Heartbeat.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_ends_at_once_when_it_is_told_to(order):
    command = [sys.executable, "manage.py", "worker", "--interval", "600"]
    worker = subprocess.Popen(
        command,
        env=os.environ | {"DATABASE_URL": url_of_the_test_database()},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert "worker-start" in worker.stdout.readline()
        worker.send_signal(order)
        rest, _nothing = worker.communicate(timeout=20)
    finally:
        worker.kill()
    assert worker.returncode == 0
    assert rest.splitlines()[-1].endswith("worker-stop")


def url_of_the_test_database() -> str:
    if connection.vendor == "sqlite":
        return f"sqlite:///{connection.settings_dict['NAME']}"
    server, _slash, _name = os.environ["DATABASE_URL"].rpartition("/")
    return f"{server}/{connection.settings_dict['NAME']}"
