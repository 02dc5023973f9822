"""What the stand-in for Razorpay remembers, and how it tells of it: see razorpay_server.py."""

import heapq
import hmac
import itertools
import json
import random
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from copy import deepcopy
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

KEY_SECRET = "stand_in_secret"


class Refused(Exception):
    """Razorpay's no: the HTTP status and the error object."""

    def __init__(self, description: str, *, status: int = 400, code="BAD_REQUEST_ERROR", **more: str):
        super().__init__(description)
        self.status = status
        self.error = {
            "code": code,
            "description": description,
            "source": "NA",
            "step": "NA",
            "reason": "NA",
            "metadata": {},
        } | more


class Book:
    """Everything that this Razorpay knows: objects by id, events in order, answers by key."""

    def __init__(self, key_secret: str = KEY_SECRET) -> None:
        self.lock = threading.RLock()
        self.key_secret = key_secret
        self.objects: dict[str, dict] = {}
        self.index: defaultdict[tuple[str, str], list[dict]] = defaultdict(list)
        """Things by their kind alone, and by kind and what they belong to; storms make many."""
        self.events: list[tuple[str, bytes]] = []
        self.requests: list[dict] = []
        self.faults: list[str] = []
        self.chaos: tuple[random.Random, dict[str, float]] = random.Random(0), {}
        self.chaotic = ("GET", "POST")
        self.thrown: Counter[str] = Counter()
        """What went wrong with how many calls, by "POST 500"."""
        self.answers: dict[str, tuple[str, dict]] = {}
        self.in_flight: set[str] = set()
        self.slowness = 1.0
        self.awake = threading.Event()
        """Ends the wait of slow calls at once."""
        self.slow_refunds = False
        self.balance: int | None = None
        """What refunds may take; None is enough for all."""
        self.courier: Courier | None = None
        self.file: Path | None = None
        """Where `save` keeps the objects, for a demo that is stopped and started again."""

    # --- The API: one method per call, params in, object out -----------------------------------

    def create_order(self, params: dict) -> dict:
        amount, currency, receipt = params.get("amount"), params.get("currency"), params.get("receipt")
        if type(amount) is not int or amount < 100:
            raise Refused("Order amount less than minimum amount allowed", field="amount")
        if not re.fullmatch("[A-Z]{3}", str(currency)):
            raise Refused("Currency is not supported", field="currency")
        if receipt is not None and len(receipt) > 40:
            raise Refused("The receipt may not be greater than 40 characters.", field="receipt")
        return self._add(
            "order",
            amount=amount,
            amount_paid=0,
            amount_due=amount,
            currency=currency,
            receipt=receipt,
            offer_id=None,
            status="created",
            attempts=0,
            notes=params.get("notes") or [],
        )

    def list_orders(self, params: dict) -> dict:
        return _page(self._all("order", params.get("receipt", "")), params)

    def list_payments(self, params: dict) -> dict:
        return _page(self._all("payment"), params)

    def list_refunds(self, params: dict) -> dict:
        return _page(self._all("refund"), params)

    def payments_of_order(self, params: dict) -> dict:
        order = self.get(params["id"], "order")
        return _page(self._all("payment", order["id"]), {"count": 100})

    def refunds_of_payment(self, params: dict) -> dict:
        payment = self.get(params["id"], "payment")
        return _page(self._all("refund", payment["id"]), params)

    def capture(self, params: dict) -> dict:
        payment = self.get(params["id"], "payment")
        if payment["captured"]:
            raise Refused("This payment has already been captured")
        if payment["status"] != "authorized":
            raise Refused("Only payments which have been authorized and not yet captured can be captured")
        if (params.get("amount"), params.get("currency")) != (payment["amount"], payment["currency"]):
            raise Refused("Capture amount must be equal to the amount authorized", field="amount")
        return self._captured(payment)

    def create_refund(self, params: dict) -> dict:
        """By the API, or by a person in the dashboard: they differ only in the notes."""
        payment = self.get(params["id"], "payment")
        if not payment["captured"]:
            raise Refused("The payment status should be captured for action to be taken")
        rest = payment["amount"] - payment["amount_refunded"]
        amount = params.get("amount", rest)
        if rest == 0:
            raise Refused("The payment has been fully refunded already")
        if type(amount) is not int or not 100 <= amount <= rest:
            raise Refused("The total refund amount is greater than the refund payment amount")
        if self.balance is not None and amount > self.balance:
            raise Refused("Your account does not have enough balance to carry out the refund operation.")
        refund = self._add(
            "rfnd",
            "refund",
            amount=amount,
            currency=payment["currency"],
            payment_id=payment["id"],
            notes=params.get("notes") or [],
            receipt=None,
            acquirer_data={"arn": None},
            status="pending",
            speed_requested="normal",
            speed_processed="normal",
        )
        self._refunded(payment, amount)
        self._tell("refund.created", refund=refund, payment=payment)
        return refund if self.slow_refunds else self.settle_refund(refund["id"])

    def fetch(self, params: dict) -> dict:
        return self.get(params["id"])

    # --- What payers and banks do ---------------------------------------------------------------

    def pay(self, order_id: str, notes: dict | None = None, amount: int | None = None) -> dict:
        """A card that works, captured by itself; an `amount` is another than was asked. Returns the payment."""
        with self.lock:
            payment = self.authorize(order_id, notes)
            payment["amount"] = amount or payment["amount"]
            return self._captured(payment)

    def receive(self, amount: int, currency: str) -> dict:
        """Money of somebody else's sale through the same account."""
        with self.lock:
            return self.pay(self.create_order({"amount": amount, "currency": currency})["id"])

    def authorize(self, order_id: str, notes: dict | None = None) -> dict:
        """The same where the account captures by hand. `notes` are the browser's."""
        with self.lock:
            payment = self._tried(order_id, notes)
            payment["status"] = "authorized"
            self._tell("payment.authorized", payment=payment)
            return payment

    def decline(self, order_id: str, notes: dict | None = None) -> dict:
        """A card that is refused. The payer may try again, which is another payment."""
        with self.lock:
            payment = self._tried(order_id, notes)
            payment.update(
                status="failed",
                error_code="BAD_REQUEST_ERROR",
                error_description="Your payment could not be completed due to insufficient account balance.",
                error_source="customer",
                error_step="payment_authorization",
                error_reason="insufficient_funds",
            )
            self._tell("payment.failed", payment=payment)
            return payment

    def pay_late(self, payment_id: str) -> dict:
        """A UPI payment that timed out, and then went through: razorpay.com/docs/payments/late-authorization."""
        with self.lock:
            payment = self.get(payment_id, "payment")
            payment.update({name: None for name in payment if name.startswith("error_")})
            payment["status"] = "authorized"
            self._tell("payment.authorized", payment=payment)
            return self._captured(payment)

    def lapse(self, payment_id: str) -> dict:
        """Nobody captured in time: the bank gets it back, and there is no refund of ours."""
        with self.lock:
            payment = self.get(payment_id, "payment")
            if payment["status"] != "authorized":
                raise Refused(f"This payment is {payment['status']}.")
            payment.update(status="refunded", refund_status="full", amount_refunded=payment["amount"])
            return payment

    def dispute(self, payment_id: str) -> dict:
        """The payer complains to their bank: razorpay.com/docs/payments/disputes."""
        with self.lock:
            payment = self.get(payment_id, "payment")
            facts = {name: payment[name] for name in ("amount", "currency")}
            dispute = self._add(
                "disp",
                "dispute",
                **facts,
                payment_id=payment["id"],
                amount_deducted=0,
                reason_code="goods_or_services_not_received_or_partially_received",
                phase="chargeback",
                status="open",
            )
            self._tell("payment.dispute.created", payment=payment, dispute=dispute)
            return dispute

    def move_dispute(self, dispute_id: str, status: str) -> dict:
        """under_review, action_required, won, lost or closed. Only a lost one takes money."""
        with self.lock:
            dispute = self.get(dispute_id, "dispute")
            lost = dispute["amount"] if status == "lost" else 0
            dispute.update(status="open" if status == "action_required" else status, amount_deducted=lost)
            payment = self.get(dispute["payment_id"])
            self._tell(f"payment.dispute.{status}", payment=payment, dispute=dispute)
            return dispute

    def settle_refund(self, refund_id: str) -> dict:
        with self.lock:
            refund = self.get(refund_id, "refund")
            refund.update(status="processed", acquirer_data={"arn": "10000000000000"})
            self._tell("refund.processed", refund=refund, payment=self.get(refund["payment_id"]))
            return refund

    def fail_refund(self, refund_id: str) -> dict:
        """The bank does not take it back: the amount is the clinic's again."""
        with self.lock:
            refund = self.get(refund_id, "refund")
            payment = self.get(refund["payment_id"])
            refund["status"] = "failed"
            self._refunded(payment, -refund["amount"])
            self._tell("refund.failed", refund=refund, payment=payment)
            return refund

    # --- What Razorpay tells ----------------------------------------------------------------------

    def bodies(self, *names: str) -> list[bytes]:
        """The webhook bodies of these events so far; of all without a name."""
        with self.lock:
            return [body for name, body in self.events if not names or name in names]

    def deliver(self, numbers: list[int]) -> list[int]:
        """These events once more, in this order. Returns what was answered, 0 for nothing."""
        with self.lock:
            bodies = [self.events[number][1] for number in numbers]
        return [self.courier.post(body) for body in bodies]

    def receipt_of(self, order_id: str, payment_id: str) -> dict:
        """What Checkout hands to the page: razorpay.com/docs/payments/server-integration."""
        message = f"{order_id}|{payment_id}".encode()
        return {
            "razorpay_payment_id": payment_id,
            "razorpay_order_id": order_id,
            "razorpay_signature": hmac.new(self.key_secret.encode(), message, "sha256").hexdigest(),
        }

    def summary(self) -> dict:
        """The whole book, and its sums: what came in, what went back."""
        with self.lock:
            captured = [payment for payment in self._all("payment") if payment["captured"]]
            gone = [refund for refund in self._all("refund") if refund["status"] != "failed"]
            return {
                "objects": deepcopy(list(self.objects.values())),
                "captured": sum(payment["amount"] for payment in captured),
                "refunded": sum(refund["amount"] for refund in gone),
                "undelivered": self.courier.undelivered if self.courier else 0,
                "given_up": self.courier.given_up if self.courier else 0,
            }

    def open(self, file: Path) -> None:
        """Goes on with the objects that `file` holds, and keeps them there from now on."""
        self.file = file
        for thing in json.loads(file.read_text()) if file.exists() else []:
            self._shelve(thing)

    def save(self) -> None:
        if self.file:
            with self.lock:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                new = self.file.with_suffix(".new")
                new.write_text(json.dumps(list(self.objects.values())))
                new.replace(self.file)

    # --- Inside -----------------------------------------------------------------------------------

    def get(self, id_: str, kind: str = "") -> dict:
        thing = self.objects.get(id_)
        if thing is None or kind not in ("", thing["entity"]):
            raise Refused("The id provided does not exist")
        return thing

    def fault(self, method: str) -> str:
        """What goes wrong with the next call."""
        fault = self.faults.pop(0) if self.faults else self._thrown(method)
        if fault:
            self.thrown[f"{method} {fault}"] += 1
        return fault

    def _thrown(self, method: str) -> str:
        dice, rates = self.chaos if method in self.chaotic else (random, {})
        throw = dice.random()
        for name, rate in rates.items():
            throw -= rate
            if throw < 0:
                return name
        return ""

    def _add(self, prefix: str, kind: str = "", **facts) -> dict:
        thing = {"id": f"{prefix}_{uuid4().hex[:14]}", "entity": kind or prefix, **facts}
        thing["created_at"] = int(time.time())
        return self._shelve(thing)

    def _shelve(self, thing: dict) -> dict:
        self.objects[thing["id"]] = thing
        of = thing.get("receipt") or thing.get("order_id") or thing.get("payment_id")
        for place in {"", of or ""}:
            self.index[thing["entity"], place].append(thing)
        return thing

    def _tried(self, order_id: str, notes: dict | None) -> dict:
        order = self.get(order_id, "order")
        if order["status"] == "paid":
            raise Refused("This order has been paid already.")
        order.update(status="attempted", attempts=order["attempts"] + 1)
        return self._add(
            "pay",
            "payment",
            amount=order["amount"],
            currency=order["currency"],
            status="created",
            order_id=order_id,
            invoice_id=None,
            international=False,
            method="card",
            amount_refunded=0,
            refund_status=None,
            captured=False,
            description="",
            card_id=f"card_{uuid4().hex[:14]}",
            email="asha@example.com",
            contact="+919000090000",
            notes=notes or [],
            fee=None,
            tax=None,
            error_code=None,
            error_description=None,
            error_source=None,
            error_step=None,
            error_reason=None,
        )

    def _captured(self, payment: dict) -> dict:
        order = self.get(payment["order_id"])
        payment.update(status="captured", captured=True, fee=payment["amount"] // 50, tax=0)
        order.update(status="paid", amount_paid=order["amount"], amount_due=0)
        self._tell("payment.captured", payment=payment)
        self._tell("order.paid", payment=payment, order=order)
        return payment

    def _refunded(self, payment: dict, amount: int) -> None:
        rest = payment["amount"] - payment["amount_refunded"] - amount
        some = "partial" if rest < payment["amount"] else None
        payment.update(
            amount_refunded=payment["amount"] - rest,
            refund_status="full" if rest == 0 else some,
            status="refunded" if rest == 0 else "captured",
        )

    def _all(self, kind: str, of: str = "") -> list[dict]:
        """Oldest first; `of` a receipt, an order or a payment."""
        return self.index[kind, of]

    def _tell(self, name: str, **things: dict) -> None:
        event = {
            "entity": "event",
            "account_id": "acc_StandIn0000000",
            "event": name,
            "contains": list(things),
            "payload": {kind: {"entity": thing} for kind, thing in things.items()},
            "created_at": int(time.time()),
        }
        body = json.dumps(event).encode()
        self.events.append((name, body))
        if self.courier and not self.courier.hold:
            self.courier.send(body)


class Courier:
    """Posts events until somebody answers 2xx, each at least once, in no promised order.

    `copies`: how often each is sent anyway. `scatter`: seconds by which each may be late, by chance,
    so that they arrive in disorder. `tries`, and `wait` seconds that double between them (Razorpay
    goes on for a day). `hold`: nothing is sent before it is asked for by `deliver`.
    """

    def __init__(self, url, secret, *, copies=1, scatter=0.0, tries=6, wait=0.5, hold=False, seed=0, lines=4):
        self.url, self.secret, self.hold = url, secret, hold
        self.given_up = 0
        self._copies, self._scatter, self._tries, self._wait = copies, scatter, tries, wait
        self._dice = random.Random(seed)
        self._bag: list[tuple[float, int, int, bytes]] = []
        self._number = itertools.count()
        self._out = 0
        self._stopped = False
        self._news = threading.Condition()
        for _ in range(lines):
            threading.Thread(target=self._run, daemon=True).start()

    @property
    def undelivered(self) -> int:
        with self._news:
            return len(self._bag) + self._out

    def send(self, body: bytes) -> None:
        for _ in range(self._copies):
            self._put(self._dice.uniform(0, self._scatter), 0, body)

    def stop(self) -> None:
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def post(self, body: bytes) -> int:
        """One try, for which Razorpay waits five seconds. The event's id is not signed."""
        headers = {
            "Content-Type": "application/json",
            "X-Razorpay-Signature": hmac.new(self.secret.encode(), body, "sha256").hexdigest(),
            "X-Razorpay-Event-Id": uuid4().hex[:14],
        }
        try:
            request = Request(self.url, body, headers)
            with build_opener(ProxyHandler({})).open(request, timeout=5) as answer:
                return answer.status
        except HTTPError as error:
            error.close()
            return error.code
        except (OSError, HTTPException):
            return 0

    def _put(self, after: float, tried: int, body: bytes) -> None:
        with self._news:
            heapq.heappush(self._bag, (time.monotonic() + after, next(self._number), tried, body))
            self._news.notify()

    def _run(self) -> None:
        while item := self._next():
            _due, _number, tried, body = item
            status = self.post(body)
            if not 200 <= status < 300 and tried + 1 < self._tries:
                self._put(self._wait * 2**tried, tried + 1, body)
            elif not 200 <= status < 300:
                sys.stderr.write(f"webhook: given up after {status or 'no answer'}\n")
                self.given_up += 1
            with self._news:
                self._out -= 1

    def _next(self) -> tuple | None:
        with self._news:
            while not self._stopped:
                now = time.monotonic()
                if self._bag and self._bag[0][0] <= now:
                    self._out += 1
                    return heapq.heappop(self._bag)
                self._news.wait(self._bag[0][0] - now if self._bag else None)
        return None


def _page(things: list[dict], params: dict) -> dict:
    """Newest first, ten unless asked, a hundred at most; by the time they were made."""
    since, until = int(params.get("from", 0)), int(params.get("to", 2**53))
    skip, count = int(params.get("skip", 0)), min(int(params.get("count", 10)), 100)
    found = [thing for thing in reversed(things) if since <= thing["created_at"] <= until]
    items = deepcopy(found[skip : skip + count])
    return {"entity": "collection", "count": len(items), "items": items}
