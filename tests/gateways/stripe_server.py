"""A stand-in for api.stripe.com: what our adapter asks for, with a book of its own.

Written from docs.stripe.com/api; strict where Stripe is (a session's end, idempotency keys,
what can be refunded). In a test:

    with serving() as stand_in:                      # stand_in.url is STRIPE_API_BASE
        stand_in.book.pay("cs_test_…")               # as the payer's browser would
        stand_in.book.faults.append("hang")          # the next call gets no answer

As a process of its own, for storms, the bench and the browser (STRIPE_SECRET_KEY=sk_test_…):

    python -m tests.gateways.stripe_server --port 12111 --webhook URL --secret whsec_…

Then a Session's `url` shows a page with a Pay and a Decline button, every event is posted to the
webhook, and /_control/<name> takes JSON: pay {"id", "amount"}, decline, pay_later, clear, bounce, fail_refund, dispute
{"id"}, close_dispute {"id", "status"}, fault {"names": […]}, refund {"payment_intent", "amount"} from the dashboard,
receive {"amount", "currency"} of another sale, chaos {"rates": {"500": 0.1}, "seed": 1} for any POST from now on,
webhook {"url", "secret"}; GET /_control/book lists every object, /_control/requests what was asked,
/_control/thrown how often chaos struck, /_control/events the bodies (POST {"from": 7}: the later ones).
"""

import argparse
import json
import random
import re
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

from stripe import WebhookSignature

FAULTS = "500", "html", "garbage", "hang", "drop", "slow"
"""For one call each: Stripe's own 500; a proxy's page; 200 with half a JSON; no answer; the work
done, but the line cut before the answer; the work done only `book.slowness` seconds later. Anything that starts like JSON is the answer itself, and
"" lets a call pass."""
PAGE = b"""<!doctype html><html lang=en><meta name=viewport content="width=device-width">
<title>Stand-in</title><h1>A stand-in for Stripe</h1><form method=post><button name=act value=pay>Pay</button>
<button name=act value=decline>Decline</button></form></html>"""


class Refused(Exception):
    """Stripe's no: the HTTP status and the error object."""

    def __init__(self, message: str, *, status: int = 400, **more: str):
        super().__init__(message)
        self.status = status
        self.error = {"type": "invalid_request_error", "message": message} | more


