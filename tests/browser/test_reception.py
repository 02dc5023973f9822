"""What else the desk does."""

from playwright.sync_api import expect

from bookings.models import Booking
from bookings.states import Status
from tests import factories
from tests.browser import people
from tests.browser.pages import MANAGER, RECEPTION
from tests.browser.scene import RUNNING
from tests.browser.watching import DESK


def full_window():
    window = factories.window(capacity=1, **RUNNING)
    factories.paid(window)
    return window


def walk_in(page, window, phone):
    """The walk-in's form over a window, with somebody new in it."""
    page.goto(f"/admin/walk-in/?window={window.pk}")
    page.get_by_label("Phone").fill(phone)
    expect(page.get_by_text("Nobody is known by this number.")).to_be_visible()
    page.get_by_label("Name").fill("Sarita Dhakal")
    page.get_by_label("Age").fill("29")


def test_what_is_typed_the_moment_the_page_is_there_is_not_lost(open_page):
    """The ninth walk-in in ten minutes: the phone number begins before anybody looks at the page."""
    page = open_page(RECEPTION, device=DESK)
    for _n in range(12):
        page.goto("/admin/desk/")
        page.locator(".rooms").get_by_role("link", name="Walk-in").press("Enter")
        page.wait_for_url("**/admin/walk-in/")
        page.keyboard.type("98200 77001")
        expect(page.get_by_label("Phone")).to_have_value("98200 77001", timeout=1)


def test_a_manager_adds_a_place_to_a_full_window_with_a_reason(open_page):
    window, page = full_window(), open_page(MANAGER, device=DESK)
    walk_in(page, window, "98200 66001")
    page.get_by_label("Why one more place?").fill("Came from far, with a fever.")
    page.get_by_role("button", name="Add a place and book").click()
    expect(page.get_by_role("heading", name="A2 for Sarita Dhakal")).to_be_visible()
    window.refresh_from_db()
    assert (window.capacity, window.taken) == (2, 2)


def test_reception_sells_nothing_in_a_full_window(open_page):
    window, page = full_window(), open_page(RECEPTION, device=DESK)
    walk_in(page, window, "98200 66003")
    expect(page.get_by_text("This window is full.")).to_be_visible()
    expect(page.locator("#sell")).to_have_count(0)
    assert Booking.objects.filter(schedule=window).count() == 1


def test_a_walk_in_turns_the_place_that_somebody_holds_online_into_theirs(open_page):
    window, phone = factories.window(**RUNNING), "+919820066002"
    held = factories.hold(window, factories.guest(name="Bikash Lama", phone=phone))
    page = open_page(RECEPTION, device=DESK)
    page.goto(f"/admin/walk-in/?window={window.pk}")
    page.get_by_label("Phone").fill(phone)
    expect(page.get_by_role("radio", name="holds an unpaid place here")).to_be_checked()
    page.locator("#sell").click()
    expect(page.get_by_role("heading", name="A1 for Bikash Lama")).to_be_visible()
    held.refresh_from_db()
    assert held.status == Status.CONFIRMED
    assert Booking.objects.filter(schedule=window).count() == 1


def test_two_desks_see_each_others_work_without_a_reload(open_page):
    window = factories.window(**RUNNING)
    booking = factories.paid(window, factories.guest(name="Gita Rai"))
    one, other = open_page(RECEPTION, device=DESK), open_page(MANAGER, device=DESK)
    for page in (one, other):
        page.goto(f"/admin/desk/?window={window.pk}")
    people.row(one, "Gita Rai").get_by_role("button", name="Check in").click()
    expect(people.row(other, "Gita Rai").locator(".state")).to_have_text("here", timeout=10_000)
    booking.refresh_from_db()
    assert booking.status == Status.CHECKED_IN


def test_the_desk_works_without_javascript(open_page):
    window = factories.window(**RUNNING)
    factories.paid(window, factories.guest(name="Hari Karki"))
    page = open_page(RECEPTION, device=DESK, java_script_enabled=False)
    page.goto(f"/admin/desk/?window={window.pk}")
    people.row(page, "Hari Karki").get_by_role("button", name="Check in").click()
    page.get_by_role("button", name="Call next").click()
    expect(page.get_by_text("A1 is called.")).to_be_visible()


def test_a_cancellation_asks_why_and_gives_the_money_back(open_page):
    window = factories.window(**RUNNING)
    booking = factories.paid(window, factories.guest(name="Nisha Verma"))
    page = open_page(RECEPTION, device=DESK)
    page.goto(f"/admin/desk/?window={window.pk}")
    people.row(page, "Nisha Verma").get_by_role("link", name="Cancel").click()
    page.get_by_label("Why?").fill("She called: better already.")
    page.get_by_role("button", name="Cancel for good").click()
    expect(page.get_by_text("Cancelled: Nisha Verma")).to_be_visible()
    page.goto("/admin/payments/refund/?q=Nisha+Verma")
    people.reload_until(page, people.row(page, "sent back"))
    booking.refresh_from_db()
    assert (booking.status, booking.cancel_reason) == (Status.CANCELLED, "She called: better already.")


def test_the_waiting_rooms_board_follows_the_calls(open_page):
    window = factories.window(doctor=factories.doctor(name="Dr. Leena Das", room="7"), prefix="Q", **RUNNING)
    factories.paid(window)
    board, desk = open_page(device=DESK), open_page(RECEPTION, device=DESK)
    board.goto("/board/")
    desk.goto(f"/admin/desk/?window={window.pk}")
    desk.get_by_role("button", name="Call next").click()
    expect(people.row(board, "Dr. Leena Das")).to_contain_text("Q1", timeout=10_000)


def test_who_is_chosen_decides_what_the_button_takes_and_free_is_free(open_page, scene):
    page = open_page(RECEPTION, device=DESK)
    page.goto(f"/admin/walk-in/?window={scene.follow_up_window.pk}")
    page.get_by_label("Phone").fill(str(scene.follower.phone))
    expect(page.get_by_role("button", name="Free: give the number")).to_be_visible()
    page.get_by_role("radio", name="Someone new").check()
    expect(page.get_by_role("button", name="Take ₹500")).to_be_visible()
    page.get_by_role("radio", name="Uttam Bhattarai").check()
    page.get_by_role("button", name="Free: give the number").click()
    expect(page.get_by_text("Nothing to pay: follow-up until")).to_be_visible()
    booking = scene.follow_up_window.bookings.get()
    assert (booking.patient, booking.price_minor, booking.status) == (scene.follower, 0, Status.CONFIRMED)
