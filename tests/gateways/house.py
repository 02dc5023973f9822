"""A clinic that takes money by one gateway: who pays there, what the gateway then says, and the worker."""

import time
from datetime import timedelta

from django.db.models import F
from django.test import Client

from bookings.models import Booking
from clinic.management.commands.worker import run_pass
from clinic.models import Heartbeat
from payments import actions, gateways
from payments.gateways.base import GatewayError
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, Refund
from tests import factories as f
from tests.gateways.conftest import OLD_SECRET, SECRET


class House:
    """What each gateway's payers, banks and staff do, in one vocabulary. `news` is what the gateway has
    to say since it was last asked for, and `tell` posts it to our real webhook, signed."""

    calls_before = {"start": 0, "refund": 1}
    """Calls that look whether the work was done, before the one that does it."""

    def __init__(self, name, bench):
        self.name, self.bench, self.gateway = name, bench, bench.gateway
        self._heard = 0

    def attempt(self, window=None, **fields) -> Payment:
        """A patient holds a place and is on the gateway's page."""
        return actions.start(f.hold(window or f.window(**fields)), self.name)

    def paid(self, **fields) -> Payment:
        """A place that was paid for, and the gateway has said so."""
        payment = self.attempt(**fields)
        self.tell(*self.pay(payment))
        payment.refresh_from_db()
        return payment

    def pay(self, payment) -> list[bytes]:
        self.bench.book.pay(payment.reference)
        return self.news()

    def decline(self, payment) -> list[bytes]:
        self.bench.book.decline(payment.reference)
        return self.news()

    def made(self, payment) -> Payment:
        """The payment as the gateway made it, though we have not heard of that."""
        [thing] = self.bench.book._all(self.kind)
        return Payment(key=payment.key, reference=thing["id"])

    def keys_of_refunds(self) -> set[str]:
        """Under which keys the gateway was asked to give money back."""
        asked = [r for r in self.bench.book.requests if r["method"] == "POST" and "refund" in r["path"]]
        return {r["headers"][self.key_header] for r in asked}

    def impatient(self) -> None:
        """The clinic waits for its gateway for a moment only."""
        self.bench.gateway = self.bench.with_secrets(SECRET, OLD_SECRET, timeout=(1, 0.5))
        gateways.get.cache_clear()

    def news(self) -> list[bytes]:
        said = self.bodies()
        self._heard, heard = len(said), self._heard
        return said[heard:]

    def bodies(self) -> list[bytes]:
        return self.bench.book.bodies()

    def captures(self, bodies) -> list[bytes]:
        """Those that say that money came."""
        return [body for body in bodies if self.gateway.parse(body)[0].kind == "captured"]

    def tell(self, *bodies, secret=SECRET, ago=0, **headers) -> list[int]:
        """The answers' statuses."""
        client = Client(enforce_csrf_checks=True)
        at = int(time.time()) - ago
        return [
            client.post(
                f"/api/v1/webhooks/{self.name}",
                body,
                "application/json",
                headers={self.bench.header: self.bench.sign(body, secret, at=at), **headers},
            ).status_code
            for body in bodies
        ]

    def refunds(self, payment) -> list[int]:
        """What the gateway gave back of a payment."""
        told = self.gateway.fetch(payment.reference)
        return [event.amount_minor for event in told if event.kind == "refund_done"]

    def lose_answer(self, call: str) -> None:
        """The gateway does the next `start` or `refund`, and the line is cut before it has said so."""
        self.bench.book.faults += [""] * self.calls_before[call] + ["drop"]

    def forget_keys(self) -> None:
        """A day has passed, and the gateway remembers no idempotency key."""
        self.bench.book.answers.clear()

    def healthy(self) -> bool:
        """All invariants hold: at once, after the worker has passed, and ten minutes later once more."""
        assert violations() == {}
        self.work()
        assert violations() == {}
        self.wait()
        self.work()
        assert violations() == {}
        return True

    def work(self) -> None:
        run_pass()
        assert not Heartbeat.objects.exclude(error="").exists(), "a sweep failed"

    def wait(self, minutes=10) -> None:
        """As if it were so much later: every moment that a sweep or an invariant reads is so long ago."""
        stamps = {
            Booking: ["hold_expires_at", "refund_due_at"],
            Payment: ["captured_at", "next_check_at", "created_at"],
            Refund: ["next_try_at", "done_at"],
            GatewayEvent: ["next_try_at", "received_at"],
        }
        for model, names in stamps.items():
            model.objects.update(**{name: F(name) - timedelta(minutes=minutes) for name in names})


class StripeHouse(House):
    kind, key_header = "checkout.session", "Idempotency-Key"

    def dispute(self, payment) -> list[bytes]:
        self.bench.book.dispute(payment.gateway_payment)
        return self.news()

    def decide(self, status) -> list[bytes]:
        [dispute] = self.bench.book._all("dispute")
        self.bench.book.close_dispute(dispute["id"], status)
        return self.news()

    def give_back(self, payment, amount_minor) -> list[bytes]:
        params = {"payment_intent": payment.gateway_payment, "amount": amount_minor}
        self.bench.book.create_refund(params)
        return self.news()


class RazorpayHouse(House):
    calls_before = {"start": 1, "refund": 1}
    kind, key_header = "order", "X-Refund-Idempotency"

    def dispute(self, payment) -> list[bytes]:
        self.bench.book.dispute(payment.gateway_payment)
        return self.news()

    def decide(self, status) -> list[bytes]:
        [dispute] = self.bench.book._all("dispute")
        self.bench.book.move_dispute(dispute["id"], "under_review")
        self.bench.book.move_dispute(dispute["id"], status)
        return self.news()

    def give_back(self, payment, amount_minor) -> list[bytes]:
        self.bench.book.create_refund({"id": payment.gateway_payment, "amount": amount_minor})
        return self.news()


class DemoHouse(House):
    def pay(self, payment) -> list[bytes]:
        self.gateway.pay(str(payment.key))
        return self.news()

    def decline(self, payment) -> list[bytes]:
        self.gateway.decline(str(payment.key))
        return self.news()

    def made(self, payment) -> Payment:
        return Payment(key=payment.key, reference=f"demo_{payment.key}")

    def bodies(self) -> list[bytes]:
        with self.gateway._book.page() as db:
            return [row["body"].encode() for row in db.execute("SELECT body FROM events ORDER BY at")]

    def dispute(self, payment) -> list[bytes]:
        self._disputed = payment
        return self.decide("opened")

    def decide(self, status) -> list[bytes]:
        money = self._disputed.gateway_payment
        self.gateway.dispute(money, status, "demo_dp_1", self._disputed.captured_minor)
        return self.news()

    def give_back(self, payment, amount_minor) -> list[bytes]:
        self.gateway.give_back(payment.gateway_payment, amount_minor)
        return self.news()

    def forget_keys(self) -> None:
        """Its book forgets nothing."""

    def lose_answer(self, call: str) -> None:
        """Its book is a file and has no line to be cut: the answer is thrown away here."""
        do = getattr(self.gateway, call)

        def done_but_not_heard(*args, **asked):
            setattr(self.gateway, call, do)
            do(*args, **asked)
            raise GatewayError("no answer", retryable=True)

        setattr(self.gateway, call, done_but_not_heard)


HOUSES = {"demo": DemoHouse, "stripe": StripeHouse, "razorpay": RazorpayHouse}
