"""A service at the desk: sold without a mouse, and without JavaScript; moved because of a reason."""

import re

from playwright.sync_api import expect

from bookings.models import Booking
from bookings.states import Status
from tests import factories
from tests.browser import people
from tests.browser.keyboard import Keyboard
from tests.browser.pages import RECEPTION
from tests.browser.scene import RUNNING
from tests.browser.watching import DESK


def selling(name):
    """Minutes that began an hour ago, and the one service of that name, which takes forty of them."""
    pool = factories.pool(**RUNNING)
    return pool, factories.service(pool.doctor, name=name)


def test_a_service_is_sold_by_keyboard_alone(open_page):
    pool, _service = selling("Zumba lesson")
    page = open_page(RECEPTION, device=DESK)
    page.goto(f"/admin/walk-in/?window={pool.pk}")
    keyboard = Keyboard(page)
    keyboard.type("Zumba")  # the page starts in the list, which a word searches
    expect(page.get_by_label("When?")).to_be_visible()
    expect(page.get_by_role("button", name="Take ₹400 and book")).to_be_visible()
    keyboard.go_to("When")
    keyboard.press("ArrowDown")
    keyboard.go_to("Phone")
    keyboard.type("98200 77009")
    expect(page.get_by_text("Nobody is known by this number.")).to_be_visible()
    keyboard.press("Tab")
    keyboard.type("Nima Lepcha")
    keyboard.press("Tab")
    keyboard.type("44")
    keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/walk-in/[\w-]{20,}/"))
    booking = Booking.objects.get(schedule=pool)
    expect(page.get_by_role("heading", name=f"{booking.label} for Nima Lepcha")).to_be_visible()
    expect(page.locator(".slip")).to_contain_text("Zumba lesson")
    assert (booking.status, booking.units) == (Status.CONFIRMED, 40)
    keyboard.press("Enter")  # the next walk-in is one key away
    page.wait_for_url("**/admin/walk-in/?window=*")


def test_a_service_is_sold_without_javascript(open_page):
    pool, service = selling("Yoga lesson")
    page = open_page(RECEPTION, device=DESK, java_script_enabled=False)
    page.goto(f"/admin/walk-in/?window={pool.pk}")
    page.get_by_label("What for?").select_option(value=f"{pool.pk}-{service.pk}")
    page.get_by_role("button", name="Show the times").click()
    page.get_by_label("When?").select_option(index=2)
    page.get_by_label("Name").fill("Nima Lepcha")
    page.get_by_label("Age").fill("44")
    page.get_by_role("button", name="Take ₹400 and book").click()
    expect(page.get_by_role("heading", name="for Nima Lepcha")).to_be_visible()
    assert Booking.objects.get(schedule=pool).status == Status.CONFIRMED


def test_a_service_is_moved_from_its_line(open_page):
    pool, service = selling("X-ray")
    asked = factories.asking(pool, service, None)
    booking = factories.paid(pool, factories.guest(name="Nima Lepcha"), **asked)
    page = open_page(RECEPTION, device=DESK)
    page.goto(f"/admin/desk/?window={pool.pk}")
    people.row(page, "Nima Lepcha").get_by_role("link", name="Move").click()
    page.get_by_label("New time").select_option(index=3)
    page.get_by_label("Reason").fill("The room is not ready")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("Moved:")).to_be_visible()
    was, booking.start_at = booking.start_at, None
    booking.refresh_from_db()
    assert booking.start_at > was and booking.status == Status.CONFIRMED
    expect(people.row(page, "Nima Lepcha")).to_contain_text(booking.label)
