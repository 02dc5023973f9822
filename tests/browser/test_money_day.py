"""A day's money: the cash desk from opening to the close, and a payout from asking to the bank's file."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from bookings.models import Booking
from clinic.models import Doctor
from payments.drawer_models import Drawer
from payments.ledger_models import LedgerEntry, Payout
from payments.models import Refund
from tests import factories
from tests.browser import people
from tests.browser.pages import MANAGER
from tests.browser.scene import RUNNING
from tests.browser.watching import DESK, PHONE


def sell(page: Page, window, name: str, phone: str, method: str) -> None:
    page.goto(f"/admin/walk-in/?window={window.pk}")
    page.get_by_label("Phone").fill(phone)
    expect(page.get_by_text("Nobody is known by this number.")).to_be_visible()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Age").fill("41")
    page.get_by_role("radio", name=method, exact=True).check()
    page.locator("#sell").click()
    expect(page.get_by_role("heading", name=f"for {name}")).to_be_visible()


def cancel_and_hand_back(page: Page, window, name: str) -> None:
    page.goto(f"/admin/desk/?window={window.pk}")
    people.row(page, name).get_by_role("link", name="Cancel").click()
    page.get_by_label("Why?").fill("Had to leave for a bus.")
    page.get_by_role("button", name="Cancel for good").click()
    page.goto(f"/admin/payments/refund/?q={name.replace(' ', '+')}")
    waiting = people.row(page, "to be handed back at the desk")
    people.reload_until(page, waiting)
    waiting.get_by_role("link").first.click()
    page.get_by_role("button", name="Handed back").click()
    expect(page.get_by_text("Handed back: ₹500")).to_be_visible()


@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
def test_a_receptionist_closes_the_day(open_page, device):
    person = factories.staff("Reception", name=f"Maya {device['viewport']['width']}")
    window = factories.window(**RUNNING)
    page = open_page(person.email, device=device)
    page.add_init_script("window.print = () => { window.printed = true }")
    page.goto("/admin/cash/")
    page.get_by_role("link", name="Open a drawer").click()
    page.get_by_label("How much is in it now?").fill("1000")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("Your drawer is open.")).to_be_visible()

    phones = [f"98200 {device['viewport']['width']:05}", f"98201 {device['viewport']['width']:05}"]
    sell(page, window, "Anil Basnet", phones[0], "Cash")
    sell(page, window, "Rekha Subba", phones[1], "eSewa")
    cancel_and_hand_back(page, window, "Anil Basnet" if device is DESK else "Rekha Subba")

    page.goto("/admin/cash/")
    page.get_by_role("link", name="Count and close my drawer").click()
    page.get_by_label("How much did you count?").fill("990")
    page.get_by_role("button", name="Close the drawer").click()
    expected = 100000 if device is DESK else 150000
    said = f"₹{expected // 100:,} is expected, and you counted ₹990. Count again, or write why."
    expect(page.get_by_role("alert")).to_contain_text(said)
    page.get_by_label("Why it differs").fill("Change for a taxi")
    page.get_by_role("button", name="Close the drawer").click()
    expect(page.get_by_text("Closed: ₹990 counted.")).to_be_visible()

    taken = people.row(page, person.name).first
    expect(taken).to_contain_text("₹500")
    expect(taken).to_contain_text("₹500 handed back")
    counted = people.row(page, person.name).last
    expect(counted).to_contain_text("−₹10" if device is DESK else "−₹510")
    expect(counted).to_contain_text("Change for a taxi")
    drawer = Drawer.objects.get(opened_by=person)
    assert (drawer.expected_minor, drawer.counted_minor, drawer.note) == (
        expected,
        99000,
        "Change for a taxi",
    )
    assert Refund.objects.get(drawer=drawer).status == "done"

    page.get_by_role("button", name="Print").click()
    assert page.evaluate("window.printed")
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name="the counter on")).to_be_visible()
    expect(page.get_by_text("Checked by")).to_be_visible()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    expect(page.get_by_role("navigation", name="Reception")).to_be_hidden()


@pytest.fixture
def doctor(site) -> Doctor:
    """A doctor with an account, and two visits paid today."""
    doctor = factories.doctor(name="Dr. Tara Limbu", user=factories.staff("Doctor", name="Dr. Tara Limbu"))
    window = factories.window(doctor=doctor, starts_in=timedelta(hours=-1))
    for name in ("Dawa Lama", "Ishan Roy"):
        factories.paid(window, factories.guest(name=name))
    return doctor


def bank_file(payout: Payout, amount: str) -> dict:
    text = f"Date,Narration,UTR,Amount,Status\n20/11/2026,NEFT {payout.code} LIMBU,N{payout.pk:09},{amount},processed\n"
    return {"name": "statement.csv", "mimeType": "text/csv", "buffer": text.encode()}


def test_a_doctor_asks_and_sees_what_the_bank_paid(open_page, doctor):
    hers, office = open_page(doctor.user.email), open_page(MANAGER, device=DESK)
    hers.goto("/admin/earnings/")
    people.reload_until(hers, hers.get_by_role("link", name="Ask for a payout"))
    people.reload_until(hers, people.row(hers, "A2"))
    hers.get_by_role("link", name="Ask for a payout").click()
    expect(hers.get_by_text("₹1,000 can be paid out.")).to_be_visible()
    hers.get_by_label("How much?").fill("1000.01")
    hers.get_by_role("button", name="Ask for it").click()
    expect(hers.get_by_role("alert")).to_contain_text("₹1,000 can be paid out at most.")
    hers.get_by_label("How much?").fill("700")
    hers.get_by_role("button", name="Ask for it").click()
    expect(hers.locator(".sums").first).to_contain_text("Can be asked for\n₹300", use_inner_text=True)
    payout = Payout.objects.get(doctor=doctor)

    office.goto("/admin/earnings/")
    office.get_by_role("link", name="Dr. Tara Limbu").click()
    office.get_by_role("link", name=payout.code).click()
    office.get_by_role("link", name="Start paying").click()
    expect(office.get_by_text(f"Write {payout.code} into the transfer's text")).to_be_visible()
    office.get_by_role("button", name="Start paying").click()
    expect(office.get_by_text("being paid").first).to_be_visible()

    office.goto("/admin/payouts/import/")
    expect(people.row(office, payout.code)).to_contain_text("Being paid")
    office.get_by_label("The bank's file").set_input_files(bank_file(payout, "699.99"))
    office.get_by_role("button", name="Look through it").click()
    expect(people.row(office, payout.code)).to_contain_text("It was asked for as ₹700.")
    office.get_by_role("link", name="Choose another file").click()
    office.get_by_label("The bank's file").set_input_files(bank_file(payout, "700.00"))
    office.get_by_role("button", name="Look through it").click()
    expect(people.row(office, payout.code)).to_contain_text("Ticked off as paid")
    assert not LedgerEntry.objects.filter(payout=payout).exists()
    office.get_by_role("button", name="Do all of this").click()
    expect(office.get_by_text("1 payout ticked off.")).to_be_visible()

    hers.goto("/admin/earnings/")
    expect(people.row(hers, payout.code).first).to_contain_text(f"Paid out, 20 Nov 2026: N{payout.pk:09}")
    expect(hers.locator(".sums").first).to_contain_text("Paid out so far\n₹700", use_inner_text=True)
    assert LedgerEntry.objects.get(payout=payout).amount_minor == -70000
    assert Booking.objects.filter(schedule__doctor=doctor, status="confirmed").count() == 2
