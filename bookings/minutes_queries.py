"""What is left of the pools' minutes, and where a service still fits."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

from django.conf import settings
from django.db.models import F, Min, OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bookings import minutes_rules as rules
from bookings.minutes_rules import Span
from bookings.models import Booking
from clinic.errors import Refused
from clinic.models import Service
from schedules.localtime import Period
from schedules.models import Schedule
from schedules.opening_rules import DAYS, last_day
from schedules.states import Kind, Status

MARKED = 3
"""At most so many starts of each pool are marked as suggested (docs/decisions/0014)."""


@dataclass(frozen=True)
class Start:
    """A time at which a service can begin."""

    schedule_id: int
    doctor_id: int
    start: datetime


@dataclass
class Pool:
    """One window's minutes at a moment, as patients online may book them; `at_desk`, as the desk may."""

    schedule: Schedule
    now: datetime
    taken: list[Span]
    at_desk: bool = False
    useful: int = 0
    """The shortest service of the doctor, in minutes: a shorter gap is lost. 0: not known."""

    @property
    def window(self) -> Span:
        return Span(self.schedule.starts_at, self.schedule.ends_at)

    @property
    def total(self) -> int:
        return self.schedule.capacity

    @property
    def consumed(self) -> int:
        return sum(one.minutes for one in self.taken)

    @cached_property
    def left(self) -> int:
        """Minutes of the capacity that this channel may still sell, wherever they lie."""
        kept = 0 if self.at_desk else self.schedule.reserved_for_desk - self.schedule.taken_at_desk
        return max(self.total - self.consumed - max(kept, 0), 0)

    @cached_property
    def usable(self) -> list[Span]:
        """The free pieces that lie ahead, each from the first start that it offers."""
        if self.schedule.status != Status.OPEN:
            return []
        return rules.usable(self.window, self.taken, step=settings.START_GRID_MINUTES, not_before=self.now)

    @cached_property
    def remaining(self) -> int:
        """Minutes that can still be sold: no more than `left`, and than what lies ahead."""
        return min(self.left, sum(free.minutes for free in self.usable))

    @cached_property
    def _longest(self) -> int:
        return max((free.minutes for free in self.usable), default=0)

    def fits(self, minutes: int) -> bool:
        """Whether a service of so many minutes can start somewhere."""
        return 0 < minutes <= min(self.left, self._longest)

    def starts(self, minutes: int) -> list[datetime]:
        """Every start at which it fits, the earliest first."""
        if not self.fits(minutes):
            return []
        return rules.starts_in(self.usable, self.window, minutes, step=settings.START_GRID_MINUTES)

    def suggested(self, minutes: int) -> list[datetime]:
        """The same, those first that waste no minutes (docs/decisions/0014)."""
        return rules.suggested(self.starts(minutes), self.usable, minutes, useful=self.useful)

    def wasted(self, start: datetime, minutes: int) -> int:
        """The minutes around it that become too short for any service."""
        return rules.wasted(start, self.usable, minutes, useful=self.useful)[0]

    def marked(self, minutes: int) -> list[datetime]:
        """The first of those that waste least, where others waste more: what is shown as suggested."""
        starts = self.suggested(minutes)
        waste = {start: self.wasted(start, minutes) for start in {*starts[:MARKED], *starts[-1:]}}
        if not starts or waste[starts[0]] == waste[starts[-1]]:
            return []
        return [start for start in starts[:MARKED] if waste[start] == waste[starts[0]]]

    def at(self, start: datetime) -> Start:
        return Start(self.schedule.pk, self.schedule.doctor_id, start)


