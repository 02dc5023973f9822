"""The main job, end to end (Done-when 1): a patient books, pays and watches; the desk sells and calls."""

import re

from playwright.sync_api import expect

from payments.sample.people import PASSWORD
from tests.browser import people
from tests.browser.keyboard import Keyboard
from tests.browser.watching import DESK

DOCTOR = "Dr. Ananya Iyer"


def test_a_guest_books_pays_and_watches_the_line_while_the_desk_works(open_page):
    patient, name = open_page(), "Savitri Kulkarni"
    mine = book_today(patient, name)

    desk = open_page(device=DESK)
    sign_in_at_the_desk(desk)
    desk.get_by_role("link", name=DOCTOR).first.click()
    expect(people.row(desk, name)).to_contain_text(mine)
    expect(people.row(desk, name)).to_contain_text("not here yet")

    theirs = sell_a_walk_in_by_keyboard(desk, "Govind Bhandari")
    assert int(theirs[1:]) == int(mine[1:]) + 1

    desk.goto("/admin/desk/")
    desk.get_by_role("link", name=DOCTOR).first.click()
    expect(people.row(desk, "Govind Bhandari")).to_contain_text(theirs)
    patient.evaluate("window.neverReloaded = true")
    people.row(desk, name).get_by_role("button", name="Check in").click()
    expect(people.row(desk, name).locator(".state")).to_have_text("here")

    before = people.fact(patient, "Now serving").inner_text()
    desk.get_by_role("button", name="Call next").click()
    expect(desk.get_by_text("is called.")).to_be_visible()
    expect(people.fact(patient, "Now serving")).not_to_have_text(before, timeout=5_000)
    expect(patient.locator(".pass-status")).to_have_text("In the waiting room")
    assert patient.evaluate("window.neverReloaded")


def test_a_guest_books_and_pays_without_javascript(open_page):
    page, name = open_page(java_script_enabled=False), "Parvati Adhikari"
    mine = book_today(page, name)
    expect(people.fact(page, "Now serving")).to_be_visible()
    page.reload()
    assert people.number(page) == mine


def book_today(page, name) -> str:
    """Three taps from home to the form; then the money, and the number."""
    page.goto("/")
    page.get_by_role("link", name="General medicine").tap()
    page.wait_for_url("**/?q=*")
    page.get_by_role("link", name=DOCTOR, exact=True).tap()
    page.wait_for_url("**/doctors/**")
    page.locator(".window", has_text="left").first.get_by_role("link", name="Book").tap()
    expect(page.get_by_role("heading", name="Who is the visit for?")).to_be_visible()
    people.say_who(page, name)
    page.get_by_role("button", name="Hold my place").tap()
    expect(page.get_by_text("Held for you until")).to_be_visible()
    page.get_by_role("button", name="Demo payment").tap()
    page.get_by_role("button", name="Pay ₹500", exact=True).tap()
    page.wait_for_url("**/b/**")
    mine = people.number(page)
    assert re.fullmatch(r"A\d+", mine)
    return mine


def sign_in_at_the_desk(page) -> None:
    page.goto("/admin/desk/")
    page.get_by_label("Email").fill("reception@demo.clinic")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/desk/")


def sell_a_walk_in_by_keyboard(page, name) -> str:
    keyboard = Keyboard(page)
    keyboard.go_to("Walk-in")
    keyboard.press("Enter")
    page.wait_for_url("**/admin/walk-in/**")
    keyboard.type("98200 77001")  # the page starts in the field for the phone
    expect(page.get_by_text("Nobody is known by this number.")).to_be_visible()
    keyboard.press("Tab")
    keyboard.type(name)
    keyboard.press("Tab")
    keyboard.type("52")
    keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/walk-in/[\w-]{20,}/"))
    heading = page.get_by_role("heading", name=f"for {name}")
    return heading.inner_text().split()[0]
