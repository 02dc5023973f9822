"""What people do in the clinic's pages, in their words."""

import re

from playwright.sync_api import FrameLocator, Locator, Page, expect

PHONE = "+91 98200 54321"


def say_who(page: Page, name: str, *, phone: str = PHONE, age: str = "34") -> None:
    """The booking form of somebody without an account, filled but not sent."""
    page.get_by_label("Patient's full name").fill(name)
    page.get_by_label("Mobile number").fill(phone)
    page.get_by_label("Age in years").fill(age)
    page.get_by_label("The clinic may keep these details").check()


def hold_a_place(page: Page, window, name: str) -> None:
    """From the booking form to the page that asks for the money."""
    page.goto(window.get_absolute_url())
    say_who(page, name)
    page.get_by_role("button", name="Hold my place").click()
    page.wait_for_url("**/pay/**")


def go_to_the_bank(page: Page) -> None:
    page.get_by_role("button", name="Demo payment").click()
    page.wait_for_url("**/demo-gateway/**")


def press_at_the_bank(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_url("**/b/**")


def pay(page: Page, price: str = "₹500") -> str:
    """Pays at the demo bank; gives the number, as in A7."""
    go_to_the_bank(page)
    press_at_the_bank(page, f"Pay {price}")
    return number(page)


def go_to_razorpay(page: Page) -> None:
    page.get_by_role("button", name="UPI, card or netbanking").click()
    page.wait_for_url("**/razorpay/")


def press_in_checkout(page: Page, button: str) -> None:
    """In Razorpay's frame over our page."""
    checkout(page).get_by_role("button", name=button, exact=True).click()


def checkout(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title='Razorpay Checkout']")


def number(page: Page) -> str:
    shown = page.locator(".pass-number")
    expect(shown).to_have_text(re.compile(r"[A-Z]\d+$"))
    return shown.inner_text().split()[-1]


def fact(page: Page, word: str) -> Locator:
    """A figure under the number: "Now serving", "Ahead of you"."""
    return page.locator(".pass-stub div", has_text=word).locator("dd")


def row(page: Page, name: str) -> Locator:
    """Somebody's row at the desk."""
    return page.get_by_role("row", name=re.compile(name))


def reload_until(page: Page, sight: Locator, tries: int = 20) -> None:
    """For what others do meanwhile, on a page that does not follow by itself: up to ten seconds."""
    for _n in range(tries):
        try:
            return expect(sight.first).to_be_visible(timeout=500)
        except AssertionError:
            page.reload()
    expect(sight.first).to_be_visible()