def pools(
    now: datetime, first: date, last: date, *, doctor=None, service=None, at_desk: bool = False
) -> list[Pool]:
    """The pools of the clinic's dates `first` to `last`, the earliest first: of one `doctor`, of those who
    offer a `service`, or all. Of those that are closed or over nothing remains. Two statements, however
    many there are."""
    shortest = Service.objects.offered().filter(doctors=OuterRef("doctor")).order_by().values("doctors")
    found = (
        Schedule.objects.standing()
        .between(first, last)
        .filter(kind=Kind.POOL, doctor__is_active=True)
        .select_related("doctor")
        .annotate(useful=Subquery(shortest.annotate(least=Min(F("duration") + F("buffer"))).values("least")))
        .order_by("starts_at", "pk")
    )
    if doctor:
        found = found.filter(doctor=doctor)
    if service:
        found = found.filter(doctor__services=service)
    schedules = list(found)
    taken = taken_in([schedule.pk for schedule in schedules], now) if schedules else {}
    return [
        Pool(schedule, now, taken[schedule.pk], at_desk=at_desk, useful=schedule.useful or 0)
        for schedule in schedules
    ]


def taken_in(schedule_ids: Iterable[int], now: datetime) -> dict[int, list[Span]]:
    """The times that somebody has or holds in each of these windows; lapsed holds are free again."""
    found = defaultdict(list)
    rows = Booking.objects.timed(now).filter(schedule__in=schedule_ids).order_by("start_at")
    for schedule_id, start, end in rows.values_list("schedule_id", "start_at", "end_at"):
        found[schedule_id].append(Span(start, end))
    return found


# --- Where a service fits -----------------------------------------------------------------


@dataclass(frozen=True)
class ServiceDay:
    """One of the next days, as somebody sees it who wants one service."""

    date: date
    is_today: bool
    selected: bool
    pools: list[Pool] = field(default_factory=list)
    first: Start | None = None
    """The first start at which the service fits."""

    @property
    def remaining(self) -> int:
        """Minutes that can still be sold on this day, in whatever pieces."""
        return sum(pool.remaining for pool in self.pools)


def service_days(service: Service, now: datetime, *, wanted: str = "", doctor=None) -> list[ServiceDay]:
    """The next 14 days of those who offer the service, or of one `doctor`; see `days_with`. Two statements."""
    today = timezone.localdate(now)
    found = pools(now, today, last_day(today), doctor=doctor, service=service)
    return days_with(found, service.minutes, now, wanted)


def days_with(found: Iterable[Pool], minutes: int, now: datetime, wanted: str = "") -> list[ServiceDay]:
    """The next 14 days, each with those of its pools that are not over. The chosen one is `wanted` (an ISO
    date), else the first on which so many minutes fit, else today."""
    today = timezone.localdate(now)
    by_date = {today + timedelta(days=n): [] for n in range(DAYS)}
    for pool in found:
        if pool.schedule.ends_at > now:
            by_date[pool.schedule.date].append(pool)
    firsts = {day: first_start(there, minutes) for day, there in by_date.items()}
    asked = [day for day in by_date if day.isoformat() == wanted]
    chosen = [*asked, *(day for day, first in firsts.items() if first), today][0]
    return [
        ServiceDay(day, day == today, day == chosen, there, firsts[day]) for day, there in by_date.items()
    ]


def first_start(pools: Iterable[Pool], minutes: int) -> Start | None:
    starts = (pool.at(start) for pool in pools for start in pool.starts(minutes)[:1])
    return min(starts, key=lambda one: one.start, default=None)


def nearest(
    minutes: int, doctor, wanted: datetime, now: datetime, *, most: int = 3, at_desk: bool = False
) -> list[Start]:
    """Where so many minutes fit instead of at `wanted`: on the same day, then on the days after it, with
    the same doctor. Of a day first what wastes the least minutes (docs/decisions/0014), and of that what
    is nearest to the same time of day. Nothing is read of what is over. Two statements."""
    day, at = max(timezone.localdate(wanted), timezone.localdate(now)), timezone.localtime(wanted).time()

    def rank(pool: Pool, start: datetime) -> tuple:
        then = timezone.localtime(start)
        apart = abs(then - timezone.make_aware(datetime.combine(then.date(), at)))
        return pool.schedule.date, pool.wasted(start, minutes), apart, start

    found = pools(now, day, last_day(day), doctor=doctor, at_desk=at_desk)
    fitting = [(pool, start) for pool in found for start in pool.starts(minutes)]
    return [pool.at(start) for pool, start in sorted(fitting, key=lambda one: rank(*one))[:most]]


