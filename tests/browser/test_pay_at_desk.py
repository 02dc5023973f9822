"""Paying when one comes: the patient's phone and the desk, at once."""

from playwright.sync_api import expect

from bookings.models import Booking
from tests import factories
from tests.browser import people
from tests.browser.keyboard import Keyboard
from tests.browser.pages import MANAGER, RECEPTION
from tests.browser.scene import RUNNING
from tests.browser.watching import DESK


def test_a_patient_chooses_the_desk_and_reception_takes_the_money(open_page):
    window, name = factories.window(**RUNNING), "Savita Pun"
    patient, desk = open_page(), open_page(RECEPTION, device=DESK)
    people.hold_a_place(patient, window, name)
    patient.get_by_role("button", name="Pay ₹500 at the desk").tap()
    patient.wait_for_url("**/b/**")
    assert people.number(patient) == "A1"
    expect(patient.get_by_text("₹500 to pay at the desk")).to_be_visible()

    desk.goto(f"/admin/desk/?window={window.pk}")
    expect(people.row(desk, name)).to_contain_text("owes ₹500")
    patient.evaluate("window.neverReloaded = true")
    people.row(desk, name).get_by_role("link", name="Take payment").click()
    expect(desk.get_by_role("radio", name="Cash")).to_be_focused()
    Keyboard(desk).press("Enter")  # all of it, in cash: hands never leave the keyboard
    expect(desk.get_by_text("₹500 paid: Cash.")).to_be_visible()

    expect(patient.get_by_text("₹500 to pay at the desk")).to_have_count(0, timeout=35_000)
    assert patient.evaluate("window.neverReloaded")
    desk.get_by_role("link", name="Back to the desk").click()
    expect(people.row(desk, name)).to_contain_text("paid")


def test_whose_card_failed_pays_at_the_desk(open_page):
    window, name = factories.window(**RUNNING), "Dipak Malla"
    patient, desk = open_page(), open_page(RECEPTION, device=DESK)
    people.hold_a_place(patient, window, name)
    people.go_to_the_bank(patient)
    people.press_at_the_bank(patient, "Let the bank decline it")
    desk.goto(f"/admin/desk/?window={window.pk}")
    people.row(desk, name).get_by_role("link", name="Take payment").click()
    expect(desk.get_by_text("Their payment online was declined.")).to_be_visible()
    desk.get_by_role("radio", name="eSewa").check()
    desk.get_by_role("button", name="Take ₹500").click()
    expect(desk.get_by_role("heading", name=f"A1 for {name}")).to_be_visible()
    assert people.number(patient) == "A1"
    assert Booking.objects.get(schedule=window).payments.get(gateway="manual").method == "esewa"


def test_without_javascript_a_patient_chooses_the_desk_and_a_manager_lets_a_part_off(open_page):
    window, name = factories.window(**RUNNING), "Nirmal Rawal"
    patient = open_page(java_script_enabled=False)
    people.hold_a_place(patient, window, name)
    patient.get_by_role("button", name="Pay ₹500 at the desk").tap()
    assert people.number(patient) == "A1"
    desk = open_page(MANAGER, device=DESK, java_script_enabled=False)
    desk.goto(f"/admin/desk/?window={window.pk}")
    people.row(desk, name).get_by_role("link", name="Take payment").click()
    desk.get_by_text("Take less, or nothing").click()
    desk.get_by_label("Amount taken").fill("350")
    desk.get_by_label("Why less?").fill("A student")
    desk.get_by_role("button", name="Take payment").click()
    expect(desk.get_by_text("₹150 let off: A student.")).to_be_visible()
    patient.reload()
    expect(patient.get_by_text("₹150 let off")).to_be_visible()


def test_who_wanted_to_pay_at_the_desk_pays_online_after_all(open_page):
    page = open_page()
    booking = factories.owing(factories.window(**RUNNING), factories.guest(name="Rekha Oli"))
    page.goto(booking.get_absolute_url())
    page.get_by_role("link", name="Pay ₹500 now instead").tap()
    assert people.pay(page) == "A1"
    expect(page.get_by_text("₹500 to pay at the desk")).to_have_count(0, timeout=35_000)
    booking.refresh_from_db()
    assert booking.due_minor == 0
