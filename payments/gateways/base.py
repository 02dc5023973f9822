"""What every payment gateway answers to: plain values in, plain values out, no ORM.

Amounts are integers in the currency's minor unit. `key` is always our own UUID of a
payment or refund; it goes to the gateway as idempotency key, receipt and metadata, and
nothing personal goes with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


class UnknownGateway(LookupError):
    """No gateway of this name here. A webhook's view answers 404."""


class BadSignature(Exception):
    """A webhook body that its gateway did not sign, or that cannot be read at all."""


class GatewayError(Exception):
    """The gateway refused or did not answer. `retryable`: the same call may yet succeed.

    After a retryable one nobody knows whether the gateway did the work: repeat the call with
    the same key and the same content, never with a new key.

    `message` is safe to log and to show to staff: it never holds a patient's data.
    """

    def __init__(self, message: str, *, retryable: bool):
        super().__init__(message)
        self.message = message
        self.retryable = retryable


@dataclass(frozen=True, kw_only=True)
class Order:
    """One attempt to collect `amount_minor`, as asked of a gateway."""

    key: str
    amount_minor: int
    currency: str
    description: str
    """What is bought, on the gateway's page and in its records: never who."""
    return_url: str
    expires_at: datetime
    """When our hold ends. It must not change when the same key is tried again."""
    customer: str = ""
    """The gateway's own id from `create_customer`, if the payer has an account."""
    asked_at: datetime | None = None
    """When this key was first sent, if that was before: a gateway may have forgotten it since."""
    for_app: bool = False
    """True: an app collects (a PaymentIntent and its client secret). False: a hosted page."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """What the patient's browser or app needs next, and the gateway's id of the attempt.

    Nothing but the reference: the page to pay on is ours (see OpensOnOurPage).
    """

    reference: str
    redirect_url: str = ""
    client_secret: str = ""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that a gateway says happened, in our words.

    kind: `captured`, `failed` (this try only: not final), `authorized`, `expired` (nobody can pay
    this attempt any more), `refund_done`, `refund_failed`, `dispute_open` (the payer's bank wants
    `amount_minor` back), `dispute_won` (closed, and nothing was taken), `dispute_lost` (it took
    `amount_minor`), or `other` (kept, nothing to do).
    `gateway_payment` names the money: events of the same one tell of the same capture, whatever
    their dedupe_key. The attempt is named by `payment_key`, `reference` or both: some gateways give
    our key back on an order and not on its payments. `reason` is a gateway's code word, never its
    prose.
    """

    kind: str
    dedupe_key: str
    name: str = ""
    payment_key: str = ""
    reference: str = ""
    gateway_payment: str = ""
    amount_minor: int = 0
    currency: str = ""
    live: bool = True
    reason: str = ""
    gateway_refund: str = ""
    refund_key: str = ""
    gateway_dispute: str = ""


@dataclass(frozen=True, kw_only=True)
class RefundResult:
    """status: `done`, `pending` (the gateway tells later), `failed` or `by_hand`."""

    status: str
    gateway_refund: str = ""
    reason: str = ""


class Gateway(Protocol):
    """Every call that asks the gateway raises GatewayError, and nothing else."""

    name: str
    """The word in rows, URLs and settings."""
    label: str
    """What the patient reads on the button."""
    live: bool
    """Real money (True) or the gateway's test mode."""
    origins: tuple[str, ...]
    """Where its hosted page lives: the CSP `form-action` of the page whose form leads there."""

    def create_customer(self, account_key: str) -> str:
        """The gateway's id for an account, made from our random key alone; "" if it keeps none.

        The same key gives the same customer for a day at least: call once, store the id.
        """

    def start(self, order: Order) -> Start:
        """Opens an attempt. Safe to repeat with the same order."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        """Verifies `body` against every current and previous secret, then parses it.

        Raises BadSignature for everything that is not a well-formed, signed event. What passes
        is UTF-8, so `body.decode()` is safe to store.
        """

    def parse(self, body: bytes | str) -> list[Event]:
        """The events of a body that was verified before (an inbox row)."""

    def fetch(self, reference: str) -> list[Event]:
        """What the gateway knows of an attempt now: the same events a webhook would bring."""

    def cancel(self, reference: str) -> bool:
        """Ends an attempt that nobody may pay any more. An ended or paid one is no error.

        False where the gateway ends nothing, so that money may still come: ask it again later.
        """

    def refund(self, *, key: str, gateway_payment: str, amount_minor: int, currency: str) -> RefundResult:
        """Sends money back. Safe to repeat with the same key and amount."""


@runtime_checkable
class Captures(Protocol):
    """Of a gateway whose `authorized` is a promise: the money must still be taken, or lapses."""

    def capture(self, *, gateway_payment: str, amount_minor: int, currency: str) -> Event:
        """Takes what was authorised, all of it. Safe to repeat. Returns what to settle.

        Answers or gives up (retryable) within four seconds: a webhook waits for it.
        """


@runtime_checkable
class KeepsBook(Protocol):
    """Of a gateway that can list what it did, so that its book and ours can be compared."""

    def list_payments(self, since: datetime, until: datetime) -> Iterator[Event]:
        """Every `captured`, `refund_done` and `refund_failed` whose payment or refund the gateway
        began between the two. Asks page by page, as it is read."""


@runtime_checkable
class OpensOnOurPage(Protocol):
    """Of a gateway that collects in a frame over a page of ours, or where scripts are off on its
    own, after a form of ours was posted there."""

    key_id: str
    """Which account, for the browser to know: no secret."""
    script: str
    """What our page loads."""
    policy: Mapping[str, tuple[str, ...]]
    """What that script needs of the CSP, by directive, on that page alone."""
    page: str
    """Where the form goes."""

    def verify_checkout(self, order_id: str, payment_id: str, signature: str) -> bool:
        """Whether what the browser brings back was signed. A hint to `fetch` now, and no more."""
