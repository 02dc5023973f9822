"""Document 003's QA checklist, item by item, with the gateway that it names."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from bookings.models import Booking
from bookings.states import Status
from payments import gateways
from payments.models import Payment
from tests import factories as f
from tests.gateways.house import RazorpayHouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(razorpay_bench, settings, monkeypatch):
    settings.PAYMENT_GATEWAYS = ["razorpay"]
    monkeypatch.setitem(gateways.TABLE, "razorpay", lambda: razorpay_bench.gateway)
    gateways.get.cache_clear()
    house = RazorpayHouse("razorpay", razorpay_bench)
    yield house
    assert house.healthy()
    gateways.get.cache_clear()


@pytest.fixture
def asha(client):
    account = f.user(name="Asha Gurung")
    f.patient(account=account, relationship="self", name="Asha Gurung")
    client.force_login(account)
    return account


def book(client, slot) -> Booking:
    page = client.get(slot.get_absolute_url())
    sent = {"request_key": page.context["request_key"], "price": slot.fee_minor, "consent": "on"}
    sent |= {"patient": page.context["form"].people[0].pk}
    assert client.post(slot.get_absolute_url(), sent).status_code == 303
    return Booking.objects.latest("pk")


def go_and_pay(client, booking) -> Payment:
    """They choose Razorpay; its checkout opens over our page."""
    answer = client.post(f"/pay/{booking.public_id}/", {"gateway": "razorpay"})
    assert answer["Location"] == f"/pay/{booking.public_id}/razorpay/"
    return booking.payments.latest("pk")


def brought_back(house, booking, payment, money) -> str:
    """What the browser brings from Razorpay's checkout, signed by it; the page they end on."""
    receipt = house.bench.book.receipt_of(payment.reference, money["id"])
    return (
        Client().post(f"/pay/{booking.public_id}/razorpay/back/", receipt, follow=True).redirect_chain[-1][0]
    )


def fresh(row):
    return type(row)._default_manager.get(pk=row.pk)


def list_of(client) -> str:
    return client.get("/appointments/").content.decode()


def test_booking_succeeds_for_paid_consultations_and_the_slot_is_locked_and_released(client, house, asha):
    slot = f.slot(starts_in=timedelta(days=2))
    booking = book(client, slot)
    assert (booking.status, fresh(slot).taken) == (Status.HELD, 1)
    rival = {"request_key": uuid4(), "price": 50000, "name": "Ravi", "phone": "9820054321", "consent": "on"}
    assert Client().post(slot.get_absolute_url(), rival).status_code == 409
    payment = go_and_pay(client, booking)
    house.tell(*house.pay(payment))
    assert (fresh(booking).status, fresh(slot).taken) == (Status.CONFIRMED, 1)
    client.post(f"/b/{booking.public_id}/cancel/", {"percent": 100})
    assert (fresh(booking).status, fresh(slot).taken) == (Status.CANCELLED, 0)


def test_booking_succeeds_for_free_consultations(client, house, asha):
    slot = f.slot(starts_in=timedelta(days=2), fee_minor=0)
    booking = book(client, slot)
    assert (booking.status, fresh(slot).taken) == (Status.CONFIRMED, 1)
    assert not Payment.objects.exists()


def test_razorpay_checkout_completes_and_signature_verification_confirms(client, house, asha):
    booking = book(client, f.slot(starts_in=timedelta(days=2)))
    payment = go_and_pay(client, booking)
    money = house.bench.book.pay(payment.reference)
    assert brought_back(house, booking, payment, money) == booking.get_absolute_url()
    assert fresh(booking).status == Status.CONFIRMED
    assert fresh(payment).outcome == "bought"


def test_a_signature_that_is_not_razorpays_confirms_nothing(client, house, asha):
    booking = book(client, f.slot(starts_in=timedelta(days=2)))
    payment = go_and_pay(client, booking)
    forged = house.bench.book.receipt_of(payment.reference, "pay_forged") | {"razorpay_signature": "0" * 64}
    client.post(f"/pay/{booking.public_id}/razorpay/back/", forged)
    assert (fresh(booking).status, fresh(payment).captured_minor) == (Status.HELD, 0)


@pytest.mark.parametrize("ended", ["failed", "dismissed"])
def test_failed_or_dismissed_payment_keeps_the_appointment_pending_with_a_retry(client, house, asha, ended):
    slot = f.slot(starts_in=timedelta(days=2))
    booking = book(client, slot)
    payment = go_and_pay(client, booking)
    if ended == "failed":
        house.tell(*house.decline(payment))
    else:
        assert (
            client.get(f"/pay/{booking.public_id}/razorpay/back/")["Location"] == f"/pay/{booking.public_id}/"
        )
    assert (fresh(booking).status, fresh(slot).taken) == (Status.HELD, 1)
    assert f"/pay/{booking.public_id}/" in list_of(client)
    again = go_and_pay(client, booking)
    house.tell(*house.pay(again))
    assert fresh(booking).status == Status.CONFIRMED
    assert Payment.objects.filter(outcome="bought").count() == 1


def test_webhook_retry_is_idempotent_and_duplicates_do_not_corrupt_the_history(client, house, asha):
    booking = book(client, f.slot(starts_in=timedelta(days=2)))
    payment = go_and_pay(client, booking)
    said = house.pay(payment)
    house.tell(*said)
    history = list(payment.events.values()), list(booking.events.values())
    assert house.tell(*said, *said, *reversed(said)) == [200] * 3 * len(said)
    assert (list(payment.events.values()), list(booking.events.values())) == history
    assert (fresh(payment).captured_minor, fresh(booking).status) == (50000, Status.CONFIRMED)


def test_admin_override_updates_the_history_and_the_status_and_the_patient_sees_it_without_reload(
    client, house, asha
):
    booking = book(client, f.slot(starts_in=timedelta(days=2)))
    payment = go_and_pay(client, booking)
    diary = client.get("/appointments/").context["diary"]
    poll = {"headers": {"HX-Request": "true"}}
    assert client.get(f"/appointments/?seen={diary.version}", **poll).status_code == 204
    seen = client.get(booking.get_absolute_url()).context["ticket"].version
    money = house.bench.book.pay(payment.reference)  # and the webhook is lost
    manager, desk = f.staff("Manager"), Client()
    desk.force_login(manager)
    recorded = {"to": "captured", "method": "gateway", "reference": money["id"], "amount": "500"}
    recorded |= {"reason": "Seen on Razorpay's own page"}
    page = desk.post(f"/admin/payments/payment/{payment.pk}/status/", recorded, follow=True).content.decode()
    assert "paid, bought its place" in page
    told = payment.events.get(kind="recorded by hand")
    assert (told.actor, told.note) == (manager, "Seen on Razorpay's own page")
    assert fresh(booking).status == Status.CONFIRMED
    for answer in (
        client.get(f"/appointments/?seen={diary.version}", **poll),
        client.get(f"/b/{booking.public_id}/status?seen={seen}", **poll),
    ):
        assert answer.status_code == 200
        assert "confirmed" in answer.content.decode().lower()
