"""What patients see of the windows: which day has places, and why one can't be booked."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from clinic.models import Doctor, Service
from clinic.templatetags.clinic import at_least
from schedules.closure_models import Closure
from schedules.models import Schedule, places, still_ahead
from schedules.opening_rules import DAYS
from schedules.states import Kind, Status


def payments_ready() -> bool:
    """Whether money can be taken online: settings.PAYMENT_READY, since payments come later than this app."""
    return import_string(settings.PAYMENT_READY)()


def why_not(schedule: Schedule, now: datetime, *, can_pay: bool = True) -> tuple[str, str]:
    """Why nobody can book this window online now: a stable code and words. Empty when they can.

    `schedule` comes from `with_left`.
    """
    if schedule.status == Status.CANCELLED:
        return "CLOSED", _("Cancelled. The doctor is not here at this time.")
    if schedule.status == Status.FINISHED or now >= schedule.ends_at:
        return "PAST", _("This time is over.")
    if schedule.status == Status.CLOSED:
        return "CLOSED", _("Closed to new bookings.")
    if now >= schedule.online_until:
        return "PAST", _("It is too late to book this online. Please ask at the desk.")
    if schedule.online_left <= 0:
        kept = _("Full online. The last places are kept for patients who come to the desk.")
        return "FULL", kept if schedule.left > 0 else _("Full.")
    if schedule.fee_minor and not can_pay and schedule.kind != Kind.POOL:  # services have their own prices
        return "PAYMENT_NOT_CONFIGURED", _("This can't be paid online yet. Please book at the desk.")
    return "", ""


GONE = {"held": gettext_lazy("held"), "past": gettext_lazy("past"), "booked": gettext_lazy("taken")}


@dataclass(frozen=True)
class Window:
    """A schedule as a patient may book it at `now`. All that isn't said here is the schedule's own."""

    schedule: Schedule
    now: datetime
    can_pay: bool = True
    url: str = ""
    """Where choosing it leads: to booking it, unless said."""
    selected: bool = False

    def __getattr__(self, name):
        return getattr(self.schedule, name)

    @cached_property
    def _refusal(self) -> tuple[str, str]:
        return why_not(self.schedule, self.now, can_pay=self.can_pay)

    @property
    def online_left(self) -> int:
        return still_ahead(self.schedule, self.schedule.online_left, self.now)

    @property
    def change_url(self) -> str:
        """Where another one is chosen."""
        return self.doctor.get_absolute_url()

    @property
    def why_not(self) -> str:
        return self._refusal[1]

    @property
    def why_not_code(self) -> str:
        return self._refusal[0]

    @property
    def pay_at_desk(self) -> bool:
        """Patients may choose to pay when they come."""
        return settings.PAY_AT_DESK

    @property
    def is_bookable(self) -> bool:
        return not self.why_not_code

    @property
    def state(self) -> str:
        """What an exact time of a `calendar` is in one word: free, held, past or booked (which is also closed)."""
        if self.is_bookable:
            return "free"
        if self.why_not_code == "FULL":
            return "held" if self.held else "booked"
        return "past" if self.why_not_code == "PAST" else "booked"

    @property
    def word(self) -> str:
        """The same for patients, of one that can't be booked."""
        return GONE[self.state]


@dataclass(frozen=True)
class Times:
    """Exact times of one part of a day that are the same but for the clock: mode and fee."""

    label: str
    mode: str
    fee_minor: int
    currency: str
    slots: list[Window]


def times_of(found: list[Window]) -> list[Times]:
    """The exact times among a day's windows, by part of the day, mode and fee."""
    groups = {}
    for window in found:
        if window.kind == Kind.SLOT:
            same = (window.period, window.mode, window.fee_minor, window.currency)
            groups.setdefault(same, []).append(window)
    return [Times(str(period.label), *same, slots) for (period, *same), slots in groups.items()]


