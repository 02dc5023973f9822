"""The sample clinic once it is loaded: all look at one, and what a test changes is undone after it."""

from contextlib import ExitStack
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.db.models import Count, F
from django.test import override_settings
from django.utils import timezone

from bookings.models import Booking
from bookings.states import Channel
from bookings.states import Status as BookingStatus
from clinic.models import Doctor, Patient, Service, User
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from payments.sample import plan
from payments.sample.people import ACCOUNTS, PASSWORD
from payments.states import RefundStatus
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.states import Status

MODELS = User, Doctor, Patient, Schedule, Booking, Payment, Refund


@pytest.fixture(autouse=True)
def trying_things_out(settings):
    settings.DEBUG = True


@pytest.fixture(scope="module")
def loaded(django_db_setup, django_db_blocker, tmp_path_factory):
    """The sample clinic, for all who only look at it or change it in a transaction of their own; gives
    what the command said. It is loaded once, in a transaction that ends with the module."""
    said, book = StringIO(), tmp_path_factory.mktemp("demo") / "book.sqlite3"
    quick = {"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}
    with ExitStack() as ending:
        ending.enter_context(django_db_blocker.unblock())
        ending.enter_context(override_settings(DEBUG=True, DEMO_GATEWAY_BOOK=book, **quick))
        ending.enter_context(transaction.atomic())
        ending.callback(transaction.set_rollback, True)
        transaction.get_connection().atomic_blocks[-1]._from_testcase = True  # actions are durable
        call_command("demo", stdout=said)
        yield said.getvalue()


def counts():
    return {model.__name__: model.objects.count() for model in MODELS}


# --- What it makes ------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_clinic_is_worth_looking_at_and_every_invariant_holds(loaded):
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
def test_there_is_a_verified_account_for_every_role(loaded):
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
def test_it_prints_who_may_sign_in_and_where(loaded):
    for words in [*ACCOUNTS, PASSWORD, settings.SITE_URL]:
        assert words in loaded


@pytest.mark.django_db
def test_no_refund_is_left_to_do(loaded):
    assert not Refund.objects.exclude(status=RefundStatus.DONE).exists()


# --- Again --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_loading_it_again_changes_nothing(loaded):
    before = counts(), [*Schedule.objects.order_by("pk").values()]
    call_command("demo")
    assert (counts(), [*Schedule.objects.order_by("pk").values()]) == before


@pytest.mark.django_db
def test_the_next_day_it_opens_one_more_day_and_plays_the_new_one(loaded):
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
