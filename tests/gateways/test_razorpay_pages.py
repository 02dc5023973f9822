"""Razorpay's Checkout on our page, and what a browser brings back from it."""

import re

import pytest
from django.test import Client

from bookings.models import Booking
from payments import actions
from payments.models import Payment
from payments.states import Status
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def booking(razorpay):
    return f.hold(f.window())


@pytest.fixture
def attempt(booking):
    return actions.start(booking, "razorpay")


def page_of(booking):
    return f"/pay/{booking.public_id}/razorpay/"


def back_url(booking):
    return f"{page_of(booking)}back/"


def receipt(razorpay, attempt, **changes):
    """What Razorpay's page posts after it took the money."""
    payment = razorpay.pay(attempt.reference)
    return razorpay.receipt_of(attempt.reference, payment["id"]) | changes


def bring(booking, facts):
    """From Razorpay's site: without our session, our token, or a cookie."""
    return Client(enforce_csrf_checks=True, headers={"origin": "https://api.razorpay.com"}).post(
        back_url(booking), facts
    )


# --- The page -------------------------------------------------------------------------------------


def test_choosing_razorpay_leads_to_a_page_of_ours_and_a_second_click_to_the_same_order(client, booking):
    for _ in range(2):
        answer = client.post(f"/pay/{booking.public_id}/", {"gateway": "razorpay"})
        assert (answer.status_code, answer["Location"]) == (303, page_of(booking))
    assert Payment.objects.count() == 1


def test_the_page_has_a_form_that_needs_no_script(client, razorpay, attempt, razorpay_stand_in):
    page = client.get(page_of(attempt.booking)).content.decode()
    assert f'action="{razorpay_stand_in.url}/v1/checkout/embedded"' in page
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    assert fields == {
        "key_id": "rzp_test_1",
        "order_id": attempt.reference,
        "amount": "50000",
        "currency": "INR",
        "name": "Jade Clinic",
        "callback_url": f"http://127.0.0.1:8000{back_url(attempt.booking)}",
        "cancel_url": f"http://127.0.0.1:8000{back_url(attempt.booking)}",
    }
    assert "Held for you until" in page
    assert "stand_in_secret" not in page


def test_the_script_and_its_frame_are_allowed_on_this_page_alone(client, attempt, razorpay_stand_in):
    url, booking = razorpay_stand_in.url, attempt.booking
    answer = client.get(page_of(booking))
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    assert url in policy["script-src"] and "'nonce-" in policy["script-src"]
    assert policy["frame-src"] == f"'self' {url}"
    assert policy["form-action"] == f"'self' {url}"
    nonce = re.search(r"'nonce-([^']+)'", policy["script-src"])[1]
    assert f'<script src="{url}/v1/checkout.js" nonce="{nonce}" defer>' in answer.content.decode()
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"
    for other in ("/", f"/pay/{booking.public_id}/", booking.get_absolute_url()):
        assert url not in client.get(other)["Content-Security-Policy"]


def test_the_real_razorpay_is_allowed_what_it_needs(client, attempt, settings):
    settings.RAZORPAY_API_BASE = "https://api.razorpay.com"
    policy = client.get(page_of(attempt.booking))["Content-Security-Policy"]
    assert "frame-src 'self' https://api.razorpay.com https://checkout.razorpay.com" in policy
    assert "https://checkout.razorpay.com https://cdn.razorpay.com" in policy
    assert "connect-src 'self' https://lumberjack.razorpay.com" in policy


def test_without_a_begun_attempt_the_page_leads_back_and_begins_none(client, booking):
    assert client.get(page_of(booking))["Location"] == f"/pay/{booking.public_id}/"
    assert not Payment.objects.exists()


def test_a_lapsed_hold_is_not_paid_any_more(client, attempt):
    f.lapse(attempt.booking)
    answer = client.get(page_of(attempt.booking), follow=True)
    assert answer.redirect_chain[-1][0] == attempt.booking.get_absolute_url()


@pytest.mark.parametrize("gateway", ["demo", "stripe", "manual", "nobody"])
@pytest.mark.parametrize("tail", ["", "back/"])
def test_other_gateways_have_no_such_page(client, booking, gateway, tail):
    assert client.get(f"/pay/{booking.public_id}/{gateway}/{tail}").status_code == 404


def test_another_accounts_page_is_not_found(client, razorpay):
    booking = f.hold(f.window(), booked_by=f.user())
    actions.start(booking, "razorpay")
    assert client.get(page_of(booking)).status_code == 404


