"""Clock times as typed at the clinic, and the instants they mean."""

from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

STAMP = "%Y-%m-%dT%H:%M"


# The parts of a clinic's day, in their order. A docstring would be the API's description of them.
class Period(TextChoices):
    MORNING = "morning", gettext_lazy("Morning")
    AFTERNOON = "afternoon", gettext_lazy("Afternoon")
    EVENING = "evening", gettext_lazy("Evening")


def part_of_day(at: time) -> Period:
    """Morning before noon, evening from settings.EVENING_FROM_HOUR, else afternoon."""
    if at.hour < 12:
        return Period.MORNING
    return Period.EVENING if at.hour >= settings.EVENING_FROM_HOUR else Period.AFTERNOON


def typed_instant(text: str) -> datetime | None:
    """A local time as addresses carry it, "2026-11-24T09:20", as UTC. None for whatever is no such time,
    or lies where adding a day to it would be none."""
    try:
        typed = datetime.strptime(text, STAMP)  # noqa: DTZ007  (the clinic's zone comes next)
        return instant(typed.date(), typed.time()) if MINYEAR < typed.year < MAXYEAR else None
    except (ValueError, ValidationError):
        return None


def stamp(moment: datetime) -> str:
    """What `typed_instant` reads."""
    return timezone.localtime(moment).strftime(STAMP)


def instant(day: date, at: time) -> datetime:
    """A local time of the clinic as UTC.

    Raises ValidationError where clocks change and that time does not exist or exists twice.
    """
    zone = timezone.get_default_timezone()
    first, second = (datetime.combine(day, at, zone).replace(fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        real = first.astimezone(UTC).astimezone(zone).time() == at
        raise ValidationError(
            (_("%(time)s happens twice on %(day)s, because clocks go back. Choose a time outside that hour.")
             if real
             else _("%(time)s does not exist on %(day)s, because clocks go forward. Choose a time outside that hour.")),
            code="clock_change",
            params={"time": at.strftime("%H:%M"), "day": day.isoformat()},
        )  # fmt: skip
    return first.astimezone(UTC)
