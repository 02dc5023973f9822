"""A place and its money in one go, at the counter."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry

from bookings.models import Booking
from bookings.states import Channel, Status
from clinic.errors import Refused
from clinic.models import Patient
from payments import counter, sweeps
from payments.management.commands.check_invariants import violations
from payments.models import Payment
from schedules.models import Schedule
from schedules.states import Status as Window
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def reception():
    return f.user()


@pytest.fixture
def sell(reception):
    def walk_in(window, who=None, **fields):
        asked = {"method": "cash", "actor": reception, "request_key": uuid4()} | fields
        return counter.walk_in(schedule_id=window.pk, who=who or f.guest(), **asked)

    return walk_in


def everything() -> list:
    rows = (Booking, Schedule, Payment, Patient, LogEntry)
    return [list(row.objects.order_by("pk").values()) for row in rows]


def refused(call, *args, **fields) -> str:
    before = everything()
    with pytest.raises(Refused) as refusal:
        call(*args, **fields)
    assert everything() == before
    return refusal.value.code


def test_a_walk_in_is_confirmed_paid_and_numbered_at_once(sell, reception):
    window = f.window()
    f.paid(window)
    booking = sell(window, method="esewa")
    payment = booking.payments.get()
    window.refresh_from_db()
    assert (booking.status, booking.queue_number, booking.channel) == ("confirmed", 2, Channel.WALK_IN)
    assert (payment.gateway, payment.method, payment.captured_minor) == ("manual", "esewa", 50000)
    assert (payment.outcome, payment.taken_by) == ("bought", reception)
    assert (window.taken, window.taken_at_desk, window.last_number) == (2, 1, 2)
    assert violations() == {}


def test_a_free_walk_in_takes_no_money(sell):
    booking = sell(f.window(fee_minor=0))
    assert (booking.status, booking.queue_number) == (Status.CONFIRMED, 1)
    assert booking.free_reason
    assert not Payment.objects.exists()
    assert violations() == {}


def test_the_desk_sells_what_is_kept_for_it_and_what_online_may_no_longer_sell(sell):
    kept = f.window(capacity=1, reserved_for_desk=1)
    late = f.window(starts_in=timedelta(hours=-2), lasts=timedelta(hours=2, minutes=10))
    assert sell(kept).queue_number == sell(late).queue_number == 1
    assert violations() == {}


def test_a_full_window_is_refused(sell):
    window = f.window(capacity=1)
    f.hold(window)
    assert refused(sell, window) == "FULL"


def test_a_lapsed_hold_makes_room_for_a_walk_in(sell):
    window = f.window(capacity=1)
    f.lapse(f.hold(window))
    assert sell(window).queue_number == 1
    assert violations() == {}


@pytest.mark.parametrize("status", [Window.CLOSED, Window.CANCELLED, Window.FINISHED])
def test_a_window_that_is_not_open_is_refused(sell, status):
    assert refused(sell, f.window(status=status)) == "CLOSED"


def test_a_pool_sells_no_place_without_a_service(sell):
    assert refused(sell, f.pool()) == "NOT_OFFERED"


def test_a_patient_with_a_number_is_not_sold_another(sell):
    window, patient = f.window(), f.patient()
    f.paid(window, patient)
    assert refused(sell, window, patient) == "ALREADY_BOOKED"


def test_an_unpaid_place_online_becomes_the_walk_ins(sell):
    window, patient = f.window(capacity=1), f.patient()
    held = f.hold(window, patient)
    booking = sell(window, patient)
    window.refresh_from_db()
    assert (booking.pk, booking.status, booking.queue_number) == (held.pk, Status.CONFIRMED, 1)
    assert (window.taken, window.taken_at_desk) == (1, 0)
    assert violations() == {}


def test_a_place_bought_at_the_desk_and_then_online_too_is_paid_back_online(sell):
    window, patient = f.window(), f.patient()
    held = f.hold(window, patient)
    online = f.attempt(held)
    sell(window, patient)
    f.deliver(f.capture_body(online))
    sweeps.make_refunds()
    refunded = Payment.objects.order_by("gateway").values_list("gateway", "outcome", "refunded_minor")
    assert list(refunded) == [("demo", "surplus", 50000), ("manual", "bought", 0)]
    assert violations() == {}


def test_an_unpaid_place_that_reserves_nothing_needs_one_that_is_left(sell):
    window, patient = f.window(capacity=1, holds_reserve=False), f.patient()
    f.hold(window, patient)
    f.paid(window)
    assert refused(sell, window, patient) == "FULL"


def test_a_lapsed_place_of_the_patient_is_sold_anew(sell):
    window, patient = f.window(capacity=1), f.patient()
    held = f.hold(window, patient)
    f.lapse(held)
    assert sell(window, patient).pk != held.pk
    assert violations() == {}


# --- One more place -----------------------------------------------------------------------


def test_a_full_window_gets_one_more_place_for_a_reason_and_it_is_in_the_log(sell, reception):
    window = f.window(capacity=1)
    f.paid(window)
    booking = sell(window, extra_place="an infant with a fever")
    window.refresh_from_db()
    assert (booking.queue_number, window.capacity, window.taken) == (2, 2, 2)
    entry = LogEntry.objects.get()
    assert entry.user == reception
    assert "an infant with a fever" in entry.change_message
    assert violations() == {}


def test_a_place_is_added_only_where_none_is_left(sell):
    window = f.window(capacity=2)
    sell(window, extra_place="to be safe")
    window.refresh_from_db()
    assert window.capacity == 2
    assert not LogEntry.objects.exists()


# --- The same form twice ------------------------------------------------------------------


def test_a_double_click_sells_one_place_and_takes_the_money_once(sell):
    window, key, who = f.window(), uuid4(), f.guest()
    first, again = (sell(window, who, request_key=key) for _ in range(2))
    assert first.pk == again.pk
    assert Payment.objects.count() == 1


def test_a_double_click_for_a_patient_who_held_a_place_online_shows_the_same_number(sell):
    account = f.user()
    window, key, patient = f.window(), uuid4(), f.patient(account=account)
    f.hold(window, patient, booked_by=account)
    first, again = (sell(window, patient, request_key=key) for _ in range(2))
    assert first.pk == again.pk
    assert Payment.objects.count() == 1


def test_a_double_click_adds_one_place_only(sell):
    window, key, who = f.window(capacity=1), uuid4(), f.guest()
    f.paid(window)
    for _ in range(2):
        sell(window, who, request_key=key, extra_place="urgent")
    window.refresh_from_db()
    assert (window.capacity, window.taken) == (2, 2)


def test_a_used_form_with_other_content_is_refused(sell):
    window, key, who = f.window(), uuid4(), f.guest()
    sell(window, who, request_key=key)
    assert refused(sell, window, f.guest(name="Other"), request_key=key) == "REQUEST_REUSED"
    assert refused(sell, window, who, request_key=key, method="card") == "REQUEST_REUSED"
    colleague = f.user()
    assert refused(sell, window, who, request_key=key, actor=colleague) == "REQUEST_REUSED"


def test_a_used_form_for_another_window_is_refused(sell):
    key, who = uuid4(), f.guest()
    sell(f.window(), who, request_key=key)
    assert refused(sell, f.window(), who, request_key=key) == "REQUEST_REUSED"
