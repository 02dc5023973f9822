"""A storm on pools of minutes: patients of many services race for starts, some give theirs up, the refused take a
start that the refusal names. Nothing is judged here: pool_replay.py and test_pools.py do.
"""

import os
import random
import re
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event
from uuid import uuid4

from django.db import connections
from django.utils import timezone

from bookings.models import Booking
from bookings.states import Status
from clinic.models import Service
from payments.management.commands.check_invariants import violations
from payments.models import Payment
from schedules.models import Schedule
from schedules.states import Kind
from tests import factories
from tests.storms import pool_replay, wire

LENGTHS = (10, 0), (20, 5), (30, 10), (60, 10), (45, 0), (90, 15), (33, 4)
"""Minutes and buffers. The last service ends off the grid, so that what ends there is a start as well."""
AFRESH = re.compile(r"/book/(\d+)/\?service=([\w-]+)&amp;start=(\d{4}-\d\d-\d\dT\d\d)(?:%3A|:)(\d\d)")
TOGETHER = 5
"""So many pools are raced for at a time, each by a tenth of the racers or more."""


@dataclass(frozen=True)
class Wish:
    pool: int
    service: str
    start: str


def named_in(refusal: wire.Answer) -> list[Wish]:
    """The starts that a page offers instead."""
    found = AFRESH.findall(refusal.body.decode())
    return [Wish(int(pool), service, f"{hour}:{minute}") for pool, service, hour, minute in found]