@dataclass(frozen=True)
class Day:
    """One day of a doctor's calendar. Of the chosen one there are the `windows`, of all the counts."""

    date: date
    is_today: bool
    selected: bool
    url: str
    closed: list[Closure] = field(default_factory=list)
    left: int = 0
    minutes: int = 0
    """What is left of the day's `pools`; `left` counts places."""
    pools: int = 0
    selling: int = 0
    unpayable: int = 0
    shut: int = 0
    receives: bool = False
    """Whether there are windows, if only such as are over."""
    windows: list[Window] = field(default_factory=list)

    @property
    def tokens(self) -> list[Window]:
        """The windows that are booked as a whole: all but the exact times."""
        return [window for window in self.windows if window.kind != Kind.SLOT]

    @cached_property
    def times(self) -> list[Times]:
        return times_of(self.windows)

    @property
    def full(self) -> bool:
        return bool(self.selling) and not (self.is_free or self.unpayable)

    @property
    def is_free(self) -> bool:
        return bool(self.left or self.minutes)

    @property
    def tone(self) -> str:
        if self.is_free:
            return "free"
        return "full" if self.full else "over"

    @property
    def word(self) -> str:
        """What a small box has room for."""
        if self.left:
            return _("%(left)d left") % {"left": self.left}
        if self.minutes:
            return at_least(self.minutes)
        if self.full:
            return pgettext("a day", "full")
        if self.shut or self.unpayable or (self.closed and not self.receives):
            return pgettext("a day", "closed")
        return pgettext("a day", "over") if self.receives else "–"


def windows(schedules, now: datetime) -> list[Window]:
    """Schedules, read `with_left`, as patients see them."""
    ready = payments_ready()
    return [Window(schedule, now, ready, url=schedule.get_absolute_url()) for schedule in schedules]


def calendar(
    doctor: Doctor,
    now: datetime,
    wanted: str = "",
    *,
    address: str = "",
    url: Callable[[Schedule], str] = Schedule.get_absolute_url,
    picked: str = "",
    only: Iterable[Q] = (),
) -> list[Day]:
    """A doctor's next 14 days. The chosen one is `wanted` (an ISO date), else the first with a place.

    Days link to `address`, windows to `url` of each: the doctor's page and booking, unless said. The
    window with the key `picked` is selected. Windows for which `only` says no are left out. Four
    statements, however many there are.
    """
    today = timezone.localdate(now)
    dates = [today + timedelta(days=n) for n in range(DAYS)]
    ahead = doctor.schedules.standing().between(dates[0], dates[-1]).filter(*only)
    can_pay = payments_ready()
    rows = list(ahead.counters(now))
    freed, paying = ahead.holds(rows, now)  # after the counters: what ends meanwhile must not be free twice
    counted = by_day(rows, freed, now, can_pay=can_pay)
    chosen, address = chosen_day(counted, dates, wanted), address or doctor.get_absolute_url()
    counters = {row.pk: row for row in rows if row.date == chosen}
    shown = list(ahead.filter(pk__in=counters).order_by("starts_at"))
    for row in shown:
        row.left, row.online_left = places(counters[row.pk], freed[row.pk])
        row.doctor, row.held = doctor, row.pk in paying
    shown = [Window(row, now, can_pay, url(row), selected=str(row.pk) == picked) for row in shown]
    closures = list(Closure.objects.for_doctor(doctor).between(dates[0], dates[-1]))
    return [
        Day(
            date=day,
            is_today=day == today,
            selected=day == chosen,
            url=f"{address}?date={day}" if day in counted else "",
            closed=[closure for closure in closures if closure.is_on(day)],
            receives=day in counted,
            windows=shown if day == chosen else [],
            **counted.get(day, {}),
        )
        for day in dates
    ]


