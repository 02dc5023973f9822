"""The maintenance switch: a file, seen at once by every process of a machine, also while the database is away.

Its content is the moment (ISO 8601) at which the clinic expects to be back, or nothing (docs/decisions/0015).
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

UNKNOWN = 300
"""Seconds after which to try again, where nobody said more."""


@dataclass(frozen=True)
class Maintenance:
    """It is on. `until` is when the clinic expects to be back; None: nobody said, or that is past."""

    until: datetime | None = None

    def retry_after(self) -> int:
        """In seconds."""
        return max(int((self.until - timezone.now()).total_seconds()), 1) if self.until else UNKNOWN


def current() -> Maintenance | None:
    """What the switch says now; None: off. A file that says nothing readable is on all the same."""
    try:
        until = datetime.fromisoformat(Path(settings.MAINTENANCE_FILE).read_text().strip())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return Maintenance()
    return Maintenance(until if timezone.is_aware(until) and until > timezone.now() else None)


def switch_on(until: datetime | None = None) -> None:
    """Pages of this machine say so from now on. Again: with another `until`."""
    file = Path(settings.MAINTENANCE_FILE)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(until.isoformat(timespec="seconds") if until else "")


def switch_off() -> bool:
    """Pages are back. False: it was off."""
    try:
        Path(settings.MAINTENANCE_FILE).unlink()
    except FileNotFoundError:
        return False
    return True


def goes_on(view):
    """Marks a view that answers during maintenance too."""
    view.goes_on_in_maintenance = True
    return view
