"""A stand-in for api.razorpay.com: what our adapter asks for, with a book of its own.

Written from razorpay.com/docs/api; strict where Razorpay is (receipts of 40 characters, idempotency
keys, what can be captured and refunded), and as careless as it: the same receipt makes two orders,
an order's notes are not on its payments, events come late, twice and in any order. In a test:

    with serving() as stand_in:                      # stand_in.url is RAZORPAY_API_BASE
        stand_in.book.pay("order_…")                 # as the payer's browser would
        stand_in.book.faults.append("hang")          # the next call gets no answer

As a process of its own, for storms, the bench and the browser (RAZORPAY_KEY_ID=rzp_test_…,
RAZORPAY_KEY_SECRET=stand_in_secret):

    python -m tests.gateways.razorpay_server --port 12112 --webhook URL --secret whsec_… [--book FILE]

With a file it remembers orders, payments and refunds when it is started again. Then /v1/checkout.js and /v1/checkout/embedded open a page with a Pay, a Decline and a Leave button,
every event is posted to the webhook, and /_control/<name> takes JSON:

    pay {"id", "amount"}          the amount only where it is another than was asked
    decline, authorize, pay_late, lapse, dispute, settle_refund, fail_refund {"id"}
    move_dispute {"id", "status"} under_review, action_required, won, lost, closed
    refund {"id", "amount"}       from the dashboard, without a key of ours
    receive {"amount", "currency"}     of another sale through the same account
    fault {"names": […]}          for the next calls, one each
    chaos {"rates": {"500": 0.1}, "seed": 1}     for any call from now on, or for those of "methods"
    slow_refunds {"on": true}     refunds stay pending until settle_refund or fail_refund
    webhook {"url", "secret", "copies", "scatter", "tries", "hold"}     see Courier
    deliver {"events": [2, 0, 0]} these events of the book again, in this order; the answers' statuses

GET /_control/book has every object, what was not yet delivered, and the sums; /_control/requests
what was asked; /_control/events the bodies (POST {"from": 7}: those after the first seven); /_control/thrown
how often chaos struck.
"""

import argparse
import json
import random
import re
import signal
import sys
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tests.gateways.razorpay_book import KEY_SECRET, Book, Courier, Refused

WEBHOOK_SECRET = "whsec_stand_in"
FAULTS = "500", "html", "garbage", "empty", "busy", "hang", "drop", "slow"
"""Razorpay's own 500; a proxy's page; 200 with half a JSON; 200 with nothing; 429; no answer; the
work done, but the line cut before the answer; the work begun, and done only `book.slowness` seconds
later. A JSON is the answer itself, after its status if that is not 200: `302 {}`; "" lets a call pass."""

