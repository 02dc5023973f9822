"""What else happens to patients, on the phone they have in their hand."""

import re

import pytest
from playwright.sync_api import expect

from bookings import actions
from bookings.models import Booking
from bookings.states import Status
from payments.models import GatewayEvent, Refund
from payments.states import Outcome, RefundStatus
from tests import factories
from tests.browser import people
from tests.browser.keyboard import Keyboard
from tests.browser.pages import MANAGER
from tests.browser.scene import RUNNING
from tests.browser.watching import DESK


@pytest.fixture
def window(site):
    """A window of a doctor of its own, running now, with three places."""
    return factories.window(**RUNNING)


def test_a_declined_card_loses_nothing_and_the_next_try_pays(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Deepa Ghosh")
    people.go_to_the_bank(page)
    people.press_at_the_bank(page, "Let the bank decline it")
    expect(page.get_by_text("Your place is still held")).to_be_visible()
    page.get_by_role("link", name="Pay ₹500").click()
    expect(page.get_by_text("The payment was declined")).to_be_visible()
    assert people.pay(page) == "A1"


def test_who_pays_twice_gets_one_number_and_the_second_payment_back(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Anjali Mishra")
    people.go_to_the_bank(page)
    page.get_by_text("What else can happen to a payment").click()
    people.press_at_the_bank(page, "Pay twice")
    assert people.number(page) == "A1"
    expect(page.get_by_text("paid twice").first).to_be_visible()
    people.reload_until(page, page.get_by_text("₹500 sent back on"))

    staff = open_page(MANAGER, device=DESK)
    staff.goto("/admin/payments/payment/?q=Anjali+Mishra")
    expect(people.row(staff, "bought its place")).to_have_count(1)
    expect(people.row(staff, "paid twice or too late: refunded")).to_have_count(1)
    staff.goto("/admin/payments/refund/?q=Anjali+Mishra")
    expect(people.row(staff, "sent back")).to_have_count(1)
    refund = Refund.objects.get(payment__booking__schedule=window)
    assert (refund.status, refund.payment.outcome) == (RefundStatus.DONE, Outcome.SURPLUS)


def test_a_bank_that_tells_everything_twice_gives_one_number(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Rekha Patil")
    people.go_to_the_bank(page)
    page.get_by_text("What else can happen to a payment").click()
    people.press_at_the_bank(page, "Pay, and tell it twice")
    assert people.number(page) == "A1"
    booking = Booking.objects.get(schedule=window)
    assert booking.events.filter(to_status=Status.CONFIRMED).count() == 1
    assert GatewayEvent.objects.filter(payment__booking=booking, name="payment.captured").count() == 1
    assert not Refund.objects.filter(payment__booking=booking).exists()


def test_the_place_that_somebody_faster_took_leads_to_the_next_one(open_page):
    window = factories.window(capacity=1, **RUNNING)
    tomorrow = factories.window(doctor=window.doctor, starts_in=factories.timedelta(days=1))
    page = open_page()
    page.goto(window.get_absolute_url())
    people.say_who(page, "Maya Thapa")
    factories.paid(window)
    page.get_by_role("button", name="Hold my place").click()

    expect(page.get_by_role("heading", name="This time can't be booked")).to_be_visible()
    assert Booking.objects.filter(schedule=window).count() == 1
    page.get_by_role("link", name="Book with").click()
    page.wait_for_url(f"**{tomorrow.get_absolute_url()}")
    people.say_who(page, "Maya Thapa")
    page.get_by_role("button", name="Hold my place").click()
    assert people.pay(page) == "A1"


def test_two_clicks_are_one_booking(open_page, window):
    page = open_page()
    page.goto(window.get_absolute_url())
    people.say_who(page, "Asha Bhandari")
    page.get_by_role("button", name="Hold my place").dblclick()
    page.wait_for_url("**/pay/**")
    assert Booking.objects.filter(schedule=window).count() == 1


def test_who_gives_the_place_up_gives_it_to_others(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Tara Chettri")
    page.get_by_role("button", name="Give up this place").click()
    expect(page.get_by_text("You have not been charged.")).to_be_visible()
    expect(page.get_by_text("3 of 3 left")).to_be_visible()
    assert Booking.objects.get(schedule=window).status == Status.CANCELLED


def test_when_the_time_is_up_the_open_page_says_so(open_page, window):
    page = open_page()
    people.hold_a_place(page, window, "Om Prakash")
    booking = Booking.objects.get(schedule=window)
    page.goto(booking.get_absolute_url())
    expect(page.get_by_text("Held for you until")).to_be_visible()
    factories.lapse(booking)
    expect(page.get_by_text("The time to pay has passed")).to_be_visible()


def test_a_visit_that_the_clinic_cancels_is_paid_back_before_the_patients_eyes(open_page, window, scene):
    page = open_page()
    people.hold_a_place(page, window, "Shanti Rana")
    people.pay(page)
    booking = Booking.objects.get(schedule=window)
    actions.cancel(booking.pk, actor=scene.reception, reason="The doctor is ill.")
    expect(page.get_by_text("This booking was cancelled.")).to_be_visible(timeout=10_000)
    expect(page.get_by_text("₹500 sent back on")).to_be_visible(timeout=20_000)


def test_a_patient_cancels_without_scripts_and_sees_the_money_go_back(open_page):
    booking = factories.paid(factories.window(starts_in=factories.timedelta(days=2)))
    page = open_page(java_script_enabled=False)
    page.goto(booking.get_absolute_url())
    page.get_by_role("link", name="Cancel this booking").click()
    expect(page.get_by_text("You get ₹500 back")).to_be_visible()
    page.get_by_role("button", name="Cancel, and get ₹500 back").click()
    expect(page.get_by_text("Your booking is cancelled. You get ₹500 back.")).to_be_visible()
    people.reload_until(page, page.get_by_text("₹500 sent back on"))


def test_a_search_finds_by_what_the_doctor_treats(open_page):
    page = open_page()
    page.goto("/")
    page.get_by_role("searchbox").press_sequentially("derma")
    expect(page.get_by_role("heading", name="Dr. Harpreet Kaur Gill")).to_be_visible()
    expect(page.get_by_role("heading", name="Dr. Arjun Nair")).to_have_count(0)
    page.wait_for_url("**/?q=derma")


def test_a_search_needs_no_javascript(open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/")
    page.get_by_role("searchbox").fill("derma")
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/?q=derma")
    expect(page.get_by_role("heading", name="Dr. Harpreet Kaur Gill")).to_be_visible()


def test_a_whole_booking_by_keyboard_alone(open_page, window):
    page = open_page(device=DESK)
    page.goto(f"/?q={window.doctor.name}")
    keyboard = Keyboard(page)
    keyboard.go_to("Book")
    keyboard.press("Enter")
    page.wait_for_url("**/book/**")
    for label, words in [
        ("Patient's full name", "Leela Nair"),
        ("Mobile number", people.PHONE),
        ("Age", "61"),
    ]:
        keyboard.go_to(label)
        keyboard.type(words)
    keyboard.go_to("The clinic may keep")
    keyboard.press("Space")
    keyboard.go_to("Hold my place")
    keyboard.press("Enter")
    page.wait_for_url("**/pay/**")
    keyboard.go_to("Pay ₹500")
    keyboard.press("Enter")
    page.wait_for_url("**/demo-gateway/**")
    keyboard.go_to("Pay ₹500")
    keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/b/[\w-]+/$"))
    assert people.number(page) == "A1"
    keyboard.go_to("Print the slip")
    keyboard.press("Enter")
    page.wait_for_url("**/slip/")


def test_a_form_with_mistakes_leads_the_keyboard_to_them(open_page, window):
    page = open_page()
    page.goto(window.get_absolute_url())
    page.get_by_role("button", name="Hold my place").click()
    expect(page.locator(".summary-of-errors")).to_be_focused()
    page.get_by_role("link", name="Write a mobile number.").click()
    expect(page.get_by_label("Mobile number")).to_be_focused()
    assert not Booking.objects.filter(schedule=window).exists()
