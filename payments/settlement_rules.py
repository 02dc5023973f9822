"""Reading what a bank or a gateway says it paid: a CSV with a header, in any order of columns.

Bytes in, lines out, no database. Headers are known by what Razorpay's and Stripe's payout reports and Indian
banks' statements call them; every amount is exact or refused, and a file that is only half understood
has its wrong lines named by their number, as a spreadsheet counts them.
"""

import csv
import io
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from django.utils.translation import gettext as _

from clinic import money

MOST_BYTES = 128 * 1024
MOST_LINES = 1000
MOST_MINOR = 2**31 - 1

COLUMNS = {
    "payout": ["reference id", "payout reference", "our reference", "reference", "narration", "description",
               "remarks", "statement descriptor"],
    "reference": ["utr", "utr number", "bank reference", "bank reference number", "trace id", "transaction id",
                  "payout id", "settlement id", "id"],
    "amount": ["amount", "payout amount", "net", "debit", "withdrawal", "withdrawal amt"],
    "currency": ["currency", "payout currency"],
    "status": ["status", "payout status", "state"],
    "day": ["date", "processed at", "effective at", "arrival date", "value date", "transaction date", "created at"],
    "reason": ["failure reason", "failure message", "error description", "reason", "status details"],
}  # fmt: skip
"""What a column means, and what it may be called; the first that a file has is taken."""
NEEDED = ("payout", "reference", "amount")


class State(StrEnum):
    PAID, FAILED, ON_ITS_WAY = "paid", "failed", "on its way"


STATES = {
    State.PAID: {"paid", "processed", "completed", "complete", "success", "successful", "succeeded", "settled"},
    State.FAILED: {"failed", "failure", "reversed", "rejected", "returned", "cancelled", "canceled"},
    State.ON_ITS_WAY: {"pending", "processing", "queued", "scheduled", "initiated", "created", "in transit"},
}  # fmt: skip
DAYS = ["%d/%m/%Y", "%d-%m-%Y", "%d %b %Y", "%d-%b-%Y", "%d %B %Y"]
AMOUNT = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3})(?:\.[0-9]+)?")
"""1500, 1500.50, 1,500.00, and 1,23,456.00 as India groups it."""


class Unreadable(Exception):
    """The file as a whole is not what is needed; the message says what is."""


class Wrong(Exception):
    """One line says something that cannot be."""


@dataclass(frozen=True)
class Line:
    """What a file says of one payout. Where `wrong` has words, nothing else counts."""

    number: int
    payout: str = ""
    reference: str = ""
    amount_minor: int = 0
    currency: str = ""
    state: State = State.PAID
    day: date | None = None
    reason: str = ""
    wrong: str = ""


def read(data: bytes, *, currency: str) -> list[Line]:
    """The lines of a file; `currency` is meant where it has no such column. Raises Unreadable."""
    rows = csv.reader(io.StringIO(_text(data), newline=""), delimiter=_delimiter(data), strict=True)
    lines, columns, last = [], None, 1
    try:
        for row in rows:
            number, last = last, rows.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            if columns is None:
                columns, width = _columns(row), len(row)
                continue
            if len(lines) == MOST_LINES:
                raise Unreadable(_("More than %(most)s lines: split the file.") % {"most": MOST_LINES})
            lines.append(_line(number, row, columns, width, currency))
    except csv.Error as error:
        raise Unreadable(
            _("Line %(number)s is no CSV: look at its quotation marks.") % {"number": last}
        ) from error
    if not lines:
        raise Unreadable(_("The file has no lines below its headings."))
    return _without_repeats(lines)


