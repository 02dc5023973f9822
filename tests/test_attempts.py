"""Attempts to pay: opened once, ended in time, and asked about where nobody told."""

from datetime import timedelta
from unittest.mock import ANY

import pytest
from django.utils import timezone

from bookings import actions as places
from bookings.models import Booking
from bookings.states import Status as BookingStatus
from clinic.errors import Refused
from payments import actions, sweeps
from payments.management.commands.check_invariants import violations
from payments.models import Customer, Payment
from payments.states import Outcome, Status
from tests import factories as f

pytestmark = pytest.mark.django_db


def attempt(**window):
    """A held booking whose patient is on the gateway's page."""
    booking = f.hold(f.window(**window))
    return booking, f.attempt(booking)


# --- Attempts -----------------------------------------------------------------------------


def test_a_second_click_on_pay_finds_the_same_attempt():
    booking, payment = attempt()
    assert f.attempt(booking) == payment
    assert Payment.objects.count() == 1


def test_an_account_pays_too_and_where_a_gateway_keeps_no_customers_neither_do_we():
    assert f.attempt(f.hold(f.window(), booked_by=f.user())).reference
    assert not Customer.objects.exists()


def test_after_a_declined_card_the_same_attempt_goes_on():
    booking, payment = attempt()
    f.deliver(f.demo().decline(str(payment.key)))
    assert f.attempt(booking) == payment


@pytest.mark.parametrize("ended", ["lapsed", "cancelled", "confirmed"])
def test_what_waits_for_no_money_cannot_be_paid(ended):
    window = f.window(fee_minor=0 if ended == "confirmed" else 50000)
    booking = f.hold(window)
    if ended == "lapsed":
        f.lapse(booking)
    elif ended == "cancelled":
        places.cancel(booking.pk, reason="changed my mind")
    with pytest.raises(Refused) as refusal:
        f.attempt(Booking.objects.get(pk=booking.pk))
    assert refusal.value.code == "NOT_PAYABLE"
    assert not Payment.objects.exists()


def test_a_dead_gateway_charges_nothing_and_keeps_the_place(settings, tmp_path):
    booking = f.hold(f.window())
    (tmp_path / "a-file").touch()
    settings.DEMO_GATEWAY_BOOK = tmp_path / "a-file" / "book.sqlite3"
    with pytest.raises(Refused) as refusal:
        f.attempt(booking)
    assert (refusal.value.code, refusal.value.status) == ("GATEWAY", 503)
    dead = Payment.objects.get()
    settings.DEMO_GATEWAY_BOOK = tmp_path / "book.sqlite3"
    again = f.attempt(booking)
    assert (again.pk, again.key, again.reference) == (dead.pk, dead.key, ANY)
    booking.refresh_from_db()
    assert booking.status == BookingStatus.HELD


# --- Asking instead of being told ---------------------------------------------------------


def test_the_return_page_settles_what_no_webhook_told():
    booking, payment = attempt()
    f.capture_body(payment)
    actions.ask(payment)
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED


def test_the_sweep_ends_attempts_whose_hold_is_over():
    booking, payment = attempt()
    f.lapse(booking)
    Payment.objects.update(next_check_at=timezone.now())
    assert sweeps.close_open_payments() == 1
    payment.refresh_from_db()
    assert payment.status == Status.EXPIRED
    assert f.demo().order(str(payment.key)).ended


def test_the_sweep_finds_money_that_no_webhook_told():
    booking, payment = attempt()
    f.capture_body(payment)
    f.lapse(booking)
    Payment.objects.update(next_check_at=timezone.now())
    sweeps.close_open_payments()
    booking.refresh_from_db()
    payment.refresh_from_db()
    assert (booking.status, payment.outcome) == (BookingStatus.CONFIRMED, Outcome.BOUGHT)
    assert violations() == {}


def test_a_payment_open_for_a_quarter_of_an_hour_is_asked_for_though_its_hold_goes_on(settings):
    settings.HOLD_MINUTES = 60
    booking, payment = attempt()
    assert payment.next_check_at - payment.created_at == timedelta(minutes=15)
    f.capture_body(payment)
    assert sweeps.close_open_payments() == 0  # not yet
    Payment.objects.update(next_check_at=timezone.now())
    assert sweeps.close_open_payments() == 1
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED
    assert violations() == {}


def test_an_unpaid_one_is_asked_for_every_quarter_of_an_hour_and_ends_with_its_hold(settings):
    settings.HOLD_MINUTES = 60
    booking, payment = attempt()
    Payment.objects.update(next_check_at=timezone.now())
    sweeps.close_open_payments()
    payment.refresh_from_db()
    assert payment.status == Status.CREATED
    assert timedelta(minutes=14) < payment.next_check_at - timezone.now() <= timedelta(minutes=15)
    f.lapse(booking)
    Payment.objects.update(next_check_at=timezone.now())
    sweeps.close_open_payments()
    payment.refresh_from_db()
    assert payment.status == Status.EXPIRED


def test_the_sweep_asks_again_when_the_gateway_did_not_answer(settings, tmp_path):
    booking, payment = attempt()
    f.lapse(booking)
    Payment.objects.update(next_check_at=timezone.now())
    (tmp_path / "a-file").touch()
    settings.DEMO_GATEWAY_BOOK = tmp_path / "a-file" / "book.sqlite3"
    assert sweeps.close_open_payments() == 0
    payment.refresh_from_db()
    assert payment.status == Status.CREATED
    assert payment.next_check_at > timezone.now()
