"""A service as its pages show it: the days on which it fits, and the starts of one of them."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from django.utils import timezone
from django.utils.translation import pgettext

from bookings.minutes_queries import Pool, ServiceDay
from clinic.templatetags.clinic import at_least, clinic_time
from schedules.localtime import Period, part_of_day
from schedules.models import Schedule
from schedules.queries import Times

FEW = 12
"""So many times of one part of a day are shown as they are; of more, the suggested ones first."""


@dataclass(frozen=True)
class Slot:
    """A start that fits, as the time grid shows it."""

    starts_at: datetime
    url: str
    mark: str = ""
    state: str = "free"


@dataclass(frozen=True)
class Part:
    """The starts of a morning, an afternoon or an evening, as the time grid takes them: those to look at
    `first`, and, folded away, the `rest`."""

    label: str
    slots: list[Slot]

    @cached_property
    def _shown(self) -> list[Slot]:
        marked = [slot for slot in self.slots if slot.mark]
        return marked if marked and len(self.slots) > FEW else self.slots

    @property
    def first(self) -> list[Times]:
        return [Times(self.label, "", 0, "", self._shown)]

    @property
    def rest(self) -> list[Times]:
        others = [slot for slot in self.slots if slot not in self._shown]
        return [Times("", "", 0, "", others)] if others else []

    @property
    def more(self) -> int:
        return len(self.slots) - len(self._shown)


@dataclass(frozen=True)
class Day:
    """A day of the strip, on which something of `length` minutes may begin. All that isn't said here is
    the day's own."""

    day: ServiceDay
    length: int
    url: str

    def __getattr__(self, name):
        return getattr(self.day, name)

    @property
    def minutes(self) -> int:
        return self.day.remaining

    @property
    def tone(self) -> str:
        if self.day.first:
            return "free"
        return "full" if self.day.pools else "over"

    @property
    def word(self) -> str:
        """What a small box has room for: the first time."""
        if self.day.first:
            return clinic_time(timezone.localtime(self.day.first.start))
        return pgettext("a day", "full") if self.day.pools else "–"

    @property
    def note(self) -> str:
        """How much is left of it."""
        return at_least(self.minutes) if self.day.first else ""

    def parts(self, url: Callable[[Schedule, datetime], str], *, but: datetime | None = None) -> list[Part]:
        """The starts by part of the day, each leading to `url` of its window and itself, `but` one."""
        found: dict[Period, list[Slot]] = {}
        for start, (suggested, pool) in self._best().items():
            if start != but:
                mark = pgettext("a time", "suggested") if suggested else ""
                part = found.setdefault(part_of_day(timezone.localtime(start).time()), [])
                part.append(Slot(start, url(pool.schedule, start), mark))
        return [Part(str(period.label), slots) for period, slots in found.items()]

    def _best(self) -> dict[datetime, tuple[bool, Pool]]:
        """By each start that fits, in order: whether it is suggested, and the pool that it leads to. Of
        several doctors the one whose day it suits, then the one with most time left."""
        ranked = defaultdict(list)
        for number, pool in enumerate(self.day.pools):
            marked = pool.marked(self.length)
            for start in pool.starts(self.length):
                ranked[start].append((start in marked, pool.remaining, -number))
        best = {start: max(ranks) for start, ranks in sorted(ranked.items())}
        return {start: (rank[0], self.day.pools[-rank[2]]) for start, rank in best.items()}


def strip(days: list[ServiceDay], length: int, url: Callable[[date], str]) -> list[Day]:
    """The days as the strip shows them; those with pools lead to `url`."""
    return [Day(day, length, url(day.date) if day.pools else "") for day in days]
