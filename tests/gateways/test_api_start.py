"""Booking through the API, paid in an app: Stripe's client secret, Razorpay's order (seeds 000 and 003)."""

import hmac

import pytest

from payments import gateways
from tests import factories as f
from tests.api import AGREED, App
from tests.gateways import razorpay_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    account = f.user()
    f.patient(account=account, relationship="self")
    return App(account)


@pytest.fixture
def clinic(settings, monkeypatch):
    """Takes money by this gateway's stand-in."""

    def taking_money_by(bench):
        name = bench.gateway.name
        settings.PAYMENT_GATEWAYS = [name]
        monkeypatch.setitem(gateways.TABLE, name, lambda: bench.gateway)
        gateways.get.cache_clear()
        return bench

    yield taking_money_by
    gateways.get.cache_clear()


def start(app) -> dict:
    answer = app.post("bookings/start", AGREED | {"scheduleId": f.window().pk})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_stripe_collects_in_the_app_or_on_its_own_page(app, clinic, stripe_bench, settings):
    clinic(stripe_bench)
    settings.STRIPE_PUBLISHABLE_KEY = "pk_test_clinic"
    said = start(app)
    assert said["clientSecret"] and said["publishableKey"] == "pk_test_clinic"
    assert said["redirectUrl"] is said["order"] is said["problem"] is None
    paths = f"appointments/{said['appointmentId']}/pay"
    page = app.post(paths, {"hosted": True}).json()
    assert page["redirectUrl"].startswith("http") and page["clientSecret"] is None
    assert app.post(paths).json()["clientSecret"] == said["clientSecret"]


def test_razorpay_gets_an_order_and_its_receipt_confirms(app, clinic, razorpay_bench):
    bench = clinic(razorpay_bench)
    said = start(app)
    assert said["order"] == {"id": said["order"]["id"], "keyId": "rzp_test_1"}
    order = said["order"]["id"]
    bench.book.pay(order)
    payment_id = next(p["id"] for p in bench.gateway._api.order.payments(order, timeout=5)["items"])
    signed = hmac.new(
        razorpay_server.KEY_SECRET.encode(), f"{order}|{payment_id}".encode(), "sha256"
    ).hexdigest()
    path = f"appointments/{said['appointmentId']}/confirm-payment"

    forged = app.post(path, {"paymentId": payment_id, "signature": "0" * 64})
    assert (forged.status_code, forged.json()["code"]) == (422, "BAD_SIGNATURE")
    assert app.get(f"appointments/{said['appointmentId']}").json()["status"] == "held"

    answer = app.post(path, {"paymentId": payment_id, "signature": signed})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["status"], answer.json()["paymentStatus"]) == ("confirmed", "captured")


def test_a_gateway_that_does_not_answer_is_asked_again_later(app, clinic, razorpay_bench):
    bench = clinic(razorpay_bench)
    said = start(app)
    bench.book.faults.append("500")
    answer = app.post(f"appointments/{said['appointmentId']}/confirm-payment")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "GATEWAY", "5")
