"""The dashboard on a manager's screen: it follows what happens, and can be left open all day."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser import people
from tests.browser.pages import MANAGER, RECEPTION
from tests.browser.scene import RUNNING
from tests.browser.watching import DESK, PHONE


def look_again(page) -> None:
    """Ten seconds pass."""
    with page.expect_response(lambda answer: "seen=" in answer.url):
        page.clock.run_for(10_500)


@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_a_booking_appears_while_one_looks(open_page, device):
    width = device["viewport"]["width"]
    doctor = factories.doctor(name=f"Dr. Rinchen {width}")
    facial = factories.service(doctor, name=f"Facial {width}")
    factories.service(doctor, name="Long peel", duration=100)
    pool = factories.pool(doctor=doctor, **RUNNING | {"lasts": timedelta(hours=3)})
    page = open_page(MANAGER, device=device)
    page.clock.install()
    page.goto("/admin/dashboard/")
    line = people.row(page, doctor.name).first
    expect(line).to_contain_text("180 min")
    expect(line).to_contain_text("Long peel from")
    page.evaluate("window.stays = true")
    page.get_by_role("link", name="Show as a list").focus()

    factories.reserve(pool, facial, 100)
    look_again(page)
    expect(line).not_to_contain_text("Long peel")
    expect(line).to_contain_text(f"{facial.name} from")
    expect(page.locator("rect.place-held title", has_text=f"{facial.name} · held until")).to_have_count(1)
    expect(page.get_by_role("link", name="Show as a list")).to_be_focused()
    assert page.evaluate("window.stays")


def test_the_list_and_the_days_work_without_javascript(open_page):
    page = open_page(RECEPTION, device=DESK, java_script_enabled=False)
    page.goto("/admin/dashboard/")
    page.get_by_role("link", name="Show as a list").click()
    expect(page.get_by_role("columnheader", name="State")).to_be_visible()
    page.get_by_role("navigation", name="Which day").get_by_role("link").nth(1).click()
    expect(page.get_by_role("link", name="Show the picture")).to_be_visible()
    expect(page.locator(".use-days [aria-current=date]")).to_have_count(1)
    page.get_by_role("link", name="Over some days").click()
    page.get_by_role("link", name="This month").click()
    expect(page.get_by_role("heading", name="How full")).to_be_visible()


def test_the_money_in_the_menu_is_reached_by_keys_alone(open_page):
    page = open_page(MANAGER, device=DESK)
    page.goto("/admin/dashboard/")
    money = page.locator(".rooms summary", has_text="Money")
    money.press("Enter")
    expect(page.get_by_role("link", name="Cash desk")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Cash desk")).to_be_hidden()
    money.press("Enter")
    page.get_by_role("link", name="Earnings").press("Enter")
    expect(page.get_by_role("heading", name="Earnings")).to_be_visible()
    expect(page.locator(".rooms [aria-current]")).to_have_text("Earnings")