ID = r"(?P<id>\w+)"
ROUTES = {
    "POST orders": Book.create_order,
    "GET orders": Book.list_orders,
    f"GET orders/{ID}": Book.fetch,
    f"GET orders/{ID}/payments": Book.payments_of_order,
    "GET payments": Book.list_payments,
    f"GET payments/{ID}": Book.fetch,
    f"POST payments/{ID}/capture": Book.capture,
    f"POST payments/{ID}/refund": Book.create_refund,
    f"GET payments/{ID}/refunds": Book.refunds_of_payment,
    "GET refunds": Book.list_refunds,
    f"GET refunds/{ID}": Book.fetch,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: "Server"

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        self.server.book.save()

    def _answer(self, body: str) -> None:
        address = urlsplit(self.path)
        query = dict(parse_qsl(body if self.command == "POST" else address.query, keep_blank_values=True))
        try:
            match address.path.strip("/").split("/"):
                case ["v1", "checkout.js"]:
                    self._send(200, SCRIPT.encode(), "text/javascript")
                case ["v1", "checkout", "embedded"] | ["checkout"]:
                    self._checkout(query)
                case ["v1", *rest]:
                    self._api("/".join(rest), dict(parse_qsl(address.query)), body)
                case ["_control", name]:
                    self._send(200, control(self.server.book, name, json.loads(body or "{}")))
                case _:
                    raise Refused("The requested URL was not found on the server.", status=404)
        except Refused as no:
            self._send(no.status, {"error": no.error})
        except (KeyError, ValueError, IndexError, TypeError) as error:
            self._send(400, {"error": Refused(f"Bad request: {error!r}").error})

    def _api(self, path: str, params: dict, body: str) -> None:
        book = self.server.book
        with book.lock:
            asked = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
            book.requests.append(asked)
            fault = book.fault(self.command)
        if not self._authenticated():
            raise Refused("Authentication failed", status=401)
        if fault == "hang":
            self.server.stopping.wait(30)
            self.close_connection = True
        elif fault == "500":
            raise Refused(
                "We are facing some trouble completing your request.", status=500, code="SERVER_ERROR"
            )
        elif fault == "busy":
            raise Refused("Too many requests", status=429)
        elif fault in ("html", "garbage", "empty"):
            pages = {
                "html": b"<html><h1>502 Bad Gateway</h1></html>",
                "garbage": b'{"id": "order_',
                "empty": b"",
            }
            self._send(502 if fault == "html" else 200, pages[fault])
        elif told := re.fullmatch(r"(\d{3}(?= ))? ?([{\[].*)", fault, re.DOTALL):
            self._send(int(told[1] or 200), told[2].encode(), "application/json")
        else:
            try:
                answer = self._done(f"{self.command} {path}", params, body, slow=fault == "slow")
            except Refused:
                if fault != "drop":
                    raise
            if fault == "drop":
                self.close_connection = True
            else:
                self._send(200, answer)

    def _authenticated(self) -> bool:
        scheme, _, coded = self.headers.get("Authorization", "").partition(" ")
        user, _, secret = b64decode(coded).decode().partition(":")
        return scheme == "Basic" and user.startswith("rzp_test_") and secret == self.server.book.key_secret

    def _done(self, call: str, params: dict, body: str, *, slow: bool) -> dict:
        """Does the work, a refund once per key: razorpay.com/docs/api/refunds/normal-refunds-idempotent."""
        book, key = self.server.book, self.headers.get("X-Refund-Idempotency")
        work, place = routed(call)
        if work is not Book.create_refund:
            key = None
        with book.lock:
            if key is not None and not re.fullmatch(r"[A-Za-z0-9_-]{10,}", key):
                raise Refused("The idempotency key must be at least 10 characters long.")
            if key in book.in_flight:
                raise Refused("Conflict", status=409)
            if key in book.answers:
                before, answer = book.answers[key]
                if before != (call, body):
                    raise Refused("Different request body sent for the same Idempotency Header")
                return answer
            if key:
                book.in_flight.add(key)
        try:
            if slow:
                book.awake.wait(book.slowness)
            with book.lock:
                answer = deepcopy(work(book, (json.loads(body) if body else params) | place))
                if key:
                    book.answers[key] = (call, body), answer
                return answer
        finally:
            with book.lock:
                book.in_flight.discard(key)

    def _checkout(self, form: dict) -> None:
        """The payer's page: by itself after a form's POST, or in the frame that SCRIPT makes."""
        book, order_id, act = self.server.book, form["order_id"], form.pop("act", "")
        notes = {name[6:-1]: value for name, value in form.items() if name.startswith("notes[")}
        back, hint = form.get("callback_url"), ""
        if not form.get("key_id", "").startswith("rzp_test_"):
            raise Refused("Invalid key id", status=401)
        if act == "leave" and form.get("cancel_url"):
            return self._send(303, b"", headers={"Location": form["cancel_url"]})
        if act == "leave":
            return self._send(200, _tell_page({"name": "dismissed"}))
        if act == "pay":
            paid = book.receipt_of(order_id, book.pay(order_id, notes)["id"])
            return self._send(
                200, _posting_page(back, paid) if back else _tell_page({"name": "paid", **paid})
            )
        if act == "decline":
            hint = f"{book.decline(order_id, notes)['error_description']} Try again."
        order = book.get(order_id, "order")
        fields = "".join(_hidden(name, value) for name, value in form.items())
        shown = order["amount"] if order["currency"] in WHOLE else f"{order['amount'] / 100:.2f}"
        page = PAGE.format(head=HEAD, sum=f"{order['currency']} {shown}", hint=escape(hint), fields=fields)
        self._send(200, page.encode())

    def _send(self, status: int, answer: dict | bytes, kind: str = "text/html", headers=()) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        if not isinstance(answer, bytes):
            kind = "application/json"
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            **dict(headers),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args) -> None:
        pass


STYLE = """
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: #16202e; background: #eef1f6 }
main { max-width: 24rem; margin: 0 auto; padding: 2rem 1.25rem }
h1 { margin: 0; font-size: 1rem } .sum { margin: .5rem 0 1.5rem; font-size: 2.25rem; font-weight: 600 }
[role=status]:not(:empty) { padding: .75rem 1rem; border-left: 4px solid #a33; background: #fff }
button { display: block; width: 100%; min-height: 3rem; margin-top: .75rem; border: 1px solid #24427a;
  border-radius: .5rem; font: inherit; color: #24427a; background: #fff } button[value=pay] { color: #fff; background: #24427a }
small { display: block; margin-top: 1.5rem; color: #4a5567 }"""
HEAD = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    f"<title>Stand-in</title><style>{STYLE}</style><main><h1>A stand-in for Razorpay</h1>"
)
PAGE = (
    "{head}<p class=sum>{sum}<p role=status>{hint}</p>"
    "<form method=post action=/v1/checkout/embedded>{fields}"
    "<button name=act value=pay>Pay</button> <button name=act value=decline>Decline</button> "
    "<button name=act value=leave>Leave</button></form><small>Pretend money. In a real clinic Razorpay's own "
    "checkout stands here.</small></main></html>"
)
WHOLE = {"JPY", "KRW", "VND", "CLP"}
"""Currencies without a smaller unit."""
SCRIPT = """\
// What checkout.razorpay.com/v1/checkout.js offers: new Razorpay(options).open(), .on("payment.failed").
(function () {
  const base = new URL(document.currentScript.src).origin;
  window.Razorpay = function (options) {
    this.open = function () {
      const frame = document.createElement("iframe");
      const asked = new URLSearchParams({ key_id: options.key, order_id: options.order_id });
      for (const name in options.notes || {}) asked.set("notes[" + name + "]", options.notes[name]);
      frame.src = base + "/checkout?" + asked;
      frame.title = "Razorpay Checkout";
      Object.assign(frame.style, { position: "fixed", inset: 0, width: "100%", height: "100%", background: "#fff" });
      const heard = function (message) {
        if (message.source !== frame.contentWindow || message.origin !== base) return;
        const { name, ...answer } = message.data;
        frame.remove();
        window.removeEventListener("message", heard);
        if (name === "paid") options.handler(answer);
        else if (options.modal && options.modal.ondismiss) options.modal.ondismiss();
      };
      window.addEventListener("message", heard);
      document.body.append(frame);
    };
    this.on = function () {};
  };
})();
"""


