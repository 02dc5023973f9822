"""Taking a place as a guest."""

from datetime import timedelta
from uuid import uuid4

import pytest

from bookings.models import Booking
from clinic.models import Patient
from schedules.models import Schedule
from schedules.states import Status
from tests import factories

pytestmark = pytest.mark.django_db


def form(window, **fields):
    return {
        "request_key": str(uuid4()),
        "price": window.fee_minor,
        "name": "Ravi Kumar",
        "phone": "98200 54321",
        "consent": "on",
    } | fields


def nothing_was_taken(window) -> bool:
    taken = Schedule.objects.get(pk=window.pk).taken
    return taken == 0 and not Booking.objects.exists() and not Patient.objects.exists()


def test_a_guest_holds_a_place_and_goes_on_to_pay(client):
    window = factories.window()
    answer = client.post(window.get_absolute_url(), form(window, age="41", email="ravi@example.org"))
    booking = Booking.objects.get()
    assert answer.status_code == 303
    assert answer["Location"] == f"/pay/{booking.public_id}/"
    assert booking.status == "held"
    assert booking.consent_version
    assert str(booking.patient.phone) == "+919820054321"
    assert booking.patient.age == 41
    assert booking.patient.account is None


def test_a_free_place_is_confirmed_at_once(client):
    window = factories.window(fee_minor=0)
    answer = client.post(window.get_absolute_url(), form(window))
    booking = Booking.objects.get()
    assert answer["Location"] == f"/b/{booking.public_id}/"
    assert booking.token_label == "A1"


def test_a_double_click_ends_at_one_booking(client):
    window = factories.window()
    sent = form(window)
    first, second = (client.post(window.get_absolute_url(), sent) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert Booking.objects.count() == 1


def test_a_second_tab_ends_at_the_same_booking(client):
    window = factories.window()
    tabs = [client.get(window.get_absolute_url()) for _ in range(2)]
    sent = [form(window, request_key=tab.context["request_key"]) for tab in tabs]
    assert len({client.post(window.get_absolute_url(), tab)["Location"] for tab in sent}) == 1
    assert Booking.objects.count() == 1


def test_the_next_form_after_a_booking_books_another_person(client):
    window = factories.window()
    first = client.get(window.get_absolute_url()).context["request_key"]
    client.post(window.get_absolute_url(), form(window, request_key=first))
    second = client.get(window.get_absolute_url()).context["request_key"]
    client.post(window.get_absolute_url(), form(window, request_key=second, name="Sita Kumar"))
    assert Booking.objects.count() == 2


def test_the_same_key_with_other_details_is_refused_and_can_be_sent_anew(client):
    window = factories.window()
    sent = form(window)
    client.post(window.get_absolute_url(), sent)
    answer = client.post(window.get_absolute_url(), sent | {"name": "Sita Kumar"})
    assert answer.status_code == 422
    assert Booking.objects.count() == 1
    fresh = answer.context["request_key"]
    assert client.post(window.get_absolute_url(), form(window, request_key=fresh)).status_code == 303


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "Write the name"),
        ({"phone": ""}, "Write a mobile number"),
        ({"phone": "12"}, "be called"),
        ({"phone": "call me"}, "be called"),
        ({"email": "nobody"}, "valid email"),
        ({"age": "old"}, "Write the age in years"),
        ({"age": "121"}, "Write the age in years"),
        ({"consent": ""}, "only with your consent"),
        ({"price": "free"}, "send it once more"),
        ({"price": "9" * 5000}, "send it once more"),
        ({"request_key": "1"}, "send it once more"),
        ({"name": "\x00"}, "Null characters"),
    ],
)
def test_what_is_wrong_in_the_form_is_said_and_nothing_is_taken(client, changes, said):
    window = factories.window()
    answer = client.post(window.get_absolute_url(), form(window, **changes))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert nothing_was_taken(window)


