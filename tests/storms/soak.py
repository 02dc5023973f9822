"""Thousands of payments through the stand-ins, with a tenth of everything going wrong.

Patients book, pay, cancel and come back over HTTP; the stand-ins are processes of their own, whose
books are compared with ours in the end (soak_books.py).
"""

import json
import random
import re
import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from itertools import count
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from bookings.models import Booking
from bookings.states import Status
from payments.models import GatewayEvent, Payment, Refund
from tests import factories
from tests.storms import wire
from tests.storms.courier import Courier, Life, Refused, StandIn

FEE = 50_000
TENTH = 0.1
OF_WEBHOOKS = "lost", "twice", "disorder", "late", "old_secret", "forged"
OF_MONEY = (
    "declined", "paid_twice", "other_amount", "dashboard_refund", "cancelled", "disputed", "never_paid", "bounced",
)  # fmt: skip
OF_CALLS = "500", "html", "drop", "hang", "slow"
"""Done to a tenth of all calls that make, capture or give back, each."""
TOGETHER, LANES, TRIES_TO_PAY = 25, 12, 12
"""Patients of one window, windows at once, and how often somebody presses the button that does not answer."""
numbers = count()


class Soak:
    """Lanes of patients at once, until so many payments are made or so many seconds have passed."""

    def __init__(
        self,
        port: int,
        stand_ins: list[StandIn],
        *,
        payments: int,
        seconds: float,
        seed: int = 1,
    ):
        self.port, self.payments, self.lanes = port, payments, min(payments // TOGETHER, LANES) or 1
        self.until = time.monotonic() + seconds
        self.by_name = {stand_in.name: stand_in for stand_in in stand_ins}
        self.seed = seed
        self.courier = Courier(port, stand_ins, random.Random(seed))
        self.paid = self.patients = 0
        self.answers: Counter[str] = Counter()
        self.lives: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self.disputes: list[tuple[str, str, str]] = []
        """Gateway, its name of the dispute, and how it will end. One that is lost without our ever being told
        stands in no list of payments and refunds: that is for the gateway's own mails to tell."""
        self._count = threading.Lock()

    def run(self) -> None:
        """Until the payments are made. What is late, lost or due is left for `drain`."""
        for number, stand_in in enumerate(self.by_name.values()):
            rates = dict.fromkeys(OF_CALLS, TENTH)
            stand_in.pull("chaos", rates=rates, seed=self.seed + number, methods=["POST"])
        lanes = [threading.Thread(target=self._lane, args=(lane,)) for lane in range(self.lanes)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        if self.errors:
            raise self.errors[0]

    def _lane(self, lane: int) -> None:
        dice, began = random.Random(f"{self.seed} {lane}"), time.monotonic()
        try:
            while self.paid < self.payments and time.monotonic() < self.until and not self.errors:
                self._visit(dice)
                seconds = round(time.monotonic() - began)
                sys.stderr.write(f"{seconds} s: {self.paid} of {self.payments} paid\n")
        except BaseException as error:
            self.errors.append(error)
        finally:
            connection.close()

    # --- What patients do ---------------------------------------------------------------------

    def _visit(self, dice: random.Random) -> None:
        """Some patients of one window, from the form to what they do after paying."""
        lives = [self._born(dice) for _ in range(TOGETHER)]
        crowded = dice.random() < 0.3
        window = factories.window(
            starts_in=timedelta(hours=30), fee_minor=FEE, holds_reserve=not crowded,
            capacity=TOGETHER // 2 if crowded else TOGETHER,
        )  # fmt: skip
        page = window.get_absolute_url()
        cookie, token = wire.open_form(self.port, page)
        self._hold(lives, page, cookie, token)
        lives = [life for life in lives if life.public_id]
        for gateway in self.by_name:
            chosen = [life for life in lives if gateway == life.gateway or "paid_twice" in life.faults]
            self._begin(chosen, gateway, cookie, token)
        for life in lives:
            self._at_gateway(life, dice)
        late = [life.public_id for life in lives if "late" in life.faults]
        holds = Booking.objects.filter(public_id__in=late, status=Status.HELD)
        holds.update(hold_expires_at=timezone.now() - timedelta(seconds=1))
        self.courier.round()
        self._come_back([life for life in lives if dice.random() < 0.3])
        self._cancel([life for life in lives if "cancelled" in life.faults], cookie)
        for life in lives:
            self._in_dashboard(life, dice)
        self.courier.round()

    def _born(self, dice: random.Random) -> Life:
        faults = frozenset(fault for fault in (*OF_WEBHOOKS, *OF_MONEY) if dice.random() < TENTH)
        with self._count:
            self.patients += 1
            self.lives.update(faults)
        return Life(dice.choice([*self.by_name]), faults)

    def _hold(self, lives: list[Life], page: str, cookie: str, token: str) -> None:
        forms = []
        for _ in lives:
            n = next(numbers)
            fields = {
                "csrfmiddlewaretoken": token, "request_key": uuid4(), "price": FEE, "name": f"Patient {n}",
                "phone": f"+9198{n:08}", "email": f"patient{n}@example.org", "age": 20 + n % 60, "consent": "on",
            }  # fmt: skip
            forms.append(wire.form(page, fields, cookie))
        for life, answer in zip(lives, self._ask(forms, "book"), strict=True):
            found = re.search(r"/pay/(\w+)/", answer.headers.get("location", ""))
            life.public_id = found[1] if found else ""

    def _begin(self, lives: list[Life], gateway: str, cookie: str, token: str) -> None:
        """They choose how to pay, and press again where the gateway did not answer."""
        waiting = {life.public_id: life for life in lives}
        fields = {"csrfmiddlewaretoken": token, "gateway": gateway}
        for _ in range(TRIES_TO_PAY):
            if not waiting:
                break
            forms = [wire.form(f"/pay/{public_id}/", fields, cookie) for public_id in waiting]
            for public_id, answer in zip([*waiting], self._ask(forms, "pay"), strict=True):
                where = answer.headers.get("location", "")
                if where and not where.endswith(f"/pay/{public_id}/"):
                    del waiting[public_id]
        begun = Payment.objects.started().filter(
            gateway=gateway, booking__public_id__in=[life.public_id for life in lives]
        )
        by_id = {life.public_id: life for life in lives}
        for public_id, reference, key in begun.values_list("booking__public_id", "reference", "key"):
            life = by_id[public_id]
            life.begun[gateway] = reference
            self.courier.knows(reference, life)
            self.courier.knows(str(key), life)

    def _at_gateway(self, life: Life, dice: random.Random) -> None:
        """What the payer does on the stand-in's page, and what their bank answers."""
        for gateway, attempt in life.begun.items():
            if "never_paid" in life.faults:
                continue
            stand_in, declined = self.by_name[gateway], None
            amount = FEE - 100 if "other_amount" in life.faults else None
            try:
                if "declined" in life.faults:
                    declined = stand_in.pull("decline", id=attempt)
                if gateway == "razorpay" and amount is None and dice.random() < 0.5:
                    paid = stand_in.pull("authorize", id=attempt)
                else:
                    paid = stand_in.pull("pay", id=attempt, amount=amount)
                life.money.append((gateway, paid["id"]))
                if declined and gateway == "razorpay" and "paid_twice" in life.faults:
                    life.money.append((gateway, stand_in.pull("pay_late", id=declined["id"])["id"]))
            except Refused:
                self.answers["the stand-in refused to be paid"] += 1
        with self._count:
            self.paid += len(life.money)

    def _come_back(self, lives: list[Life]) -> None:
        self._ask([self._get(f"/b/{life.public_id}/return/") for life in lives], "return")

    def _cancel(self, lives: list[Life], cookie: str) -> None:
        """They look at what comes back, and cancel for that."""
        pages = self._ask([self._get(f"/b/{life.public_id}/cancel/", cookie) for life in lives], "look")
        forms = []
        for life, page in zip(lives, pages, strict=True):
            percent = re.search(rb'name="percent" value="(\d*)"', page.body)
            token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
            if percent and token:
                fields = {"csrfmiddlewaretoken": token[1].decode(), "percent": percent[1].decode()}
                forms.append(wire.form(f"/b/{life.public_id}/cancel/", fields, cookie))
        self._ask(forms, "cancel")

    def _in_dashboard(self, life: Life, dice: random.Random) -> None:
        """Somebody at the clinic refunds on the gateway's own page; a payer asks their bank."""
        for gateway, name in life.money:
            stand_in = self.by_name[gateway]
            named = {"id" if gateway == "razorpay" else "payment_intent": name}
            try:
                if "dashboard_refund" in life.faults:
                    stand_in.pull("refund", **named, amount=dice.choice([FEE // 3, FEE - 100]))
                if "disputed" in life.faults:
                    dispute = stand_in.pull("dispute", id=name)["id"]
                    self.disputes.append((gateway, dispute, "won" if "lost" in life.faults else "lost"))
            except Refused:
                self.answers["the dashboard refused"] += 1

    def _get(self, path: str, cookie: str = "") -> bytes:
        return wire.request("GET", path, Connection="close", **({"Cookie": cookie} if cookie else {}))

    def _ask(self, messages: list[bytes], what: str) -> list[wire.Answer]:
        answers = wire.race(self.port, messages, patience=120)
        with self._count:
            self.answers.update(f"{what} {answer.status}" for answer in answers)
        return answers

    def close_disputes(self) -> None:
        """Banks decide, weeks later: of those we know every other one for the payer."""
        levers = {"stripe": "close_dispute", "razorpay": "move_dispute"}
        for number, (gateway, name, end) in enumerate(self.disputes):
            self.by_name[gateway].pull(levers[gateway], id=name, status=end if number % 2 else "won")

    def bounce(self) -> None:
        """Banks don't take some refunds back, after they were sent: days later, both books must say so."""
        for stand_in in self.by_name.values():
            for thing in stand_in.pull("book")["objects"]:
                paid = thing.get("payment_intent") or thing.get("payment_id") or ""
                if "refund" in (thing.get("object"), thing.get("entity")) and self.courier.bounces(paid):
                    stand_in.pull("fail_refund", id=thing["id"])
                    self.answers["refund bounced"] += 1

    # --- The days after -----------------------------------------------------------------------

    def drain(self, seconds: float) -> None:
        """Lets the workers do what is due, and all that would fall due in the next days as well.
        Raises TimeoutError, with what is left, where that does not end."""
        Booking.objects.filter(status=Status.HELD).update(
            hold_expires_at=timezone.now() - timedelta(seconds=1)
        )
        Payment.objects.unsettled().update(created_at=timezone.now() - timedelta(days=30))
        deadline, quiet = time.monotonic() + seconds, 0
        while quiet < 3:
            posted = self.courier.round(last=True)
            left = {what: number for what, number in self._left().items() if number}
            quiet = 0 if posted or left else quiet + 1
            sys.stderr.write(f"left: {json.dumps(left)}\n")
            if time.monotonic() > deadline:
                raise TimeoutError(f"still to do: {json.dumps(left)}, posted {posted}")
            self._hurry()
            if {*left} == {"inbox"}:  # what speaks of money that nobody took is given up after three days
                GatewayEvent.objects.unprocessed().update(received_at=timezone.now() - timedelta(hours=73))
            time.sleep(1)

    def _hurry(self) -> None:
        """Days pass in a moment: whatever waits for its time has it now."""
        now = timezone.now()
        Payment.objects.unsettled().filter(next_check_at__gt=now).update(next_check_at=now)
        Refund.objects.under_way().exclude(pk__in=Refund.objects.sending()).filter(
            next_try_at__gt=now
        ).update(next_try_at=now)
        GatewayEvent.objects.unprocessed().filter(next_try_at__gt=now).update(next_try_at=now)

    def _left(self) -> dict[str, int]:
        owed = Payment.objects.with_rest().owed_back().without_own_refund()
        cancelled = Payment.objects.with_rest().bought().filter(booking__refund_percent__gt=0)
        return {
            "holds": Booking.objects.filter(status=Status.HELD).count(),
            "attempts": Payment.objects.unsettled().exclude(next_check_at=None).count(),
            "inbox": GatewayEvent.objects.unprocessed().count(),
            "owed": owed.count() + cancelled.exclude(refunds__cause="cancel").count(),
            "refunds": Refund.objects.under_way().count(),
            "receipts": Payment.objects.without_receipt().count(),
            "credit notes": Refund.objects.without_credit_note().count(),
        }
