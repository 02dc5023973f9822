"""A chart of bars as numbers that a template draws: no script, no style, nothing that a CSP could refuse."""

from dataclasses import dataclass

from django.utils.formats import date_format

from clinic import money
from payments.money_queries import Book, Days, Line

HEIGHT, GAP = 200, 10
"""Of the drawing, in its own units, and the space above and below for half a line of text."""
SLOT, BAR = 10, 7
"""Widths of a part of time and of its bar. The drawing is stretched to the page."""
STEPS = 3
"""About so many lines of a grid."""
LEAST = 2
"""So high is the bar of even the smallest sum: it can be seen."""
LABELS = 7
"""More words would not fit under it on a phone."""


@dataclass(frozen=True)
class Bar:
    kind: str
    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Mark:
    """A line of the grid, and what it stands for."""

    y: float
    text: str
    is_zero: bool


@dataclass(frozen=True)
class Chart:
    width: int
    height: int
    bars: list[Bar]
    marks: list[Mark]
    labels: list[tuple[str, str]]
    """Two short lines for every part of time, empty for most of them where there are many."""
    in_words: str


def stacked(book: Book, in_words: str) -> Chart | None:
    """Up: what bought places, what bought nothing, what patients have not paid yet. Down: what went back.
    None where there is one part of time only, or nothing to show."""
    tallest = max(sum(height for _kind, height in _up(line)) for line in book.days)
    deepest = max(line.sums["refunded"] for line in book.days)
    if len(book.days) < 2 or not (tallest or deepest):
        return None
    step = _round_up(max(tallest, deepest) / STEPS)
    top, bottom = -(-tallest // step), deepest // step
    unit = (HEIGHT - 2 * GAP) / (top * step + deepest)
    zero = GAP + top * step * unit
    bars = []
    for number, line in enumerate(book.days):
        x, y = number * SLOT + (SLOT - BAR) / 2, zero
        for kind, minor in _up(line):
            y -= _height(minor, unit)
            bars.append(Bar(kind, x, round(y, 2), _height(minor, unit)))
        bars.append(Bar("back", x, round(zero, 2), _height(line.sums["refunded"], unit)))
    marks = [
        Mark(round(zero - n * step * unit, 2), money.display(n * step, book.currency), is_zero=not n)
        for n in range(-bottom, top + 1)
    ]
    return Chart(
        len(book.days) * SLOT,
        HEIGHT,
        [bar for bar in bars if bar.height],
        marks,
        _few(book.total.selection.days),
        in_words,
    )


def _height(minor: int, unit: float) -> float:
    return round(max(minor * unit, LEAST), 2) if minor else 0


def _up(line: Line) -> list[tuple[str, int]]:
    bought = line.sums["captured"] - line.bought_nothing
    return [("bought", bought), ("nothing", line.bought_nothing), ("waiting", line.sums["pending"])]


def _round_up(minor: float) -> int:
    """The next of 1, 2, 5, 10, 20, 50 …: people count in these."""
    size = 1
    while size * 10 <= minor:
        size *= 10
    return next(size * digit for digit in (1, 2, 5, 10) if size * digit >= minor)


def _few(days: Days) -> list[tuple[str, str]]:
    """ "Sun 15 Nov", "Mon 16"; "Jan 2026", "Feb": what changes, and at first also what does not."""
    found, every, said = [], -(-len(days.parts) // LABELS), None
    for number, part in enumerate(days.parts):
        if number % every:
            found.append(("", ""))
            continue
        first = part.first
        if days.by_month:
            found.append((date_format(first, "M"), date_format(first, "Y") if first.year != said else ""))
            said = first.year
        else:
            found.append((date_format(first, "D"), date_format(first, "j M" if first.month != said else "j")))
            said = first.month
    return found


def shares(lines: list[Line]) -> list[tuple[Line, int]]:
    """Each line with its part of the largest, in percent: the length of its bar."""
    most = max((line.sums["captured"] for line in lines), default=0)
    return [(line, round(line.sums["captured"] * 100 / most) if most else 0) for line in lines]
