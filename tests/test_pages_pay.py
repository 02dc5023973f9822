"""Paying for a held place, giving it up, and coming back from a gateway."""

import pytest

from bookings.models import Booking
from payments.models import Payment
from schedules.models import Schedule
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def booking():
    return factories.hold(factories.window())


def pay_url(booking):
    return f"/pay/{booking.public_id}/"


def test_the_page_says_how_much_until_when_and_how(client, booking):
    page = client.get(pay_url(booking)).content.decode()
    assert "₹500" in page
    assert "Held for you until" in page
    assert 'name="gateway" value="demo"' in page


def test_choosing_a_gateway_leads_to_its_page(client, booking):
    answer = client.post(pay_url(booking), {"gateway": "demo"})
    payment = Payment.objects.get()
    assert answer.status_code == 303
    assert answer["Location"] == payment.redirect_url
    assert str(payment.key) in payment.redirect_url


def test_a_second_click_finds_the_same_attempt(client, booking):
    first, second = (client.post(pay_url(booking), {"gateway": "demo"}) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("gateway", ["", "manual", "stripe", "nonsense"])
def test_only_what_is_offered_can_be_chosen(client, booking, gateway):
    assert client.post(pay_url(booking), {"gateway": gateway}).status_code == 422
    assert not Payment.objects.exists()


def test_a_gateways_page_may_be_reached_from_this_page_only(client, booking, settings):
    settings.PAYMENT_GATEWAYS = ["stripe"]
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test_x", "whsec_x"
    policy = client.get(pay_url(booking))["Content-Security-Policy"]
    assert "form-action 'self' https://checkout.stripe.com" in policy
    for page in ("/", booking.get_absolute_url()):
        assert "stripe.com" not in client.get(page)["Content-Security-Policy"]


def test_a_dead_gateway_leaves_the_hold_and_says_try_again(client, booking, settings, tmp_path):
    settings.DEMO_GATEWAY_BOOK = tmp_path  # a folder is no book
    answer = client.post(pay_url(booking), {"gateway": "demo"}, follow=True)
    assert "Please try again" in answer.content.decode()
    assert answer.redirect_chain == [(pay_url(booking), 303)]
    booking.refresh_from_db()
    assert booking.status == "held"
    assert not Payment.objects.captured().exists()


def test_a_lapsed_hold_is_not_paid_any_more_and_the_next_places_are_offered(client, booking):
    factories.lapse(booking)
    for answer in (
        client.get(pay_url(booking), follow=True),
        client.post(pay_url(booking), {"gateway": "demo"}, follow=True),
    ):
        page = answer.content.decode()
        assert answer.redirect_chain == [(booking.get_absolute_url(), 303)]
        assert "The time to pay has passed" in page
        assert booking.schedule.get_absolute_url() in page
    assert not Payment.objects.exists()


def test_without_a_gateway_the_page_says_so(client, booking, settings):
    settings.PAYMENT_GATEWAYS = []
    page = client.get(pay_url(booking)).content.decode()
    assert "paid online at the moment" in page
    assert 'name="gateway"' not in page


def test_after_a_decline_the_page_says_that_nothing_was_charged(client, booking):
    payment = factories.attempt(booking)
    factories.deliver(factories.demo().decline(str(payment.key)))
    page = client.get(pay_url(booking)).content.decode()
    assert "declined" in page
    assert "Nothing was charged" in page
    assert 'value="demo"' in page


# --- Giving up ----------------------------------------------------------------------------


def give_up(client, booking):
    return client.post(f"/b/{booking.public_id}/give-up/", follow=True)


def test_a_place_given_up_is_free_at_once(client, booking):
    answer = give_up(client, booking)
    booking.refresh_from_db()
    assert answer.redirect_chain == [(booking.schedule.doctor.get_absolute_url(), 303)]
    assert "You gave the place up" in answer.content.decode()
    assert booking.status == "cancelled"
    assert Schedule.objects.get().taken == 0


def test_a_place_that_was_paid_meanwhile_is_not_given_up(client):
    booking = factories.paid(factories.window())
    answer = give_up(client, booking)
    booking.refresh_from_db()
    assert "not waiting for a payment" in answer.content.decode()
    assert booking.status == "confirmed"
    assert booking.refund_due_at is None
    assert Schedule.objects.get().taken == 1


def test_a_link_alone_gives_nothing_up(client, booking):
    assert client.get(f"/b/{booking.public_id}/give-up/").status_code == 405
    booking.refresh_from_db()
    assert booking.status == "held"


def test_money_for_a_place_that_was_given_up_goes_back(client, booking):
    payment = factories.attempt(booking)
    give_up(client, booking)
    factories.deliver(factories.capture_body(payment))
    payment.refresh_from_db()
    booking.refresh_from_db()
    assert payment.outcome == "surplus"
    assert booking.status == "cancelled"


# --- Coming back --------------------------------------------------------------------------


def come_back(client, booking):
    return client.get(f"/b/{booking.public_id}/return/", follow=True)


def test_who_comes_back_before_the_webhook_sees_their_number_at_once(client, booking):
    factories.capture_body(factories.attempt(booking))  # never delivered
    answer = come_back(client, booking)
    assert answer.redirect_chain == [(booking.get_absolute_url(), 303)]
    assert "A1" in answer.content.decode()


def test_who_comes_back_without_paying_can_still_pay(client, booking):
    factories.attempt(booking)
    answer = come_back(client, booking)
    assert pay_url(booking) in answer.content.decode()
    booking.refresh_from_db()
    assert booking.status == "held"


def test_coming_back_twice_gives_one_number(client, booking):
    factories.capture_body(factories.attempt(booking))
    come_back(client, booking)
    come_back(client, booking)
    assert Booking.objects.get().queue_number == 1
    assert Schedule.objects.get().last_number == 1


def test_a_gateway_that_does_not_answer_on_return_is_no_error(client, booking, settings, tmp_path):
    factories.attempt(booking)
    settings.DEMO_GATEWAY_BOOK = tmp_path
    answer = come_back(client, booking)
    assert answer.status_code == 200
    assert "has not told us yet" in answer.content.decode()
    booking.refresh_from_db()
    assert booking.status == "held"
