"""Walk-in: three things to say, and the patient goes away with a paid number."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from bookings import actions
from bookings.models import Booking
from bookings.states import Status
from clinic.models import Patient
from payments.management.commands.check_invariants import violations
from payments.models import Payment
from tests import factories

pytestmark = pytest.mark.django_db
WALK_IN = "/admin/walk-in/"


@pytest.fixture
def reception(client):
    account = factories.staff("Reception")
    client.force_login(account)
    return account


@pytest.fixture
def manager(client):
    account = factories.staff("Manager")
    client.force_login(account)
    return account


def running(**fields):
    """A window that runs now and is today's, whatever the hour of the test."""
    return factories.window(**{"starts_in": -timedelta(seconds=1)} | fields)


def typed(window, **fields):
    return {
        "request_key": str(uuid4()), "schedule": window.pk, "phone": "98200 11111", "name": "Gita Thapa",
        "age": "41", "method": "cash",
    } | fields  # fmt: skip


def nothing_sold():
    return not Booking.objects.exists() and not Payment.objects.exists() and not Patient.objects.exists()


def test_a_new_patient_pays_cash_and_gets_the_next_number(client, reception):
    window = running()
    answer = client.post(WALK_IN, typed(window))
    booking = Booking.objects.get()
    assert answer.status_code == 303
    assert answer.url == reverse("admin:walk-in-done", args=[booking.public_id])
    assert (booking.status, booking.token_label, booking.channel) == (Status.CONFIRMED, "A1", "walk_in")
    assert (booking.patient.name, str(booking.patient.phone), booking.patient.age) == (
        "Gita Thapa", "+919820011111", 41,
    )  # fmt: skip
    payment = booking.payments.get()
    assert (payment.method, payment.captured_minor, payment.taken_by) == ("cash", 50000, reception)
    assert violations() == {}


def test_the_page_after_it_shows_number_slip_and_the_way_to_the_next(client, reception):
    window = running()
    page = client.post(WALK_IN, typed(window), follow=True).content.decode()
    assert "A1 for Gita Thapa" in page
    assert "slip-number" in page
    assert f'href="{WALK_IN}?window={window.pk}" autofocus' in page


def test_the_window_running_now_is_chosen_already(client, reception):
    factories.window(starts_in=timedelta(minutes=2), lasts=timedelta(minutes=1))
    window = running()
    page = client.get(WALK_IN)
    assert page.context["form"].window == window
    assert "Take ₹500 and give the number" in page.content.decode()


def test_everyone_on_a_phone_is_listed_once(client, reception):
    window = running()
    for name, age in [("Asha Gurung", 34), ("Asha Gurung", 34), ("Kabir Gurung", 6)]:
        factories.patient(name=name, age=age, phone="+919820011111")
    factories.patient(name="Somebody Else", phone="+919820022222")
    page = client.post("/admin/walk-in/find/", typed(window, name="", age=""), headers={"hx-request": "true"})
    fragment = page.content.decode()
    assert fragment.count("Asha Gurung") == fragment.count("Kabir Gurung") == 1
    assert "Somebody Else" not in fragment and "<html" not in fragment


def test_without_javascript_find_answers_with_the_whole_page(client, reception):
    window = running()
    factories.patient(name="Asha Gurung", phone="+919820011111")
    page = client.post("/admin/walk-in/find/", typed(window, name="", age="")).content.decode()
    assert "Asha Gurung" in page and "<html" in page
    assert Booking.objects.count() == 0


@pytest.mark.parametrize(("phone", "known"), [("98200 1", False), ("98200 99999", True)])
def test_only_of_a_whole_number_it_is_said_that_nobody_is_known(client, reception, phone, known):
    page = client.post("/admin/walk-in/find/", typed(running(), phone=phone), headers={"hx-request": "true"})
    assert ("Nobody is known by this number" in page.content.decode()) == known


def test_somebody_known_is_chosen_by_radio(client, reception):
    window = running()
    person = factories.patient(name="Asha Gurung", phone="+919820011111")
    client.post(WALK_IN, typed(window, name="", age="", patient=person.pk, method="esewa"))
    booking = Booking.objects.get()
    assert booking.patient == person
    assert booking.payments.get().method == "esewa"
    assert Patient.objects.count() == 1


def test_enter_after_the_phone_alone_asks_who_it_is(client, reception):
    window = running()
    person = factories.patient(name="Asha Gurung", phone="+919820011111")
    page = client.post(WALK_IN, typed(window, name="", age=""))
    assert page.context["form"].errors["patient"] == ["Choose who it is."]
    assert page.context["form"].chosen == str(person.pk)
    assert not Booking.objects.exists()


