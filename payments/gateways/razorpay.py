"""Razorpay: an order for every attempt, paid in its Checkout (razorpay.com/docs/api)."""

import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlsplit

import razorpay
import requests
from django.utils.translation import gettext_lazy as _

from payments.gateways.base import BadSignature, Event, GatewayError, Order, RefundResult, Start
from payments.gateways.signing import member, our_key, read_object, text, whole

API_BASE = "https://api.razorpay.com"
CHECKOUT = "https://checkout.razorpay.com"
POLICY = {
    "script-src": (CHECKOUT, "https://cdn.razorpay.com"),  # the second: its check for fraud
    "frame-src": (API_BASE, CHECKOUT),
    "connect-src": ("https://lumberjack.razorpay.com", "https://lumberjack-metrics.razorpay.com"),
    "img-src": ("https://cdn.razorpay.com",),
    "style-src-attr": ("'unsafe-inline'",),  # it lays out its frame by attributes
}
"""Hosts as in Razorpay's own github.com/razorpay/razorpay-magento, etc/csp_whitelist.xml."""

KINDS = {
    "payment.authorized": "authorized",
    "payment.captured": "captured",
    "payment.failed": "failed",  # this try: a UPI payment may still be captured
    "order.paid": "captured",
    "refund.processed": "refund_done",
    "refund.failed": "refund_failed",
    "payment.dispute.created": "dispute_open",
    "payment.dispute.under_review": "dispute_open",
    "payment.dispute.action_required": "dispute_open",
    "payment.dispute.won": "dispute_won",
    "payment.dispute.lost": "dispute_lost",
    "payment.dispute.closed": "dispute_won",  # nothing is deducted but where it is lost
}
REFUND_STATUS = {"processed": "done", "pending": "pending", "failed": "failed"}
MANY = {"count": 100}
"""The longest list that Razorpay gives; by default it stops after ten."""

CAPTURE_TIMEOUT = 0.5, 1.2
"""Seconds to connect and to read, of a capture and of looking what became of it. It is asked for inside a
webhook, whose answer Razorpay awaits for five; what takes longer is found done by the next try."""

PASSING = {401, 403, 408, 409, 425, 429}
"""Statuses below 500 that may be another one tomorrow. 409: this very refund is still in flight.
401 and 403: someone is changing the key, and a refund waits for that instead of being given up."""
PASSING_WORDS = {"enough balance": "not enough balance", "in progress": "another request in progress"}
"""Refusals of today alone, which Razorpay marks by nothing but their prose. Refunds are paid out of
what the clinic has not been sent yet: after a payout, tomorrow's patients have to come first."""


