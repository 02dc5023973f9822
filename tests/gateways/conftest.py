"""The gateways under contract, each with someone who plays its payers and its bad days."""

import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from uuid import uuid4

import pytest

from payments.gateways.base import GatewayError, Order
from payments.gateways.demo import Demo, DemoBook
from payments.gateways.razorpay import Razorpay
from payments.gateways.signing import sign
from payments.gateways.stripe import Stripe
from tests.gateways import razorpay_server
from tests.gateways.stripe_server import serving

SECRET, OLD_SECRET = "whsec_now", "whsec_before"
REFUND = "0d3c5a52-6f0e-4f2b-9a6e-8f6f5d1c2b3a"
"""Our key of a refund."""


def order(**changes) -> Order:
    facts = {
        "key": str(uuid4()),
        "amount_minor": 50_000,
        "currency": "INR",
        "description": "Dermatology, Mon 9:00",
        "return_url": "http://127.0.0.1:9/b/abc/",
        "expires_at": datetime.now(UTC) + timedelta(minutes=15),
    }
    return Order(**facts | changes)


class DemoBench:
    header = "Demo-Signature"
    key_names = ("order",)
    faults = ("book",)
    silent = ()
    sign = staticmethod(sign)

    def __init__(self, folder):
        self._folder = folder
        self.gateway = self.with_secrets(SECRET, OLD_SECRET)

    def with_secrets(self, *secrets, book=None):
        book = book or DemoBook(self._folder / "book.sqlite3")
        return Demo(book=book, site_url="http://127.0.0.1:9", webhook_secrets=secrets)

    def pay(self, started) -> bytes:
        return self.gateway.pay(started.reference.removeprefix("demo_")).encode()

    def decline(self, started) -> bytes:
        return self.gateway.decline(started.reference.removeprefix("demo_")).encode()

    def failing(self, fault):
        """A book that cannot be opened, as on a full or missing disk."""
        (self._folder / "no-folder").touch()
        return self.with_secrets(SECRET, book=DemoBook(self._folder / "no-folder" / "book.sqlite3"))


class StripeBench:
    header = "Stripe-Signature"
    key_names = ("payment", "client_reference_id")
    faults = ("500", "html", "garbage", "hang", "drop", "nobody")
    silent = ()
    sign = staticmethod(sign)

    def __init__(self, stand_in):
        self.book = stand_in.book
        self.url = stand_in.url
        self.gateway = self.with_secrets(SECRET, OLD_SECRET)

    def with_secrets(self, *secrets, **options):
        options = {"api_base": self.url, "retries": 0, "timeout": (1, 5)} | options
        return Stripe("sk_test_stand_in", webhook_secrets=secrets, **options)

    def pay(self, started) -> bytes:
        self.book.pay(started.reference)
        return self.book.bodies("payment_intent.succeeded")[-1]

    def decline(self, started) -> bytes:
        self.book.decline(started.reference)
        return self.book.bodies("payment_intent.payment_failed")[-1]

    def failing(self, fault):
        """The next call to Stripe ends badly."""
        if fault == "nobody":
            return self.with_secrets(SECRET, api_base="http://127.0.0.1:9")
        self.book.faults.append(fault)
        return self.with_secrets(SECRET, timeout=(1, 0.3))


class RazorpayBench:
    header = "X-Razorpay-Signature"
    key_names = ("receipt", "notes")
    faults = ("500", "html", "garbage", "empty", "busy", "hang", "drop", "nobody")
    silent = ("cancel",)
    """What asks nobody: an order can't be cancelled."""

    def __init__(self, stand_in):
        self.book = stand_in.book
        self.url = stand_in.url
        self.gateway = self.with_secrets(SECRET, OLD_SECRET)

    @staticmethod
    def sign(body, secret, *, at=0):
        """Without a time: razorpay.com/docs/webhooks/validate-test."""
        return hmac.new(secret.encode(), body, "sha256").hexdigest()

    def with_secrets(self, *secrets, **options):
        options = {"api_base": self.url, "timeout": (1, 5)} | options
        return Razorpay("rzp_test_1", razorpay_server.KEY_SECRET, webhook_secrets=secrets, **options)

    def pay(self, started) -> bytes:
        self.book.pay(started.reference)
        return self.book.bodies("order.paid")[-1]

    def decline(self, started) -> bytes:
        self.book.decline(started.reference)
        return self.book.bodies("payment.failed")[-1]

    def failing(self, fault):
        """The next call to Razorpay ends badly."""
        if fault == "nobody":
            return self.with_secrets(SECRET, api_base="http://127.0.0.1:9")
        self.book.faults.append(fault)
        return self.with_secrets(SECRET, timeout=(1, 0.3))


@pytest.fixture(scope="session")
def stand_in_server():
    with serving() as server:
        yield server


@pytest.fixture
def stand_in(stand_in_server):
    """Stripe's stand-in, with an empty book."""
    stand_in_server.book.__init__()
    stand_in_server.book.url = stand_in_server.url
    return stand_in_server


@pytest.fixture(scope="session")
def razorpay_process():
    with razorpay_server.serving() as server:
        yield server


@pytest.fixture
def razorpay_stand_in(razorpay_process):
    """Razorpay's stand-in, with an empty book."""
    razorpay_process.book.__init__()
    yield razorpay_process
    if razorpay_process.book.courier:
        razorpay_process.book.courier.stop()


@pytest.fixture
def stripe_bench(stand_in):
    return StripeBench(stand_in)


@pytest.fixture
def razorpay_bench(razorpay_stand_in):
    return RazorpayBench(razorpay_stand_in)


@pytest.fixture
def demo_bench(tmp_path):
    return DemoBench(tmp_path)


@pytest.fixture(params=["demo", "stripe", "razorpay"])
def bench(request):
    return request.getfixturevalue(f"{request.param}_bench")


@pytest.fixture(params=["demo", "stripe"])
def stamped_bench(request):
    """Whose signatures say when they were made."""
    return request.getfixturevalue(f"{request.param}_bench")


@pytest.fixture(params=["demo", "stripe"])
def ending_bench(request):
    """Whose attempts can be ended, so that nobody pays them any more."""
    return request.getfixturevalue(f"{request.param}_bench")


def edited(body: bytes, **changes) -> bytes:
    """The body with other values under these names, wherever they stand."""

    def walk(value):
        if isinstance(value, list):
            return [walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {name: changes[name] if name in changes else walk(each) for name, each in value.items()}

    return json.dumps(walk(json.loads(body))).encode()


def patiently(ask, *args):
    """Asks until a process that is starting up answers."""
    until = time.monotonic() + 10
    while True:
        try:
            return ask(*args)
        except GatewayError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


class Inbox(ThreadingHTTPServer):
    """Where a gateway's webhooks arrive over real HTTP. `answer`: the status it gives."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), InboxHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.posts = Queue()
        self.answer = 200

    def next(self, seconds=10):
        """The path, headers and body of the next post; queue.Empty if none comes in time."""
        return self.posts.get(timeout=seconds)


class InboxHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.put((self.path, self.headers, body))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def inbox():
    with Inbox() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def razorpay(settings, razorpay_stand_in):
    """A clinic that takes money by Razorpay, whose stand-in remembers everything: its book."""
    settings.PAYMENT_GATEWAYS = ["razorpay", "demo"]
    settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = "rzp_test_1", razorpay_server.KEY_SECRET
    settings.RAZORPAY_WEBHOOK_SECRET, settings.RAZORPAY_API_BASE = SECRET, razorpay_stand_in.url
    return razorpay_stand_in.book
