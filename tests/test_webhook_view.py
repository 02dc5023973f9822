"""What a gateway's webhook gets for good and for bad input. Never a 500."""

import json
import logging
import time

import pytest
from django.test import Client

from payments import readiness
from payments.gateways.signing import sign
from payments.models import GatewayEvent, Payment
from tests import factories

pytestmark = pytest.mark.django_db
URL = "/api/v1/webhooks/demo"


@pytest.fixture
def payment():
    return factories.attempt(factories.hold(factories.window()))


@pytest.fixture
def stranger():
    """A client that would meet the CSRF check."""
    return Client(enforce_csrf_checks=True)


def send(client, body, *, url=URL, headers=None):
    return client.post(url, body, content_type="application/json", headers=headers or {})


def header(body: bytes, *, at: int) -> dict:
    """Signed by the demo gateway's own secret, whatever the bytes."""
    return {"Demo-Signature": sign(body, factories.demo()._secrets[0], at=at)}


def nothing_was_stored(payment) -> bool:
    payment.refresh_from_db()
    return payment.status == "created" and not GatewayEvent.objects.exists()


def test_a_signed_event_is_kept_and_acted_on(stranger, payment):
    body = factories.capture_body(payment)
    answer = send(stranger, body, headers=factories.demo().signed(body))
    assert answer.status_code == 200
    payment.refresh_from_db()
    assert payment.outcome == "bought"
    assert payment.booking.queue_number == 1
    assert GatewayEvent.objects.get().processed_at


def test_the_same_event_again_changes_nothing(stranger, payment):
    body = factories.capture_body(payment)
    for _ in range(3):
        assert send(stranger, body, headers=factories.demo().signed(body)).status_code == 200
    assert GatewayEvent.objects.count() == 1
    assert Payment.objects.count() == 1


BODIES = {
    "empty": b"",
    "not JSON": b"{",
    "no object": b"[]",
    "empty object": b"{}",
    "not UTF-8": b"\xff\xfe",
    "deeply nested": b"[" * 100_000,
    "with NUL": b'{"id": "\x00"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("signed", [True, False])
def test_a_malformed_body_is_refused(stranger, payment, body, signed):
    answer = send(stranger, body, headers=header(body, at=int(time.time())) if signed else {})
    assert answer.status_code == 400
    assert answer.json()["code"] == "BAD_SIGNATURE"
    assert nothing_was_stored(payment)


@pytest.mark.parametrize(
    "forged",
    ["", "t=1", "v1=abc", "t=1,v1=abc", "t=٣,v1=é", "t=99999999999999999999,v1=", ",,,", "t=,v1=,v1="],
)
def test_a_forged_signature_is_refused(stranger, payment, forged):
    body = factories.capture_body(payment)
    answer = stranger.post(URL, body, content_type="application/json", HTTP_DEMO_SIGNATURE=forged)
    assert answer.status_code == 400
    assert nothing_was_stored(payment)


def test_a_body_changed_after_signing_is_refused(stranger, payment):
    body = factories.capture_body(payment)
    changed = body.replace("50000", "1")
    assert send(stranger, changed, headers=factories.demo().signed(body)).status_code == 400
    assert nothing_was_stored(payment)


def test_an_old_recording_is_refused(stranger, payment):
    body = factories.capture_body(payment)
    old = header(body.encode(), at=1_700_000_000)
    assert send(stranger, body, headers=old).status_code == 400
    assert nothing_was_stored(payment)


def test_a_body_over_256_kib_is_refused_unread(stranger, payment):
    answer = send(stranger, b"x" * (256 * 1024 + 1))
    assert answer.status_code == 413
    assert answer.json()["code"] == "TOO_BIG"
    assert nothing_was_stored(payment)


@pytest.mark.parametrize("gateway", ["nobody", "Demo"])
def test_an_unknown_gateway_is_not_found(stranger, gateway):
    assert send(stranger, b"{}", url=f"/api/v1/webhooks/{gateway}").status_code == 404


def test_the_counter_has_no_webhook(stranger):
    assert send(stranger, b"{}", url="/api/v1/webhooks/manual").status_code == 400


def test_only_posts_are_taken(stranger):
    assert stranger.get(URL).status_code == 405


def test_a_forgery_is_logged_and_counted(stranger, payment, caplog):
    with caplog.at_level(logging.WARNING, logger="clinic"):
        send(stranger, b"{}")
    assert "webhook-signature-error" in caplog.messages
    assert readiness.warnings()["unsigned_webhooks_last_hour"] == 1


def test_an_event_about_an_unknown_payment_is_kept(stranger, payment):
    body = factories.altered(factories.capture_body(payment), order="00000000-0000-4000-8000-000000000000")
    answer = send(stranger, body, headers=factories.demo().signed(body))
    assert answer.status_code == 200
    assert json.loads(GatewayEvent.objects.get().body)["type"] == "payment.captured"
    assert GatewayEvent.objects.get().processed_at is None
