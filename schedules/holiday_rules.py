"""Lists of holidays as people have them: lines with a date and a name, or a calendar file (.ics)."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from icalendar import Calendar

MOST = 400
"""More lines than any year has holidays."""
MOST_DAYS = 92
"""A closure longer than this is a slip of the pen."""
NAME_LENGTH = 120

MONTHS = {
    name: number
    for number, names in enumerate(
        ["jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july",
         "aug august", "sep sept september", "oct october", "nov november", "dec december"], start=1,
    )
    for name in names.split()
}  # fmt: skip
NEPALI = {
    "baisakh", "baishakh", "jestha", "jeth", "ashadh", "asar", "asadh", "shrawan", "saun", "bhadra", "bhadau",
    "ashwin", "asoj", "kartik", "mangsir", "poush", "push", "magh", "falgun", "phagun", "chaitra", "chait",
}  # fmt: skip
"""Months of the Nepali calendar, whose years run 57 ahead."""

WEEKDAYS = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
WORD = "|".join(MONTHS)
DAY_FIRST = rf"(?P<d{{n}}>\d{{{{1,2}}}})(?:st|nd|rd|th)?[\s.-]*(?P<m{{n}}>{WORD})\b\.?,?(?:[\s-]*(?P<y{{n}}>\d{{{{4}}}}))?"
MONTH_FIRST = (
    rf"(?P<m{{n}}>{WORD})\b\.?\s*(?P<d{{n}}>\d{{{{1,2}}}})(?:st|nd|rd|th)?\b(?:,?\s*(?P<y{{n}}>\d{{{{4}}}}))?"
)
ISO = r"(?P<y{n}>\d{{4}})[-/.](?P<m{n}>\d{{1,2}})[-/.](?P<d{n}>\d{{1,2}})"
NUMBERS = r"(?P<d{n}>\d{{1,2}})[-/.](?P<m{n}>\d{{1,2}})[-/.](?P<y{n}>\d{{4}})"
SHAPES = [ISO, NUMBERS, DAY_FIRST, MONTH_FIRST]
"""A day as it is written here: the day before the month, unless the year comes first."""
TO = r"\s*(?:-|–|—|\bto\b|\btill\b)\s*"
CLOCK = re.compile(r"\b(\d{1,2})[:.](\d{2})\s*(?:-|–|\bto\b)\s*(\d{1,2})[:.](\d{2})\b", re.IGNORECASE)
BLANKS = " \t\r\n,;:|·•*–—-()[]\"'"


def _patterns():
    """Longer shapes first: a range of days in one month, two dates, one date."""
    month_range = rf"(?P<d0>\d{{1,2}})(?:st|nd|rd|th)?{TO}(?=\d)" + DAY_FIRST.format(n=1)
    yield re.compile(rf"\b{month_range}", re.IGNORECASE)
    for shape in SHAPES:
        yield re.compile(rf"\b{shape.format(n=0)}{TO}{shape.format(n=1)}(?!\d)", re.IGNORECASE)
    for shape in SHAPES:
        yield re.compile(rf"\b{shape.format(n=0)}(?!\d)", re.IGNORECASE)


PATTERNS = list(_patterns())


class Unreadable(ValueError):
    """What is wrong with a line or a file, in words."""


@dataclass(frozen=True)
class Holiday:
    """Days on which nobody receives; with hours, only these hours of each."""

    first: date
    last: date
    name: str
    start: time | None = None
    end: time | None = None

    def __str__(self):
        """As a line that `read_lines` reads the same way."""
        days = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        hours = f" {self.start:%H:%M}-{self.end:%H:%M}" if self.start else ""
        return f"{days}{hours} {self.name}"


def read_lines(text: str, today: date) -> tuple[list[Holiday], list[str]]:
    """What could be read of a pasted list, in order, and in words what could not.

    "26 Jan 2026 Republic Day", "Diwali, 08/11/2026", "2026-10-17 to 2026-10-24 Dashain". Without a year it
    is the next such day; with hours ("14:00-16:00") only those. Blank lines and days past are left out.
    """
    found, wrong = [], []
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) > MOST:
        return [], [_("This list has more than %(most)s lines. Paste one year at a time.") % {"most": MOST}]
    for line in lines:
        try:
            holiday = read_line(line, today)
        except Unreadable as error:
            wrong.append(f"“{line[:80]}”: {error}")
        else:
            if holiday.last >= today and holiday not in found:
                found.append(holiday)
    return found, wrong


def read_line(line: str, today: date) -> Holiday:
    """One line. Raises Unreadable."""
    start = end = None
    if hours := CLOCK.search(line):
        start, end = _time(*hours.group(1, 2)), _time(*hours.group(3, 4))
        if end <= start:
            raise Unreadable(_("it ends before it begins."))
        line = line[: hours.start()] + " " + line[hours.end() :]
    words = {word.lower() for word in re.findall(r"[^\W\d_]+", line)}
    match = next((found for pattern in PATTERNS if (found := pattern.search(line))), None)
    if match is None or (words & NEPALI and re.search(r"\b20[6-9]\d\b", line)):
        raise Unreadable(
            _("this is a day of the Nepali calendar. Write its date in the other one, like 17 Oct 2026.")
            if words & NEPALI
            else _("there is no date in it. Write one like 26 Jan 2026.")
        )
    first, last = _days(match.groupdict(), today)
    name = re.sub(
        rf"\b{WEEKDAYS}\b\.?", " ", line[: match.start()] + " " + line[match.end() :], flags=re.IGNORECASE
    )
    name = re.sub(r"\s+", " ", name).strip(BLANKS)
    name = re.sub(r"^\d{1,3}[.)]?\s+", "", name)  # the number of the line
    if not re.search(r"[^\W\d_]", name):
        raise Unreadable(_("its name is missing. Patients read it."))
    if last < first:
        raise Unreadable(_("it ends before it begins."))
    if (last - first).days >= MOST_DAYS:
        raise Unreadable(_("it is longer than %(days)s days.") % {"days": MOST_DAYS})
    return Holiday(first, last, name[:NAME_LENGTH], start, end)


def _days(parts: dict, today: date) -> tuple[date, date]:
    """The first and the last day that a match means."""
    month, year = parts.get("m1") or parts.get("m0"), parts.get("y1") or parts.get("y0")
    ends = (parts.get("y1") or year, parts.get("m1") or month, parts.get("d1") or parts["d0"])
    begins = (parts.get("y0") or year, parts.get("m0") or month, parts["d0"])
    last = _date(*ends, today)
    first = _date(begins[0] or str(last.year), *begins[1:], today)
    if first > last and not parts.get("y0"):  # 30 Dec to 2 Jan
        first = _date(str(last.year - 1), *begins[1:], today)
    return first, last


def _date(year: str | None, month: str, day: str, today: date) -> date:
    number = MONTHS.get(month.lower()) or int(month)
    years = [int(year)] if year else [today.year, today.year + 1]
    if year and not today.year - 1 <= int(year) <= today.year + 5:
        raise Unreadable(
            _("the year %(year)s is not of this calendar, or too far away.") % {"year": int(year)}
        )
    days = []
    for wanted in years:
        try:
            days.append(date(wanted, number, int(day)))
        except ValueError:
            continue
    if not days:
        raise Unreadable(_("there is no such day in the calendar."))
    return next((found for found in days if found >= today), days[-1])


def _time(hour: str, minute: str) -> time:
    try:
        return time(int(hour), int(minute))
    except ValueError as error:
        raise Unreadable(_("there is no such time on the clock.")) from error


# --- Calendar files -----------------------------------------------------------------------


def read_calendar(content: bytes, today: date) -> tuple[list[Holiday], list[str]]:
    """The events of an .ics file, and in words what could not be read. Raises Unreadable for another file.

    An event of whole days closes them; one with a time closes these hours of its day, by the clinic's clock.
    """
    try:
        events = Calendar.from_ical(content).walk("VEVENT")
    except Exception as error:  # whatever a stranger's file does to the parser, it is no calendar
        raise Unreadable(_("This is no calendar file (.ics).")) from error
    if len(events) > MOST * 5:
        raise Unreadable(_("This calendar has too many entries. Export one year."))
    found, wrong = [], []
    for event in events:
        name = ""
        try:
            name = re.sub(r"\s+", " ", str(event.get("SUMMARY", ""))).strip()[:NAME_LENGTH]
            holiday = _holiday(event, name)
        except Unreadable as error:
            wrong.append(f"“{name[:80]}”: {error}")
        except Exception:  # one broken event; the others are fine
            wrong.append(_("“%(name)s”: its date cannot be read.") % {"name": name[:80]})
        else:
            if holiday and holiday.last >= today and holiday not in found:
                found.append(holiday)
    return sorted(found, key=lambda one: (one.first, one.name))[:MOST], wrong


def _holiday(event, name: str) -> Holiday | None:
    """One event; None where it was called off."""
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return None
    if not name:
        raise Unreadable(_("its name is missing. Patients read it."))
    if "RRULE" in event or "RDATE" in event:
        raise Unreadable(_("it repeats by a rule. Write its next day by hand."))
    start = event.decoded("DTSTART")
    end = event.decoded("DTEND") if "DTEND" in event else None
    if end is None and "DURATION" in event:
        end = start + event.decoded("DURATION")
    if not isinstance(start, datetime):
        last = max(start, end - timedelta(days=1)) if end else start
        if (last - start).days >= MOST_DAYS:
            raise Unreadable(_("it is longer than %(days)s days.") % {"days": MOST_DAYS})
        return Holiday(start, last, name)
    begins, ends = _local(start), _local(end or start + timedelta(hours=1))
    if begins.date() != ends.date() or begins.time() >= ends.time():
        raise Unreadable(_("its hours go past midnight. Write them by hand."))
    return Holiday(begins.date(), ends.date(), name, _minute(begins), _minute(ends))


def _local(moment: datetime) -> datetime:
    """By the clinic's clock; a time without a zone is the clinic's already."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def _minute(moment: datetime) -> time:
    return moment.time().replace(second=0, microsecond=0)