def near_to(start: datetime, schedule: Schedule) -> datetime:
    """For `nearest`: a time in the window, whatever nonsense was asked for."""
    return min(max(start, schedule.starts_at), schedule.ends_at)


def suggesting(refusal: Refused, *, at_desk: bool) -> Refused:
    """The same refusal; where a start was refused, with up to three that fit instead. Read after the lock
    is given up, so that nobody waits for it."""
    said = refusal.details
    if "start" in said:
        said["suggestions"] = nearest(
            said["minutes"], said["schedule"].doctor_id, said["start"], said["now"], at_desk=at_desk
        )
    return refusal


# --- As seed 002 asks for it: a day, a part of it, a service ------------------------------


def _sums(found: list[Pool]) -> dict:
    remaining = sum(pool.remaining for pool in found)
    return {
        "total_minutes": sum(pool.total for pool in found),
        "consumed_minutes": sum(pool.consumed for pool in found),
        "remaining_minutes": remaining,
        "is_available": remaining > 0,
    }


def _of(found: list[Pool], period: str) -> list[Pool]:
    return [pool for pool in found if not period or pool.schedule.period == period]


def day_availability(day: date, now: datetime, *, doctor=None) -> dict:
    """A day's minutes, and those of its morning, afternoon and evening. Two statements."""
    found = pools(now, day, day, doctor=doctor)
    return {
        "daily": {
            "total_capacity": sum(pool.total for pool in found),
            "total_remaining": sum(pool.remaining for pool in found),
            **{period: _sums(_of(found, period)) for period in Period.values},
        }
    }


def period_availability(day: date, period: str, now: datetime, *, doctor=None) -> dict:
    """The minutes of one part of a day, and each service that its doctors offer, with whether it still
    fits somewhere. Four statements."""
    found = _of(pools(now, day, day, doctor=doctor), period)
    by_doctor = defaultdict(list)
    for pool in found:
        by_doctor[pool.schedule.doctor_id].append(pool)
    offers = defaultdict(list)
    links = Service.doctors.through.objects.filter(doctor__in=[*by_doctor])
    for service_id, doctor_id in links.values_list("service_id", "doctor_id"):
        offers[service_id] += by_doctor[doctor_id]
    services = Service.objects.offered().filter(pk__in=[*offers])
    return {
        "time_slot": _sums(found) | {"current_reservations": sum(len(pool.taken) for pool in found)},
        "services": [
            {
                "id": service.pk,
                "code": service.code,
                "name": service.name,
                "required_minutes": service.minutes,
                "price_minor": service.price_minor,
                "available": any(pool.fits(service.minutes) for pool in offers[service.pk]),
            }
            for service in services
        ],
    }


def service_availability(
    service: Service, day: date, now: datetime, *, period: str = "", doctor=None
) -> dict:
    """Whether and when a service can be booked on a day, or in one part of it, with those who offer it.
    Two statements."""
    found = _of(pools(now, day, day, doctor=doctor, service=service), period)
    starts = [pool.at(start) for pool in found for start in pool.starts(service.minutes)]
    remaining = sum(pool.remaining for pool in found)
    return {
        "available": bool(starts),
        "required_minutes": service.minutes,
        "remaining_minutes": remaining,
        "start_times": sorted(starts, key=lambda one: (one.start, one.schedule_id)),
        "message": "" if starts else why_not(service.minutes, remaining),
    }


def not_offered() -> str:
    return _("This service can't be booked here (any more). Please choose another one.")


def why_not(minutes: int, remaining: int) -> str:
    """Why a service of so many minutes can't be booked where so many are left, in words."""
    if remaining >= minutes:
        return _("%(left)d minutes are left, but not %(wanted)d in one piece.") % {
            "left": remaining,
            "wanted": minutes,
        }
    if not remaining:
        return _("No time is left.")
    return ngettext(
        "Only %(left)d minute is left, and this takes %(wanted)d.",
        "Only %(left)d minutes are left, and this takes %(wanted)d.",
        remaining,
    ) % {"left": remaining, "wanted": minutes}
