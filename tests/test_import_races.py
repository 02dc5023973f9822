"""A file comes in while patients book, on real connections; and the same without the locks, which goes wrong."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings.import_actions import Brought, import_reservations
from bookings.models import Booking
from clinic.import_rules import Row, Wrong
from clinic.models import Service
from schedules.models import Schedule
from tests import factories as f
from tests.racing import at_once
from tests.test_races import fair, healthy, meeting, unwatched  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pool() -> Schedule:
    return f.pool(starts_in=f.at_ten())


@pytest.fixture
def botox(pool) -> Service:
    return f.service(pool.doctor, code="botox")


def bring(pool, after: int):
    """The import of one reservation, so many minutes after the pool's start."""
    start = timezone.localtime(pool.starts_at + timedelta(minutes=after))
    cells = {
        "id": f"R{after}", "doctor": pool.doctor.slug, "service": "botox", "start": f"{start:%Y-%m-%d %H:%M}",
        "name": "Ravi Kumar",
    }  # fmt: skip
    return lambda: import_reservations([Row(2, cells)], dry_run=False, open_windows=False, skip_past=False)


def seats(results) -> set[str]:
    """What became of the file and of the patient."""
    return {
        f"{r.added} added, {r.here} here"
        if isinstance(r, Brought)
        else " ".join(words for _line, words in r.problems)
        if isinstance(r, Wrong)
        else str(getattr(r, "code", getattr(r, "status", type(r).__name__)))
        for r in results
    }


def test_a_patient_books_another_time_of_the_same_pool(pool, botox, fair, meeting):  # noqa: F811
    results = at_once(bring(pool, 10), lambda: f.reserve(pool, botox, 60), meeting=meeting)
    pool.refresh_from_db()
    right = seats(results) == {"1 added, 0 here", "held"} and pool.taken == 80 and healthy()
    assert right is fair


def test_a_patient_wants_the_time_that_the_file_brings(pool, botox, fair, meeting):  # noqa: F811
    """One of them has it, and the other is told so in words."""
    results = at_once(bring(pool, 60), lambda: f.reserve(pool, botox, 60), meeting=meeting)
    start = f"{timezone.localtime(pool.starts_at + timedelta(minutes=60)):%H:%M}"
    refused = f"It overlaps a booking that is here already, at {start}."
    right = seats(results) in ({"1 added, 0 here", "OVERLAP"}, {refused, "held"})
    assert (right and Booking.objects.count() == 1 and healthy()) is fair


def test_two_people_bring_the_same_file(pool, botox, fair, meeting):  # noqa: F811
    results = at_once(*[bring(pool, 60)] * 2, meeting=meeting)
    right = seats(results) == {"1 added, 0 here", "0 added, 1 here"} and healthy()
    assert right is fair
