"""The stripe adapter against a stand-in that others wrote: localstripe, github.com/adrienverge/localstripe.

It is GPLv3: it never enters our requirements or our process. It is installed once into a folder of
its own, `.run/localstripe`, and runs on loopback without its pickle file. It knows no Checkout and
no idempotency keys; those are the business of `stripe_server.py`.
"""

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
import stripe

from payments.gateways.base import BadSignature, GatewayError
from payments.gateways.stripe import Stripe
from tests import services
from tests.gateways.conftest import REFUND, SECRET, order, patiently

VERSION = "localstripe==1.15.10"
FOLDER = Path(__file__).parents[2] / ".run" / "localstripe"
SERVE = """
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
VISA, DECLINED = "4242424242424242", "4000000000000341"


def installed() -> Path:
    """The Python that has localstripe, installed on demand; skips with the reason if it can't be."""
    python = FOLDER / "bin" / "python"
    ready = [python, "-c", "import localstripe.server"]
    if python.exists() and subprocess.run(ready, capture_output=True).returncode == 0:
        return python
    for step in (
        [sys.executable, "-m", "venv", FOLDER],
        [python, "-m", "pip", "install", "-q", VERSION],
        ready,
    ):
        try:
            subprocess.run(step, check=True, capture_output=True, text=True, timeout=180)
        except (OSError, subprocess.SubprocessError) as error:
            words = str(getattr(error, "stderr", "") or error).strip().splitlines()
            pytest.skip(f"{VERSION} can't be installed here: {words[-1] if words else error}")
    return python


@pytest.fixture(scope="module")
def localstripe(tmp_path_factory):
    """Its address, once it answers."""
    python, home, port = installed(), tmp_path_factory.mktemp("localstripe"), services.free_port()
    environment = {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    server = services.start(python, "-c", SERVE, str(port), cwd=home, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        patiently(adapter(url).create_customer, "is-it-up")
        yield url
    finally:
        services.stop(server)


def adapter(url, *secrets):
    return Stripe("sk_test_12345", webhook_secrets=secrets or (SECRET,), api_base=url, retries=0)


@pytest.fixture
def gateway(localstripe):
    return adapter(localstripe)


@pytest.fixture
def hook(localstripe, inbox):
    """localstripe tells `inbox` of every payment, signed."""
    asked = {"url": f"{inbox.url}/", "secret": SECRET, "events": None}
    request = Request(f"{localstripe}/_config/webhooks/ours", json.dumps(asked).encode())
    with urlopen(request):
        return inbox


def pay(localstripe, started, card=VISA):
    """What an app's Stripe library does with the client secret."""
    client = stripe.StripeClient("sk_test_12345", base_addresses={"api": localstripe}).v1
    details = {"number": card, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
    method = client.payment_methods.create({"type": "card", "card": details})
    client.payment_intents.update(started.reference, {"payment_method": method["id"]})
    client.payment_intents.confirm(started.reference)


def next_event(gateway, hook, name):
    while True:
        _path, headers, body = hook.next()
        [event] = gateway.read_webhook(headers, body)
        if event.name == name:
            return event, headers, body


def test_a_customer_pays_in_an_app_and_a_signed_webhook_tells_of_it(localstripe, gateway, hook):
    customer = gateway.create_customer(str(uuid4()))
    assert customer.startswith("cus_")
    wanted = order(for_app=True, customer=customer)
    started = gateway.start(wanted)
    assert started.client_secret.startswith(started.reference)
    assert gateway.fetch(started.reference) == []

    pay(localstripe, started)
    event, headers, body = next_event(gateway, hook, "payment_intent.succeeded")
    assert (event.kind, event.payment_key) == ("captured", wanted.key)
    assert (event.amount_minor, event.currency, event.live) == (50_000, "INR", False)
    assert event.gateway_payment == event.reference == started.reference
    with pytest.raises(BadSignature):
        adapter(localstripe, "whsec_of_someone_else").read_webhook(headers, body)
    with pytest.raises(BadSignature):
        gateway.read_webhook(headers, body.replace(b"50000", b"50001"))

    [found] = gateway.fetch(started.reference)
    assert (found.kind, found.gateway_payment) == ("captured", event.gateway_payment)


def test_a_declined_card_is_told_and_fetched_as_a_failed_try(localstripe, gateway, hook):
    wanted = order(for_app=True)
    started = gateway.start(wanted)
    with pytest.raises(stripe.CardError):
        pay(localstripe, started, DECLINED)
    event, _headers, _body = next_event(gateway, hook, "payment_intent.payment_failed")
    assert (event.kind, event.payment_key, event.reason) == ("failed", wanted.key, "card_declined")
    assert [event.kind for event in gateway.fetch(started.reference)] == ["failed"]


def test_a_cancelled_intent_has_ended_and_a_paid_one_stays(localstripe, gateway):
    given_up = gateway.start(order(for_app=True)).reference
    for _ in range(2):
        gateway.cancel(given_up)
    assert [event.kind for event in gateway.fetch(given_up)] == ["expired"]

    paid = gateway.start(order(for_app=True))
    pay(localstripe, paid)
    gateway.cancel(paid.reference)
    assert [event.kind for event in gateway.fetch(paid.reference)] == ["captured"]


def test_a_refund_is_found_again_even_without_idempotency_keys(localstripe, gateway):
    started = gateway.start(order(for_app=True))
    pay(localstripe, started)
    asked = {"key": REFUND, "gateway_payment": started.reference, "amount_minor": 20_000, "currency": "INR"}
    assert gateway.refund(**asked) == gateway.refund(**asked)
    _captured, refund = gateway.fetch(started.reference)
    assert (refund.kind, refund.refund_key, refund.amount_minor) == ("refund_done", REFUND, 20_000)


def test_an_unknown_intent_or_customer_is_refused_for_good(gateway):
    with pytest.raises(GatewayError) as refusal:
        gateway.fetch("pi_unknown")
    assert not refusal.value.retryable
    with pytest.raises(GatewayError) as refusal:
        gateway.start(order(for_app=True, customer="cus_unknown"))
    assert not refusal.value.retryable