@dataclass
class PoolStorm:
    """`attempts` reservations in `pools` mornings and afternoons of as many doctors."""

    port: int
    payers: object
    pools: int = 50
    racers: int = 50
    answers: Counter = field(default_factory=Counter)
    unlike_its_page: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.services = {
            f"service-{minutes}-{buffer}": factories.service(
                code=f"service-{minutes}-{buffer}",
                duration=minutes,
                buffer=buffer,
                price_minor=minutes * 1000,
            )
            for minutes, buffer in LENGTHS
        }
        self.windows = [self._pool(n) for n in range(self.pools)]
        first = next(iter(self.services))
        opens = f"{timezone.localtime(self.windows[0].starts_at):%Y-%m-%dT%H:%M}"
        page = self._page(Wish(self.windows[0].pk, first, opens))
        self.cookie, self.token = wire.open_form(self.port, page)

    def _pool(self, n: int) -> Schedule:
        """Tomorrow: mornings of 180 minutes and afternoons of 300, every fifth of them with a third less."""
        minutes = 300 if n % 2 else 180
        start = timezone.localtime().replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=1)
        end = start + timedelta(minutes=minutes)
        doctor = factories.doctor()
        doctor.services.set(self.services.values())
        return factories.pool(
            doctor=doctor, starts_at=start, ends_at=end, start_time=start.time(), end_time=end.time(),
            date=start.date(), capacity=minutes * 2 // 3 if n % 5 == 4 else minutes,
        )  # fmt: skip

    # --- The storm ----------------------------------------------------------------------------

    def run(self, attempts: int) -> dict:
        again = deque()
        for wave in range(-(-attempts // self.racers)):
            wishes = [again.popleft() for _ in range(min(len(again), self.racers // 2))]
            here = [self.windows[(wave * TOGETHER + n) % self.pools] for n in range(TOGETHER)]
            while len(wishes) < min(self.racers, attempts - wave * self.racers):
                wishes.append(self._anywhere(random.choice(here), random.choice([*self.services])))
            random.shuffle(wishes)
            for answer in self._race(wishes):
                self._count("book", answer)
                again += named_in(answer)[:1] if answer.status == 409 else []
            if wave % 4 == 3:
                self._give_up()
        self._pay()
        return self.result()

    def _anywhere(self, pool: Schedule, service: str) -> Wish:
        """A start on the grid, anywhere in the pool: it may fit or not."""
        steps = (pool.ends_at - pool.starts_at) // timedelta(minutes=5)
        start = timezone.localtime(pool.starts_at) + random.randrange(steps) * timedelta(minutes=5)
        return Wish(pool.pk, service, f"{start:%Y-%m-%dT%H:%M}")

    def _page(self, wish: Wish) -> str:
        return f"/book/{wish.pool}/?service={wish.service}&start={wish.start}"

    def _race(self, wishes: list[Wish]) -> list[wire.Answer]:
        return wire.race(self.port, [self._form(wish, self._shown(wish)) for wish in wishes])

    def _shown(self, wish: Wish) -> dict:
        service = self.services[wish.service]
        return {"price": service.price_minor, "minutes": service.minutes}

    def _form(self, wish: Wish, shown: dict) -> bytes:
        fields = {
            "csrfmiddlewaretoken": self.token, "request_key": uuid4(), "name": "Meera Joshi",
            "phone": f"+9198{random.randrange(10**8):08}", "age": 34, "consent": "on", **shown,
        }  # fmt: skip
        return wire.form(self._page(wish), fields, self.cookie)

    def _give_up(self) -> None:
        """Every third of those who hold a start does not want it any more."""
        holds = Booking.objects.filter(status=Status.HELD).order_by("?").values_list("public_id", flat=True)
        token = {"csrfmiddlewaretoken": self.token}
        pages = [f"/b/{public_id}/give-up/" for public_id in holds[: min(holds.count() // 3, self.racers)]]
        for answer in wire.race(self.port, [wire.form(page, token, self.cookie) for page in pages]):
            self._count("give up", answer)

    def _pay(self) -> None:
        """Whoever holds a start at the end pays for it."""
        holds = [*Booking.objects.filter(status=Status.HELD).values_list("public_id", flat=True)]
        fields = {"csrfmiddlewaretoken": self.token, "gateway": self.payers.gateway}
        for first in range(0, len(holds), self.racers):
            pages = [f"/pay/{public_id}/" for public_id in holds[first : first + self.racers]]
            for answer in wire.race(self.port, [wire.form(page, fields, self.cookie) for page in pages]):
                self._count("pay", answer)
            webhooks = [body for payment in Payment.objects.open() for body in self.payers.pay(payment)]
            for answer in wire.race(self.port, webhooks):
                self._count("webhook", answer)

    def _count(self, what: str, answer: wire.Answer) -> None:
        self.answers[f"{what} {answer.status}"] += 1

    # --- What it came to ----------------------------------------------------------------------

    def result(self) -> dict:
        sold = Booking.objects.filter(status=Status.CONFIRMED)
        return {
            "answers": dict(sorted(self.answers.items())),
            "confirmed": sold.count(),
            "minutes": sum(booking.minutes for booking in sold),
            "over": [
                pool.pk
                for pool in Schedule.objects.filter(kind=Kind.POOL)
                if sum(b.minutes for b in sold if b.schedule_id == pool.pk) > pool.capacity
            ],
            "unlike_its_page": self.unlike_its_page,
            "wrongs": pool_replay.replay(Path(os.environ["STORM_LOG"])),
            "violations": violations(),
        }


class ChangingStorm(PoolStorm):
    """The same, while a manager changes the price and the length of every service again and again.

    Each racer has looked at a page of some moment, and nobody may be sold what that page did not show.
    """

    def _race(self, wishes):
        seen = [random.choice(variants(self.services[wish.service])) for wish in wishes]
        messages = [self._form(wish, shown) for wish, shown in zip(wishes, seen, strict=True)]
        over = Event()
        with ThreadPoolExecutor(1) as manager:
            changes = manager.submit(self._change_until, over)
            try:
                answers = wire.race(self.port, messages)
            finally:
                over.set()
        self.answers["changes"] += changes.result()
        self._compare(seen, answers)
        return answers

    def _change_until(self, over: Event) -> int:
        """How many changes there were until then."""
        changed = 0
        try:
            while not over.wait(0.005):
                service = random.choice([*self.services.values()])
                shown = random.choice(variants(service))
                changed += Service.objects.filter(pk=service.pk).update(
                    price_minor=shown["price"], duration=shown["minutes"] - service.buffer
                )
        finally:
            connections.close_all()
        return changed

    def _compare(self, seen: list[dict], answers: list[wire.Answer]) -> None:
        ids = [answer.headers.get("location", "").strip("/").rpartition("/")[2] for answer in answers]
        sold = Booking.objects.in_bulk(ids, field_name="public_id")
        for public_id, shown in zip(ids, seen, strict=True):
            booking = sold.get(public_id)
            got = booking and {"price": booking.price_minor, "minutes": booking.minutes}
            self.unlike_its_page += [f"{shown} became {got}"] * (got not in (None, shown))


def variants(service: Service) -> list[dict]:
    """What the pages of a service that changes have shown: two prices, two lengths."""
    return [
        {"price": service.price_minor + more, "minutes": service.minutes + longer}
        for more in (0, 5000)
        for longer in (0, 10)
    ]
