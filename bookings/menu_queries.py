"""What the desk may sell of today's minutes: each service, and the starts that still fit."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import F
from django.utils import timezone

from bookings.minutes_queries import Pool, pools
from clinic.models import Service
from schedules.models import Schedule
from schedules.states import SETTLES


@dataclass(frozen=True)
class Item:
    """A service in one of today's pools, as the desk may sell it now."""

    service: Service
    pool: Pool

    @property
    def window(self) -> Schedule:
        return self.pool.schedule

    @property
    def key(self) -> str:
        """As a form sends it."""
        return f"{self.window.pk}-{self.service.pk}"

    @cached_property
    def starts(self) -> list[datetime]:
        """Where it still fits, the earliest first."""
        return self.pool.starts(self.service.minutes)

    @property
    def first(self) -> datetime | None:
        return self.starts[0] if self.starts else None

    @cached_property
    def suggested(self) -> list[datetime]:
        """Up to three of the starts, where some waste less of the day than others (docs/decisions/0014)."""
        return self.pool.marked(self.service.minutes)


def menu(now: datetime) -> list[Item]:
    """What today's pools offer that are not over, by pool and in the order of the catalogue; also what
    does not fit any more. At most three statements."""
    today = timezone.localdate(now)
    found = pools(now, today, today, at_desk=True)
    running = [pool for pool in found if pool.schedule.status in SETTLES and pool.schedule.ends_at > now]
    if not running:
        return []
    offered = defaultdict(list)
    theirs = {pool.schedule.doctor_id for pool in running}
    for service in Service.objects.offered().filter(doctors__in=theirs).annotate(by_doctor=F("doctors")):
        offered[service.by_doctor].append(service)
    return [Item(service, pool) for pool in running for service in offered[pool.schedule.doctor_id]]