class Book:
    """Everything that this Stripe knows: objects by id, events in order, answers by key."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.objects: dict[str, dict] = {}
        self.kinds: defaultdict[str, list[dict]] = defaultdict(list)
        self.events: list[dict] = []
        self.requests: list[dict] = []
        self.faults: list[str] = []
        self.chaos: tuple[random.Random, dict[str, float]] = random.Random(0), {}
        self.thrown: Counter[str] = Counter()
        """What went wrong with how many calls, by "POST 500"."""
        self.slowness = 1.0
        self.answers: dict[str, tuple[tuple, dict]] = {}
        self.url = ""
        self.webhook: dict | None = None

    def fault(self, method: str) -> str:
        """What goes wrong with the next call; chaos strikes those that change something."""
        dice, rates = self.chaos if method == "POST" else (random, {})
        names = [*rates, ""]
        weights = [*rates.values(), 1 - sum(rates.values())]
        fault = self.faults.pop(0) if self.faults else dice.choices(names, weights)[0]
        if fault:
            self.thrown[f"{method} {fault}"] += 1
        return fault

    # --- The API: one method per call, params in, object out -----------------------------------

    def create_customer(self, params: dict) -> dict:
        return self._add("cus", "customer", metadata=params.get("metadata", {}), email=None)

    def create_session(self, params: dict) -> dict:
        item = params["line_items"][0]
        price, ends = item["price_data"], int(params.get("expires_at", time.time() + 86400))
        if params["mode"] != "payment" or not 30 * 60 - 1 <= ends - time.time() <= 24 * 3600:
            raise Refused("The `expires_at` timestamp must be 30 minutes to 24 hours ahead.")
        session = self._add(
            "cs_test",
            "checkout.session",
            amount_total=int(price["unit_amount"]) * int(item["quantity"]),
            currency=price["currency"],
            client_reference_id=params.get("client_reference_id"),
            customer=self._known(params.get("customer")),
            metadata=params.get("metadata", {}),
            payment_intent=None,
            payment_status="unpaid",
            status="open",
            expires_at=ends,
            success_url=params["success_url"],
            _intent=params.get("payment_intent_data", {}).get("metadata", {}),
        )
        session["url"] = f"{self.url}/pay/{session['id']}"
        return session

    def create_payment_intent(self, params: dict) -> dict:
        if "automatic_payment_methods" in params and "payment_method_types" in params:
            raise Refused("You may only specify one of these parameters.")
        return self._intent(
            amount=int(params["amount"]),
            currency=params["currency"],
            customer=self._known(params.get("customer")),
            metadata=params.get("metadata", {}),
        )

    def create_refund(self, params: dict) -> dict:
        intent = self.get(params["payment_intent"])
        charge = self.objects.get(intent["latest_charge"] or "")
        if charge is None:
            raise Refused("This PaymentIntent does not have a successful charge to refund.")
        rest = charge["amount"] - charge["amount_refunded"]
        if any(
            d["charge"] == charge["id"] and d["status"] not in ("won", "warning_closed")
            for d in self._all("dispute")
        ):
            raise Refused("Charge has been charged back; cannot issue a refund.", code="charge_disputed")
        amount = int(params.get("amount", rest))
        if rest == 0:
            raise Refused("Charge has already been refunded.", code="charge_already_refunded")
        if not 0 < amount <= rest:
            raise Refused("Refund amount is greater than unrefunded amount on charge.")
        refund = self._add(
            "re",
            "refund",
            amount=amount,
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=intent["id"],
            metadata=params.get("metadata", {}),
            status="succeeded",
            failure_reason=None,
        )
        charge["amount_refunded"] += amount
        self._tell("refund.created", refund)
        self._tell("charge.refunded", charge)
        return refund

    def list_refunds(self, params: dict) -> dict:
        intent = params.get("payment_intent")
        found = [o for o in self._all("refund") if intent in (None, o["payment_intent"])]
        return _page(found, params)

    def list_payment_intents(self, params: dict) -> dict:
        return self._public_page("payment_intent", params)

    def list_sessions(self, params: dict) -> dict:
        return self._public_page("checkout.session", params)

    def expire_session(self, params: dict) -> dict:
        session = self.get(params["id"])
        if session["status"] != "open":
            raise Refused('Only Checkout Sessions with a status in ["open"] can be expired.')
        session.update(status="expired", url=None)
        self._tell("checkout.session.expired", session)
        return session

    def cancel_payment_intent(self, params: dict) -> dict:
        intent = self.get(params["id"])
        if intent["status"] in ("succeeded", "canceled", "processing"):
            code = "payment_intent_unexpected_state"
            raise Refused("You cannot cancel this PaymentIntent.", code=code)
        intent["status"] = "canceled"
        self._tell("payment_intent.canceled", intent)
        return intent

    def retrieve(self, params: dict) -> dict:
        return self.get(params["id"])

    # --- What payers and banks do ---------------------------------------------------------------

    def pay(self, id_: str, amount: int | None = None) -> dict:
        """A card that works, for an open Session or a PaymentIntent; an `amount` is another than was
        asked. Returns the PaymentIntent."""
        with self.lock:
            session, intent = self._tried(id_)
            intent["amount"] = amount or intent["amount"]
            charge = self._succeed(intent)
            if session:
                session.update(status="complete", payment_status="paid", url=None)
                session["amount_total"] = intent["amount"]
                session["customer_details"] = charge["billing_details"]
                self._tell("checkout.session.completed", session)
            return intent

    def pay_later(self, id_: str) -> dict:
        """A method that pays days later, a bank debit: the session is complete, and nothing is paid."""
        with self.lock:
            session, intent = self._tried(id_)
            intent.update(status="processing", last_payment_error=None)
            self._tell("payment_intent.processing", intent)
            if session:
                session.update(status="complete", url=None)
                self._tell("checkout.session.completed", session)
            return intent

    def clear(self, id_: str) -> dict:
        """The bank has paid what was processing."""
        with self.lock:
            intent = self.get(id_)
            self._succeed(intent)
            for session in self._all("checkout.session"):
                if session["payment_intent"] == id_:
                    session["payment_status"] = "paid"
                    self._tell("checkout.session.async_payment_succeeded", session)
            return intent

    def bounce(self, id_: str) -> dict:
        """The bank did not pay."""
        with self.lock:
            intent = self.get(id_)
            intent.update(
                status="requires_payment_method",
                last_payment_error={"code": "payment_intent_payment_attempt_failed"},
            )
            self._tell("payment_intent.payment_failed", intent)
            for session in self._all("checkout.session"):
                if session["payment_intent"] == id_:
                    self._tell("checkout.session.async_payment_failed", session)
            return intent

    def dispute(self, id_: str) -> dict:
        """The payer complains to their bank, which takes the money at once: docs.stripe.com/disputes."""
        with self.lock:
            intent = self.get(id_)
            dispute = self._add(
                "dp",
                "dispute",
                amount=intent["amount_received"],
                currency=intent["currency"],
                charge=intent["latest_charge"],
                payment_intent=id_,
                metadata={},
                reason="product_not_received",
                status="needs_response",
            )
            self._tell("charge.dispute.created", dispute)
            self._tell("charge.dispute.funds_withdrawn", dispute)
            return dispute

    def close_dispute(self, id_: str, status: str) -> dict:
        """The bank has decided: won or lost. Won money comes back."""
        with self.lock:
            dispute = self.get(id_)
            dispute["status"] = "under_review"
            self._tell("charge.dispute.updated", dispute)
            dispute["status"] = status
            self._tell("charge.dispute.closed", dispute)
            if status == "won":
                self._tell("charge.dispute.funds_reinstated", dispute)
            return dispute

    def decline(self, id_: str) -> dict:
        """A card that is refused. The payer may try again."""
        with self.lock:
            _session, intent = self._tried(id_)
            intent["last_payment_error"] = {
                "code": "card_declined",
                "decline_code": "insufficient_funds",
                "message": "Your card has insufficient funds.",
                "payment_method": {"card": {"last4": "9995"}},
            }
            self._tell("payment_intent.payment_failed", intent)
            return intent

    def receive(self, amount: int, currency: str) -> dict:
        """Money of somebody else's sale through the same account."""
        with self.lock:
            return self.pay(self._intent(amount=amount, currency=currency.lower(), metadata={})["id"])

    def fail_refund(self, id_: str) -> dict:
        """The bank sends a refund back, days later: docs.stripe.com/refunds#failed-refunds."""
        with self.lock:
            refund = self.get(id_)
            refund.update(status="failed", failure_reason="lost_or_stolen_card")
            self.objects[refund["charge"]]["amount_refunded"] -= refund["amount"]
            self._tell("refund.failed", refund)
            return refund

    def bodies(self, *names: str) -> list[bytes]:
        """The webhook bodies of these events so far; of all without a name."""
        with self.lock:
            return [_body(event) for event in self.events if not names or event["type"] in names]

    # --- Inside -----------------------------------------------------------------------------------

    def get(self, id_: str) -> dict:
        if id_ not in self.objects:
            raise Refused(f"No such object: '{id_}'", status=404, code="resource_missing")
        return self.objects[id_]

    def public(self, thing: dict, paths: list[str] = ()) -> dict:
        """An object as Stripe shows it, with what was asked to be expanded (four levels at most)."""
        shown = {name: deepcopy(value) for name, value in thing.items() if not name.startswith("_")}
        for path in paths:
            name, _, rest = path.partition(".")
            below = [rest] if rest else []
            if thing.get("object") == "charge" and name == "refunds":
                shown[name] = _list([r for r in self._all("refund") if r["charge"] == thing["id"]])
            elif shown.get(name):
                shown[name] = self.public(self.get(thing[name]), below)
        return shown

    def _add(self, prefix: str, kind: str, **facts) -> dict:
        thing = {"id": f"{prefix}_{uuid4().hex}", "object": kind, "created": int(time.time())}
        thing |= {"livemode": False} | facts
        self.objects[thing["id"]] = thing
        self.kinds[kind].append(thing)
        return thing

    def _intent(self, **facts) -> dict:
        intent = self._add(
            "pi",
            "payment_intent",
            **facts,
            amount_received=0,
            latest_charge=None,
            last_payment_error=None,
            status="requires_payment_method",
        )
        intent["client_secret"] = f"{intent['id']}_secret_{uuid4().hex}"
        return intent

    def _succeed(self, intent: dict) -> dict:
        """The money is there: the charge that says so."""
        charge = self._add(
            "ch",
            "charge",
            amount=intent["amount"],
            amount_refunded=0,
            currency=intent["currency"],
            metadata=intent["metadata"],
            payment_intent=intent["id"],
            billing_details={"name": "Asha Rao", "email": "asha@example.com"},
        )
        intent.update(
            amount_received=intent["amount"],
            latest_charge=charge["id"],
            status="succeeded",
            last_payment_error=None,
        )
        # Stripe promises no order: here a charge's event comes before its intent's.
        self._tell("charge.succeeded", charge)
        self._tell("payment_intent.succeeded", intent)
        return charge

    def _tried(self, id_: str) -> tuple[dict | None, dict]:
        """An attempt that may be paid. A Session gets its PaymentIntent with the first try."""
        thing = self.get(id_)
        if thing["status"] not in ("open", "requires_payment_method"):
            raise Refused(f"This attempt is {thing['status']}.")
        if thing["object"] == "payment_intent":
            return None, thing
        if thing["payment_intent"] is None:
            intent = self._intent(
                amount=thing["amount_total"],
                currency=thing["currency"],
                customer=thing["customer"],
                metadata=thing["_intent"],
            )
            thing["payment_intent"] = intent["id"]
        return thing, self.get(thing["payment_intent"])

    def _known(self, customer: str | None) -> str | None:
        return self.get(customer)["id"] if customer else None

    def _public_page(self, kind: str, params: dict) -> dict:
        page = _page(self._all(kind), params)
        return page | {"data": [self.public(thing) for thing in page["data"]]}

    def _all(self, kind: str) -> list[dict]:
        return self.kinds[kind]

    def _tell(self, name: str, thing: dict) -> None:
        event = {
            "id": f"evt_{uuid4().hex}",
            "object": "event",
            "type": name,
            "created": int(time.time()),
            "livemode": False,
            "data": {"object": self.public(thing)},
        }
        self.events.append(event)
        if self.webhook:
            threading.Thread(target=post, args=(_body(event),), kwargs=self.webhook, daemon=True).start()


