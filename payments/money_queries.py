"""The clinic's money over some days: sums by day, doctor and way of paying, and the rows behind each."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import cached_property
from urllib.parse import urlencode

from django.db.models import Count, DateField, F, Model, Q, QuerySet, Sum
from django.db.models.functions import TruncDate, TruncMonth
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from clinic import money
from payments import gateways
from payments.models import CAPTURED, Payment, Refund
from payments.states import UNDER_WAY, Method, Outcome, RefundStatus, Status

MOST_DAYS = 366
BY_MONTH_FROM = 63
"""So many days are shown month by month."""


@dataclass(frozen=True)
class Days:
    """Days of the clinic, the last one included."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return timezone.make_aware(datetime.combine(self.first, time.min))

    @property
    def end(self) -> datetime:
        """The first moment that is not in it."""
        return timezone.make_aware(datetime.combine(self.last + timedelta(days=1), time.min))

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def by_month(self) -> bool:
        return self.count >= BY_MONTH_FROM

    @property
    def parts(self) -> list["Days"]:
        """What a chart shows a bar of: each day, or each month as far as it belongs here."""
        found, first = [], self.first
        while first <= self.last:
            last = min(_month(first).last, self.last) if self.by_month else first
            found.append(Days(first, last))
            first = last + timedelta(days=1)
        return found

    @property
    def query(self) -> str:
        return urlencode({"since": self.first, "until": self.last})

    def __str__(self):
        """ "16 November to 22 November 2026"."""
        pattern = pgettext("day on paper", "j F Y")
        short = pgettext("day of a year that is said later", "j F")
        last = date_format(self.last, pattern)
        first = date_format(self.first, short if self.first.year == self.last.year else pattern)
        return last if self.count == 1 else _("%(first)s to %(last)s") % {"first": first, "last": last}