def _hidden(name: str, value: str) -> str:
    return f'<input type=hidden name="{escape(name)}" value="{escape(value)}">'


def _posting_page(back: str, facts: dict) -> bytes:
    """Brings the signed receipt back to the clinic, by a click where scripts are off."""
    fields = "".join(_hidden(name, value) for name, value in facts.items())
    form = f'<form method=post action="{escape(back)}">{fields}<button>Back to the clinic</button></form>'
    return f"{HEAD}<p>Paid.{form}<script>document.forms[0].submit()</script></html>".encode()


def _tell_page(facts: dict) -> bytes:
    """Tells the page around the frame. It may be anybody's: this money is pretended."""
    return f"{HEAD}<script>parent.postMessage({json.dumps(facts)}, '*')</script></html>".encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int = 0, key_secret: str = KEY_SECRET):
        super().__init__(("127.0.0.1", port), Handler)
        self.book = Book(key_secret)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.stopping = threading.Event()

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that gave up is no news
            super().handle_error(request, client_address)


def routed(call: str) -> tuple[Callable[[Book, dict], dict], dict]:
    """The work of a method and address, and the id in it."""
    for pattern, work in ROUTES.items():
        if found := re.fullmatch(pattern, call):
            return work, found.groupdict()
    raise Refused("The requested URL was not found on the server.", status=404)


LEVERS = ["decline", "authorize", "pay_late", "lapse", "dispute", "settle_refund", "fail_refund"]


def control(book: Book, name: str, asked: dict) -> dict:
    """The levers of a stand-in that runs as its own process."""
    match name:
        case "pay":
            return deepcopy(book.pay(asked["id"], amount=asked.get("amount")))
        case "receive":
            return deepcopy(book.receive(**asked))
        case _ if name in LEVERS:
            return deepcopy(getattr(book, name)(asked["id"]))
        case "move_dispute":
            return deepcopy(book.move_dispute(asked["id"], asked["status"]))
        case "refund":
            with book.lock:
                return deepcopy(book.create_refund(asked))
        case "fault":
            book.faults += asked["names"]
        case "chaos":
            book.chaos = random.Random(asked.get("seed", 0)), asked["rates"]
            book.chaotic = asked.get("methods", book.chaotic)
        case "slow_refunds":
            book.slow_refunds = asked["on"]
        case "webhook":
            if book.courier:
                book.courier.stop()
            book.courier = Courier(**asked)
        case "deliver":
            return {"statuses": book.deliver(asked["events"])}
        case "book":
            return book.summary()
        case "events":
            with book.lock:
                told = book.events[asked.get("from", 0) :]
                return {"events": [{"name": each, "body": body.decode()} for each, body in told]}
        case "thrown":
            return dict(book.thrown)
        case "requests":
            with book.lock:
                return {"requests": list(book.requests)}
        case _:
            raise Refused("Unrecognized control", status=404)
    return {}


def beside(site: str, port: int, *more: str) -> tuple[list[str], dict[str, str]]:
    """What starts a process of its own beside a clinic at `site`, and that clinic's settings for it."""
    command = ["-m", "tests.gateways.razorpay_server", "--port", str(port), "--secret", WEBHOOK_SECRET]
    return [*command, "--webhook", f"{site}/api/v1/webhooks/razorpay", *more], {
        "PAYMENT_GATEWAYS": "demo,razorpay",
        "RAZORPAY_KEY_ID": "rzp_test_stand_in",
        "RAZORPAY_KEY_SECRET": KEY_SECRET,
        "RAZORPAY_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "RAZORPAY_API_BASE": f"http://127.0.0.1:{port}",
    }


@contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    """The stand-in on loopback, until the block ends."""
    server = Server(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        if server.book.courier:
            server.book.courier.stop()
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for api.razorpay.com on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key-secret", default=KEY_SECRET, help="RAZORPAY_KEY_SECRET")
    parser.add_argument("--webhook", help="where every event is posted")
    parser.add_argument("--secret", default=WEBHOOK_SECRET, help="what signs it")
    parser.add_argument("--book", type=Path, help="remember orders, payments and refunds in this file")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(asked.port, asked.key_secret)
    if asked.book:
        server.book.open(asked.book)
    if asked.webhook:
        server.book.courier = Courier(asked.webhook, asked.secret)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
