"""The sample clinic: worth looking at whatever the hour is, loaded twice without harm, and never over a real one."""

import os
import subprocess
import sys
from datetime import datetime, time, timedelta
from tempfile import TemporaryDirectory

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from bookings.models import Booking
from clinic.models import Doctor, Patient, User
from payments.management.commands import demo
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from payments.sample import plan
from payments.sample.people import DOCTORS
from schedules.models import Schedule
from tests import factories
from tests.services import memory

MODELS = User, Doctor, Patient, Schedule, Booking, Payment, Refund


@pytest.fixture(autouse=True)
def trying_things_out(settings):
    settings.DEBUG = True


def counts():
    return {model.__name__: model.objects.count() for model in MODELS}


# --- When ---------------------------------------------------------------------------------

MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001  (clock times of the clinic)
MINUTES = [MONDAY + timedelta(minutes=minute) for minute in range(0, 24 * 60, 5)]


@pytest.mark.parametrize("past", plan.ON_DUTY)
def test_somebody_receives_now_whatever_the_hour_is(past):
    for now in MINUTES:
        first, *more = plan.around(now, past)
        assert first.day == now.date() and first.start < first.end
        assert first.begins <= now + plan.SOON and first.ends > now
        assert more == [] or more[0].begins == MONDAY + timedelta(days=1)
        last = [first, *more][-1]
        assert last.ends - now >= plan.SOON  # so a place can still be booked online


def test_hours_around_now_never_overlap_the_ones_that_stand():
    for now in MINUTES:
        for profile in DOCTORS:
            known = plan.regular(profile, now.date())
            beside = plan.on_duty(now, known, plan.ON_DUTY[1])
            assert not any(one.overlaps(other) for one in known for other in beside)


def test_a_doctor_who_receives_anyway_gets_no_second_window():
    morning = plan.Hours(MONDAY.date(), time(9), time(12))
    assert plan.on_duty(MONDAY + timedelta(hours=10), [morning], plan.ON_DUTY[0]) == []


# --- What it refuses ----------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("reset", [False, True])
def test_it_never_touches_a_database_that_it_did_not_make(reset):
    factories.patient()
    before = counts()
    with pytest.raises(CommandError, match="did not make"):
        call_command("demo", reset=reset)
    assert counts() == before


@pytest.mark.django_db
def test_it_refuses_where_debug_is_off(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        call_command("demo")
    assert not Doctor.objects.exists()


@pytest.mark.django_db
def test_it_refuses_without_the_gateway_that_it_pays_on(settings):
    settings.PAYMENT_GATEWAYS = ["stripe"]
    with pytest.raises(CommandError, match="PAYMENT_GATEWAYS"):
        call_command("demo")
    assert not Doctor.objects.exists()


@pytest.mark.django_db
def test_it_says_that_its_guests_need_no_plan(settings):
    settings.DEBUG, settings.CLINIC_REQUIRES_MEMBERSHIP = True, True
    with pytest.raises(CommandError, match="has guests"):
        call_command("demo")
    assert not Doctor.objects.exists()


# --- Afresh -------------------------------------------------------------------------------


@pytest.fixture
def folder():
    with TemporaryDirectory(prefix="clinic-demo-", dir=memory()) as folder:
        yield folder


@pytest.mark.once
def test_a_reset_starts_afresh_on_sqlite(folder):
    environment = os.environ | {
        "DEBUG": "1",
        "DATABASE_URL": f"sqlite:///{folder}/demo.sqlite3", "DEMO_GATEWAY_BOOK": f"{folder}/book.sqlite3",
    }  # fmt: skip

    def manage(*arguments):
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    manage("demo")
    add = "from clinic.models import *; Patient.objects.create(name='Visitor')"
    count = "from clinic.models import *; print(Patient.objects.filter(name='Visitor').count())"
    manage("shell", "--verbosity", "0", "-c", add)
    manage("demo")
    assert manage("shell", "--verbosity", "0", "-c", count) == "1\n"
    manage("demo", "--reset")
    assert manage("shell", "--verbosity", "0", "-c", count) == "0\n"
    assert "All invariants hold." in manage("check_invariants")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_reset_starts_afresh_on_postgresql():
    call_command("demo")
    factories.patient(name="Visitor")
    call_command("demo", reset=True)
    assert not Patient.objects.filter(name="Visitor").exists()
    assert Doctor.objects.count() == 10
    assert violations() == {}
    demo.refuse_strangers()