class Razorpay:
    """Orders end only by being paid. The page that opens Checkout is ours: it needs `key_id`,
    `script` or `page`, and the order's id, which is the `reference` of Start."""

    name = "razorpay"
    label = _("UPI, card or netbanking")

    def __init__(
        self,
        key_id: str,
        key_secret: str,
        *,
        webhook_secrets: Iterable[str],
        api_base: str = API_BASE,
        timeout: tuple[float, float] = (3, 10),
    ):
        """`timeout`: seconds to connect and to read."""
        self.live = key_id.startswith("rzp_live_")
        base = api_base.rstrip("/")
        at = urlsplit(base)
        self.origins = (f"{at.scheme}://{at.netloc}",)
        self.key_id = key_id
        self.script = f"{CHECKOUT if base == API_BASE else base}/v1/checkout.js"
        self.policy = POLICY if base == API_BASE else dict.fromkeys(("script-src", "frame-src"), self.origins)
        self.page = f"{base}/v1/checkout/embedded"
        self._secret = key_secret
        self._webhook_secrets = tuple(webhook_secrets)
        self._timeout = timeout
        self._api = razorpay.Client(_Line(timeout), auth=(key_id, key_secret), base_url=base)

    def create_customer(self, account_key: str) -> str:
        """None: Razorpay's customers are made of a name, a phone number and an e-mail address."""
        return ""

    def start(self, order: Order) -> Start:
        """Looks for the order before making it: Razorpay makes a second one for the same receipt.

        Two calls at the same moment may still make two. That costs nobody anything: only the one
        that was stored is ever shown, and an order is no money.
        """
        asked = {"amount": order.amount_minor, "currency": order.currency.upper()}
        known = _items(self._api.order.all, {"receipt": order.key, **MANY})
        known = [each for each in known if each.get("receipt") == order.key]
        made = next(iter(known), None) or _ask(
            self._api.order.create, {**asked, "receipt": order.key, "notes": {"payment": order.key}}
        )
        if any(made.get(name) != value for name, value in asked.items()):
            raise GatewayError("Razorpay: this key came with another amount", retryable=False)
        return Start(reference=made["id"])

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        given = headers.get("X-Razorpay-Signature")
        secrets = [secret for secret in self._webhook_secrets if secret.strip()]
        if not any(_signed(body, given, secret) for secret in secrets):
            raise BadSignature("no secret of ours made this signature")
        return self.parse(body)

    def parse(self, body: bytes | str) -> list[Event]:
        """The dedupe key is the body's own hash: Razorpay signs neither a time nor the event's id,
        so an old body could come again under a new id."""
        event = read_object(body)
        name, payload = text(event.get("event")), member(event, "payload")
        if not (name and payload):
            raise BadSignature("not a Razorpay event")
        raw = body if isinstance(body, bytes) else body.encode()
        things = {kind: member(member(payload, kind), "entity") for kind in payload}
        return [self._event(name, sha256(raw).hexdigest(), things)]

    def fetch(self, reference: str) -> list[Event]:
        """Every try of an order, oldest first, each followed by the refunds of its money."""
        events = []
        for payment in _items(self._api.order.payments, reference):
            name = _name(payment)
            events.append(self._event(name, _fetched(name, payment), {"payment": payment}))
            if name == "payment.captured":
                for refund in self._refunds(payment["id"]):
                    name = f"refund.{text(refund.get('status'))}"
                    things = {"payment": payment, "refund": refund}
                    events.append(self._event(name, _fetched(name, refund), things))
        return [event for event in events if event.kind != "other"]

    def cancel(self, reference: str) -> bool:
        """Nothing: an order can't be cancelled, so its Checkout may bring money for ever after.
        `fetch` and the webhooks tell of it, and settling gives it back if the place is gone."""
        return False

    def capture(self, *, gateway_payment: str, amount_minor: int, currency: str) -> Event:
        """Takes the money of an authorised payment. Safe to repeat: one that was captured before,
        by us or by itself, is told as it is."""
        asked = gateway_payment, amount_minor, {"currency": currency.upper()}
        soon = {"timeout": min(self._timeout, CAPTURE_TIMEOUT)}
        try:
            payment = _ask(self._api.payment.capture, *asked, **soon)
        except GatewayError as error:
            if error.retryable:
                raise
            payment = _ask(self._api.payment.fetch, gateway_payment, **soon)
            if _name(payment) != "payment.captured":
                raise
        name = _name(payment)
        if name != "payment.captured":
            raise GatewayError("Razorpay: captured, but not yet", retryable=True)
        return self._event(name, _fetched(name, payment), {"payment": payment})

    def refund(self, *, key: str, gateway_payment: str, amount_minor: int, currency: str) -> RefundResult:
        """Looks for the refund before making it: nobody says how long Razorpay remembers a key, and
        a late repetition of half a refund would then send the other half as well."""
        made = (each for each in self._refunds(gateway_payment) if _note(each, "refund") == key)
        refund = next(made, None) or _ask(
            self._api.payment.refund,
            gateway_payment,
            {"amount": amount_minor, "notes": {"refund": key}},
            headers={"X-Refund-Idempotency": key},
        )
        status = REFUND_STATUS.get(text(refund.get("status")), "pending")
        return RefundResult(status=status, gateway_refund=refund["id"])

    def list_payments(self, since: datetime, until: datetime) -> Iterator[Event]:
        """Payments, then refunds, newest first: what is made meanwhile moves the pages on, so that one may
        come twice, and none is missed."""
        span = {"from": int(since.timestamp()), "to": int(until.timestamp())}
        for payment in _listed(self._api.payment.all, span):
            name = _name(payment)
            if name == "payment.captured":
                yield self._event(name, _fetched(name, payment), {"payment": payment})
        for refund in _listed(self._api.refund.all, span):
            name = f"refund.{text(refund.get('status'))}"
            event = self._event(name, _fetched(name, refund), {"refund": refund})
            if event.kind != "other":
                yield event

    def verify_checkout(self, order_id: str, payment_id: str, signature: str) -> bool:
        """Whether Razorpay signed that this payment was made for this order.

        Give our own order's id, from the payment's row, never the browser's: a good signature of
        another order would pass. And it is a hint: ask with `fetch`, whose money has an amount.
        """
        message = f"{order_id}|{payment_id}".encode("utf-8", "replace")
        return bool(self._secret.strip()) and _signed(message, signature, self._secret)

    def _refunds(self, payment_id: str) -> list[dict]:
        return _items(self._api.payment.fetch_multiple_refund, payment_id, MANY)

    def _event(self, name: str, dedupe_key: str, things: dict) -> Event:
        """Our key is read where we wrote it: on the order and on the refund. A payment's own notes
        are what the payer's browser said; a payment is known by its order, in `reference`.

        Test and live mode have webhooks and secrets of their own, so whatever is signed for us, or
        answers to our key, is of our mode.
        """
        payment, order, refund, dispute = (
            member(things, kind) for kind in ("payment", "order", "refund", "dispute")
        )
        thing = refund or dispute or payment
        paid = text(payment.get("id")) or text(thing.get("payment_id"))
        kind = KINDS.get(name, "other")
        topic = {"refund": refund, "dispute": dispute}.get(kind.partition("_")[0])
        about = paid if topic is None else text(topic.get("id"))
        return Event(
            kind=kind if about else "other",
            dedupe_key=dedupe_key,
            name=name,
            payment_key=our_key(_note(order, "payment")) or our_key(order.get("receipt")),
            reference=text(payment.get("order_id")) or text(order.get("id")),
            gateway_payment=paid,
            amount_minor=whole(thing.get("amount_deducted")) or whole(thing.get("amount")),
            currency=text(thing.get("currency")).upper(),
            live=self.live,
            reason=_word(thing.get("error_reason"))
            or _word(thing.get("error_code"))
            or _word(thing.get("reason_code")),
            gateway_refund=text(refund.get("id")),
            refund_key=our_key(_note(refund, "refund")),
            gateway_dispute=text(dispute.get("id")),
        )


