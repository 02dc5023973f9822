"""What weekly hours become on a day: windows that fit, around closures and clock changes. It reads no database."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError

from schedules.closure_models import Closure
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.states import Kind

DAYS = 14
"""So many days are open, today included: as far ahead as patients see."""

Minutes = tuple[int, int]
"""A stretch of a day, in minutes since midnight by the clinic's clock; the end is not in it."""


def last_day(today: date) -> date:
    return today + timedelta(days=DAYS - 1)


def minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def clock(minute: int) -> time:
    return time(*divmod(minute, 60))


def without(stretch: Minutes, cuts: list[Minutes]) -> list[Minutes]:
    """What is left of a stretch, in order."""
    left = [stretch]
    for begin, end in cuts:
        left = [
            part
            for start, stop in left
            for part in ((start, min(stop, begin)), (max(start, end), stop))
            if part[0] < part[1]
        ]
    return left


def slots(stretch: Minutes, each: int, cuts: list[Minutes]) -> list[Minutes]:
    """Exact times, one after the other from the start. The last one ends with the hours or before,
    and one that a cut touches is left out: the others stay where they always are."""
    start, stop = stretch
    grid = [(begin, begin + each) for begin in range(start, stop - each + 1, each)]
    return [slot for slot in grid if without(slot, cuts) == [slot]]


def divide(hours: WeeklyHours, cuts: list[Minutes]) -> list[tuple[Minutes, int, int]]:
    """The stretches of a day, each with its places (or minutes) and what the desk keeps of them.

    A closure inside a token or pool window splits it, and each part keeps its share of the places,
    rounded down; a part too short for one is not opened.
    """
    whole = minutes(hours.start_time), minutes(hours.end_time)
    if hours.kind == Kind.SLOT:
        return [(slot, 1, hours.reserved_for_desk) for slot in slots(whole, hours.slot_minutes, cuts)]
    length = whole[1] - whole[0]

    def share(amount: int, part: Minutes) -> int:
        return amount * (part[1] - part[0]) // length

    parts = [
        (part, share(hours.capacity, part), share(hours.reserved_for_desk, part))
        for part in without(whole, cuts)
    ]
    return [part for part in parts if part[1]]


@dataclass
class Day:
    """What one day brings: windows to open, not saved yet, and why others are not."""

    date: date
    windows: list[Schedule] = field(default_factory=list)
    closed: list[Closure] = field(default_factory=list)
    clock_changes: list[tuple[WeeklyHours, str]] = field(default_factory=list)
    in_the_way: list[Schedule] = field(default_factory=list)

    @property
    def slots(self) -> int:
        return sum(window.kind == Kind.SLOT for window in self.windows)

    @property
    def taken(self) -> int:
        return sum(window.taken for window in self.windows)

    @property
    def stretches(self) -> list[str]:
        """The windows as hours, exact times that touch as one: "09:00–12:00"."""
        found = []
        for window in self.windows:
            if found and window.kind == Kind.SLOT and found[-1][1] == window.start_time:
                found[-1][1] = window.end_time
            else:
                found.append([window.start_time, window.end_time])
        return [f"{start:%H:%M}–{end:%H:%M}" for start, end in found]


def plan_day(
    day: date, hours: list[WeeklyHours], closures: list[Closure], taken: list[Schedule], now: datetime
) -> Day:
    """The windows that these hours open on a day, except what is past, closed or taken already.

    Times that the clock change of that day skips or repeats open nothing (DESIGN §3): `clock_changes`
    says which. A slot is opened only if it really lasts as long as it says.
    """
    plan = Day(day, closed=[closure for closure in closures if closure.is_on(day)])
    cuts = [
        (0, 24 * 60) if closure.is_all_day else (minutes(closure.start_time), minutes(closure.end_time))
        for closure in plan.closed
    ]
    for one in (one for one in hours if one.is_on(day)):
        for (start, stop), places, kept in divide(one, cuts):
            window = as_window(one, day, clock(start), clock(stop), places, kept)
            try:
                window.clean()
            except ValidationError as error:
                plan.clock_changes.append((one, " ".join(error.messages)))
                continue
            lasts = int((window.ends_at - window.starts_at) / timedelta(minutes=1))
            if one.kind == Kind.SLOT and lasts != one.slot_minutes:
                continue  # it would cross the hour that clocks skip or repeat
            if one.kind == Kind.POOL:
                window.capacity = min(window.capacity, lasts)
            if now >= (window.starts_at if one.kind == Kind.SLOT else window.ends_at):
                continue
            others = [
                other
                for other in taken
                if other.starts_at < window.ends_at and window.starts_at < other.ends_at
            ]
            if others:
                plan.in_the_way += others
            else:
                plan.windows.append(window)
    plan.windows.sort(key=lambda window: window.starts_at)
    return plan


def clock_changes(hours: WeeklyHours, today: date, *, weeks: int) -> list[str]:
    """In words, on which of the next weeks' days these hours meet a clock change and are not opened."""
    first = max(today, hours.effective_from)
    first += timedelta(days=(hours.weekday - first.weekday()) % 7)
    said = []
    for day in (first + timedelta(weeks=n) for n in range(weeks)):
        if hours.is_on(day):
            try:
                as_window(hours, day, hours.start_time, hours.end_time, 1, 0).clean()
            except ValidationError as error:
                said += error.messages
    return said


def as_window(hours: WeeklyHours, day: date, start: time, end: time, places: int, kept: int) -> Schedule:
    """An unsaved window; its fee and letter are the doctor's usual ones unless the hours say others."""
    doctor = hours.doctor
    return Schedule(
        doctor=doctor,
        kind=hours.kind,
        mode=hours.mode,
        date=day,
        start_time=start,
        end_time=end,
        capacity=places,
        reserved_for_desk=kept,
        holds_reserve=hours.holds_reserve,
        prefix=(hours.prefix or doctor.prefix) if hours.kind == Kind.TOKEN else "",
        fee_minor=doctor.fee_minor if hours.fee_minor is None else hours.fee_minor,
        currency=settings.CLINIC_CURRENCY,
        opened_from=hours.source,
    )
