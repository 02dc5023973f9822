"""`manage.py smoke` with a gateway whose page only a person can pay on."""

from threading import Event, Thread
from urllib.request import urlopen

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from payments.models import Payment
from tests.gateways.conftest import SECRET
from tests.gateways.razorpay_book import Courier
from tests.storms.site import wait_for
from tests.test_smoke import nothing_is_left, site, worker  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clinic(site, razorpay, settings):  # noqa: F811
    settings.PAYMENT_GATEWAYS = ["razorpay"]
    return site


@pytest.fixture
def person(razorpay, clinic):
    """Pays every order that they see, a moment later, and comes back."""
    enough = Event()

    def pay():
        while not enough.wait(0.1):
            with razorpay.lock:
                orders = [
                    order["id"] for order in razorpay.index["order", ""] if order["status"] == "created"
                ]
            for order in orders:
                razorpay.pay(order)
                booking = Payment.objects.get(reference=order).booking
                urlopen(f"{clinic}{booking.get_absolute_url()}return/").close()
        connection.close()

    thread = Thread(target=pay)
    thread.start()
    yield
    enough.set()
    thread.join()


def told(razorpay, clinic, *, secret):
    razorpay.courier = Courier(f"{clinic}/api/v1/webhooks/razorpay", secret, tries=2, wait=0.1)


def test_a_person_is_asked_to_pay_and_the_walk_goes_on(clinic, razorpay, person, worker, capsys):  # noqa: F811
    told(razorpay, clinic, secret=SECRET)
    call_command("smoke", base_url=clinic)
    said = capsys.readouterr().out
    assert f"PAY     {clinic}/pay/" in said
    assert "the webhook came" in said and "refund of ₹100: sent back" in said
    assert nothing_is_left()


def test_a_wrong_webhook_secret_is_found_though_the_patient_has_their_number(
    clinic, razorpay, person, worker, capsys  # noqa: F811
):  # fmt: skip
    """Everybody who comes back from the gateway is confirmed, so nobody would notice otherwise."""
    told(razorpay, clinic, secret="whsec_of_another_endpoint")
    with pytest.raises(CommandError):
        call_command("smoke", base_url=clinic, patience=2, wait=20)
    said = capsys.readouterr()
    assert "no webhook of razorpay came" in said.err
    wait_for(lambda: not Payment.objects.with_rest().exists(), 10, "the worker gives the money back")
    assert nothing_is_left()


def test_who_never_pays_ends_the_walk(clinic, razorpay, worker, capsys):  # noqa: F811
    with pytest.raises(CommandError):
        call_command("smoke", base_url=clinic, wait=1)
    assert "nobody paid within 1 seconds" in capsys.readouterr().err
    assert nothing_is_left()
