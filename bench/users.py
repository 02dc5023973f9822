"""Users in a closed loop: each looks at a service's free times, thinks, opens the form, thinks, and books.

    ./run bench --users 100 --seconds 60

prints how long the pages took them, and with `--search` the highest rate that still meets the goals of seed 002.
"""

import asyncio
import random
import re
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import quantiles
from uuid import uuid4

from tests.storms.wire import Answer, form, length, parse, request

THINKING = 1.0
"""Seconds at most between two clicks."""
GOALS = {"availability": 0.100, "booking": 0.500}
"""Seconds that 95 of 100 must not exceed."""
START = re.compile(rb'href="(/book/\d+/\?[^"]+)"')
HIDDEN = re.compile(rb'name="(csrfmiddlewaretoken|request_key|price|minutes)" value="([^"]*)"')


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


def crowd(port: int, users: int, seconds: float, paths: list[str]) -> Experience:
    """So many users for so long; `paths` are the pages of services, of which each user likes one at a time."""
    met = Experience(users)
    asyncio.run(_crowd(met, port, seconds, paths))
    return met


def search(port: int, seconds: float, paths: list[str], start: int = 100) -> list[Experience]:
    """A quarter more users each time until the goals are missed; the last one but one is the answer."""
    found = [crowd(port, start, seconds, paths)]
    while found[-1].meets_goals:
        found.append(crowd(port, int(found[-1].users * 1.25), seconds, paths))
    return found


async def _crowd(met: Experience, port: int, seconds: float, paths: list[str]) -> None:
    began = time.perf_counter()
    async with asyncio.TaskGroup() as together:
        for _n in range(met.users):
            together.create_task(_user(met, port, began + seconds, paths))
    met.lasted = time.perf_counter() - began


async def _user(met: Experience, port: int, until: float, paths: list[str]) -> None:
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
        page = await ask("availability", request("GET", random.choice(paths)))
        await asyncio.sleep(random.random() * THINKING)
        if starts := START.findall(page.body):
            path = random.choice(starts).decode().replace("&amp;", "&")
            opened = await ask("form", request("GET", path))
            await asyncio.sleep(random.random() * THINKING)
            fields = {name.decode(): value.decode() for name, value in HIDDEN.findall(opened.body)}
            if "request_key" in fields:
                who = {"name": "Meera Joshi", "phone": f"+9198{random.randrange(10**8):08}", "age": 34}
                fields |= {"request_key": uuid4(), "consent": "on", **who}
                await ask("booking", form(path, fields, opened.cookie, close=False))
                await asyncio.sleep(random.random() * THINKING)
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
