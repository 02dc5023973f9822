"""The sample clinic: worth looking at whatever the hour is, loaded twice without harm, and never over a real one."""

import os
import subprocess
import sys
from datetime import datetime, time, timedelta

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import Count, F
from django.utils import timezone

from bookings.models import Booking
from bookings.states import Channel
from bookings.states import Status as BookingStatus
from clinic.models import Doctor, Patient, Service, User
from payments.management.commands import demo
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from payments.sample import plan
from payments.sample.people import ACCOUNTS, DOCTORS, PASSWORD
from payments.states import RefundStatus
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.states import Status
from tests import factories

MODELS = User, Doctor, Patient, Schedule, Booking, Payment, Refund


@pytest.fixture(autouse=True)
def trying_things_out(settings):
    settings.DEBUG = True


def counts():
    return {model.__name__: model.objects.count() for model in MODELS}


# --- What it makes ------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_clinic_is_worth_looking_at_and_every_invariant_holds(client):
    call_command("demo")
    now = timezone.now()

    assert Doctor.objects.count() == 10
    assert Doctor.objects.values("specialty").distinct().count() == 6
    assert sorted(Doctor.objects.values_list("prefix", flat=True)) == [*"ABCDEFGHIJ"]
    running = Schedule.objects.filter(starts_at__lte=now, ends_at__gt=now, opened_from=plan.PLAYED)
    assert running.count() == len(plan.ON_DUTY)
    assert {window.capacity - window.taken for window in running} >= {0, 1}
    assert running.filter(status=Status.CLOSED).count() == 1
    assert all(window.now_serving for window in running)
    today = timezone.localdate()
    for day in range(14):
        assert Schedule.objects.filter(date=today + timedelta(days=day)).exists()
    assert Schedule.objects.filter(status=Status.FINISHED, date__lt=today).exists()
    assert {*Booking.objects.values_list("channel", flat=True)} >= {Channel.WALK_IN}
    services = Service.objects.offered().annotate(sold=Count("bookings"))
    assert services.count() == 5 and services.filter(sold__gt=0).count() >= 3
    assert violations() == {}


@pytest.mark.django_db
def test_there_is_a_verified_account_for_every_role():
    call_command("demo")
    for address, (_name, role) in ACCOUNTS.items():
        account = User.objects.get(email=address)
        assert account.check_password(PASSWORD)
        assert account.emailaddress_set.filter(verified=True, primary=True).exists()
        assert [*account.groups.values_list("name", flat=True)] == [role] * bool(role)
        assert account.is_staff == bool(role)
    assert User.objects.get(email="doctor@demo.clinic").doctor.prefix == "A"
    patient = User.objects.get(email="patient@demo.clinic")
    assert Booking.objects.filter(booked_by=patient, status=BookingStatus.COMPLETED).exists()
    assert Booking.objects.filter(booked_by=patient, status=BookingStatus.CONFIRMED).exists()


@pytest.mark.django_db
def test_it_prints_who_may_sign_in_and_where(capsys):
    call_command("demo")
    said = capsys.readouterr().out
    for words in [*ACCOUNTS, PASSWORD, settings.SITE_URL]:
        assert words in said


@pytest.mark.django_db
def test_no_refund_is_left_to_do():
    call_command("demo")
    assert not Refund.objects.exclude(status=RefundStatus.DONE).exists()


# --- Again --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_loading_it_again_changes_nothing():
    call_command("demo")
    before = counts(), [*Schedule.objects.order_by("pk").values()]
    call_command("demo")
    assert (counts(), [*Schedule.objects.order_by("pk").values()]) == before


@pytest.mark.django_db
def test_the_next_day_it_opens_one_more_day_and_plays_the_new_one():
    call_command("demo")
    a_day_passes()
    before = Schedule.objects.count()
    call_command("demo")
    assert Schedule.objects.count() > before
    assert Schedule.objects.filter(date=timezone.localdate() + timedelta(days=13)).exists()
    now = timezone.now()
    played = Schedule.objects.filter(starts_at__lte=now + plan.SOON, ends_at__gt=now, opened_from=plan.PLAYED)
    assert played.count() >= len(plan.ON_DUTY)
    assert violations() == {}


def a_day_passes():
    """Everything moves to the day before, the earliest first, so that nothing overlaps on the way."""
    for window in Schedule.objects.order_by("starts_at"):
        window.date -= timedelta(days=1)
        window.clean()
        window.save()
        timed = window.bookings.filter(start_at__isnull=False)
        timed.update(start_at=F("start_at") - timedelta(days=1), end_at=F("end_at") - timedelta(days=1))
    WeeklyHours.objects.update(opened_until=F("opened_until") - timedelta(days=1))


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


def test_a_reset_starts_afresh_on_sqlite(tmp_path):
    environment = os.environ | {
        "DEBUG": "1",
        "DATABASE_URL": f"sqlite:///{tmp_path}/demo.sqlite3", "DEMO_GATEWAY_BOOK": f"{tmp_path}/book.sqlite3",
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
