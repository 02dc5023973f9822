"""The shared cache in the database, as Django and the throttles use it."""

import pytest
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.cache import DatabaseCache
from clinic.errors import Refused
from clinic.models import CacheEntry
from clinic.throttle import throttle
from tests.racing import at_once

pytestmark = pytest.mark.django_db
LATER = 60
AGO = -1


@pytest.fixture
def cache():
    return DatabaseCache("", {})


@pytest.mark.parametrize("value", [0, -7, 2**40, "42", "", True, None, 1.5, [1700000000.5], {"a": b"\x00"}])
def test_what_was_kept_comes_back_as_it_was(cache, value):
    cache.set("key", value, LATER)
    kept = cache.get("key", "nothing")
    assert (kept, type(kept)) == (value, type(value))


def test_what_has_expired_is_gone(cache):
    cache.set("key", 1, AGO)
    assert cache.get("key") is None
    assert not cache.touch("key", LATER)
    with pytest.raises(ValueError, match="not found"):
        cache.incr("key")
    assert cache.add("key", 2, LATER)
    assert cache.get("key") == 2


def test_a_value_is_added_only_where_there_is_none(cache):
    assert cache.add("key", 1, LATER)
    assert not cache.add("key", 2, LATER)
    assert cache.get("key") == 1


def test_what_is_kept_for_ever_stays_and_can_be_thrown_away(cache):
    cache.set("key", "value", None)
    assert cache.get("key") == "value"
    assert cache.delete("key")
    assert not cache.delete("key")
    cache.set("other", 1)
    cache.clear()
    assert not CacheEntry.objects.exists()


def test_a_count_is_one_statement(cache):
    cache.add("key", 1, LATER)
    with CaptureQueriesContext(
        connection,
    ) as sent:
        assert cache.incr("key") == 2
    assert len(sent) == 1
    assert cache.decr("key", 5) == -3


@pytest.mark.django_db(transaction=True)
def test_rivals_who_count_at_the_same_moment_are_all_counted(cache):
    cache.add("key", 0, LATER)
    assert sorted(at_once(*[lambda: cache.incr("key")] * 8)) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_what_has_expired_is_thrown_away_in_passing(cache, monkeypatch):
    monkeypatch.setattr("clinic.cache.CULL_EVERY", 1)
    cache.set("old", 1, AGO)
    cache.set("new", 1, LATER)
    assert [entry.key for entry in CacheEntry.objects.all()] == [":1:new"]


def test_a_throttle_counts_in_the_database_up_to_its_limit(settings):
    settings.CACHES = {"default": {"BACKEND": "clinic.cache.DatabaseCache"}}
    settings.THROTTLES = {"booking-phone": (2, 3600)}
    throttle("booking-phone", "+919820012345")
    throttle("booking-phone", "+919820012345")
    with pytest.raises(Refused) as refusal:
        throttle("booking-phone", "+919820012345")
    assert refusal.value.status == 429
    throttle("booking-phone", "+919820054321")
    assert sorted(entry.value for entry in CacheEntry.objects.all()) == ["1", "3"]
    assert not any("98200" in entry.key for entry in CacheEntry.objects.all())
    assert isinstance(caches["default"], DatabaseCache)
