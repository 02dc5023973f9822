"""What one line of another system's reservations means, and whether its time is free. It reads no database."""

from bisect import insort
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.translation import gettext as _
from phonenumber_field.phonenumber import to_python

from bookings.states import Channel, Status
from clinic.import_rules import Row
from clinic.models import DAY, Doctor, Service
from schedules.localtime import instant
from schedules.models import Schedule

NEEDED = "id", "doctor", "service", "start", "name"
COLUMNS = *NEEDED, "phone", "email", "minutes", "price", "paid", "status", "channel"
ANY = ""
"""The file says nothing of its status: what is over took place, what is to come is confirmed."""
STATES = ANY, Status.CONFIRMED, Status.COMPLETED, Status.NO_SHOW, Status.CANCELLED


@dataclass(eq=False)
class Line:
    """A reservation as the file has it; times in UTC, price in minor units, None where the service's own counts."""

    row: Row
    external_id: str
    start: datetime | None
    name: str
    phone: str
    email: str
    own_minutes: int | None
    own_price_minor: int | None
    paid: bool | None
    status: str
    channel: str
    doctor: Doctor | None = None
    service: Service | None = None

    @property
    def minutes(self) -> int:
        return self.own_minutes or self.service.minutes

    @property
    def price_minor(self) -> int:
        return self.service.price_minor if self.own_price_minor is None else self.own_price_minor

    @property
    def end(self) -> datetime:
        return self.start + timedelta(minutes=self.minutes)

    def is_in(self, window: Schedule) -> bool:
        return window.starts_at <= self.start and self.end <= window.ends_at

    def wrong(self, words: str, **facts) -> None:
        self.row.wrong.append(words % facts)


def understood(row: Row) -> Line:
    """Reads a row's cells; what is wrong with them stands in the row."""
    row.wrong.clear()  # a second try after a deadlock
    return Line(
        row=row,
        external_id=row.text("id", most=64, needed=True),
        start=_start(row),
        name=row.text("name", most=120, needed=True),
        phone=_phone(row),
        email=_email(row),
        own_minutes=row.whole("minutes", least=1, most=DAY),
        own_price_minor=row.amount("price", settings.CLINIC_CURRENCY),
        paid=row.yes("paid", default=None),
        status=row.one_of("status", STATES, default=ANY),
        channel=row.one_of("channel", Channel.values, default=Channel.PHONE),
    )


def _start(row: Row) -> datetime | None:
    """By the clinic's clock unless it has an offset; an hour that clocks skip or repeat is refused."""
    typed = row.moment("start")
    if typed is None or timezone.is_aware(typed):
        return typed and typed.astimezone(UTC)
    try:
        return instant(typed.date(), typed.time())
    except ValidationError as error:
        row.wrong += error.messages


def _phone(row: Row) -> str:
    """As it is stored, +919820012345; "" for none."""
    if not (typed := row.text("phone", most=40)):
        return ""
    number = to_python(typed)
    if number is None or not number.is_valid():
        row.wrong.append(_("“%(typed)s” is no phone number.") % {"typed": typed})
        return ""
    return number.as_e164


def _email(row: Row) -> str:
    if typed := row.text("email", most=254):
        try:
            validate_email(typed)
        except ValidationError:
            row.wrong.append(_("“%(typed)s” is no e-mail address.") % {"typed": typed})
    return typed


@dataclass
class Room:
    """What is taken of one window while a file is read into it: times, and minutes of its capacity."""

    capacity: int
    taken: int
    times: list[tuple[datetime, datetime, int]] = field(default_factory=list)
    """Start, end, and the file's line; 0 for what stood here before. None overlaps another."""

    def seat(self, line: Line) -> None:
        """Takes the line's time, or says in the line why it can't have it."""
        for start, end, other in self.times:
            if start < line.end and line.start < end:
                return line.wrong(
                    _("It overlaps line %(other)s. Give one of them another time or fewer minutes.")
                    if other
                    else _("It overlaps a booking that is here already, at %(start)s."),
                    other=other,
                    start=f"{timezone.localtime(start):%H:%M}",
                )
        left = self.capacity - self.taken
        if line.minutes > left:
            return line.wrong(
                _("It takes %(minutes)s minutes, and its window has only %(left)s left."),
                minutes=line.minutes, left=left,
            )  # fmt: skip
        self.taken += line.minutes
        insort(self.times, (line.start, line.end, line.row.line))
