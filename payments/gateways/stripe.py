"""Stripe: hosted Checkout for browsers, a PaymentIntent for apps (docs.stripe.com/api)."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import stripe
from django.utils.translation import gettext_lazy as _

from payments.gateways.base import BadSignature, Event, GatewayError, Order, RefundResult, Start
from payments.gateways.signing import check, member, our_key, read_object, text, whole

API_BASE = "https://api.stripe.com"
CHECKOUT = "https://checkout.stripe.com"

KINDS = {
    "payment_intent.succeeded": "captured",
    "payment_intent.payment_failed": "failed",
    "payment_intent.canceled": "expired",
    "checkout.session.completed": "captured",  # once it is paid: see _kind
    "checkout.session.async_payment_succeeded": "captured",
    "checkout.session.async_payment_failed": "failed",
    "checkout.session.expired": "expired",
}
REFUND_EVENTS = {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}
REFUND_STATUS = {"succeeded": "done", "failed": "failed", "canceled": "failed"}
"""`pending` and `requires_action` are still under way: docs.stripe.com/api/refunds/object."""
DISPUTE_EVENTS = "charge.dispute."
DISPUTE_STATUS = {"won": "won", "warning_closed": "won", "lost": "lost", "prevented": "lost"}
"""All others are open: docs.stripe.com/api/disputes/object. Of a prevented one the payer has the money."""
PASSING_CODES = {"charge_disputed"}
"""A clear no that may be a yes later: what is disputed can be given back once the bank has decided."""
KEYS_LAST = timedelta(hours=23)
"""Stripe may forget an idempotency key after a day, and would then do the same work again:
docs.stripe.com/api/idempotent_requests."""
ENDED = {"complete", "expired", "succeeded", "canceled", "processing"}
"""Sessions and intents that nobody can pay any more; a processing one is being paid already."""

SESSION_OUTLIVES_HOLD = timedelta(minutes=35)
"""A session must end 30 minutes to 24 hours after it is made. Counted from the hold's end, which
lies ahead, so that a retry sends the same body: Stripe refuses a key that comes with another."""
HUNDREDFOLD = {"ISK", "UGX"}
"""No decimals in ISO 4217, two in Stripe's API: docs.stripe.com/currencies#special-cases."""

# The SDK logs Stripe's sentences at INFO and whole bodies, with people's names, at DEBUG.
logging.getLogger("stripe").setLevel(logging.WARNING)


