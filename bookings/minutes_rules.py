"""The arithmetic of a pool's minutes: what is free, where a service may start, and where it should."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, order=True)
class Span:
    """From `start` until just before `end`."""

    start: datetime
    end: datetime

    @property
    def minutes(self) -> int:
        """Whole minutes of it."""
        return max((self.end - self.start) // MINUTE, 0)

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end


def span(start: datetime, minutes: int) -> Span:
    return Span(start, start + minutes * MINUTE)


def free_spans(window: Span, taken: Iterable[Span]) -> list[Span]:
    """What of the window nobody has, the earliest first."""
    found, at = [], window.start
    for one in sorted(taken):
        if one.start > at:
            found.append(Span(at, min(one.start, window.end)))
        at = max(at, one.end)
        if at >= window.end:
            return found
    return [*found, Span(at, window.end)] if at < window.end else found


def is_start(start: datetime, minutes: int, window: Span, taken: Iterable[Span], *, step: int) -> bool:
    """Whether this could be booked if nobody else were there: inside the window, and from a point of the
    grid, every `step` minutes from the window's start, or from exactly when another booking ends."""
    if not window.start <= start < window.end or start + minutes * MINUTE > window.end:
        return False
    on_grid = (start - window.start) % (step * MINUTE) == timedelta(0)
    return on_grid or any(one.end == start for one in taken)


def usable(window: Span, taken: Iterable[Span], *, step: int, not_before: datetime) -> list[Span]:
    """The free spans as far as they may still be sold: each from the first start that it offers."""
    found = []
    for free in free_spans(window, taken):
        start = free.start if free.start >= not_before else on_grid_from(not_before, window, step)
        if start < free.end:
            found.append(Span(start, free.end))
    return found


def on_grid_from(moment: datetime, window: Span, step: int) -> datetime:
    """The first point of the grid at `moment` or after it."""
    return window.start + -((window.start - moment) // (step * MINUTE)) * step * MINUTE


def starts_in(usable: Iterable[Span], window: Span, minutes: int, *, step: int) -> list[datetime]:
    """Where a service of so many minutes may start within these `usable` spans."""
    found = []
    for free in usable:
        last, at = free.end - minutes * MINUTE, free.start
        while minutes > 0 and at <= last:
            found.append(at)
            at = on_grid_from(at + MINUTE, window, step)
    return found


def fitting_starts(
    window: Span, taken: Iterable[Span], minutes: int, *, step: int, not_before: datetime
) -> list[datetime]:
    """Every start at which so many minutes are free in one piece: on the grid of `step` minutes from the
    window's start, or exactly when another booking ends. The sum of minutes is the caller's."""
    return starts_in(usable(window, taken, step=step, not_before=not_before), window, minutes, step=step)


def wasted(start: datetime, free: Iterable[Span], minutes: int, *, useful: int) -> tuple[int, int]:
    """What a service at `start` spoils of the free span around it: minutes left over in pieces that are
    shorter than `useful`, and how many usable pieces it leaves (docs/decisions/0014)."""
    taken = span(start, minutes)
    around = next(one for one in free if one.start <= start and taken.end <= one.end)
    pieces = [
        left for left in (Span(around.start, start).minutes, Span(taken.end, around.end).minutes) if left
    ]
    return sum(left for left in pieces if left < useful), sum(left >= useful for left in pieces)


def suggested(
    starts: Iterable[datetime], free: Iterable[Span], minutes: int, *, useful: int
) -> list[datetime]:
    """The same starts, those first that leave no unusable gap, then those that keep what is left in one
    piece, then the early ones. `useful` is the shortest service that could still be sold, in minutes."""
    free = list(free)
    return sorted(starts, key=lambda start: (*wasted(start, free, minutes, useful=useful), start))