def by_day(rows, freed: Counter, now: datetime, *, can_pay: bool) -> dict[date, Counter]:
    """Of each day, places `left` online and `minutes` of its `pools`, and how many windows are `selling`,
    `shut`, or cannot be paid online (`unpayable`): what `why_not` says of each. The rows are `counters`,
    `freed` is of `holds`.

    Read and counted here, a fortnight costs half of what it takes Django to put the same question to
    the database, and to look the holds up for every window.
    """
    days = defaultdict(Counter)
    for row in rows:
        day = days[row.date]
        if row.on_sale and row.kind == Kind.POOL:
            day["minutes"] += still_ahead(row, places(row, freed[row.pk])[1], now)
        elif row.on_sale and (can_pay or not row.fee_minor):
            day["left"] += places(row, freed[row.pk])[1]
        elif row.on_sale:
            day["unpayable"] += 1
        day["selling"] += row.on_sale
        day["shut"] += row.shut
        day["pools"] += row.kind == Kind.POOL
    return days


def closures_of(days: list[Day]) -> list[Closure]:
    """What is closed on any of these days, each once, the earliest first."""
    return list(dict.fromkeys(closure for day in days for closure in day.closed))


def chosen_day(counted: dict[date, dict], dates: list[date], wanted: str) -> date:
    """The date that was asked for; else the first with a place, else with a window, else today."""
    asked = [day for day in dates if day.isoformat() == wanted]
    free = sorted(day for day, counts in counted.items() if counts["left"] or counts["minutes"])
    return [*asked, *free, *sorted(counted), dates[0]][0]


def window(schedule_id: int, now: datetime) -> Window | None:
    """One window with its doctor; None when there is none for patients to see."""
    found = Schedule.objects.standing().filter(pk=schedule_id, doctor__is_active=True)
    return next(iter(windows(found.select_related("doctor").with_left(now), now)), None)


def free_soon(now: datetime):
    """Schedules of the next 14 days with a place to book online, the earliest first. Minutes are none where
    their doctor offers no service."""
    today = timezone.localdate(now)
    soon = Schedule.objects.on_sale(now).between(today, today + timedelta(days=DAYS - 1))
    soon = soon.filter(~Q(kind=Kind.POOL) | Exists(Service.objects.offered().by(OuterRef("doctor"))))
    return soon.with_places_left(now).order_by("starts_at", "pk")


def next_free(doctor: Doctor, now: datetime, *, but: int = 0, most: int = 3) -> list[Window]:
    """Where this doctor can be booked soonest without choosing a service, the window `but` left out."""
    soon = free_soon(now).filter(doctor=doctor).exclude(kind=Kind.POOL).exclude(pk=but)
    soon = soon.select_related("doctor")[:most]
    return [window for window in windows(soon, now) if window.is_bookable]


@dataclass(frozen=True)
class Found:
    """A doctor who matches a search, and where they are free next (None: nowhere within 14 days)."""

    doctor: Doctor
    window: Window | None
    now: datetime

    @property
    def is_today(self) -> bool:
        return self.window is not None and self.window.date == timezone.localdate(self.now)

    @property
    def soonest(self) -> datetime:
        return self.window.starts_at if self.window else self.now + timedelta(days=DAYS + 1)


def find(words: str, now: datetime) -> list[Found]:
    """Doctors whose name or specialty holds every word, those who are free soonest first."""
    first = free_soon(now).filter(doctor=OuterRef("pk")).values("pk")[:1]
    doctors = list(Doctor.objects.active().matching(words).annotate(next_window=Subquery(first)))
    rows = Schedule.objects.filter(pk__in=[doctor.next_window for doctor in doctors if doctor.next_window])
    free = {window.pk: window for window in windows(rows.with_left(now), now)}
    found = [Found(doctor, free.get(doctor.next_window), now) for doctor in doctors]
    for one in found:
        if one.window:
            one.window.schedule.doctor = one.doctor
    return sorted(found, key=lambda one: one.soonest)


def services(words: str) -> list[Service]:
    """What patients may book by name, of a search those that match, in the clinic's order."""
    return list(Service.objects.offered().matching(words).in_categories())


def services_of(doctor: Doctor, days: list[Day]) -> list[Service]:
    """What a doctor does by the minute; nothing is read of one who has no minutes on these days."""
    if not any(day.pools for day in days):
        return []
    return list(Service.objects.offered().by(doctor).in_categories())


def specialties() -> list[str]:
    return list(Doctor.objects.active().order_by("specialty").values_list("specialty", flat=True).distinct())
