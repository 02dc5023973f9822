"""What managers ask about over some days: how full the clinic was, which services sold, and what they brought in.

Plain rows, for the pages, the files and the API. Minor units; seats and minutes are never added up.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from django.db.models import F, QuerySet, Sum, Value
from django.utils import timezone
from django.utils.translation import gettext_lazy

from bookings import use_queries
from bookings.models import Booking
from bookings.use_queries import Sells, Use, UseRow, Visits, VisitsRow, total
from clinic import money
from payments.ledger_models import Payout
from payments.money_queries import MEASURES, Days, books
from schedules.models import Schedule


def windows_in(days: Days, user=None) -> QuerySet:
    """The windows of these days; with `user` those that they see in admin."""
    found = Schedule.objects.between(days.first, days.last)
    return found.seen_by(user) if user else found


def visits_in(days: Days, user=None) -> QuerySet:
    """The bookings of these days' windows; with `user` those that they see in admin."""
    found = Booking.objects.filter(schedule__date__range=(days.first, days.last))
    return found.seen_by(user) if user else found


# --- What a service brought in ------------------------------------------------------------


@dataclass
class Money:
    """What came and what went back, in one currency."""

    currency: str
    taken_minor: int = 0
    back_minor: int = 0

    @property
    def kept_minor(self) -> int:
        return self.taken_minor - self.back_minor

    @property
    def taken(self) -> str:
        return money.display(self.taken_minor, self.currency)

    @property
    def back(self) -> str:
        return money.display(self.back_minor, self.currency)

    @property
    def kept(self) -> str:
        return money.display(self.kept_minor, self.currency)


@dataclass
class ServiceLine:
    """A service over some days: its visits by the day of the visit, its money by the day on which it moved."""

    service_id: int | None
    name: str
    visits: Visits = field(default_factory=Visits)
    money: dict[str, Money] = field(default_factory=dict)

    @property
    def sums(self) -> list[Money]:
        """By currency, of which there is usually one."""
        return [self.money[currency] for currency in sorted(self.money)]


CONSULTATION = gettext_lazy("Consultation")
"""What a visit is that was booked for no service: a number, or an exact time."""


def revenue(days: Days) -> list[dict]:
    """What came in these days and what went back in them, by the service of its visit: rows of service (None: a
    consultation), name, currency, taken and back. They sum up to the money page. One statement."""
    came, went = MEASURES["captured"], MEASURES["refunded"]
    both = _moved(came, days, taken=Sum(came.minor), back=Value(0)).union(
        _moved(went, days, taken=Value(0), back=Sum(went.minor)), all=True
    )
    return list(both)


def _moved(measure, days: Days, **sums) -> QuerySet:
    groups = {
        "code": F(f"{measure.paid}currency"), "sold": F(f"{measure.visit}__service"),
        "title": F(f"{measure.visit}__service__name"),
    }  # fmt: skip
    return measure.rows(days).filter(measure.where).order_by().values(**groups).annotate(**sums)


def services(visits: list[VisitsRow], moved: list[dict] = ()) -> list[ServiceLine]:
    """Each service with what became of its visits and what it brought in, the most booked first."""
    lines: dict[int | None, ServiceLine] = {}
    for row in visits:
        line = lines.setdefault(row.service_id, ServiceLine(row.service_id, row.service or str(CONSULTATION)))
        line.visits += row.visits
    for row in moved:
        line = lines.setdefault(row["sold"], ServiceLine(row["sold"], row["title"] or str(CONSULTATION)))
        sums = line.money.setdefault(row["code"], Money(row["code"]))
        sums.taken_minor += row["taken"]
        sums.back_minor += row["back"]
    return sorted(lines.values(), key=lambda line: (-line.visits.booked, line.name))


# --- All of it, for the page --------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """Some days of what `user` sees; money only where they may see the clinic's."""

    days: Days
    use: list[UseRow]
    visits: list[VisitsRow]
    services: list[ServiceLine]

    @property
    def uses(self) -> list[tuple[Sells, Use]]:
        """Seats and minutes together, those of which there are any."""
        sums = [(sells, total(row.use for row in self.use if row.sells == sells)) for sells in Sells]
        return [(sells, use) for sells, use in sums if use.total]

    @property
    def together(self) -> Visits:
        return sum((row.visits for row in self.visits), Visits())

    @property
    def by_doctor(self) -> list[tuple[str, Visits]]:
        """What became of each doctor's visits."""
        sums: dict[tuple, Visits] = {}
        for row in self.visits:
            sums[row.doctor, row.doctor_id] = sums.get((row.doctor, row.doctor_id), Visits()) + row.visits
        return [(name, sums[name, pk]) for name, pk in sorted(sums)]

    @property
    def shares(self) -> list[tuple[ServiceLine, int]]:
        """Each service with its part of the most booked one, in percent: the length of its bar."""
        most = max((line.visits.booked for line in self.services), default=0)
        return [(line, round(line.visits.booked * 100 / most) if most else 0) for line in self.services]