def test_errors_are_linked_to_their_fields_and_what_was_typed_stays(client):
    window = factories.window()
    page = client.post(window.get_absolute_url(), form(window, phone="12")).content.decode()
    assert 'href="#id_phone"' in page
    assert 'id="id_phone"' in page
    assert 'value="Ravi Kumar"' in page


def test_an_empty_form_is_an_error_too(client):
    window = factories.window()
    assert client.post(window.get_absolute_url(), {}).status_code == 422
    assert nothing_was_taken(window)


def test_a_place_lost_to_someone_faster_offers_the_next_ones(client):
    window = factories.window(capacity=1)
    other = factories.window(doctor=window.doctor, starts_in=timedelta(days=2))
    factories.hold(window)
    answer = client.post(window.get_absolute_url(), form(window))
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Someone was faster" in page
    assert other.get_absolute_url() in page
    assert "<form" not in page
    assert Booking.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": Status.CLOSED}, "closed to new bookings"),
        ({"starts_in": timedelta(hours=-5)}, "too late"),
    ],
)
def test_a_closed_or_past_window_is_refused_with_the_next_ones(client, fields, said):
    window = factories.window(**fields)
    other = factories.window(doctor=window.doctor, starts_in=timedelta(days=2))
    answer = client.post(window.get_absolute_url(), form(window))
    assert answer.status_code == 409
    assert said in answer.content.decode()
    assert other.get_absolute_url() in answer.content.decode()
    assert nothing_was_taken(window)


def test_looking_at_a_full_window_says_so_before_anybody_types(client):
    window = factories.window(capacity=1)
    factories.hold(window)
    answer = client.get(window.get_absolute_url())
    assert answer.status_code == 200
    assert "Full." in answer.content.decode()
    assert 'name="phone"' not in answer.content.decode()


def test_a_changed_price_is_shown_and_taken_when_sent_again(client):
    window = factories.window()
    old = form(window)
    window.fee_minor = 60000
    window.save(update_fields=["fee_minor"])
    answer = client.post(window.get_absolute_url(), old)
    assert answer.status_code == 409
    assert "The price has changed" in answer.content.decode()
    assert "₹600" in answer.content.decode()
    assert nothing_was_taken(window)
    again = form(window, request_key=answer.context["request_key"])
    assert client.post(window.get_absolute_url(), again).status_code == 303


@pytest.mark.parametrize("fields", [{"status": Status.CANCELLED}])
def test_a_cancelled_window_is_not_found(client, fields):
    assert client.get(factories.window(**fields).get_absolute_url()).status_code == 404


def test_a_window_that_never_was_is_not_found(client):
    window = factories.window()
    assert client.get("/book/999999/").status_code == 404
    assert client.get(f"/book/{10**30}/").status_code == 404
    assert client.post("/book/999999/", form(window)).status_code == 404
    assert nothing_was_taken(window)


def test_one_phone_books_only_so_often_in_an_hour(client, settings):
    settings.THROTTLES = settings.THROTTLES | {"booking-phone": (2, 3600)}
    window = factories.window(capacity=9)
    answers = [client.post(window.get_absolute_url(), form(window)).status_code for _ in range(3)]
    assert answers == [303, 303, 429]
    other = client.post(window.get_absolute_url(), form(window, phone="9820054322"))
    assert other.status_code == 303
    assert Booking.objects.count() == 3


def test_one_address_books_only_so_often_in_an_hour(client, settings):
    settings.THROTTLES = settings.THROTTLES | {"booking-address": (1, 3600)}
    window = factories.window(capacity=9)
    sent = [form(window, phone=f"982005432{n}") for n in range(2)]
    assert [client.post(window.get_absolute_url(), tab).status_code for tab in sent] == [303, 429]
    assert Booking.objects.count() == 1


def test_the_page_says_the_refund_rule_the_price_and_what_is_agreed_to(client):
    page = client.get(factories.window().get_absolute_url()).content.decode()
    assert "24 hours" in page
    assert "₹500" in page
    assert "treat you" in page


def test_a_patients_pages_are_kept_by_no_cache(client):
    answer = client.get(factories.window().get_absolute_url())
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"
