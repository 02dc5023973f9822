"""Locks that refuse to be misused, retries that repeat everything, and a clock read after the wait."""

import threading
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F, Value

from bookings import actions, steps
from bookings.models import Booking
from clinic.errors import Refused, is_busy, sqlstate
from clinic.models import Patient
from clinic.transactions import TRIES, StartOver, action
from payments.management.commands.check_invariants import violations
from schedules.models import Schedule
from tests import factories as f
from tests.racing import ENOUGH, at_once

postgres = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


# --- locked() -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_lock_without_a_transaction_is_refused():
    window = f.window()
    with pytest.raises(transaction.TransactionManagementError):
        Schedule.objects.locked().get(pk=window.pk)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "rows",
    [
        Schedule.objects.select_related("doctor"),
        Schedule.objects.annotate(one=Value(1)),
        Schedule.objects.annotate(more=F("capacity") + 1),
    ],
    ids=["joined", "annotated", "computed"],
)
def test_only_bare_rows_are_locked(rows):
    with transaction.atomic(), pytest.raises(ValueError, match="bare rows"):
        rows.all().locked()


@pytest.mark.django_db
def test_windows_are_locked_in_the_order_of_their_keys():
    windows = [f.window() for _ in range(3)]
    with transaction.atomic():
        locked = Schedule.objects.filter(pk__in=[w.pk for w in windows]).order_by("-pk").locked()
        assert [window.pk for window in locked] == [window.pk for window in windows]


# --- action -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_action_is_the_outermost_transaction():
    booking = f.hold(f.window())
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        actions.cancel(booking.pk, reason="ill")
    booking.refresh_from_db()
    assert booking.status == "held"


def stumbling(times: int):
    """An action that writes a patient and then has to start over so many times."""
    left = [None] * times

    @action
    def write():
        patient = f.patient()
        if left:
            left.pop()
            raise StartOver
        return patient

    return write


@pytest.mark.django_db(transaction=True)
def test_what_is_started_over_leaves_nothing_behind():
    assert stumbling(TRIES - 1)()
    assert Patient.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_after_five_tries_an_action_gives_up_with_nothing_changed():
    with pytest.raises(Refused) as refused:
        stumbling(TRIES)()
    assert (refused.value.code, refused.value.status) == ("BUSY", 503)
    assert Patient.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_any_other_error_is_not_tried_again():
    tries = []

    @action
    def fail():
        tries.append(1)
        f.patient()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (len(tries), Patient.objects.count()) == (1, 0)


@pytest.mark.django_db
def test_a_booking_that_moved_to_another_window_is_looked_for_again():
    booking, other = f.hold(f.window()), f.window()
    with transaction.atomic(), pytest.raises(StartOver):
        steps.lock_for(booking.pk, other.pk)


@pytest.mark.django_db(transaction=True)
def test_twenty_patients_want_five_places_on_either_database():
    window = f.window(capacity=5)
    results = at_once(*[lambda: f.hold(window)] * 20)
    assert Counter(getattr(r, "code", None) or r.status for r in results) == {"held": 5, "FULL": 15}
    assert violations() == {}


class TestOnPostgreSQL:
    pytestmark = postgres

    def test_two_actions_that_block_each_other_both_finish(self):
        """A real deadlock: PostgreSQL ends one of the two, and its action begins again."""
        one, two = f.patient(name="One"), f.patient(name="Two")
        tries, both = [], threading.Barrier(2)

        @action
        def swap(first, second):
            tries.append(first.pk)
            Patient.objects.locked().get(pk=first.pk)
            if len(tries) <= 2:
                both.wait(ENOUGH)
            Patient.objects.locked().get(pk=second.pk)
            Patient.objects.filter(pk__in=[first.pk, second.pk]).update(age=F("age") + 1)
            return "done"

        Patient.objects.update(age=0)
        assert at_once(lambda: swap(one, two), lambda: swap(two, one)) == ["done", "done"]
        assert len(tries) == 3
        assert set(Patient.objects.values_list("age", flat=True)) == {2}

    def test_a_serialization_failure_is_tried_again(self):
        """Both read a sum that the other changes; under SERIALIZABLE only one may commit."""
        for name in ("One", "Two"):
            f.patient(name=name, age=1)
        tries, both = [], threading.Barrier(2)

        @action
        def add(name):
            tries.append(name)
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            total = sum(Patient.objects.values_list("age", flat=True))
            if len(tries) <= 2:
                both.wait(ENOUGH)
            Patient.objects.filter(name=name).update(age=total)
            return total

        assert sorted(at_once(lambda: add("One"), lambda: add("Two"))) == [2, 3]
        assert len(tries) == 3

    def test_a_deadlock_and_a_full_queue_are_told_apart_from_bugs(self):
        def error(statement):
            with pytest.raises(OperationalError) as caught, connection.cursor() as cursor:
                cursor.execute(statement)
            return caught.value

        raising = "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '%s'; END $$"
        for state in ("40001", "40P01", "55P03", "57014"):
            busy = error(raising % state)
            assert (sqlstate(busy), is_busy(busy)) == (state, True)
        assert not is_busy(error(raising % "53100"))  # the disk is full: that is not a moment's matter
        assert not is_busy(ZeroDivisionError())

    def test_now_is_the_time_after_the_wait_for_the_lock(self):
        window, waiting, free = f.window(), threading.Event(), threading.Event()

        def keeper():
            with transaction.atomic():
                Schedule.objects.locked().get(pk=window.pk)
                waiting.set()
                assert free.wait(ENOUGH)
                return clock()

        def patient():
            assert waiting.wait(ENOUGH)
            return f.hold(window)

        def witness():
            assert waiting.wait(ENOUGH)
            until_somebody_waits()
            free.set()

        released, booking, _nothing = at_once(keeper, patient, witness)
        assert booking.created_at >= released
        assert booking.hold_expires_at - booking.created_at == timedelta(minutes=15)

    def test_a_hold_that_lapses_during_the_wait_gives_its_place_back(self):
        """Seen from before the wait, the window was full."""
        window, waiting, free = f.window(capacity=1), threading.Event(), threading.Event()
        first = f.hold(window)

        def keeper():
            with transaction.atomic():
                Schedule.objects.locked().get(pk=window.pk)
                waiting.set()
                assert free.wait(ENOUGH)
                Booking.objects.filter(pk=first.pk).update(hold_expires_at=clock())

        def patient():
            assert waiting.wait(ENOUGH)
            return f.hold(window, request_key=uuid4())

        def witness():
            assert waiting.wait(ENOUGH)
            until_somebody_waits()
            free.set()

        _none, booking, _nothing = at_once(keeper, patient, witness)
        assert booking.status == "held"


def clock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def until_somebody_waits():
    """Returns when PostgreSQL says that a connection waits for a lock; looks every 10 ms, 20 s long."""
    with connection.cursor() as cursor:
        for _ in range(2000):
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody waited")