def test_a_patient_of_another_number_cannot_be_slipped_in(client, reception):
    window = running()
    stranger = factories.patient(phone="+919820022222")
    page = client.post(WALK_IN, typed(window, patient=stranger.pk))
    assert "patient" in page.context["form"].errors
    assert not Booking.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"age": ""}, "age"),
        ({"age": "900"}, "age"),
        ({"phone": "12"}, "phone"),
        ({"method": "barter"}, "method"),
        ({"schedule": "0"}, "schedule"),
    ],
)
def test_what_is_missing_or_wrong_is_said_at_its_field(client, reception, wrong, field):
    page = client.post(WALK_IN, typed(running(), **wrong))
    assert page.status_code == 200
    assert field in page.context["form"].errors
    assert nothing_sold()


def test_a_patient_without_a_phone_is_welcome(client, reception):
    client.post(WALK_IN, typed(running(), phone=""))
    assert Booking.objects.get().patient.phone == ""


def test_a_double_click_sells_one_number(client, reception):
    window = running()
    form = typed(window)
    first, second = client.post(WALK_IN, form), client.post(WALK_IN, form)
    assert first.url == second.url
    assert Booking.objects.count() == Payment.objects.count() == Patient.objects.count() == 1


def test_an_unpaid_place_of_theirs_becomes_the_walk_in(client, reception):
    window = running(capacity=1)
    held = factories.hold(window, factories.guest(name="Ravi Kumar", phone="+919820011111"))
    page = client.post(reverse("admin:walk-in-find"), typed(window, name="", age=""))
    assert page.context["form"].chosen == str(held.patient_id)
    assert not page.context["form"].is_full
    answer = client.post(WALK_IN, typed(window, name="", age="", patient=held.patient_id))
    held.refresh_from_db()
    assert answer.url == reverse("admin:walk-in-done", args=[held.public_id])
    assert (held.status, held.token_label) == (Status.CONFIRMED, "A1")
    assert violations() == {}


def test_somebody_with_a_number_is_not_sold_a_second_one(client, reception):
    window = running()
    client.post(WALK_IN, typed(window))
    page = client.post(WALK_IN, typed(window, name="", age="", patient=Patient.objects.get().pk))
    assert "already has A1" in page.content.decode()
    assert Booking.objects.get().public_id in page.content.decode()
    assert Payment.objects.count() == 1


def test_a_full_window_says_so_to_reception(client, reception):
    window = running(capacity=1)
    factories.hold(window)
    page = client.post(WALK_IN, typed(window))
    assert "ask a manager to add a place" in page.content.decode()
    assert Booking.objects.count() == 1 and not Payment.objects.exists()


def test_reception_cannot_add_a_place(client, reception):
    window = running(capacity=1)
    factories.hold(window)
    page = client.post(WALK_IN, typed(window, extra_place="She is in pain"))
    assert "extra_place" in page.context["form"].errors
    window.refresh_from_db()
    assert (window.capacity, Booking.objects.count()) == (1, 1)


def test_a_manager_adds_a_place_with_a_reason_that_is_kept(client, manager):
    window = running(capacity=1)
    factories.hold(window)
    page = client.get(f"{WALK_IN}?window={window.pk}").content.decode()
    assert "Add a place and book" in page
    client.post(WALK_IN, typed(window, extra_place="She is in pain"))
    window.refresh_from_db()
    assert (window.capacity, window.taken) == (2, 2)
    entry = LogEntry.objects.get()
    assert entry.user == manager and "She is in pain" in entry.get_change_message()
    assert violations() == {}


def test_a_manager_without_a_reason_adds_nothing(client, manager):
    window = running(capacity=1)
    factories.hold(window)
    page = client.post(WALK_IN, typed(window))
    assert "Add a place and book" in page.content.decode()
    window.refresh_from_db()
    assert (window.capacity, Booking.objects.count()) == (1, 1)


def test_a_place_that_went_meanwhile_is_refused_and_the_form_kept(client, reception):
    window = running(capacity=1)
    form = typed(window)
    other = factories.hold(window)
    page = client.post(WALK_IN, form).content.decode()
    assert "Gita Thapa" in page and "full" in page
    actions.cancel(other.pk, reason="left")
    assert client.post(WALK_IN, form).status_code == 303


def test_no_phone_number_stands_in_an_address(client, reception):
    window = running()
    assert client.get("/admin/walk-in/find/?phone=9820011111").status_code == 405
    answer = client.post(WALK_IN, typed(window))
    assert "98200" not in answer.url and "Gita" not in answer.url


def test_a_doctor_does_not_take_money(client):
    client.force_login(factories.staff("Doctor"))
    assert client.get(WALK_IN).status_code == 403
    assert client.post(WALK_IN, typed(running())).status_code == 403
    assert nothing_sold()


def test_strangers_are_sent_to_sign_in(client):
    answer = client.post(WALK_IN, typed(running()))
    assert answer.status_code == 302 and "/login/" in answer.url
    assert nothing_sold()


def test_with_no_window_today_it_leads_to_opening_one(client, reception):
    assert "Open a window" in client.get(WALK_IN).content.decode()


def test_the_page_costs_the_same_however_many_windows_there_are(
    client, reception, django_assert_max_num_queries
):
    for _n in range(5):
        running()
    with django_assert_max_num_queries(8):
        client.get(WALK_IN)
