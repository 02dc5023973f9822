"""The demo gateway's page: a person can try every fate of a payment, over real HTTP."""

import sqlite3
from contextlib import closing
from uuid import uuid4

import pytest

from bookings.models import Booking
from payments import attempt_actions, sweeps
from payments.models import GatewayEvent, Payment
from tests import factories


@pytest.fixture
def bank(live_server, settings, client):
    """Presses a button of the page; what it tells goes to a real server."""
    settings.SITE_URL = live_server.url
    settings.ALLOWED_HOSTS = ["*"]

    def press(booking, action):
        payment = factories.attempt(booking)
        return client.post(f"/demo-gateway/{payment.key}/", {"action": action})

    return press


def status(booking):
    return Booking.objects.get(pk=booking.pk).status


def test_paying_confirms_the_place_and_leads_back(bank, live_server):
    booking = factories.hold(factories.window())
    answer = bank(booking, "pay")
    assert answer.status_code == 303
    assert answer["Location"] == f"{live_server.url}/b/{booking.public_id}/return/"
    assert status(booking) == "confirmed"


def test_declining_leaves_the_hold(bank):
    booking = factories.hold(factories.window())
    bank(booking, "decline")
    assert status(booking) == "held"
    assert Payment.objects.get().status == "failed"
    bank(booking, "pay")
    assert status(booking) == "confirmed"


def test_paying_twice_gives_one_of_them_back(bank):
    booking = factories.hold(factories.window())
    bank(booking, "twice")
    assert status(booking) == "confirmed"
    assert sorted(Payment.objects.values_list("outcome", flat=True)) == ["bought", "surplus"]
    assert sweeps.make_refunds() == 1


def test_telling_it_twice_gives_one_number(bank):
    booking = factories.hold(factories.window())
    bank(booking, "tell-twice")
    assert Payment.objects.count() == GatewayEvent.objects.count() == 1
    assert Booking.objects.get().queue_number == 1


def test_paying_late_waits_until_the_hold_is_over(bank):
    booking = factories.hold(factories.window())
    answer = bank(booking, "late")
    assert "still waits for you" in answer.content.decode()
    assert status(booking) == "held"
    assert not GatewayEvent.objects.exists()


def the_hold_ends(booking, settings):
    """For the clinic and for the bank, whose book is its own."""
    factories.lapse(booking)
    with closing(sqlite3.connect(settings.DEMO_GATEWAY_BOOK)) as book, book:
        book.execute("UPDATE orders SET expires_at = '2020-01-01T00:00:00+00:00'")


def test_paying_late_confirms_where_there_is_room(bank, settings, client):
    booking = factories.hold(factories.window())
    key = factories.attempt(booking).key
    the_hold_ends(booking, settings)
    assert "That is over" in client.get(f"/demo-gateway/{key}/").content.decode()
    client.post(f"/demo-gateway/{key}/", {"action": "late"})
    assert status(booking) == "confirmed"


def test_paying_late_is_refunded_where_the_place_has_gone(bank, settings, client):
    window = factories.window(capacity=1)
    booking = factories.hold(window)
    key = factories.attempt(booking).key
    the_hold_ends(booking, settings)
    factories.paid(window)
    attempt_actions.close(booking.payments.get())  # as the worker does
    refused = client.post(f"/demo-gateway/{key}/", {"action": "pay"})
    assert "has closed this payment" in refused.content.decode()
    client.post(f"/demo-gateway/{key}/", {"action": "late"})
    assert status(booking) == "overflow"
    assert sweeps.make_refunds() == 1


@pytest.mark.django_db
def test_an_order_that_nobody_made_is_not_found(client):
    assert client.get(f"/demo-gateway/{uuid4()}/").status_code == 404


@pytest.mark.django_db
def test_without_the_demo_there_is_no_page(client, settings):
    payment = factories.attempt(factories.hold(factories.window()))
    settings.PAYMENT_GATEWAYS = []
    assert client.get(f"/demo-gateway/{payment.key}/").status_code == 404


@pytest.mark.django_db
def test_the_page_says_that_it_is_a_demo_and_names_nobody(client):
    booking = factories.hold(factories.window())
    page = client.get(f"/demo-gateway/{factories.attempt(booking).key}/").content.decode()
    assert "This is a demo" in page
    assert booking.patient.name not in page
    assert booking.schedule.doctor.name not in page
