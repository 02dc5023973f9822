"""Users in a closed loop: each asks when a service fits, thinks, books it, and thinks: the two calls of seed 002.

    ./run bench --users 100 --seconds 60

prints how long the pages took them, and with `--search` the highest rate that still meets the goals of seed 002.
"""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import quantiles

from tests.storms.wire import Answer, form, length, parse, request

THINKING = 1.0
"""Seconds between two calls."""
GOALS = {"availability": 0.100, "booking": 0.500}
"""Seconds that 95 of 100 must not exceed."""


@dataclass
class Experience:
    """What a crowd of users met with: seconds of each answer by what it was, and how many of each kind."""

    users: int
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: Counter = field(default_factory=Counter)
    lasted: float = 0

    def p95(self, what: str) -> float:
        return quantiles(self.seconds[what], n=20)[-1]

    @property
    def errors(self) -> int:
        """Answers that no page of ours should give; that somebody was faster (409) is none."""
        return sum(n for answer, n in self.answers.items() if not answer.endswith(("200", "303", "409")))

    @property
    def meets_goals(self) -> bool:
        return not self.errors and all(self.p95(what) < goal for what, goal in GOALS.items())

    def __str__(self):
        each = ", ".join(
            f"{what} {len(times)} × p50 {quantiles(times, n=20)[9] * 1000:.0f} p95 {self.p95(what) * 1000:.0f} ms"
            for what, times in sorted(self.seconds.items())
        )
        rate = self.answers["booking 303"] / self.lasted
        verdict = "goals met" if self.meets_goals else "goals MISSED"
        return f"{self.users} users: {rate:.1f} bookings/s, {each}, errors {self.errors}, {verdict} {dict(self.answers)}"


def crowd(port: int, users: int, seconds: float, services: list) -> Experience:
    """So many users for so long; each likes another of the `services` (bench.pools.Offer) each time."""
    met = Experience(users)
    asyncio.run(_crowd(met, port, seconds, services))
    return met


def search(port: int, seconds: float, services: list, start: int = 100) -> list[Experience]:
    """A quarter more users each time until the goals are missed; the last one but one is the answer."""
    found = [crowd(port, start, seconds, services)]
    while found[-1].meets_goals:
        found.append(crowd(port, int(found[-1].users * 1.25), seconds, services))
    return found


async def _crowd(met: Experience, port: int, seconds: float, services: list) -> None:
    began = time.perf_counter()
    async with asyncio.TaskGroup() as together:
        for _n in range(met.users):
            together.create_task(_user(met, port, began + seconds, services))
    met.lasted = time.perf_counter() - began


async def _user(met: Experience, port: int, until: float, services: list) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(what: str, message: bytes) -> Answer:
        began = time.perf_counter()
        writer.write(message)
        answer = await _answer(reader)
        met.seconds[what].append(time.perf_counter() - began)
        met.answers[f"{what} {answer.status}"] += 1
        return answer

    await asyncio.sleep(random.random() * THINKING)
    while time.perf_counter() < until:
        liked = random.choice(services)
        free = await ask("availability", request("GET", liked.times()))
        await asyncio.sleep(THINKING)
        if starts := json.loads(free.body)["startTimes"]:
            await ask(
                "booking", form(liked.page(random.choice(starts)), liked.form(), liked.cookie, close=False)
            )
            await asyncio.sleep(THINKING)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    received = b""
    while not length(received):
        chunk = await reader.read(262_144)
        if not chunk:
            raise ConnectionError("the server hung up")
        received += chunk
    return parse(received)