# --- Coming back ----------------------------------------------------------------------------------


def test_a_signed_receipt_makes_us_ask_and_the_number_is_there_at_once(client, razorpay, attempt):
    answer = bring(attempt.booking, receipt(razorpay, attempt))
    assert (answer.status_code, answer["Location"]) == (303, attempt.booking.get_absolute_url())
    assert "A1" in client.get(answer["Location"]).content.decode()


def test_an_accounts_receipt_needs_no_session_and_shows_nothing(razorpay):
    booking = f.hold(f.window(), booked_by=f.user())
    attempt = actions.start(booking, "razorpay")
    answer = bring(booking, receipt(razorpay, attempt))
    assert (answer.status_code, answer.content) == (303, b"")
    booking.refresh_from_db()
    assert booking.status == "confirmed"


def test_a_receipt_brought_three_times_gives_one_number(razorpay, attempt):
    facts = receipt(razorpay, attempt)
    for _ in range(3):
        bring(attempt.booking, facts)
    assert Booking.objects.get().queue_number == 1
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"razorpay_signature": ""},
        {"razorpay_signature": "0" * 64},
        {"razorpay_signature": "é\x00"},
        {"razorpay_payment_id": "pay_1"},
        {"razorpay_payment_id": "\x00" * 300},
    ],
)
def test_a_receipt_that_nobody_signed_is_refused_in_words_and_changes_nothing(razorpay, attempt, forged):
    facts = receipt(razorpay, attempt, **forged)
    before = len(razorpay.requests)
    browser = Client(enforce_csrf_checks=True)
    answer = browser.post(back_url(attempt.booking), facts, follow=True)
    assert "not from the payment service" in answer.content.decode()
    attempt.refresh_from_db()
    assert (attempt.status, attempt.booking.status) == (Status.CREATED, "held")
    assert len(razorpay.requests) == before


def test_a_good_receipt_of_another_order_buys_nothing_here(razorpay, attempt):
    other = actions.start(f.hold(f.window()), "razorpay")
    bring(attempt.booking, receipt(razorpay, other))
    for payment in (attempt, other):
        payment.refresh_from_db()
        assert payment.status == Status.CREATED


def test_a_receipt_is_only_a_hint_and_what_razorpay_knows_counts(razorpay, attempt):
    """Signed with the right secret, and no money behind it."""
    bring(attempt.booking, razorpay.receipt_of(attempt.reference, "pay_never_made"))
    attempt.refresh_from_db()
    assert attempt.status == Status.CREATED


@pytest.mark.parametrize("brought", [None, {"error[code]": "BAD_REQUEST_ERROR", "error[description]": "no"}])
def test_who_left_or_failed_comes_back_to_pay_and_may_try_again(client, razorpay, attempt, brought):
    url = back_url(attempt.booking)
    answer = client.get(url, follow=True) if brought is None else client.post(url, brought, follow=True)
    assert answer.redirect_chain[-1] == (f"/pay/{attempt.booking.public_id}/", 303)
    assert "not finished" in answer.content.decode()
    assert 'value="razorpay"' in answer.content.decode()
    again = client.post(answer.redirect_chain[-1][0], {"gateway": "razorpay"}, follow=True)
    assert attempt.reference in again.content.decode()


def test_who_left_after_paying_all_the_same_has_their_number(client, razorpay, attempt):
    razorpay.pay(attempt.reference)
    answer = client.get(back_url(attempt.booking), follow=True)
    assert answer.redirect_chain[-1][0] == attempt.booking.get_absolute_url()
    assert "A1" in answer.content.decode()
    assert "not finished" not in answer.content.decode()


@pytest.mark.parametrize("paid", [True, False])
def test_a_razorpay_that_does_not_answer_is_no_error(client, razorpay, attempt, paid):
    facts = receipt(razorpay, attempt) if paid else {}
    razorpay.faults += ["500"]
    answer = client.post(back_url(attempt.booking), facts, follow=True)
    assert answer.status_code == 200
    assert "has not told us yet" in answer.content.decode()
    attempt.refresh_from_db()
    assert attempt.status == Status.CREATED


def test_nobody_comes_back_to_a_booking_that_is_not_there(client, razorpay):
    assert client.post("/pay/nothing/razorpay/back/", {"razorpay_payment_id": "x"}).status_code == 404