def report(days: Days, user, *, with_money: bool) -> Report:
    """Three statements at most, however many bookings there are."""
    visits = use_queries.visits(visits_in(days, user))
    moved = revenue(days) if with_money else []
    return Report(
        days, use_queries.utilisation(windows_in(days, user), timezone.now()), visits, services(visits, moved)
    )


# --- Plain rows, for the API --------------------------------------------------------------


def utilisation(days: Days, doctor=None, user=None) -> list[dict]:
    """By day, doctor, part of the day and what is sold (seats or minutes): windows, used, held, free, total and
    percent; with `user` of what they see in admin. One statement."""
    windows = windows_in(days, user)
    windows = windows.filter(doctor=doctor) if doctor else windows
    return [
        {
            "date": row.day, "doctor_id": row.doctor_id, "doctor": row.doctor, "period": row.period,
            "sells": row.sells, "windows": row.windows, **asdict(row.use),
            "free": row.use.free, "percent": row.use.percent,
        }
        for row in use_queries.utilisation(windows, timezone.now(), by_day=True)
    ]  # fmt: skip


def payments(days: Days) -> list[dict]:
    """By currency and doctor, every sum of the money page in minor units (captured, refunded, pending …) and
    beside it how many rows it is of (captured_count …). Four statements."""
    return [
        {
            "currency": book.currency, "doctor_id": line.selection.doctor, "doctor": line.label,
            **{f"{name}_minor": line.sums[name] for name in MEASURES},
            **{f"{name}_count": line.counts[name] for name in MEASURES},
            "net_minor": line.net,
        }
        for book in books(days)
        for line in book.by_doctor
    ]  # fmt: skip


def payouts(days: Days, doctor=None) -> list[dict]:
    """Payouts that were asked for, or ended, in these days, the oldest first: what a bank's statement is compared
    with. One statement."""
    found = Payout.objects.moved_between(days.start, days.end).for_list()
    return [
        {
            "id": payout.pk, "code": payout.code, "doctor_id": payout.doctor_id, "doctor": payout.doctor.name,
            "amount_minor": payout.amount_minor, "currency": payout.currency, "status": payout.status,
            "reference": payout.reference, "reason": payout.reason, "requested_at": payout.requested_at,
            "ended_at": payout.ended_at, "paid_on": payout.paid_on,
        }
        for payout in (found.of(doctor) if doctor else found)
    ]  # fmt: skip


# --- For a spreadsheet --------------------------------------------------------------------


def utilisation_table(days: Days) -> Iterator[list]:
    """A month by each statement: a year of a clinic is not in memory at once."""
    for first in range(0, days.count, 31):
        start = days.first + timedelta(days=first)
        for row in utilisation(Days(start, min(start + timedelta(days=30), days.last))):
            yield [row[name] for name in USE_HEAD]


USE_HEAD = ["date", "doctor", "period", "sells", "windows", "used", "held", "free", "total", "percent"]


def services_table(days: Days) -> Iterator[list]:
    """A line for each service and currency in which money moved; amounts in major units."""
    for line in services(use_queries.visits(visits_in(days)), revenue(days)):
        visits = line.visits
        counts = [
            visits.booked, visits.seen, visits.missed, visits.missed_percent, visits.cancelled, visits.sold,
        ]  # fmt: skip
        for sums in line.sums or [None]:
            amounts = [sums.taken_minor, sums.back_minor, sums.kept_minor] if sums else []
            yield [line.name, *counts, *_major(amounts, sums)]
            counts = [None] * len(counts)  # said once: a spreadsheet would add them up again


def _major(amounts: list[int], sums: Money | None) -> list:
    if not sums:
        return [None] * 4
    return [*(money.to_major(minor, sums.currency) for minor in amounts), sums.currency]


SERVICES_HEAD = [
    "service", "booked", "seen", "no_shows", "no_show_percent", "cancelled", "minutes", "taken", "given_back",
    "kept", "currency",
]  # fmt: skip

TABLES = {"utilisation": (USE_HEAD, utilisation_table), "services": (SERVICES_HEAD, services_table)}
"""By the word in the address of the file (`export_queries.TABLES`): the head, and the rows of some days."""
