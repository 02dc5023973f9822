"""Which gateways an installation has."""

from urllib.parse import parse_qsl

import pytest

from payments import gateways
from payments.gateways.base import BadSignature, GatewayError, UnknownGateway
from payments.gateways.manual import Manual
from payments.gateways.signing import sign
from tests.gateways.conftest import order


@pytest.fixture(autouse=True)
def installation(settings, tmp_path):
    settings.PAYMENT_GATEWAYS = ["stripe", "demo"]
    settings.STRIPE_SECRET_KEY = "sk_test_1"
    settings.STRIPE_WEBHOOK_SECRET = "whsec_now"
    settings.STRIPE_WEBHOOK_SECRET_PREVIOUS = []
    settings.DEMO_GATEWAY_BOOK = tmp_path / "book.sqlite3"
    settings.SITE_URL = "http://127.0.0.1:9"
    return settings


def test_patients_choose_from_what_is_listed_in_its_order(installation):
    assert [gateway.name for gateway in gateways.enabled()] == ["stripe", "demo"]
    installation.PAYMENT_GATEWAYS = ["demo"]
    assert [gateway.name for gateway in gateways.enabled()] == ["demo"]
    installation.PAYMENT_GATEWAYS = []
    assert gateways.enabled() == []


def test_the_counter_is_always_there_and_never_offered_to_patients(installation):
    installation.PAYMENT_GATEWAYS = ["manual"]
    assert gateways.enabled() == []
    assert isinstance(gateways.get("manual"), Manual)


@pytest.mark.parametrize("methods", [["card"], ["card", "sepa_debit"]])
def test_stripe_is_asked_for_the_ways_to_pay_that_the_clinic_chose(installation, stand_in, methods):
    installation.STRIPE_API_BASE = stand_in.url
    if methods != ["card"]:
        installation.STRIPE_PAYMENT_METHODS = methods
    gateways.get("stripe").start(order())
    form = dict(parse_qsl(stand_in.book.requests[-1]["body"]))
    assert [form[f"payment_method_types[{n}]"] for n in range(len(methods))] == methods


def test_a_gateway_is_built_once_until_its_settings_change(installation):
    before = gateways.get("stripe")
    assert gateways.get("stripe") is before
    installation.STRIPE_SECRET_KEY = "sk_live_1"
    assert gateways.get("stripe") is not before
    assert gateways.get("stripe").live


def test_a_gateway_no_longer_offered_still_gets_its_webhooks_and_refunds(installation):
    installation.PAYMENT_GATEWAYS = []
    assert gateways.get("stripe").name == "stripe"


@pytest.mark.parametrize("name", ["", "paypal", "../stripe", "demo"])
def test_nobody_finds_a_gateway_that_is_not_there(installation, name):
    """The demo is nowhere unless it is listed: its money is pretended."""
    installation.PAYMENT_GATEWAYS = ["stripe"]
    with pytest.raises(UnknownGateway):
        gateways.get(name)


@pytest.mark.parametrize("previous", ["whsec_before", ["whsec_older", "whsec_before"], [" ", "whsec_before"]])
def test_previous_secrets_are_one_or_several(installation, previous):
    installation.STRIPE_WEBHOOK_SECRET_PREVIOUS = previous
    body = b'{"id": "evt_1", "type": "x", "data": {"object": {"id": "y"}}}'
    for secret in ("whsec_now", "whsec_before"):
        header = sign(body, secret, at=10**11)
        assert gateways.get("stripe").read_webhook({"Stripe-Signature": header}, body)


def test_the_demos_secret_follows_from_ours_without_being_it(installation):
    wanted = order()
    gateways.get("demo").start(wanted)
    body = gateways.get("demo").pay(wanted.key)
    header = gateways.get("demo").signed(body)
    assert gateways.get("demo").read_webhook(header, body.encode())
    installation.SECRET_KEY = "another"
    with pytest.raises(BadSignature):
        gateways.get("demo").read_webhook(header, body.encode())


def test_payment_pages_are_named_for_the_content_security_policy(installation):
    assert gateways.get("stripe").origins == ("https://checkout.stripe.com",)
    installation.STRIPE_API_BASE = "http://127.0.0.1:12111/"
    assert gateways.get("stripe").origins == ("http://127.0.0.1:12111",)
    assert gateways.get("demo").origins == (installation.SITE_URL,)
    assert gateways.get("manual").origins == ()


def test_the_counter_asks_nobody(installation):
    counter = gateways.get("manual")
    with pytest.raises(GatewayError) as refusal:
        counter.start(order())
    assert not refusal.value.retryable
    with pytest.raises(BadSignature):
        counter.read_webhook({}, b"{}")
    counter.cancel("x")
    assert counter.fetch("x") == counter.parse("{}") == []
    refund = counter.refund(key="r", gateway_payment="p", amount_minor=1, currency="INR")
    assert refund.status == "by_hand"