def _month(day: date) -> Days:
    first = day.replace(day=1)
    return Days(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


def presets(today: date) -> list[tuple[str, Days]]:
    """What managers ask for, the usual first week."""
    monday = today - timedelta(days=today.weekday())
    return [
        (_("Today"), Days(today, today)),
        (_("This week"), Days(monday, monday + timedelta(days=6))),
        (_("Last 7 days"), Days(today - timedelta(days=6), today)),
        (_("This month"), _month(today)),
        (_("Last month"), _month(today.replace(day=1) - timedelta(days=1))),
    ]


def this_week(today: date) -> Days:
    return presets(today)[1][1]


# --- What is summed up --------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A sum that has a name: which rows, by which moment, and which of their amounts (minor units)."""

    name: str
    label: Promise
    hint: Promise
    model: type[Model]
    at: str
    minor: str
    where: Q

    def rows(self, days: Days) -> QuerySet:
        within = {f"{self.at}__gte": days.start, f"{self.at}__lt": days.end}
        return self.model.objects.filter(_known_by(self), **within)

    @property
    def visit(self) -> str:
        """The way from a row to its payment's booking."""
        return "booking" if self.model is Payment else "payment__booking"

    @property
    def paid(self) -> str:
        return "" if self.model is Payment else "payment__"


def _known_by(measure: Measure) -> Q:
    """Spelled like the conditions of the indexes by day."""
    done = CAPTURED if measure.model is Payment else Q(status=RefundStatus.DONE)
    return done if measure.at in ("captured_at", "done_at") else ~done


def _came(name: str, label: Promise, hint: Promise, where: Q = CAPTURED) -> Measure:
    facts = {"model": Payment, "at": "captured_at", "minor": "captured_minor"}
    return Measure(name=name, label=label, hint=hint, where=where, **facts)


def _asked(name: str, label: Promise, hint: Promise, *status: Status) -> Measure:
    facts = {"model": Payment, "at": "created_at", "minor": "amount_minor"}
    return Measure(name=name, label=label, hint=hint, where=Q(status__in=status), **facts)


def _went(name: str, label: Promise, hint: Promise, at: str, *status: RefundStatus) -> Measure:
    facts = {"model": Refund, "minor": "amount_minor"}
    return Measure(name=name, label=label, hint=hint, at=at, where=Q(status__in=status), **facts)


_t = gettext_lazy
MEASURES = {
    measure.name: measure
    for measure in [
        _came("captured", _t("Taken"), _t("all that arrived")),
        _went("refunded", _t("Given back"), _t("has left the clinic"), "done_at", RefundStatus.DONE),
        _asked(
            "pending", _t("Waiting"), _t("patients are paying now, or have left the page"),
            Status.CREATED, Status.AUTHORIZED,
        ),
        _went("under_way", _t("Going back"), _t("promised, and on its way"), "created_at", *UNDER_WAY),
        _came(
            "overflow", _t("No place left"), _t("paid when the window was full: goes back by itself"),
            Q(outcome=Outcome.NO_PLACE),
        ),
        _came(
            "surplus", _t("Paid twice or too late"), _t("goes back by itself"), Q(outcome=Outcome.SURPLUS)
        ),
        _came(
            "review", _t("To look at"), _t("somebody must decide about it"),
            Q(outcome__in=("", Outcome.REVIEW)),
        ),
        _asked("failed", _t("Not paid"), _t("declined, or ended unpaid"), Status.FAILED, Status.EXPIRED),
    ]
}  # fmt: skip
BOUGHT_NOTHING = ("overflow", "surplus", "review")


# --- The rows behind a sum ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Rows that a number on the dashboard stands for; what is empty is not asked for."""

    days: Days
    what: str = "captured"
    currency: str = ""
    doctor: int | None = None
    gateway: str = ""
    method: str = ""

    @property
    def measure(self) -> Measure:
        return MEASURES[self.what]

    @property
    def query(self) -> str:
        """The address of it, after the question mark."""
        named = ("what", "currency", "doctor", "gateway", "method")
        asked = {name: getattr(self, name) for name in named if getattr(self, name)}
        return f"{self.days.query}&{urlencode(asked)}"

    def rows(self) -> QuerySet:
        measure, asked = self.measure, {}
        if self.doctor:
            asked[f"{measure.visit}__schedule__doctor"] = self.doctor
        for name in ("currency", "gateway", "method"):
            if getattr(self, name):
                asked[f"{measure.paid}{name}"] = getattr(self, name)
        return measure.rows(self.days).filter(measure.where, **asked)

    def for_page(self) -> QuerySet:
        """The same with all that a page says of each, the latest first."""
        measure = self.measure
        rows = self.rows().select_related(f"{measure.visit}__schedule__doctor", f"{measure.visit}__patient")
        if measure.model is Payment:
            rows = rows.prefetch_related("refunds")
        return rows.order_by(f"-{measure.at}", "-pk")

    def sums(self) -> list[tuple[str, int]]:
        """What they come to, by currency: pairs of the sum in words and the number of rows."""
        by_currency = self.rows().order_by().values(code=F(f"{self.measure.paid}currency"))
        found = by_currency.annotate(minor=Sum(self.measure.minor), n=Count("pk")).order_by("code")
        return [(money.display(row["minor"], row["code"]), row["n"]) for row in found]


# --- The dashboard ------------------------------------------------------------------------


@dataclass
class Line:
    """One row of numbers: a day, a doctor, a way of paying, or all together."""

    label: str
    selection: Selection
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0))
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MEASURES, 0))

    def add(self, row: dict, names: Iterable[str]) -> None:
        for name in names:
            self.sums[name] += row[name] or 0
            self.counts[name] += row[f"{name}_n"]

    @property
    def net(self) -> int:
        return self.sums["captured"] - self.sums["refunded"]

    @property
    def kept(self) -> str:
        return money.display(self.net, self.selection.currency)

    @property
    def bought_nothing(self) -> int:
        return sum(self.sums[name] for name in BOUGHT_NOTHING)

    @property
    def is_empty(self) -> bool:
        return not any(self.counts.values())

    @cached_property
    def cells(self) -> dict[str, "Cell"]:
        """Every measure as text, with the address of its rows."""
        return {
            name: Cell(
                measure,
                money.display(self.sums[name], self.selection.currency),
                self.counts[name],
                replace(self.selection, what=name).query,
            )
            for name, measure in MEASURES.items()
        }


