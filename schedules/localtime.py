"""Clock times as typed at the clinic, and the instants they mean."""

from datetime import UTC, date, datetime, time

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _


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