ID = r"(?P<id>\w+)"
ROUTES = {
    "POST customers": Book.create_customer,
    f"GET customers/{ID}": Book.retrieve,
    "POST checkout/sessions": Book.create_session,
    "GET checkout/sessions": Book.list_sessions,
    f"GET checkout/sessions/{ID}": Book.retrieve,
    f"POST checkout/sessions/{ID}/expire": Book.expire_session,
    "POST payment_intents": Book.create_payment_intent,
    "GET payment_intents": Book.list_payment_intents,
    f"GET payment_intents/{ID}": Book.retrieve,
    f"POST payment_intents/{ID}/cancel": Book.cancel_payment_intent,
    "POST refunds": Book.create_refund,
    "GET refunds": Book.list_refunds,
    f"GET refunds/{ID}": Book.retrieve,
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

    def _answer(self, body: str) -> None:
        address = urlsplit(self.path)
        first, *rest = address.path.strip("/").split("/")
        try:
            if first == "v1":
                self._api(rest, nested(parse_qsl(body or address.query, keep_blank_values=True)), body)
            elif first == "pay":
                self._page(rest[0], dict(parse_qsl(body)).get("act"))
            elif first == "_control":
                self._send(200, control(self.server.book, rest[0], json.loads(body or "{}")))
            else:
                raise Refused("Unrecognized request URL", status=404)
        except Refused as no:
            self._send(no.status, {"error": no.error})
        except (KeyError, ValueError, IndexError) as error:
            self._send(400, {"error": Refused(f"Bad request: {error!r}").error})

    def _api(self, path: list[str], params: dict, body: str) -> None:
        book, key = self.server.book, self.headers.get("Idempotency-Key", "")
        with book.lock:
            asked = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
            book.requests.append(asked)
            fault = book.fault(self.command)
        if not self.headers.get("Authorization", "").startswith("Bearer sk_test_"):
            raise Refused("Invalid API Key provided", status=401)
        if fault == "hang":
            self.server.stopping.wait(30)
            self.close_connection = True
        elif fault == "500":
            self._send(500, {"error": {"type": "api_error", "message": "Something went wrong"}})
        elif fault == "html":
            self._send(502, b"<html><h1>502 Bad Gateway</h1></html>")
        elif fault == "garbage":
            self._send(200, b'{"id": "cs_test_')
        elif fault[:1] in ("{", "["):
            self._send(200, fault.encode())
        else:
            try:
                if fault == "slow":
                    self.server.stopping.wait(book.slowness)
                with book.lock:
                    answer = self._done(path, params, key)
            except Refused:
                if fault != "drop":
                    raise
            if fault == "drop":
                self.close_connection = True
            else:
                self._send(200, answer)

    def _done(self, path: list[str], params: dict, key: str) -> dict:
        """Does the work once per idempotency key: docs.stripe.com/api/idempotent_requests."""
        book, call = self.server.book, f"{self.command} {'/'.join(path)}"
        asked = call, deepcopy(params)
        if key in book.answers:
            before, answer = book.answers[key]
            if before != asked:
                message = "Keys for idempotent requests can only be used with the same parameters."
                raise Refused(message, type="idempotency_error")
            return answer
        work, place = routed(call)
        paths = params.pop("expand", [])
        answer = book.public(work(book, params | place), paths)
        if key:
            book.answers[key] = asked, answer
        return answer

    def _page(self, id_: str, act: str | None) -> None:
        book = self.server.book
        session = book.get(id_)
        if self.command == "GET":
            self._send(200, PAGE)
        else:
            {"pay": book.pay, "decline": book.decline}[act or ""](id_)
            back = session["success_url"] if act == "pay" else self.path
            self._send(303, b"", {"Location": back})

    def _send(self, status: int, answer: dict | bytes, headers: dict | None = None) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = "text/html" if isinstance(answer, bytes) else "application/json"
        self.send_response(status)
        extra = {"Request-Id": f"req_{uuid4().hex[:14]}", **(headers or {})}
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **extra}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int = 0):
        super().__init__(("127.0.0.1", port), Handler)
        self.book = Book()
        self.url = self.book.url = f"http://127.0.0.1:{self.server_port}"
        self.stopping = threading.Event()

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that gave up is no news
            super().handle_error(request, client_address)


