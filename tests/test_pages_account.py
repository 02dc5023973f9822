"""Booking and looking with an account."""

from datetime import timedelta
from uuid import uuid4

import pytest

from bookings.models import Booking
from clinic.models import Patient
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def asha(client):
    account = factories.user(name="Asha Gurung")
    client.force_login(account)
    return account


def form(window, **fields):
    return {"request_key": str(uuid4()), "price": window.fee_minor, "consent": "on"} | fields


def typed(window, **fields):
    return form(window, name="Asha Gurung", phone="9820054321", relationship="self", **fields)


def test_the_first_booking_of_an_account_makes_its_owner_a_patient(client, asha):
    window = factories.window()
    page = client.get(window.get_absolute_url()).content.decode()
    assert 'value="Asha Gurung"' in page
    assert client.post(window.get_absolute_url(), typed(window)).status_code == 303
    booking = Booking.objects.get()
    assert booking.booked_by == asha
    assert booking.patient == Patient.objects.get(account=asha, relationship="self")


def test_a_double_click_on_the_first_booking_ends_at_one_booking_and_one_patient(client, asha):
    window = factories.window()
    sent = typed(window)
    first, second = (client.post(window.get_absolute_url(), sent) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert Patient.objects.count() == 1


def test_an_old_tab_cannot_make_the_owner_a_second_patient(client, asha):
    window, other = factories.window(), factories.window(starts_in=timedelta(days=1))
    client.post(window.get_absolute_url(), typed(window))
    for again in (window, other):
        answer = client.post(again.get_absolute_url(), typed(again))
        assert answer.status_code == 422
        assert "start again" in answer.content.decode()
    assert Booking.objects.count() == Patient.objects.count() == 1


def test_a_refused_booking_leaves_no_patient_behind(client, asha):
    window = factories.window(capacity=1)
    factories.hold(window, factories.patient())
    assert client.post(window.get_absolute_url(), typed(window)).status_code == 409
    assert not Patient.objects.of(asha).exists()


def test_one_of_the_family_is_chosen_without_typing(client, asha):
    child = factories.patient(account=asha, relationship="child", name="Kabir Gurung")
    window = factories.window()
    page = client.get(window.get_absolute_url()).content.decode()
    assert "Kabir Gurung" in page
    assert "My child" in page
    assert client.post(window.get_absolute_url(), form(window, patient=child.pk)).status_code == 303
    assert Booking.objects.get().patient == child


def test_somebody_new_joins_the_family(client, asha):
    factories.patient(account=asha, relationship="self")
    window = factories.window()
    sent = form(window, patient="new", relationship="parent", name="Maya Gurung", phone="9820054399")
    assert client.post(window.get_absolute_url(), sent).status_code == 303
    patient = Booking.objects.get().patient
    assert (patient.account, patient.relationship) == (asha, "parent")


def test_nobody_can_be_chosen_from_another_family(client, asha):
    stranger = factories.patient(account=factories.user(), relationship="self")
    factories.patient(account=asha, relationship="self")
    window = factories.window()
    answer = client.post(window.get_absolute_url(), form(window, patient=stranger.pk))
    assert answer.status_code == 422
    assert not Booking.objects.exists()


def test_a_person_who_has_a_place_there_is_led_to_it(client, asha):
    myself = factories.patient(account=asha, relationship="self")
    window = factories.window()
    booking = factories.hold(window, myself, booked_by=asha)
    answer = client.post(window.get_absolute_url(), form(window, patient=myself.pk), follow=True)
    assert answer.redirect_chain == [(booking.get_absolute_url(), 303)]
    assert "already has a place" in answer.content.decode()
    assert Booking.objects.count() == 1


def test_an_account_books_only_so_often_in_an_hour(client, asha, settings):
    settings.THROTTLES = settings.THROTTLES | {"booking-account": (1, 3600)}
    myself = factories.patient(account=asha, relationship="self")
    windows = [factories.window(), factories.window(starts_in=timedelta(days=1))]
    answers = [client.post(w.get_absolute_url(), form(w, patient=myself.pk)).status_code for w in windows]
    assert answers == [303, 429]
    assert Booking.objects.count() == 1


def test_somebody_elses_booking_is_not_found(client, asha):
    booking = factories.hold(factories.window(), booked_by=factories.user())
    for page in (f"/b/{booking.public_id}/", f"/pay/{booking.public_id}/", f"/b/{booking.public_id}/status"):
        assert client.get(page).status_code == 404
    assert client.post(f"/b/{booking.public_id}/give-up/").status_code == 404
    client.logout()
    assert client.get(f"/b/{booking.public_id}/").status_code == 404
    booking.refresh_from_db()
    assert booking.status == "held"


def test_the_reception_sees_every_booking(client):
    booking = factories.hold(factories.window(), booked_by=factories.user())
    client.force_login(factories.staff("Reception"))
    assert client.get(f"/b/{booking.public_id}/").status_code == 200


def test_appointments_start_with_what_waits_for_a_payment(client, asha):
    held = factories.hold(factories.window(), booked_by=asha)
    soon = factories.paid(factories.window(starts_in=timedelta(days=1)), booked_by=asha)
    late = factories.paid(factories.window(starts_in=timedelta(days=2)), booked_by=asha)
    given_up = factories.hold(factories.window(starts_in=timedelta(days=3)), booked_by=asha)
    client.post(f"/b/{given_up.public_id}/give-up/")
    factories.hold(factories.window(), booked_by=factories.user())
    answer = client.get("/appointments/")
    diary = answer.context["diary"]
    assert [ticket.booking for ticket in diary.held] == [held]
    assert [ticket.booking for ticket in diary.coming] == [soon, late]
    assert [ticket.booking for ticket in diary.past] == [given_up]
    assert f"/pay/{held.public_id}/" in answer.content.decode()


def test_what_the_desk_booked_for_ones_family_stands_in_appointments_too(client, asha):
    child = factories.patient(account=asha, relationship="child")
    booking = factories.paid(factories.window(), child)
    assert [t.booking for t in client.get("/appointments/").context["diary"].coming] == [booking]


def test_appointments_ask_who_is_there(client):
    assert client.get("/appointments/")["Location"].startswith("/accounts/login/?next=/appointments/")


def test_signing_up_leads_to_a_verified_address_and_then_to_the_appointments(client, mailoutbox):
    fields = {"email": "new@example.org", "password1": "long enough 77", "name": "New Person"}
    answer = client.post("/accounts/signup/", fields)
    assert answer.status_code == 302
    assert "confirm-email" in answer["Location"]
    assert mailoutbox