class Stripe:
    name = "stripe"
    label = _("Card")

    def __init__(
        self,
        secret_key: str,
        *,
        webhook_secrets: Iterable[str],
        api_base: str = API_BASE,
        methods: Iterable[str] = ("card",),
        timeout: tuple[float, float] = (3, 10),
        retries: int = 1,
    ):
        """`timeout`: seconds to connect and to read. `methods`: Stripe's payment method types;
        delayed ones (bank debits, vouchers) would still be unpaid when the hold has lapsed."""
        self.live = "_live_" in secret_key
        base = api_base.rstrip("/")
        at = urlsplit(base)
        self.origins = (CHECKOUT if base == API_BASE else f"{at.scheme}://{at.netloc}",)
        self._secrets = tuple(webhook_secrets)
        self._methods = list(methods)
        self._api = stripe.StripeClient(
            secret_key,
            base_addresses={"api": base},
            max_network_retries=retries,
            http_client=stripe.RequestsClient(timeout=timeout),
        ).v1

    def create_customer(self, account_key: str) -> str:
        customer = _call(
            self._api.customers.create,
            {"metadata": {"account": account_key}},
            {"idempotency_key": f"customer-{account_key}"},
        )
        return customer["id"]

    def start(self, order: Order) -> Start:
        """A Checkout Session, or a PaymentIntent for an app."""
        if order.for_app:
            kind, form, needs = self._api.payment_intents, self._intent(order), "client_secret"
        else:
            kind, form, needs = self._api.checkout.sessions, self._session(order), "url"
        made = self._made_before(kind.list, order)
        made = made or _call(kind.create, form, {"idempotency_key": order.key}, needs=needs)
        ended = order.return_url if needs == "url" else ""
        return Start(
            reference=made["id"],
            redirect_url=made.get("url") or ended,
            client_secret=made.get("client_secret") or "",
        )

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        check(body, headers.get("Stripe-Signature"), self._secrets, now=time.time())
        return self.parse(body)

    def parse(self, body: bytes | str) -> list[Event]:
        event = read_object(body)
        key, name = text(event.get("id")), text(event.get("type"))
        thing = member(member(event, "data"), "object")
        if not (key and name and thing):
            raise BadSignature("not a Stripe event")
        told = [(name, thing)]
        if name == "charge.refunded":
            told += [("refund.updated", refund) for refund in _refunds_in(thing)]
        live = event.get("livemode") is True
        return [_event(each, of, dedupe_key=key, live=live) for each, of in told]

    def fetch(self, reference: str) -> list[Event]:
        """What became of a Session or PaymentIntent, and the refunds of its money.

        An open attempt without a failed try has no events.
        """
        attempt, intent = self._retrieve(reference, "latest_charge.refunds")
        told = [attempt] if attempt.get("payment_status") == "paid" else [attempt, intent]
        named = {thing["id"]: (_name(thing), thing) for thing in told if thing}
        for refund in _refunds_in(member(intent, "latest_charge")):
            named[refund["id"]] = "refund.updated", {"payment_intent": intent["id"], **refund}
        events = [
            _event(
                name,
                thing,
                dedupe_key=f"fetched:{id_}:{name}:{thing.get('status')}",
                live=attempt.get("livemode") is True,
            )
            for id_, (name, thing) in named.items()
        ]
        return [event for event in events if event.kind != "other"]

    def cancel(self, reference: str) -> bool:
        """A Session is expired, a PaymentIntent cancelled; a paid one stays, and `fetch` tells.

        What a bank is still transferring can't be ended: False.
        """
        sessions, intents = self._api.checkout.sessions, self._api.payment_intents
        try:
            _call(sessions.expire if _is_session(reference) else intents.cancel, reference)
        except GatewayError as error:
            attempt, intent = ({}, {}) if error.retryable else self._retrieve(reference, "latest_charge")
            if attempt.get("status") not in ENDED:
                raise
            return intent.get("status") != "processing"
        return True

    def refund(self, *, key: str, gateway_payment: str, amount_minor: int, currency: str) -> RefundResult:
        """Looks for the refund before making it: Stripe may forget an idempotency key after 24
        hours, and a late repetition of half a refund would then send the other half as well."""
        made = _call(
            self._api.refunds.list,
            {"payment_intent": gateway_payment, "limit": 100},
            needs="data",
            shape=list,
        )
        refund = next((r for r in made["data"] if member(r, "metadata").get("refund") == key), None)
        refund = refund or _call(
            self._api.refunds.create,
            {
                "payment_intent": gateway_payment,
                "amount": _money(amount_minor, currency)["amount"],
                "metadata": {"refund": key},
            },
            {"idempotency_key": key},
        )
        return RefundResult(
            status=REFUND_STATUS.get(text(refund.get("status")), "pending"),
            gateway_refund=refund["id"],
            reason=text(refund.get("failure_reason")),
        )

    def list_payments(self, since: datetime, until: datetime) -> Iterator[Event]:
        """PaymentIntents that succeeded, then refunds: docs.stripe.com/api/pagination."""
        lists = {
            "payment_intent.succeeded": self._api.payment_intents.list,
            "refund.updated": self._api.refunds.list,
        }
        for name, ask in lists.items():
            for thing in _listed(ask, since, until):
                if name == "refund.updated" or thing.get("status") == "succeeded":
                    live = thing.get("livemode", self.live) is True  # a refund does not say
                    event = _event(name, thing, dedupe_key=f"listed:{thing['id']}", live=live)
                    if event.kind != "other":
                        yield event

    def _intent(self, order: Order) -> dict:
        return {
            **_money(order.amount_minor, order.currency),
            **_payer(order),
            "metadata": {"payment": order.key},
            "payment_method_types": self._methods,
        }

    def _session(self, order: Order) -> dict:
        money = _money(order.amount_minor, order.currency)
        price = {
            "currency": money["currency"],
            "unit_amount": money["amount"],
            "product_data": {"name": order.description},
        }
        return {
            **_payer(order),
            "mode": "payment",
            "line_items": [{"quantity": 1, "price_data": price}],
            "payment_method_types": self._methods,
            "adaptive_pricing": {"enabled": False},  # the price shown is the price paid
            "client_reference_id": order.key,
            "metadata": {"payment": order.key},
            "payment_intent_data": {"metadata": {"payment": order.key}},
            "expires_at": int((order.expires_at + SESSION_OUTLIVES_HOLD).timestamp()),
            "success_url": order.return_url,
            "cancel_url": order.return_url,
        }

    def _made_before(self, list_all: Callable, order: Order) -> dict | None:
        """What an order that was asked for long ago became. It is looked for by our key in what was made
        since, the newest first: Stripe's search knows no sessions, and lags behind."""
        if order.asked_at is None or datetime.now(UTC) - order.asked_at < KEYS_LAST:
            return None
        asked = {"created": {"gte": int(order.asked_at.timestamp()) - 60}, "limit": 100}
        while True:
            page = _call(list_all, asked, needs="data", shape=list)
            for made in page["data"]:
                if member(made, "metadata").get("payment") == order.key:
                    return made
            if not (page.get("has_more") and page["data"]):
                return None
            asked["starting_after"] = page["data"][-1]["id"]

    def _retrieve(self, reference: str, expand: str = "") -> tuple[dict, dict]:
        """The attempt, and the PaymentIntent in it: itself, or a Session's once someone tried."""
        if _is_session(reference):
            paths = {"expand": [f"payment_intent.{expand}"]} if expand else {}
            session = _call(self._api.checkout.sessions.retrieve, reference, paths)
            return session, member(session, "payment_intent")
        paths = {"expand": [expand]} if expand else {}
        intent = _call(self._api.payment_intents.retrieve, reference, paths)
        return intent, intent


