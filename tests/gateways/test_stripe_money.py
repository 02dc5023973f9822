"""Stripe's money in the clinic: bank debits that clear days later, and keys that Stripe has forgotten."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings import actions as places
from clinic.errors import Refused
from clinic.models import ReviewItem
from payments import actions, gateways
from payments.models import Payment, Refund
from tests import factories as f
from tests.gateways.house import StripeHouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(stripe_bench, settings, monkeypatch):
    settings.PAYMENT_GATEWAYS = ["stripe", "demo"]
    monkeypatch.setitem(gateways.TABLE, "stripe", lambda: stripe_bench.gateway)
    gateways.get.cache_clear()
    house = StripeHouse("stripe", stripe_bench)
    yield house
    assert house.healthy()
    gateways.get.cache_clear()


def seen(payment) -> tuple:
    payment.refresh_from_db()
    payment.booking.refresh_from_db()
    return payment.status, payment.outcome, payment.booking.status


BOUGHT = ("captured", "bought", "confirmed")

# --- Bank debits ----------------------------------------------------------------------------------


@pytest.fixture
def debit(house):
    """The patient chose a bank debit: the page is complete, and nothing is paid. The PaymentIntent."""
    payment = house.attempt(capacity=1)
    house.intent = house.bench.book.pay_later(payment.reference)["id"]
    house.tell(*house.news())
    assert seen(payment) == ("created", "", "held")
    return payment


def lapsed(house, payment) -> Payment:
    """The hold ran out, and the worker has been."""
    house.wait(minutes=16)
    house.work()
    assert seen(payment) == ("expired", "", "expired")
    return payment


def test_a_debit_that_clears_within_the_hold_buys_the_place(house, debit):
    house.bench.book.clear(house.intent)
    house.tell(*house.news())
    assert seen(debit) == BOUGHT


def test_the_hold_lives_to_its_end_and_what_clears_later_takes_a_place_that_is_still_free(house, debit):
    lapsed(house, debit)
    house.bench.book.clear(house.intent)
    house.tell(*house.news())
    assert seen(debit) == BOUGHT


def test_what_clears_when_the_place_is_gone_goes_back_whole(house, debit):
    lapsed(house, debit)
    f.paid(debit.booking.schedule)
    house.bench.book.clear(house.intent)
    house.tell(*house.news())
    assert seen(debit) == ("captured", "no_place", "overflow")
    house.work()
    assert house.refunds(debit) == [50000]


def test_a_debit_that_no_message_told_of_is_asked_about_for_two_weeks(house, debit):
    lapsed(house, debit)
    for _ in range(5):
        house.wait(minutes=24 * 60)
        house.work()
        assert seen(debit) == ("expired", "", "expired")
    house.bench.book.clear(house.intent)
    house.wait(minutes=5 * 24 * 60)
    house.work()
    assert seen(debit)[0] == "captured"


def test_a_debit_that_bounced_takes_nothing(house, debit):
    house.bench.book.bounce(house.intent)
    house.tell(*house.news())
    assert seen(debit) == ("failed", "", "held")
    lapsed(house, debit)
    debit.refresh_from_db()
    assert debit.next_check_at is None
    assert not ReviewItem.objects.exists()


# --- Keys of yesterday ------------------------------------------------------------------------------


def yesterday(house) -> None:
    """Stripe remembers none of the keys."""
    Payment.objects.update(created_at=timezone.now() - timedelta(hours=24))
    house.bench.book.answers.clear()


def test_an_attempt_of_yesterday_is_not_opened_twice(house):
    booking = f.hold(f.window())
    house.lose_answer("start")
    with pytest.raises(Refused):
        actions.start(booking, "stripe")
    yesterday(house)
    payment = actions.start(booking, "stripe")
    assert len(house.bench.book._all("checkout.session")) == 1
    house.tell(*house.pay(payment))
    assert seen(payment) == BOUGHT


def test_a_refund_of_yesterday_whose_answer_was_lost_is_not_sent_twice(house):
    payment = house.paid()
    places.cancel(payment.booking_id, reason="the doctor is ill")
    house.lose_answer("refund")
    house.work()
    yesterday(house)
    house.wait(minutes=24 * 60)
    house.work()
    assert Refund.objects.get().status == "done"
    assert house.refunds(payment) == [50000]


def test_a_refund_that_the_bank_disputes_meanwhile_is_tried_again_and_waits(house):
    """The news of the dispute are on their way: Stripe itself says no, and not for ever."""
    payment = house.paid()
    places.cancel(payment.booking_id, reason="the doctor is ill")
    opened = house.dispute(payment)
    house.work()
    assert Refund.objects.get().status == "due"
    assert not ReviewItem.objects.exists()
    house.tell(*opened)
    house.wait()
    house.work()
    assert (Refund.objects.get().status, Refund.objects.get().tries) == ("due", 1)
    house.tell(*house.decide("won"))
    house.work()
    assert house.refunds(payment) == [50000]