def routed(call: str) -> tuple[Callable[[Book, dict], dict], dict]:
    """The work of a method and address, and the id in it."""
    for pattern, work in ROUTES.items():
        if found := re.fullmatch(pattern, call):
            return work, found.groupdict()
    raise Refused("Unrecognized request URL", status=404)


def control(book: Book, name: str, asked: dict) -> dict:
    """The levers of a stand-in that runs as its own process."""
    match name:
        case "pay":
            return book.public(book.pay(asked["id"], asked.get("amount")))
        case "decline" | "pay_later" | "clear" | "bounce" | "fail_refund" | "dispute":
            return book.public(getattr(book, name)(asked["id"]))
        case "close_dispute":
            return book.public(book.close_dispute(asked["id"], asked["status"]))
        case "refund":
            with book.lock:
                return book.public(book.create_refund(asked))
        case "receive":
            return book.public(book.receive(**asked))
        case "chaos":
            book.chaos = random.Random(asked.get("seed", 0)), asked["rates"]
        case "events":
            with book.lock:
                told = book.events[asked.get("from", 0) :]
                return {"events": [{"name": each["type"], "body": json.dumps(each)} for each in told]}
        case "thrown":
            return dict(book.thrown)
        case "fault":
            book.faults += asked["names"]
        case "webhook":
            book.webhook = {"url": asked["url"], "secret": asked["secret"]}
        case "book":
            with book.lock:
                return {"objects": [book.public(thing) for thing in book.objects.values()]}
        case "requests":
            with book.lock:
                return {"requests": list(book.requests)}
        case _:
            raise Refused("Unrecognized control", status=404)
    return {}