def _event(name: str, thing: dict, *, dedupe_key: str, live: bool) -> Event:
    """Reads an intent, a session, a refund or a charge: they name the same facts alike."""
    own = text(thing.get("id"))
    metadata, error = member(thing, "metadata"), member(thing, "last_payment_error")
    is_intent, is_refund = name.startswith("payment_intent."), name in REFUND_EVENTS
    is_dispute = name.startswith(DISPUTE_EVENTS)
    currency = text(thing.get("currency")).upper()
    paid = thing.get("amount_received") or thing.get("amount_total") or thing.get("amount")
    return Event(
        kind=_kind(name, thing),
        dedupe_key=dedupe_key,
        name=name,
        payment_key=our_key(metadata.get("payment")) or our_key(thing.get("client_reference_id")),
        reference=own if is_intent or name.startswith("checkout.session.") else "",
        gateway_payment=own if is_intent else _id(thing.get("payment_intent")),
        amount_minor=whole(paid) // (100 if currency in HUNDREDFOLD else 1),
        currency=currency,
        live=live,
        reason=text(error.get("decline_code"))
        or text(error.get("code"))
        or text(thing.get("failure_reason"))
        or (text(thing.get("reason")) if is_dispute else ""),
        gateway_refund=own if is_refund else "",
        refund_key=our_key(metadata.get("refund")),
        gateway_dispute=own if is_dispute else "",
    )


def _kind(name: str, thing: dict) -> str:
    """A completed session may still wait for a bank transfer: docs.stripe.com/payments/checkout/
    fulfill-orders says to look at payment_status. A refund's and a dispute's event tell less than
    their status."""
    if name.startswith(DISPUTE_EVENTS):
        return f"dispute_{DISPUTE_STATUS.get(text(thing.get('status')), 'open')}"
    if name in REFUND_EVENTS:
        status = REFUND_STATUS.get(text(thing.get("status")))
        return f"refund_{status}" if status else "other"
    if name == "checkout.session.completed" and thing.get("payment_status") != "paid":
        return "other"
    return KINDS.get(name, "other")


def _name(thing: dict) -> str:
    """The webhook event that would tell of a fetched Session or PaymentIntent."""
    match thing.get("object"), thing.get("status"):
        case "checkout.session", "complete":
            return "checkout.session.completed"
        case "checkout.session", "expired":
            return "checkout.session.expired"
        case "payment_intent", "requires_payment_method" if thing.get("last_payment_error"):
            return "payment_intent.payment_failed"
        case "payment_intent", status:
            return f"payment_intent.{status}"
    return ""


def _refunds_in(charge: dict) -> list[dict]:
    """A charge has its refunds where they were asked for, and in the events of older API versions."""
    listed = member(charge, "refunds").get("data")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _money(amount_minor: int, currency: str) -> dict:
    factor = 100 if currency.upper() in HUNDREDFOLD else 1
    return {"amount": amount_minor * factor, "currency": currency.lower()}


def _payer(order: Order) -> dict:
    return {"customer": order.customer} if order.customer else {}


def _is_session(reference: str) -> bool:
    return reference.startswith("cs_")


def _id(value: object) -> str:
    """Of a reference or of the expanded object in its place."""
    return text(value.get("id") if isinstance(value, dict) else value)


def _listed(ask: Callable[..., stripe.StripeObject], since: datetime, until: datetime) -> Iterator[dict]:
    """Everything made between the two, a hundred at a time."""
    form = {"created": {"gte": int(since.timestamp()), "lte": int(until.timestamp())}, "limit": 100}
    more = True
    while more:
        page = _call(ask, form, needs="data", shape=list)
        yield from page["data"]
        more = page.get("has_more") is True and bool(page["data"])
        form["starting_after"] = page["data"][-1]["id"] if more else ""


def _call(ask: Callable[..., stripe.StripeObject], *args, needs: str = "id", shape: type = str) -> dict:
    """One request, answered by a plain dict that has `needs`, or GatewayError.

    Retryable is everything but Stripe's clear no to this very request. A refused key too: someone
    is changing it, and a refund has to wait for that instead of being given up.
    """
    try:
        answer = ask(*args).to_dict()
        if not isinstance(answer[needs], shape):
            raise TypeError(f"{needs} is no {shape.__name__}")
        return answer
    except stripe.StripeError as error:
        no = (stripe.InvalidRequestError, stripe.CardError, stripe.IdempotencyError)
        words = [type(error).__name__, text(error.code), str(error.http_status or "no answer")]
        words.append(text(error.request_id))
        message = " ".join(filter(None, words))
        retryable = not isinstance(error, no) or error.code in PASSING_CODES
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
        message, retryable = "unreadable answer", True
    # Raised out here, so that no traceback leads to Stripe's own words about a payer.
    raise GatewayError(f"Stripe: {message}", retryable=retryable)
