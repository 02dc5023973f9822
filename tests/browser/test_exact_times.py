"""A patient takes an exact time, pays, moves it, keeps it in the calendar; and sees when the clinic moves it."""

import pytest
from django.urls import reverse
from django.utils import timezone
from icalendar import Calendar
from playwright.sync_api import expect

from bookings.models import Booking
from payments.management.commands.check_invariants import violations
from tests import factories
from tests.browser import people
from tests.browser.watching import DESK


@pytest.fixture
def times(site):
    """A morning of exact times, tomorrow."""
    doctor = factories.doctor(name="Dr. Sarita Adhikari", specialty="Dentistry")
    yield factories.slots(6, doctor=doctor, starts_in=factories.at_ten(), fee_minor=70000)
    doctor.is_active = False
    doctor.save()


def label(window) -> str:
    return f"{timezone.localtime(window.starts_at):%-H:%M}"


def big(page):
    return page.locator(".pass-number")


def test_from_the_grid_to_another_time_and_the_clinic_moves_it_once_more(open_page, times):
    first, second, third = times[0], times[2], times[4]
    phone = open_page()
    phone.goto(times[0].doctor.get_absolute_url())
    phone.get_by_role("link", name=label(first), exact=True).tap()
    people.say_who(phone, "Ritu Malla")
    phone.get_by_role("button", name="Hold my place").tap()
    phone.wait_for_url("**/pay/**")

    rival = open_page()
    rival.goto(times[0].doctor.get_absolute_url())
    expect(rival.locator(".slot", has_text=label(first))).to_contain_text("held")

    people.go_to_the_bank(phone)
    people.press_at_the_bank(phone, "Pay ₹700")
    expect(big(phone)).to_contain_text(label(first))

    phone.get_by_role("link", name="Move to another time").tap()
    taken = phone.locator(".slot", has_text=label(first))
    expect(taken).to_contain_text("taken")
    phone.get_by_role("link", name=label(second), exact=True).tap()
    expect(phone.get_by_text("Stays as it is: nothing more to pay.")).to_be_visible()
    phone.get_by_role("button", name="Move my visit").tap()
    expect(phone.get_by_text("Your visit is moved.")).to_be_visible()
    expect(big(phone)).to_contain_text(label(second))
    assert event_of(phone)["dtstart"].dt == second.starts_at.replace(microsecond=0)
    rival.reload()
    expect(rival.get_by_role("link", name=label(first), exact=True)).to_be_visible()

    phone.evaluate("window.neverReloaded = true")
    staff_move(open_page("reception@demo.clinic", device=DESK), third)
    expect(big(phone)).to_contain_text(label(third), timeout=40_000)
    expect(phone.locator("#visit-when")).to_contain_text(f"{label(third)}–")
    assert phone.evaluate("window.neverReloaded")
    assert event_of(phone)["dtstart"].dt == third.starts_at.replace(microsecond=0)
    assert violations() == {}


def staff_move(desk, to) -> None:
    """From the booking's own page, with a reason."""
    booking = Booking.objects.get(schedule__doctor=to.doctor, patient__name="Ritu Malla")
    desk.goto(reverse("admin:bookings_booking_change", args=[booking.pk]))
    desk.get_by_role("link", name="Move", exact=True).click()
    desk.get_by_label("New time").select_option(str(to.pk))
    desk.get_by_label("Reason").fill("The dentist starts later.")
    desk.get_by_role("button", name="Move", exact=True).click()
    expect(desk.get_by_text("Moved:")).to_be_visible()


def event_of(page):
    with page.expect_download() as coming:
        page.get_by_role("link", name="Add to my calendar").click()
    [event] = Calendar.from_ical(coming.value.path().read_bytes()).walk("VEVENT")
    return event


def test_an_exact_time_is_booked_and_moved_without_javascript(open_page, times):
    page = open_page(java_script_enabled=False)
    page.goto(times[0].doctor.get_absolute_url())
    page.get_by_role("link", name=label(times[1]), exact=True).tap()
    people.say_who(page, "Deepa Nepali")
    page.get_by_role("button", name="Hold my place").tap()
    people.go_to_the_bank(page)
    people.press_at_the_bank(page, "Pay ₹700")
    expect(big(page)).to_contain_text(label(times[1]))
    page.get_by_role("link", name="Move to another time").tap()
    page.get_by_role("link", name=label(times[3]), exact=True).tap()
    page.get_by_role("button", name="Move my visit").tap()
    expect(big(page)).to_contain_text(label(times[3]))


def test_the_menu_counts_again_and_leaves_the_keyboard_where_it_is(open_page, times):
    """It asks every 30 seconds; here at once, by htmx's own means."""
    desk = open_page("reception@demo.clinic", device=DESK)
    desk.goto(f"{reverse('admin:desk')}?window={times[0].pk}")
    count = desk.locator(".rooms a", has_text="Inbox").locator(".rooms-count")
    before = int(count.inner_text()) if count.count() else 0
    cash = desk.get_by_role("link", name="Cash desk")
    cash.focus()
    factories.paid(times[5])
    with desk.expect_response("**/admin/menu/**"):
        desk.evaluate("htmx.ajax('GET', document.querySelector('.rooms').getAttribute('hx-get'),"
                      " {target: '.rooms', swap: 'outerHTML'})")  # fmt: skip
    expect(count).to_have_text(str(before + 1))
    expect(cash).to_be_focused()
    expect(desk.locator(".rooms [aria-current]")).to_have_text("Desk")
