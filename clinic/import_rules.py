"""Reading a clinic's own lists, as another system or a spreadsheet wrote them: a CSV in UTF-8 with headings.

Bytes in, rows out, no database. A row is asked for its cells one by one and remembers what is wrong with them, so that
whoever made the file reads everything at once, by the line's number as an editor counts it.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from clinic import money

MOST_MINOR = 2**31 - 1
YES, NO = {"yes", "y", "true", "1"}, {"no", "n", "false", "0"}


class Unreadable(Exception):
    """The file as a whole is not what is needed; the message says what is."""


class Wrong(Exception):
    """Some lines say what cannot be. `problems`: (line, in words), in the file's order."""

    def __init__(self, problems: Iterable[tuple[int, str]]):
        self.problems = sorted(problems)
        super().__init__(f"{len(self.problems)} problems")


@dataclass
class Row:
    """One record of a file; `line` is where it begins. An empty cell is one that nobody filled in."""

    line: int
    cells: dict[str, str]
    wrong: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[tuple[int, str]]:
        return [(self.line, words) for words in self.wrong]

    def has(self, name: str) -> bool:
        """The file has such a column."""
        return name in self.cells

    def text(self, name: str, *, most: int, needed: bool = False) -> str:
        cell = self._cell(name, needed)
        if len(cell) > most:
            self._say(_("“%(name)s” is longer than %(most)s signs."), name, most=most)
        if "\0" in cell:
            self._say(_("“%(name)s” has signs that cannot be kept."), name)
        return cell

    def whole(
        self, name: str, *, least: int, most: int, default: int | None = None, needed: bool = False
    ) -> int | None:
        """A number between these; `default` where the cell is empty."""
        cell = self._cell(name, needed)
        if not cell:
            return default
        if cell.isascii() and cell.isdigit() and len(cell) < 10 and least <= int(cell) <= most:
            return int(cell)
        self._say(
            _("“%(name)s” is “%(cell)s”, not a whole number from %(least)s to %(most)s."),
            name, cell=cell[:40], least=least, most=most,
        )  # fmt: skip

    def amount(self, name: str, currency: str, *, needed: bool = False) -> int | None:
        """Typed in major units, like 1500 or 1500.50; minor units, exactly. None where it is empty."""
        cell = self._cell(name, needed)
        if not cell:
            return None
        try:
            if not set(cell) <= set("0123456789."):
                raise ValueError(cell)
            minor = money.to_minor(Decimal(cell), currency)
            if minor > MOST_MINOR:
                raise ValueError(cell)
            return minor
        except (ValueError, InvalidOperation):
            self._say(
                _("“%(name)s” is “%(cell)s”, not an amount of %(currency)s like 1500 or 1500.50."),
                name, cell=cell[:40], currency=currency,
            )  # fmt: skip

    def yes(self, name: str, *, default: bool | None) -> bool | None:
        cell = self._cell(name).lower()
        if cell and cell not in YES | NO:
            self._say(_("“%(name)s” is “%(cell)s”, neither yes nor no."), name, cell=cell[:40])
        return cell in YES if cell in YES | NO else default

    def one_of(self, name: str, choices: Iterable[str], *, default: str) -> str:
        cell = self._cell(name).lower() or default
        if cell not in choices:
            known = ", ".join(choices)
            self._say(_("“%(name)s” is “%(cell)s”, none of: %(known)s."), name, cell=cell[:40], known=known)
        return cell

    def moment(self, name: str) -> datetime | None:
        """A day and a time to the minute, with an offset from UTC or, naive, by the clinic's clock."""
        cell = self._cell(name)
        try:
            if len(cell) < len("2026-11-23T09:00"):
                raise ValueError(cell)
            found = datetime.fromisoformat(cell)
            if not 2000 <= found.year < 2100 or found.second or found.microsecond:
                raise ValueError(cell)
            return found
        except ValueError:
            self._say(
                _("“%(name)s” is “%(cell)s”, not a day and time like 2026-11-23 09:00."), name, cell=cell[:40]
            )

    def _cell(self, name: str, needed: bool = False) -> str:
        cell = self.cells.get(name, "").strip()
        if needed and not cell:
            self._say(_("“%(name)s” is empty."), name)
        return cell

    def _say(self, words: str, name: str, **facts) -> None:
        self.wrong.append(words % ({"name": name} | facts))


def read(data: bytes, *, needed: Iterable[str], known: Iterable[str]) -> list[Row]:
    """The rows of a file with these headings, in any order; quoted cells may hold line breaks.

    Raises Unreadable for what is no such file, Wrong for rows that have more or fewer cells than headings.
    """
    text = _text(data)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows, headings, problems, last = [], None, [], 1
    try:
        for cells in reader:
            line, last = last, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if headings is None:
                headings = _headings(cells, needed, known)
            elif len(cells) != len(headings):
                said = {"cells": len(cells), "headings": len(headings)}
                problems.append((line, _("It has %(cells)s cells under %(headings)s headings.") % said))
            else:
                rows.append(Row(line, dict(zip(headings, cells, strict=True))))
    except csv.Error as error:
        raise Unreadable(
            _("Line %(line)s is no CSV: look at its quotation marks.") % {"line": last}
        ) from error
    if headings is None:
        raise Unreadable(_("The file is empty. Its first line names the columns."))
    if problems:
        raise Wrong(problems)
    return rows


def _text(data: bytes) -> str:
    if data.startswith(b"PK"):
        raise Unreadable(_("This is a spreadsheet, not a CSV. Save it as “CSV UTF-8” and use that file."))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unreadable(
            _("The file is not in UTF-8 (line %(line)s). Save it as “CSV UTF-8” and use that file.")
            % {"line": line}
        ) from error


def _delimiter(text: str) -> str:
    """Comma, semicolon or tab: whichever the first line has most of."""
    return max(",;\t", key=text.lstrip().partition("\n")[0].count)


def _headings(cells: list[str], needed: Iterable[str], known: Iterable[str]) -> list[str]:
    """As the file has them, in lower case. A column that would be ignored is a mistake, too."""
    names = [cell.strip().lower() for cell in cells]
    missing = [name for name in needed if name not in names]
    strange = [name for name in names if name not in known]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if not (missing or strange or twice):
        return names
    said = [
        (_("Headings are missing: %s."), missing),
        (_("Nobody knows these headings: %s."), strange),
        (_("These headings stand there twice: %s."), twice),
        (_("There may be: %s."), known),
    ]
    raise Unreadable(" ".join(words % ", ".join(found) for words, found in said if found))
