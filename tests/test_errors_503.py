"""A busy database says "try again in a moment", and nothing happened."""

import threading
from uuid import uuid4

import pytest
from django.db import OperationalError, connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import include, path

from bookings.models import Booking
from clinic.errors import Refused, is_busy
from clinic.views import server_error
from payments import actions as money
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment
from schedules.models import Schedule
from tests import factories as f
from tests.racing import ENOUGH, at_once


def take_a_place(request, schedule_id):
    """The smallest view that could be."""
    f.hold(Schedule.objects.get(pk=schedule_id), request_key=uuid4())
    return HttpResponse("held")


def refuse(request, status):
    raise Refused("NO", "Not today, sorry.", status=status)


def fail(request):
    raise OperationalError("the disk is full")


urlpatterns = [
    path("take/<int:schedule_id>/", take_a_place),
    path("refuse/<int:status>/", refuse),
    path("fail/", fail),
    path("", include("clinic.urls")),
]
pytestmark = [pytest.mark.urls(__name__)]


def while_locked(window, do):
    """Runs `do` on a connection with little patience, while another one keeps the window locked."""
    locked, done = threading.Event(), threading.Event()

    def keeper():
        with transaction.atomic():
            Schedule.objects.locked().get(pk=window.pk)
            locked.set()
            assert done.wait(ENOUGH)

    def visitor():
        try:
            assert locked.wait(ENOUGH)
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '100ms'")
            return do()
        finally:
            done.set()

    return at_once(keeper, visitor)[1]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_window_that_stays_locked_is_a_503_that_says_when_to_come_back():
    window = f.window()
    answer = while_locked(window, lambda: Client().get(f"/take/{window.pk}/"))
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "try again" in answer.content.decode()
    assert not Booking.objects.exists()
    assert Client().get(f"/take/{window.pk}/").content == b"held"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_money_that_arrives_at_a_locked_window_is_kept_and_settled_later():
    window = f.window()
    booking = f.hold(window)
    body = f.capture_body(f.attempt(booking))
    assert while_locked(window, lambda: f.deliver(body)) is None
    inbox, payment = GatewayEvent.objects.get(), Payment.objects.get()
    assert (inbox.processed_at, inbox.error) == (None, "OperationalError")
    assert (payment.status, payment.captured_minor, payment.outcome) == ("captured", 50000, "")
    assert money.process(inbox)
    booking.refresh_from_db()
    assert booking.status == "confirmed"
    assert violations() == {}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_is_busy_too():
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '20ms'")
        try:
            with pytest.raises(OperationalError) as error:
                cursor.execute("SELECT pg_sleep(5)")
        finally:
            cursor.execute("RESET statement_timeout")
    assert is_busy(error.value)


@pytest.mark.django_db(transaction=True)
def test_sqlite_that_stays_locked_is_busy_too():
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's own way of being busy")
    locked, done = threading.Event(), threading.Event()

    def keeper():
        with transaction.atomic():
            locked.set()
            assert done.wait(ENOUGH)

    def visitor():
        try:
            assert locked.wait(ENOUGH)
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA busy_timeout = 50")
            f.patient()
        finally:
            done.set()

    error = at_once(keeper, visitor)[1]
    assert is_busy(error)


@pytest.mark.django_db
@pytest.mark.parametrize("status", [403, 404, 409, 422, 429])
def test_a_refusal_that_no_view_expected_is_a_page_with_its_status(client, status):
    answer = client.get(f"/refuse/{status}/")
    assert answer.status_code == status


@pytest.mark.django_db
def test_any_other_database_error_is_no_polite_page(client):
    with pytest.raises(OperationalError):
        client.get("/fail/")


def test_a_database_that_was_busy_before_any_view_began_is_a_503_too(rf, db):
    try:
        raise OperationalError("database is locked")
    except OperationalError:
        answer = server_error(rf.get("/"))
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    try:
        raise OperationalError("the disk is full")
    except OperationalError:
        assert server_error(rf.get("/")).status_code == 500
