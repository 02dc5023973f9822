"""The witness of the lock order sees the real thing, and would cry out at a wrong one.

It listens to the whole suite: tests/conftest.py.
"""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from bookings import actions
from bookings.models import Booking
from clinic.models import Doctor
from payments import sweeps
from payments.models import GatewayEvent, Payment, Refund
from schedules.models import Schedule
from tests import factories as f
from tests.conftest import locks
from tests.lock_order import LockOrder

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def witness():
    """A second one, so that what it finds does not fail the test."""
    own = LockOrder()
    with connection.execute_wrapper(own):
        yield own
    locks.wrongs.clear()


def windows():
    first = f.window()
    return first, f.window(doctor=first.doctor, starts_in=timedelta(days=2))


def test_the_real_thing_locks_in_order_and_is_seen(witness):
    booking = f.paid(f.window())
    actions.cancel(booking.pk, reason="ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    assert witness.wrongs == []
    seen = {"payments_gatewayevent", "schedules_schedule", "payments_payment", "payments_refund"}
    assert set(witness.seen) == seen


def test_the_whole_order_is_allowed(witness):
    first, second = windows()
    with transaction.atomic():
        GatewayEvent.objects.update(tries=1)
        Doctor.objects.locked().get(pk=first.doctor_id)
        list(Schedule.objects.locked().filter(pk__in=[first.pk, second.pk]))
        list(Payment.objects.locked().filter(pk=1))
        list(Refund.objects.locked().filter(pk=1))
        Schedule.objects.filter(pk=first.pk).update(taken=F("taken"))
    assert witness.wrongs == []


def money_before_window(first, second):
    list(Payment.objects.locked().filter(pk=1))
    Schedule.objects.locked().get(pk=first.pk)


def later_window_first(first, second):
    Schedule.objects.locked().get(pk=second.pk)
    Schedule.objects.locked().get(pk=first.pk)


def window_before_doctor(first, second):
    Schedule.objects.filter(pk=first.pk).update(capacity=9)
    Doctor.objects.locked().get(pk=first.doctor_id)


def a_second_window_after_money(first, second):
    Schedule.objects.locked().get(pk=first.pk)
    Payment.objects.filter(pk=1).update(reason="")
    Schedule.objects.locked().get(pk=second.pk)


def a_message_at_the_end(first, second):
    Schedule.objects.locked().get(pk=first.pk)
    GatewayEvent.objects.filter(pk=1).delete()
    GatewayEvent.objects.filter(pk=1).update(tries=1)


def a_join_under_the_lock(first, second):
    list(Schedule.objects.filter(doctor__name="x").locked())


def a_place_without_its_windows_lock(first, second):
    Booking.objects.filter(pk=1).update(status="cancelled", units=0)


@pytest.mark.parametrize(
    "wrong",
    [
        money_before_window,
        later_window_first,
        window_before_doctor,
        a_second_window_after_money,
        a_message_at_the_end,
        a_join_under_the_lock,
        a_place_without_its_windows_lock,
    ],
)
def test_a_wrong_order_is_caught(witness, wrong):
    """The negative control."""
    first, second = windows()
    assert witness.wrongs == []
    with transaction.atomic():
        wrong(first, second)
    assert len(witness.wrongs) == 1
    assert len(locks.wrongs) == 1


def test_two_transactions_are_judged_apart(witness):
    first, second = windows()
    for window in (second, first):
        with transaction.atomic():
            Schedule.objects.locked().get(pk=window.pk)
    assert witness.wrongs == []