class _Line(requests.Session):
    """What the SDK (2.0.1) sends through. It decides about every answer before the SDK sees it.

    The SDK sets no timeout, drops the status (so a 409 looks like any refusal), reads a page as
    JSON, and prints failures to stdout. It is left with what it is good for: who asks what where.
    """

    def __init__(self, timeout: tuple[float, float]):
        super().__init__()
        self._timeout = timeout

    def request(self, method, url, **options) -> requests.Response:
        options = {"timeout": self._timeout} | options | {"allow_redirects": False}
        try:
            answer = super().request(method, url, **options)
            said = answer.json()
        except (OSError, ValueError, RecursionError) as error:  # all of requests' own are OSErrors
            unread = type(error).__name__
        else:
            if answer.ok and answer.status_code < 300 and isinstance(said, dict):
                return answer
            raise _refusal(answer.status_code, said)
        # Raised out here, so that no traceback leads to what was sent and answered.
        raise GatewayError(f"Razorpay: {unread}", retryable=True)


def _refusal(status: int, said: object) -> GatewayError:
    """Final is only a clear no to this very request: a 4xx in Razorpay's own words."""
    error = member(said, "error") if isinstance(said, dict) else {}
    code, prose = _word(error.get("code")), str(error.get("description"))
    passing = [ours for theirs, ours in PASSING_WORDS.items() if theirs in prose.lower()]
    final = code == "BAD_REQUEST_ERROR" and 400 <= status < 500 and status not in PASSING
    words = [code, str(status), _word(error.get("reason")), _word(error.get("field")), *passing]
    return GatewayError(f"Razorpay: {' '.join(filter(None, words))}", retryable=not final or bool(passing))


def _ask(call: Callable[..., dict], *args, **options) -> dict:
    """One thing that has an id, or GatewayError."""
    made = call(*args, **options)
    if not text(made.get("id")):
        raise GatewayError("Razorpay: unreadable answer", retryable=True)
    return made


def _items(call: Callable[..., dict], *args) -> list[dict]:
    """Things that have ids, oldest first (Razorpay lists the newest first), or GatewayError."""
    items = call(*args).get("items")
    if not (isinstance(items, list) and all(isinstance(i, dict) and text(i.get("id")) for i in items)):
        raise GatewayError("Razorpay: unreadable answer", retryable=True)
    oldest_first = items[::-1]
    oldest_first.sort(key=lambda thing: whole(thing.get("created_at")))  # in whole seconds
    return oldest_first


def _listed(call: Callable[..., dict], span: dict) -> Iterator[dict]:
    """Everything made in a span of time, a hundred at a time."""
    skip = 0
    while page := _items(call, {**span, **MANY, "skip": skip}):
        yield from page
        skip += len(page)


def _name(payment: dict) -> str:
    """The webhook event that would tell of a fetched payment.

    An authorised payment that nobody captured in time is refunded by Razorpay itself: no money of
    ours ever, unlike a captured one that was given back.
    """
    match payment.get("status"):
        case "refunded":
            return "payment.captured" if payment.get("captured") is True else "payment.failed"
        case status:
            return f"payment.{text(status)}"


def _fetched(name: str, thing: dict) -> str:
    return f"fetched:{thing['id']}:{name}"


def _note(thing: dict, name: str) -> str:
    """One of a thing's notes, which are [] when there are none."""
    return text(member(thing, "notes").get(name))


def _word(value: object) -> str:
    """A code word; never a sentence, and not Razorpay's way to say that there is none."""
    said = text(value)
    return said if re.fullmatch(r"[\w.\[\]-]{1,64}", said, re.ASCII) and said != "NA" else ""


def _signed(message: bytes, signature: object, secret: str) -> bool:
    given = text(signature).encode("utf-8", "replace")
    return hmac.compare_digest(hmac.new(secret.encode(), message, "sha256").hexdigest().encode(), given)
