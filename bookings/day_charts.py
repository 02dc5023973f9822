"""A day as a picture: a row for each doctor, a bar for each booking. Numbers that a template draws."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from bookings.dashboard_queries import Dashboard, Place
from clinic.templatetags.clinic import clinic_time
from schedules.models import Schedule

TOP, ROW = 24, 60
"""Heights in pixels: of the hours above, and of a doctor's row."""
LABELS = 7
"""More hours would not fit above it on a phone."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Box:
    """From where to where a bar lies, in percent of the picture's width, and in which row."""

    x: float
    width: float
    y: int
    kind: str
    words: str


@dataclass(frozen=True)
class Hour:
    x: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Row:
    name: str
    y: int


@dataclass(frozen=True)
class Timeline:
    height: int
    hours: list[Hour]
    rows: list[Row]
    windows: list[Box]
    places: list[Box]
    now: float | None
    """Where the present is; None where it is outside."""


def timeline(board: Dashboard) -> Timeline | None:
    """The chosen day from the first hour to the last; None where nobody receives."""
    if not board.windows:
        return None
    span = _Span(board.windows)
    doctors = list(dict.fromkeys(part.doctor for part in board.parts))
    y = {doctor.pk: TOP + number * ROW for number, doctor in enumerate(doctors)}
    return Timeline(
        height=TOP + ROW * len(doctors),
        hours=span.hours(),
        rows=[Row(doctor.name, y[doctor.pk]) for doctor in doctors],
        windows=[
            span.box(w.starts_at, w.ends_at, y[w.doctor_id], w.status, _hours(w)) for w in board.windows
        ],
        places=[
            span.box(place.start, place.end, y[place.window.doctor_id], place.tone, words(place))
            for place in board.places
        ],
        now=span.at(board.now) if span.first <= board.now <= span.last else None,
    )


class _Span:
    """The hours that a picture shows, whole ones, counted in UTC: where clocks change, a day is an hour longer
    or shorter."""

    def __init__(self, windows: list[Schedule]):
        first = min(window.starts_at for window in windows)
        last = max(window.ends_at for window in windows)
        whole = timezone.localtime(first).replace(minute=0, second=0, microsecond=0)
        self.first = whole.astimezone(UTC)
        self.last = self.first + -(-(last - self.first) // HOUR) * HOUR

    def at(self, moment: datetime) -> float:
        return round((moment - self.first) / (self.last - self.first) * 100, 3)

    def box(self, start: datetime, end: datetime, y: int, kind: str, words: str) -> Box:
        x = self.at(start)
        return Box(x, round(self.at(end) - x, 3), y, kind, words)

    def hours(self) -> list[Hour]:
        """Not more than fit; those at the edges stand inside the picture."""
        count = (self.last - self.first) // HOUR
        every = -(-count // (LABELS - 1))
        anchors = {0: "start", count: "end"}
        return [
            Hour(self.at(moment), clinic_time(timezone.localtime(moment)), anchors.get(n, "middle"))
            for n in range(0, count + 1, every)
            for moment in [self.first + n * HOUR]
        ]


def _hours(window: Schedule) -> str:
    return f"{window.doctor}, {window.hours}, {window.get_status_display()}"


def words(place: Place) -> str:
    """ "10:20–10:40 · Facial · confirmed"."""
    start, end = (clinic_time(timezone.localtime(moment)) for moment in (place.start, place.end))
    time = f"{start}–{end}" if place.booking.start_at else _("about %(time)s") % {"time": start}
    return " · ".join(filter(None, [time, place.what, str(place.state)]))
