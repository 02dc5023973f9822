"""A patient takes a service at a time that fits; somebody is faster; they take another time, and pay."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from bookings.models import Booking
from payments.management.commands.check_invariants import violations
from tests import factories
from tests.browser import people


@pytest.fixture
def pool(site):
    """A morning of a doctor, tomorrow, with one service."""
    doctor = factories.doctor(name="Dr. Nabina Karki", specialty="Massage")
    service = factories.service(doctor, name="Deep-tissue massage", price_minor=70000)
    yield factories.morning(doctor=doctor)
    service.visible = doctor.is_active = False
    service.save()
    doctor.save()


@pytest.fixture
def service(pool):
    return pool.doctor.services.get()


def find_a_time(page, service) -> None:
    """From the first page to the form, by the first time that is offered."""
    page.goto("/")
    page.get_by_role("link", name="Or choose a service").tap()
    page.get_by_role("link", name=service.name).tap()
    page.locator(".slot", has_text="10:00").tap()
    expect(page.get_by_text("10:00–10:40")).to_be_visible()


def pay_for(page) -> None:
    people.go_to_the_bank(page)
    people.press_at_the_bank(page, "Pay ₹700")


def test_choose_be_slower_take_another_time_and_pay(open_page, pool, service):
    phone = open_page()
    find_a_time(phone, service)
    people.say_who(phone, "Ritu Malla")
    factories.reserve(pool, service, 0, factories.guest(name="Somebody Faster"))
    phone.get_by_role("button", name="Hold my place").tap()

    expect(phone.get_by_text("Someone was faster.")).to_be_visible()
    expect(phone.get_by_label("Patient's full name")).to_have_value("Ritu Malla")
    instead = phone.get_by_role("button", name="10:40")
    expect(instead).to_be_in_viewport()
    instead.tap()
    phone.wait_for_url("**/pay/**")
    expect(phone.get_by_text("Deep-tissue massage · 40 minutes")).to_be_visible()
    pay_for(phone)
    expect(phone.locator(".pass-number")).to_contain_text("10:40")
    expect(phone.locator("#visit-when")).to_contain_text("10:40–11:20")

    booking = Booking.objects.get(schedule=pool, patient__name="Ritu Malla")
    assert (booking.status, booking.minutes) == ("confirmed", 40)
    assert violations() == {}


def test_the_same_without_javascript_and_moved_within_the_morning(open_page, pool, service):
    page = open_page(java_script_enabled=False)
    find_a_time(page, service)
    people.say_who(page, "Deepa Nepali")
    factories.reserve(pool, service, 0, factories.guest(name="Somebody Faster"))
    page.get_by_role("button", name="Hold my place").tap()
    page.get_by_role("button", name="10:40").tap()
    pay_for(page)
    expect(page.locator(".pass-number")).to_contain_text("10:40")

    page.get_by_role("link", name="Move to another time").tap()
    page.locator(".slot", has_text="12:20").tap()
    page.get_by_role("button", name="Move my visit").tap()
    expect(page.locator(".pass-number")).to_contain_text("12:20")
    moved = Booking.objects.get(schedule=pool, patient__name="Deepa Nepali")
    assert timezone.localtime(moved.end_at).strftime("%H:%M") == "13:00"
    assert violations() == {}


def test_the_keyboard_reaches_what_is_folded_away(open_page, pool, service):
    page = open_page()
    page.goto(service.get_absolute_url())
    more = page.locator("summary").first
    folded = page.locator(".slot", has_text="10:05")
    expect(folded).to_be_hidden()
    more.focus()
    page.keyboard.press("Enter")
    expect(folded).to_be_visible()
