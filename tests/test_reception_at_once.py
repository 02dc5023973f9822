"""Two people at the desk do the same thing at the same moment."""

from datetime import time, timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.utils import timezone

from bookings import desk
from bookings.states import Status
from clinic.errors import Refused
from payments.counter import hand_back, walk_in
from payments.models import Refund
from payments.states import RefundStatus
from payments.sweeps import make_refunds, send_refunds
from schedules.actions import open_window
from schedules.models import Schedule
from tests import factories
from tests.conftest import locks
from tests.racing import Meeting, at_once, without_locks

pytestmark = pytest.mark.django_db(transaction=True)


def refused(results) -> list[str]:
    return [result.code for result in results if isinstance(result, Refused)]


def test_only_one_of_two_overlapping_windows_is_opened():
    doctor, day = factories.doctor(), timezone.localdate() + timedelta(days=7)
    open_it = partial(open_window, doctor_id=doctor.pk, date=day, end_time=time(12), capacity=5)
    results = at_once(
        partial(open_it, start_time=time(9)),
        partial(open_it, start_time=time(10)),
        meeting=Meeting('FROM "schedules_schedule"'),
    )
    assert refused(results) == ["OVERLAP"]
    assert Schedule.objects.count() == 1


@pytest.mark.postgres
def test_without_our_lock_only_the_database_stands_between_two_windows(monkeypatch):
    """The negative control: both look, both find nothing, and the second one breaks on the constraint."""
    without_locks(monkeypatch)
    doctor, day = factories.doctor(), timezone.localdate() + timedelta(days=7)
    open_it = partial(open_window, doctor_id=doctor.pk, date=day, end_time=time(12), capacity=5)
    results = at_once(
        partial(open_it, start_time=time(9)),
        partial(open_it, start_time=time(10)),
        meeting=Meeting('FROM "schedules_schedule"', in_turn=True),
    )
    locks.wrongs.clear()  # it rightly complains
    assert sorted(type(result).__name__ for result in results) == ["IntegrityError", "Schedule"]


def test_two_who_call_next_from_the_same_screen_call_one_patient():
    actor, window = factories.user(), factories.window()
    first, second = (
        walk_in(schedule_id=window.pk, who=factories.guest(), method="cash", actor=actor, request_key=uuid4())
        for _n in range(2)
    )
    call = partial(desk.call_next, window.pk, actor=actor, serving=0)
    assert refused(at_once(call, call, meeting=Meeting())) == ["ALREADY_CALLED"]
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (Status.IN_CONSULTATION, Status.CONFIRMED)


def test_cash_is_handed_back_once():
    actor, window = factories.user(), factories.window()
    booking = walk_in(
        schedule_id=window.pk, who=factories.guest(), method="cash", actor=actor, request_key=uuid4()
    )
    factories.actions.cancel(booking.pk, reason="ill")
    make_refunds()
    send_refunds()
    refund = Refund.objects.get()
    give = partial(hand_back, refund.pk, actor=actor)
    assert refused(at_once(give, give, meeting=Meeting('"payments_payment"'))) == ["NOT_BY_HAND"]
    refund.refresh_from_db()
    assert refund.status == RefundStatus.DONE
    assert refund.payment.events.filter(kind="refund done").count() == 1