@dataclass(frozen=True)
class Cell:
    measure: Measure
    text: str
    count: int
    query: str


@dataclass
class Book:
    """All of one currency."""

    currency: str
    total: Line
    days: list[Line]
    doctors: dict[int, Line] = field(default_factory=dict)
    ways: dict[tuple[str, str], Line] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """Measures that have anything to say here, and always what was taken and given back."""
        told = self.total.counts
        return [name for name in MEASURES if told[name] or name in ("captured", "refunded")]

    @property
    def by_doctor(self) -> list[Line]:
        return _largest_first(self.doctors)

    @property
    def by_way(self) -> list[Line]:
        return _largest_first(self.ways)


def _largest_first(lines: dict) -> list[Line]:
    return sorted(lines.values(), key=lambda line: (-line.sums["captured"], line.label))


def books(days: Days) -> list[Book]:
    """Every currency's sums over these days, the largest first: four statements, however much there is.

    They are summed up in SQL by part of time, doctor, way of paying and currency; here only sums are added.
    """
    found: dict[str, Book] = {}
    for source in _sources():
        for row in _grouped(source, days):
            book = found.setdefault(row["code"], _empty(days, row["code"]))
            names = [measure.name for measure in source]
            for line in _lines(book, row, days):
                line.add(row, names)
    return sorted(found.values(), key=lambda book: -book.total.sums["captured"])


def _sources() -> list[list[Measure]]:
    """Measures that one statement can find together."""
    together: dict = {}
    for measure in MEASURES.values():
        together.setdefault((measure.model, measure.at), []).append(measure)
    return list(together.values())


def _grouped(source: list[Measure], days: Days) -> QuerySet:
    first = source[0]
    part = TruncMonth(first.at, output_field=DateField()) if days.by_month else TruncDate(first.at)
    doctor = f"{first.visit}__schedule__doctor"
    groups = {
        "part": part, "doctor": F(doctor), "name": F(f"{doctor}__name"),
        "way": F(f"{first.paid}gateway"), "how": F(f"{first.paid}method"), "code": F(f"{first.paid}currency"),
    }  # fmt: skip
    sums = {measure.name: Sum(measure.minor, filter=measure.where) for measure in source}
    counts = {f"{measure.name}_n": Count("pk", filter=measure.where) for measure in source}
    return first.rows(days).order_by().values(**groups).annotate(**sums, **counts)


def _empty(days: Days, currency: str) -> Book:
    every = Selection(days=days, currency=currency)
    lines = [Line(part_label(part, days), replace(every, days=part)) for part in days.parts]
    return Book(currency, Line(_("Together"), every), lines)


def _lines(book: Book, row: dict, days: Days) -> list[Line]:
    """Where a sum belongs: together, its day or month, its doctor, its way of paying."""
    every, way = book.total.selection, (row["way"], row["how"])
    part, first = row["part"], days.first
    number = (part - first).days
    if days.by_month:
        number = (part.year - first.year) * 12 + part.month - first.month
    doctor = book.doctors.setdefault(row["doctor"], Line(row["name"], replace(every, doctor=row["doctor"])))
    paid = book.ways.setdefault(
        way, Line(way_label(*way), replace(every, gateway=row["way"], method=row["how"]))
    )
    return [book.total, book.days[number], doctor, paid]


def part_label(part: Days, days: Days) -> str:
    """A day or a month, as short as the page leaves no doubt about it."""
    if days.by_month:
        return date_format(part.first, pgettext("month of a table", "F Y"))
    return date_format(part.first, pgettext("day of a table", "D j M"))


def way_label(gateway: str, method: str) -> str:
    """ "Razorpay"; at the counter "Cash"."""
    return str(Method(method).label) if method in Method.values else gateways.label(gateway)
