"""People with an account."""

import re

from playwright.sync_api import expect

from payments.sample.people import PASSWORD
from tests import factories
from tests.browser import people
from tests.browser.scene import RUNNING

SECRET = "a long walk to the clinic"


def test_a_newcomer_signs_up_verifies_the_address_books_and_finds_it_again(open_page, site):
    window, page, address = factories.window(**RUNNING), open_page(), "zoya@example.org"
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password").fill(SECRET)
    page.get_by_label("Your name").fill("Zoya Ansari")
    page.get_by_role("button", name="Make an account").click()
    page.wait_for_url("**/confirm-email/")

    page.goto(account_link(site))
    page.get_by_role("button", name="Confirm").click()
    sign_in(page, address, SECRET)

    page.goto(window.get_absolute_url())
    expect(page.get_by_label("Patient's full name")).to_have_value("Zoya Ansari")
    page.get_by_label("Mobile number").fill(people.PHONE)
    page.get_by_label("Age in years").fill("31")
    page.get_by_label("The clinic may keep these details").check()
    page.get_by_role("button", name="Hold my place").click()
    mine = people.pay(page)
    page.get_by_role("link", name="My appointments").click()
    expect(page.get_by_role("link", name=re.compile(f"{mine}.*Zoya Ansari", re.DOTALL))).to_be_visible()

    stranger = open_page()
    answer = stranger.goto(page.url)
    assert "/login/" in answer.url


def test_who_forgot_the_password_gets_a_new_one_by_mail(open_page, site):
    page, account = open_page(), factories.user(email="forgetful@example.org")
    page.goto("/accounts/login/")
    page.get_by_role("link", name=re.compile("forg", re.IGNORECASE)).click()
    page.get_by_label("Email").fill(account.email)
    page.locator("main form button").click()
    page.wait_for_url("**/password/reset/done/")
    page.goto(account_link(site))
    for field in ("New Password", "New Password (again)"):
        page.get_by_label(field, exact=True).fill(SECRET)
    page.get_by_role("button", name="Change Password").click()
    page.wait_for_url("**/key/done/")
    sign_in(page, account.email, SECRET)
    page.wait_for_url("**/appointments/")


def test_guessing_at_a_password_is_stopped_and_then_the_right_one_does_not_help(open_page):
    page, account = open_page(), factories.user(email="guessed@example.org", password=PASSWORD)
    for guess in range(5):
        sign_in(page, account.email, f"guess {guess}")
        expect(page.locator("main")).to_contain_text("not correct")
    sign_in(page, account.email, PASSWORD)
    expect(page.locator("main")).to_contain_text("Too many")
    assert "/login/" in page.url


def test_a_guests_booking_opens_by_its_link_alone_an_accounts_does_not(open_page, scene):
    account = scene.account("patient@demo.clinic")
    theirs = factories.paid(
        factories.window(**RUNNING), account.patients.get(relationship="self"), booked_by=account
    )
    page = open_page()
    page.goto(scene.confirmed.get_absolute_url())
    assert people.number(page)
    assert page.goto(theirs.get_absolute_url()).status == 404


def sign_in(page, address, password):
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def account_link(site) -> str:
    """The newest link to a page of the account; mails about visits come meanwhile."""
    return [link for mail in site.mails() for link in re.findall(r"https?://\S+/accounts/\S+", mail)][-1]