def _text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise Unreadable(_("The file is too large: at most %(most)s kB.") % {"most": MOST_BYTES // 1024})
    if data.startswith(b"PK"):
        raise Unreadable(_("This is a spreadsheet, not a CSV. Save it as “CSV UTF-8” and choose that file."))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(
            _("The file is not in UTF-8. Save it as “CSV UTF-8” and choose that file.")
        ) from error
    if "\0" in text:
        raise Unreadable(_("This is not a CSV file."))
    return text


def _delimiter(data: bytes) -> str:
    """Comma, semicolon or tab: whichever the first line has most of."""
    first = data.lstrip().partition(b"\n")[0].decode("utf-8-sig", "replace")
    return max(",;\t", key=first.count)


def _columns(header: list[str]) -> dict[str, int]:
    """Where each thing stands. Raises Unreadable with what is missing."""
    names = [_name(cell) for cell in header]
    found = {
        thing: names.index(next(name for name in known if name in names))
        for thing, known in COLUMNS.items()
        if set(known) & set(names)
    }
    if missing := [COLUMNS[thing][0] for thing in NEEDED if thing not in found]:
        raise Unreadable(
            _("A heading is missing: %(missing)s. The file has: %(found)s.")
            % {"missing": ", ".join(missing), "found": ", ".join(cell.strip() for cell in header)[:200]}
        )
    return found


def _name(cell: str) -> str:
    """ "Amount (INR)" is amount, "effective_at_utc" effective at; "amount (paise)" is neither."""
    words = re.findall(r"[a-z]+", re.sub(r"\([A-Z]{3}\)", "", cell).lower())
    return " ".join(word for word in words if word != "utc")


def _line(number: int, row: list[str], columns: dict[str, int], width: int, currency: str) -> Line:
    try:
        if len(row) != width:
            said = {"cells": len(row), "width": width}
            raise Wrong(_("It has %(cells)s cells where the headings are %(width)s.") % said)
        cells = {thing: " ".join(row[place].split()) for thing, place in columns.items()}
        return _understood(number, cells, currency)
    except Wrong as wrong:
        return Line(number, wrong=str(wrong))


def _understood(number: int, cells: dict[str, str], currency: str) -> Line:
    for cell in cells.values():
        if cell[:1] in ("=", "@", "+") or (cell[:1] == "-" and not re.fullmatch(r"-[0-9.,]*", cell)):
            raise Wrong(_("“%(cell)s” is a formula, not what the bank wrote.") % {"cell": cell[:40]})
        if len(cell) > 200 or not cell.isprintable():
            raise Wrong(_("“%(cell)s…” is too long or has signs that cannot be shown.") % {"cell": cell[:20]})
    typed = cells.get("currency", "").upper() or currency
    if not re.fullmatch(r"[A-Z]{3}", typed):
        raise Wrong(_("“%(cell)s” is no currency, like INR.") % {"cell": cells["currency"]})
    state = _state(cells)
    if state == State.PAID and not cells["reference"]:
        raise Wrong(_("It was paid, but has no reference of the bank."))
    if re.fullmatch(r"[0-9](\.[0-9]+)?E\+[0-9]+", cells["reference"]):
        raise Wrong(_("A spreadsheet has shortened the bank's reference. Use the file as it was downloaded."))
    if len(cells["reference"]) > 120:
        raise Wrong(_("The bank's reference is longer than 120 signs."))
    return Line(
        number,
        cells["payout"],
        cells["reference"],
        _amount(cells["amount"], typed),
        typed,
        state,
        _day(cells.get("day", "")),
        cells.get("reason", ""),
    )


def _amount(cell: str, currency: str) -> int:
    """Minor units, exactly. Raises Wrong."""
    bare = cell.removeprefix(currency).removeprefix(money.SYMBOLS.get(currency, "").strip()).strip()
    if bare.startswith("-"):
        raise Wrong(_("The amount “%(cell)s” is below nothing.") % {"cell": cell})
    if not AMOUNT.fullmatch(bare):
        raise Wrong(_("“%(cell)s” is no amount, like 1500.00.") % {"cell": cell})
    try:
        minor = money.to_minor(Decimal(bare.replace(",", "")), currency)
    except ValueError as error:
        said = {"cell": cell, "currency": currency}
        raise Wrong(_("“%(cell)s” is finer than the smallest coin of %(currency)s.") % said) from error
    if not 0 < minor <= MOST_MINOR:
        raise Wrong(_("“%(cell)s” is nothing, or more than can be paid at once.") % {"cell": cell})
    return minor


def _state(cells: dict[str, str]) -> State:
    """Without such a column it is a statement of what left the account."""
    if "status" not in cells:
        return State.PAID
    word = re.sub(r"[_\-\s]+", " ", cells["status"].lower())
    for state, words in STATES.items():
        if word in words:
            return state
    raise Wrong(_("“%(cell)s” says neither paid nor failed.") % {"cell": cells["status"]})


def _day(cell: str) -> date | None:
    """Days stand before months, as in the clinic's part of the world. Raises Wrong."""
    if not cell:
        return None
    with suppress(ValueError):
        return datetime.fromisoformat(cell).date()
    bare = re.sub(r"[ ,]+[0-9]{1,2}:[0-9]{2}.*", "", cell)
    for form in DAYS:
        with suppress(ValueError):
            return datetime.strptime(bare, form).date()  # noqa: DTZ007  (a day has no zone)
    raise Wrong(_("“%(cell)s” is no date, like 2026-11-20 or 20/11/2026.") % {"cell": cell})


def _without_repeats(lines: list[Line]) -> list[Line]:
    """A reference that stands twice is wrong: one of them would be paid twice."""
    seen, told = {}, []
    for line in lines:
        first = seen.setdefault(line.reference, line.number) if line.reference else line.number
        if first != line.number:
            said = {"reference": line.reference, "number": first}
            line = Line(line.number, wrong=_("%(reference)s stands in line %(number)s already.") % said)
        told.append(line)
    return told
