"""A gateway of pretend money, so that a clinic can be tried out whole.

It behaves like a stranger: it has its own book (a file, not our database), it shows a page to the
payer, and it tells of what happened in signed events over real HTTP. The page's views only press
its buttons: `pay`, `pay_again`, `decline` and `deliver`.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

from django.utils.translation import gettext_lazy as _

from payments.gateways.base import BadSignature, Event, GatewayError, Order, RefundResult, Start
from payments.gateways.signing import check, member, our_key, read_object, sign, text, whole

HEADER = "Demo-Signature"
KINDS = {
    "payment.captured": "captured",
    "payment.failed": "failed",
    "order.ended": "expired",
    "refund.done": "refund_done",
    "dispute.opened": "dispute_open",
    "dispute.won": "dispute_won",
    "dispute.lost": "dispute_lost",
}
DIRECT = build_opener(ProxyHandler({}))
"""To our own site no proxy leads."""


@dataclass(frozen=True, kw_only=True)
class DemoOrder:
    """What the demo's page shows."""

    key: str
    amount_minor: int
    currency: str
    description: str
    return_url: str
    expires_at: datetime
    captures: int = 0
    ended: bool = False


class DemoBook:
    """The demo gateway's memory: orders, and the events of each, appended and never changed."""

    SCHEMA = """
        CREATE TABLE IF NOT EXISTS orders (
            key TEXT PRIMARY KEY, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
            description TEXT NOT NULL, return_url TEXT NOT NULL, expires_at TEXT NOT NULL
        );
        CREATE TABLE IF NOT EXISTS events (
            at INTEGER PRIMARY KEY, order_key TEXT NOT NULL REFERENCES orders, name TEXT NOT NULL,
            payment TEXT NOT NULL, amount_minor INTEGER NOT NULL, refund_key TEXT UNIQUE,
            body TEXT NOT NULL
        );
        CREATE INDEX IF NOT EXISTS events_of_order ON events (order_key);
        CREATE INDEX IF NOT EXISTS events_of_payment ON events (payment);
    """

    def __init__(self, path: str | Path):
        self._path = Path(path)

    @contextmanager
    def page(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone in the book. Web server and worker share the file."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=5, isolation_level=None)) as db:
                db.row_factory = sqlite3.Row
                db.executescript(self.SCHEMA)
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            message = f"The demo gateway's book: {type(error).__name__}"
            raise GatewayError(message, retryable=True) from None


class Demo:
    name = "demo"
    label = _("Demo payment")
    live = False

    def __init__(self, *, book: DemoBook, site_url: str, webhook_secrets: Iterable[str], timeout: float = 5):
        """The first secret signs, all of them verify. `timeout`: seconds for one delivery."""
        self._book = book
        self._site = site_url.rstrip("/")
        self.origins = (self._site,)  # the page may have been opened as "localhost"
        self._secrets = tuple(webhook_secrets)
        self._timeout = timeout

    # --- What every gateway does --------------------------------------------------------------

    def create_customer(self, account_key: str) -> str:
        return ""

    def start(self, order: Order) -> Start:
        """Writes the order into the book; the page's address carries nothing but its key."""
        with self._book.page() as db:
            db.execute(
                "INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?, ?, ?)",
                (
                    order.key,
                    order.amount_minor,
                    order.currency.upper(),
                    order.description,
                    order.return_url,
                    order.expires_at.isoformat(),
                ),
            )
            known = _order(db, order.key)
        asked = order.amount_minor, order.currency.upper()
        if (known["amount_minor"], known["currency"]) != asked:
            raise GatewayError("Demo: this key came with another amount", retryable=False)
        return Start(reference=f"demo_{order.key}", redirect_url=f"{self._site}/demo-gateway/{order.key}/")

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        check(body, headers.get(HEADER), self._secrets, now=time.time())
        return self.parse(body)

    def parse(self, body: bytes | str) -> list[Event]:
        event = read_object(body)
        key, name, facts = text(event.get("id")), text(event.get("type")), member(event, "data")
        if not (key and name and facts):
            raise BadSignature("not an event of the demo gateway")
        return [
            Event(
                kind=KINDS.get(name, "other"),
                dedupe_key=key,
                name=name,
                payment_key=our_key(facts.get("order")),
                reference=f"demo_{text(facts.get('order'))}",
                gateway_payment=text(facts.get("payment")),
                amount_minor=whole(facts.get("amount")),
                currency=text(facts.get("currency")),
                live=False,
                reason=text(facts.get("reason")),
                gateway_refund=text(facts.get("refund")),
                refund_key=our_key(facts.get("refund_key")),
                gateway_dispute=text(facts.get("dispute")),
            )
        ]

    def fetch(self, reference: str) -> list[Event]:
        """Every event of the order, delivered or not, as its webhook has it."""
        with self._book.page() as db:
            key = _order(db, reference.removeprefix("demo_"))["key"]
            bodies = [row["body"] for row in _events(db, key)]
        return [event for body in bodies for event in self.parse(body)]

    def cancel(self, reference: str) -> bool:
        with self._book.page() as db:
            order = _order(db, reference.removeprefix("demo_"))
            names = {event["name"] for event in _events(db, order["key"])}
            if names.isdisjoint({"payment.captured", "order.ended"}):
                _append(db, order, "order.ended")
        return True

    def refund(self, *, key: str, gateway_payment: str, amount_minor: int, currency: str) -> RefundResult:
        """Done at once, unless the payment is unknown or has not that much left."""
        asked = gateway_payment, amount_minor, currency.upper()
        with self._book.page() as db:
            made = db.execute("SELECT body FROM events WHERE refund_key = ?", (key,)).fetchone()
            body = made["body"] if made else _refund(db, key, *asked)
        [event] = self.parse(body)
        if (event.gateway_payment, event.amount_minor, event.currency) != asked:
            raise GatewayError("Demo: this key came with another refund", retryable=False)
        return RefundResult(status="done", gateway_refund=event.gateway_refund)

    def list_payments(self, since: datetime, until: datetime) -> Iterator[Event]:
        with self._book.page() as db:
            rows = db.execute(
                "SELECT body FROM events WHERE name IN ('payment.captured', 'refund.done')"
                " AND json_extract(body, '$.created') BETWEEN ? AND ? ORDER BY at",
                (int(since.timestamp()), int(until.timestamp())),
            ).fetchall()
        for row in rows:
            yield from self.parse(row["body"])

    # --- What its page does -------------------------------------------------------------------

    def order(self, key: str) -> DemoOrder | None:
        """An order for the page; None if nobody asked for it."""
        with self._book.page() as db:
            row = db.execute("SELECT * FROM orders WHERE key = ?", (key,)).fetchone()
            names = [event["name"] for event in _events(db, key)]
        if row is None:
            return None
        facts = dict(row) | {"expires_at": datetime.fromisoformat(row["expires_at"])}
        return DemoOrder(**facts, captures=names.count("payment.captured"), ended="order.ended" in names)

    def pay(self, key: str, *, late: bool = False) -> str:
        """Captures the order once, however often it is pressed; gives the event's body.

        An order that was cancelled is refused (GatewayError), unless `late`: then the bank
        answers only now to a payment that began before.
        """
        return self._press(key, "payment.captured", once=True, late=late)

    def pay_again(self, key: str) -> str:
        """Captures the order once more, under another payment id: the payer pays twice."""
        return self._press(key, "payment.captured", late=True)

    def decline(self, key: str) -> str:
        """Refuses this try. The payer may try again."""
        return self._press(key, "payment.failed", reason="card_declined")

    def dispute(self, payment: str, what: str, dispute: str, amount_minor: int) -> str:
        """The payer's bank complains: `what` is opened, won or lost. Gives the event's body."""
        with self._book.page() as db:
            order = _order(db, _order_of(db, payment))
            return _append(db, order, f"dispute.{what}", payment, amount_minor, dispute=dispute)

    def give_back(self, payment: str, amount_minor: int) -> str:
        """Somebody refunds on the gateway's own page, without a key of ours. Gives the event's body."""
        with self._book.page() as db:
            currency = _order(db, _order_of(db, payment))["currency"]
            return _refund(db, None, payment, amount_minor, currency)

    def bodies(self, key: str) -> list[str]:
        """Every event of an order so far, to be delivered once more."""
        with self._book.page() as db:
            return [event["body"] for event in _events(db, key)]

    def signed(self, body: str) -> dict[str, str]:
        """The header that makes a body ours, stamped now."""
        return {HEADER: sign(body.encode(), self._secrets[0], at=int(time.time()))}

    def deliver(self, body: str) -> bool:
        """Posts an event to our webhook, as a gateway would: True if it was taken (2xx).

        It needs a second thread of the web server. What is not taken is found by `fetch`.
        """
        request = Request(
            f"{self._site}/api/v1/webhooks/demo",
            data=body.encode(),
            headers={"Content-Type": "application/json", **self.signed(body)},
        )
        try:
            with DIRECT.open(request, timeout=self._timeout):
                return True
        except HTTPError as refusal:
            refusal.close()
        except (OSError, HTTPException):
            pass  # nobody there, no answer in time, or no answer at all
        return False

    def _press(self, key: str, name: str, *, once: bool = False, late: bool = False, reason: str = "") -> str:
        with self._book.page() as db:
            order, events = _order(db, key), _events(db, key)
            same = [event["body"] for event in events if event["name"] == name]
            if once and same:
                return same[0]
            if not late and any(event["name"] == "order.ended" for event in events):
                raise GatewayError("Demo: this payment page has ended", retryable=False)
            return _append(db, order, name, f"demo_pay_{uuid4().hex}", order["amount_minor"], reason=reason)


def _order(db: sqlite3.Connection, key: str) -> sqlite3.Row:
    row = db.execute("SELECT * FROM orders WHERE key = ?", (key,)).fetchone()
    if row is None:
        raise GatewayError("Demo: no such order or payment", retryable=False)
    return row


def _order_of(db: sqlite3.Connection, payment: str) -> str:
    row = db.execute("SELECT order_key FROM events WHERE payment = ?", (payment,)).fetchone()
    return row["order_key"] if row else ""


def _events(db: sqlite3.Connection, key: str) -> list[sqlite3.Row]:
    return db.execute("SELECT * FROM events WHERE order_key = ? ORDER BY at", (key,)).fetchall()


def _refund(db: sqlite3.Connection, key: str | None, payment: str, amount_minor: int, currency: str) -> str:
    rest = db.execute(
        "SELECT order_key, SUM(CASE name WHEN 'payment.captured' THEN amount_minor"
        " WHEN 'refund.done' THEN -amount_minor ELSE 0 END) AS minor"
        " FROM events WHERE payment = ? GROUP BY order_key",
        (payment,),
    ).fetchone()
    order = _order(db, rest["order_key"] if rest else "")
    if order["currency"] != currency or not 0 < amount_minor <= rest["minor"]:
        raise GatewayError("Demo: the payment has not that much left", retryable=False)
    refund = f"demo_re_{uuid4().hex}"
    return _append(db, order, "refund.done", payment, amount_minor, refund=refund, refund_key=key)


def _append(
    db: sqlite3.Connection,
    order: sqlite3.Row,
    name: str,
    payment: str = "",
    amount_minor: int = 0,
    **more: str,
) -> str:
    """Writes one event into the book; gives its body."""
    facts = {
        "order": order["key"],
        "payment": payment,
        "amount": amount_minor,
        "currency": order["currency"],
        **more,
    }
    event = {"id": f"demo_evt_{uuid4().hex}", "type": name, "created": int(time.time()), "data": facts}
    body = json.dumps(event)
    db.execute(
        "INSERT INTO events (order_key, name, payment, amount_minor, refund_key, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (order["key"], name, payment, amount_minor, more.get("refund_key"), body),
    )
    return body
