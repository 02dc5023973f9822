"""Those who pay, at the demo gateway or at Stripe's stand-in.

Each gives the webhooks of one payment as they go over the wire, to be delivered by the storm.
"""

import json
import time

from django.conf import settings

from payments import gateways
from payments.gateways.signing import sign
from payments.models import Payment
from tests.gateways.stripe_server import Book
from tests.storms import wire


class DemoPayers:
    """One event a payment, written into the demo gateway's own book."""

    gateway = "demo"

    def pay(self, payment: Payment) -> list[bytes]:
        demo = gateways.get("demo")
        body = demo.pay(str(payment.key))
        [(header, signature)] = demo.signed(body).items()
        return [webhook("demo", body.encode(), header, signature)]


class StripePayers:
    """Two events a payment, as from Stripe: of the intent and of the session, in no certain order."""

    gateway = "stripe"

    def __init__(self, book: Book):
        self._book = book

    def pay(self, payment: Payment) -> list[bytes]:
        with self._book.lock:
            self._book.pay(payment.reference)
            events = self._book.events[-2:]
        return [self._signed(json.dumps(event).encode()) for event in events]

    def _signed(self, body: bytes) -> bytes:
        signature = sign(body, settings.STRIPE_WEBHOOK_SECRET, at=int(time.time()))
        return webhook("stripe", body, "Stripe-Signature", signature)


def webhook(gateway: str, body: bytes, header: str, signature: str) -> bytes:
    return wire.request(
        "POST",
        f"/api/v1/webhooks/{gateway}",
        body,
        kind="application/json",
        Connection="close",
        **{header: signature},
    )
