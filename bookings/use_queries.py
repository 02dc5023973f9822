"""How much of the doctors' time is used, and what became of the visits: sums for the dashboard and for reports."""

from dataclasses import dataclass
from datetime import date, datetime, time

from django.conf import settings
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextChoices,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from bookings.models import Booking, BookingEvent
from bookings.states import OCCUPYING, Status
from schedules.localtime import Period
from schedules.states import Kind


class Sells(TextChoices):
    """What a window's capacity counts."""

    SEATS = "seats", _("seats")
    MINUTES = "minutes", _("minutes")

    @classmethod
    def of(cls, kind: str) -> "Sells":
        return cls.MINUTES if kind == Kind.POOL else cls.SEATS


@dataclass(frozen=True)
class Use:
    """Of `total` seats or minutes: used for good, held by somebody who pays for them now, or free.

    A hold whose time is up counts as free, whether or not a sweep has been there.
    """

    used: int = 0
    held: int = 0
    total: int = 0

    @classmethod
    def counted(cls, *, total: int, taken: int, held: int, lapsed: int) -> "Use":
        """From a window's counters, and what of `taken` is held or was held until its time was up."""
        return cls(used=taken - held - lapsed, held=held, total=total)

    def __add__(self, other: "Use") -> "Use":
        return Use(self.used + other.used, self.held + other.held, self.total + other.total)

    @property
    def free(self) -> int:
        return self.total - self.used - self.held

    @property
    def percent(self) -> int:
        """Utilisation, rounded down: 100 is said only of what is full."""
        return self.used * 100 // self.total if self.total else 0

    @property
    def bar(self) -> tuple[float, float]:
        """Lengths of the used and the held part of a bar of 100."""
        whole = self.total or 1
        return round(self.used * 100 / whole, 1), round(self.held * 100 / whole, 1)


def total(uses) -> Use:
    """All of them together: seats, or minutes."""
    return sum(uses, Use())


# --- Over any days ------------------------------------------------------------------------

SELLS = Case(When(kind=Kind.POOL, then=Value(Sells.MINUTES)), default=Value(Sells.SEATS))


def _period() -> Case:
    evening = time(settings.EVENING_FROM_HOUR)
    return Case(
        When(start_time__lt=time(12), then=Value(Period.MORNING)),
        When(start_time__gte=evening, then=Value(Period.EVENING)),
        default=Value(Period.AFTERNOON),
    )


@dataclass(frozen=True)
class UseRow:
    """A doctor's windows in one part of the day, of one day where `day` says which."""

    doctor_id: int
    doctor: str
    period: str
    sells: str
    windows: int
    use: Use
    day: date | None = None

    @property
    def period_word(self) -> str:
        return Period(self.period).label


def utilisation(windows: QuerySet, now: datetime, *, by_day: bool = False) -> list[UseRow]:
    """How far these windows are used, the cancelled ones left out: a row for each doctor and part of the day,
    seats and minutes apart; with `by_day` for each day, too. One statement, in which the database sums up."""
    holds = Booking.objects.filter(schedule=OuterRef("pk")).order_by()
    groups = {
        "name": F("doctor__name"), "period": _period(), "sells": SELLS, **({"day": F("date")} if by_day else {}),
    }  # fmt: skip
    found = (
        windows.standing()
        .annotate(paying=_units(holds.paying(now)), gone=_units(holds.lapsed(now)))
        .order_by()
        .values("doctor", **groups)
        .annotate(
            windows=Count("pk"),
            total=Sum("capacity"),
            took=Sum("taken"),
            held=Sum("paying"),
            lapsed=Sum("gone"),
        )
    )
    rows = [
        UseRow(
            row["doctor"], row["name"], row["period"], row["sells"], row["windows"], day=row.get("day"),
            use=Use.counted(total=row["total"], taken=row["took"], held=row["held"], lapsed=row["lapsed"]),
        )
        for row in found
    ]  # fmt: skip
    return sorted(rows, key=_in_order)


def _units(holds: QuerySet) -> Coalesce:
    """What these holds take of the window that the outer query is at."""
    return Coalesce(Subquery(holds.values("schedule").annotate(n=Sum("units")).values("n")), 0)


def _in_order(row: UseRow) -> tuple:
    day = row.day.toordinal() if row.day else 0
    return day, row.doctor, row.doctor_id, Period.values.index(row.period), row.sells


@dataclass(frozen=True)
class Visits:
    """What became of some visits. Those that are only held, were never paid for or found no place are none."""

    booked: int = 0
    seen: int = 0
    missed: int = 0
    cancelled: int = 0
    """Not one of `booked`: they gave their place back."""
    sold: int = 0
    """Minutes of services that were booked."""

    def __add__(self, other: "Visits") -> "Visits":
        return Visits(*(getattr(self, name) + getattr(other, name) for name in COUNTS))

    @property
    def expected(self) -> int:
        """Whose time has come: they were seen, or did not come."""
        return self.seen + self.missed

    @property
    def missed_percent(self) -> float | None:
        """The no-show rate, to a tenth; None where nobody was expected yet."""
        return round(self.missed * 100 / self.expected, 1) if self.expected else None


COUNTS = ("booked", "seen", "missed", "cancelled", "sold")


@dataclass(frozen=True)
class VisitsRow:
    """A doctor's visits for one service; `service_id` None: consultations, which are no service."""

    doctor_id: int
    doctor: str
    service_id: int | None
    service: str
    visits: Visits


def visits(bookings: QuerySet) -> list[VisitsRow]:
    """What became of these bookings, by doctor and service as it is named today. One statement."""
    had_a_place = Exists(
        BookingEvent.objects.filter(
            booking=OuterRef("pk"), from_status__in=OCCUPYING, to_status=Status.CANCELLED
        )
    )
    place = Q(status__in=OCCUPYING)
    found = (
        bookings.order_by()
        .values(
            "service", owner=F("schedule__doctor"), name=F("schedule__doctor__name"), title=F("service__name")
        )
        .annotate(
            booked=Count("pk", filter=place),
            seen=Count("pk", filter=Q(status=Status.COMPLETED)),
            missed=Count("pk", filter=Q(status=Status.NO_SHOW)),
            cancelled=Count("pk", filter=Q(had_a_place, status=Status.CANCELLED)),
            sold=Coalesce(Sum("minutes", filter=place), 0),
        )
    )
    rows = [
        VisitsRow(
            row["owner"],
            row["name"],
            row["service"],
            row["title"] or "",
            Visits(*(row[part] for part in COUNTS)),
        )
        for row in found
        if any(row[part] for part in COUNTS)
    ]
    return sorted(rows, key=lambda row: (row.doctor, row.doctor_id, -row.visits.booked, row.service))
