"""A pool's minutes: the sum, no overlap, and what each refusal says (issue 5; seed 002)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings import minutes_queries
from bookings.models import Booking
from bookings.states import Status
from clinic.errors import Refused
from tests import factories

pytestmark = pytest.mark.django_db


def minutes(n: int) -> timedelta:
    return timedelta(minutes=n)


def left(pool) -> int:
    """What a page says is left."""
    [found] = [
        one for one in minutes_queries.pools(timezone.now(), pool.date, pool.date) if one.schedule == pool
    ]
    return found.remaining


def test_the_worked_example_of_the_document():
    pool = factories.pool()
    botox = factories.service(pool.doctor, duration=30, buffer=10)
    skin = factories.service(pool.doctor, duration=60, buffer=10)
    said = []
    for start in (0, 40, 80):
        factories.reserve(pool, botox, start)
        said.append(left(pool))
    with pytest.raises(Refused) as refused:
        factories.reserve(pool, skin, 120)
    assert refused.value.code == "NOT_ENOUGH_MINUTES"
    assert refused.value.message == "Only 60 minutes are left, and this takes 70."
    factories.reserve(pool, botox, 120)
    assert (*said, left(pool)) == (140, 100, 60, 20)
    assert Booking.objects.filter(status=Status.HELD).count() == 4
