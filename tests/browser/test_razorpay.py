"""Paying at Razorpay: its checkout over our page, or its own page where scripts are off."""

import pytest
from playwright.sync_api import expect

from bookings.models import Booking
from payments.models import Payment
from payments.states import Outcome
from tests import factories
from tests.browser import people
from tests.browser.scene import RUNNING


@pytest.fixture
def window(site):
    """A window of a doctor of its own, running now, with three places."""
    return factories.window(**RUNNING)


def attempt_in(window) -> Payment:
    """The only one: whatever was clicked, one order was made for one booking."""
    return Payment.objects.get(booking__schedule=window)


def test_who_pays_in_razorpays_checkout_has_the_number_at_once(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Ishita Bose")
    people.go_to_razorpay(page)
    expect(people.checkout(page).get_by_text("INR 500.00")).to_be_visible()
    people.press_in_checkout(page, "Pay")
    page.wait_for_url("**/b/**")
    assert people.number(page) == "A1"
    paid = attempt_in(window)
    assert (paid.gateway, paid.outcome, paid.captured_minor) == ("razorpay", Outcome.BOUGHT, 50_000)


def test_who_closes_the_checkout_keeps_the_place_and_pays_on_the_next_try(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Sameer Joshi")
    people.go_to_razorpay(page)
    people.press_in_checkout(page, "Leave")
    expect(page.get_by_text("The payment was not finished")).to_be_visible()
    expect(page.get_by_text("Held for you until")).to_be_visible()
    order = attempt_in(window).reference

    people.go_to_razorpay(page)
    people.press_in_checkout(page, "Pay")
    assert people.number(page) == "A1"
    paid = attempt_in(window)
    assert (paid.reference, paid.outcome) == (order, Outcome.BOUGHT)


def test_who_reloads_the_page_goes_on_with_the_same_order(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Nandini Roy")
    people.go_to_razorpay(page)
    expect(people.checkout(page).get_by_role("button", name="Pay")).to_be_visible()
    page.reload()
    people.press_in_checkout(page, "Pay")
    assert people.number(page) == "A1"
    assert attempt_in(window).outcome == Outcome.BOUGHT


def test_a_declined_card_is_tried_again_in_the_checkout_itself(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Zubair Khan")
    people.go_to_razorpay(page)
    people.press_in_checkout(page, "Decline")
    expect(people.checkout(page).get_by_role("status")).to_contain_text("insufficient account balance")
    people.press_in_checkout(page, "Pay")
    assert people.number(page) == "A1"
    assert attempt_in(window).outcome == Outcome.BOUGHT


def test_a_declined_card_whose_owner_leaves_is_said_to_be_declined_and_can_be_paid(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Farah Sheikh")
    people.go_to_razorpay(page)
    people.press_in_checkout(page, "Decline")
    expect(people.checkout(page).get_by_role("status")).to_contain_text("insufficient account balance")
    people.press_in_checkout(page, "Leave")
    people.reload_until(page, page.get_by_text("The payment was declined"))
    expect(page.get_by_text("your place is still held")).to_be_visible()
    people.go_to_razorpay(page)
    people.press_in_checkout(page, "Pay")
    assert people.number(page) == "A1"


def test_who_pays_in_the_banks_app_sees_the_number_on_the_page_left_open(open_page, window, site):
    """And the browser, which never came back from the checkout, has said nothing."""
    page = open_page()
    people.hold_a_place(page, window, "Ritu Saxena")
    people.go_to_razorpay(page)
    page.goto(Booking.objects.get(schedule=window).get_absolute_url())
    page.evaluate("window.neverReloaded = true")
    site.at_razorpay("pay", id=attempt_in(window).reference)
    assert people.number(page) == "A1"
    assert page.evaluate("window.neverReloaded")


@pytest.mark.parametrize("blocked", ["all scripts", "Razorpay's script"])
def test_without_the_script_the_payment_page_is_opened_by_a_button(open_page, window, blocked):
    page = open_page(java_script_enabled=blocked != "all scripts")
    page.route("**/v1/checkout.js", lambda route: route.abort())
    people.hold_a_place(page, window, "Kavita Menon")
    people.go_to_razorpay(page)
    page.get_by_role("button", name="Open the payment page").click()
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_text("The payment was not finished")).to_be_visible()

    people.go_to_razorpay(page)
    page.get_by_role("button", name="Open the payment page").click()
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_role("status")).to_contain_text("insufficient account balance")
    page.get_by_role("button", name="Pay", exact=True).click()
    if blocked == "all scripts":
        page.get_by_role("button", name="Back to the clinic").click()
    page.wait_for_url("**/b/**")
    assert people.number(page) == "A1"
    assert attempt_in(window).outcome == Outcome.BOUGHT


def test_a_receipt_that_the_browser_made_up_buys_nothing(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Vikas Yadav")
    people.go_to_razorpay(page)
    page.evaluate(
        """() => {
            const form = document.createElement("form");
            form.method = "post";
            form.action = document.getElementById("checkout").dataset.back;
            for (const name of ["razorpay_payment_id", "razorpay_order_id", "razorpay_signature"]) {
                const field = form.appendChild(document.createElement("input"));
                field.name = name;
                field.value = "made_up";
            }
            document.body.append(form);
            form.submit();
        }"""
    )
    expect(page.get_by_text("This receipt is not from the payment service")).to_be_visible()
    expect(page.get_by_role("link", name="Pay ₹500")).to_be_visible()
    assert (attempt_in(window).status, attempt_in(window).booking.status) == ("created", "held")


def test_no_other_page_lets_razorpay_in(open_page, window, site):
    """The page before the checkout may lead to no other place, and the pages after it neither."""
    page, policies = open_page(), {}

    def note(response):
        if response.url.startswith(site.url) and response.request.is_navigation_request():
            policies[response.url.removeprefix(site.url)] = response.header_value("content-security-policy")

    page.on("response", note)
    page.goto("/")
    people.hold_a_place(page, window, "Neelam Arora")
    people.go_to_razorpay(page)
    people.press_in_checkout(page, "Pay")
    people.number(page)
    allowing = [path for path, policy in policies.items() if policy and site.razorpay_url in policy]
    assert len(policies) >= 5
    assert len(allowing) == 1 and allowing[0].endswith("/razorpay/")