def nested(pairs: list[tuple[str, str]]) -> dict:
    """Stripe's form encoding: `a[b][0]=x` → {"a": {"b": ["x"]}}."""
    tree: dict = {}
    for name, value in pairs:
        *path, last = name.replace("]", "").split("[")
        branch = tree
        for step in path:
            branch = branch.setdefault(step, {})
        branch[last] = value
    return _with_lists(tree)


def post(body: bytes, url: str, secret: str) -> None:
    """Delivers one event, trying three times; a real Stripe goes on for three days."""
    signature = WebhookSignature.generate_signature_header(body.decode(), secret)
    headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
    for wait in (0, 1, 3):
        time.sleep(wait)
        try:
            with build_opener(ProxyHandler({})).open(Request(url, body, headers), timeout=10):
                return
        except OSError as error:
            sys.stderr.write(f"webhook: {error}\n")


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
        server.shutdown()
        server.server_close()
        thread.join()


def _with_lists(value):
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(each) for name, each in value.items()}
    return [*inner.values()] if inner and all(name.isdigit() for name in inner) else inner


def _list(things: list[dict], limit: int = 10) -> dict:
    newest = [deepcopy(thing) for thing in things[: -limit - 1 : -1]]
    return {"object": "list", "data": newest, "has_more": len(things) > limit, "url": "/v1"}


def _page(things: list[dict], params: dict) -> dict:
    """Newest first, ten unless asked, a hundred at most; by the time they were made, after one of them."""
    made, limit = params.get("created", {}), min(int(params.get("limit", 10)), 100)
    since, until = int(made.get("gte", 0)), int(made.get("lte", 2**53))
    found = [thing for thing in things if since <= thing["created"] <= until]
    if after := params.get("starting_after"):
        found = found[: [thing["id"] for thing in found].index(after)]
    return _list(found, limit)


def _body(event: dict) -> bytes:
    return json.dumps(event, indent=2).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for api.stripe.com on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--webhook", help="where every event is posted")
    parser.add_argument("--secret", default="whsec_test", help="what signs it")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Server(asked.port)
    if asked.webhook:
        server.book.webhook = {"url": asked.webhook, "secret": asked.secret}
    sys.stderr.write(f"Stripe's stand-in on {server.url}\n")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
