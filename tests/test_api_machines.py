"""Kiosks and partners, by their keys: what a key is for, and how often it may ask."""

import pytest

from bookings.models import Booking
from clinic.api_key_actions import revoke_key
from clinic.api_key_models import Scope
from clinic.models import Patient
from tests import factories
from tests.api import AGREED, App

pytestmark = pytest.mark.django_db
CHILD = {"name": "Meera Joshi", "relationship": "child", "phone": "+919820012345"}


@pytest.fixture
def partner():
    """An account of a partner's, with somebody to book for."""
    account = factories.user()
    factories.patient(account=account, relationship="self")
    return account


def machine(account, *scopes, **fields) -> App:
    _row, key = factories.api_key(account=account, scopes=list(scopes), **fields)
    return App(Authorization=f"Bearer {key}")


def test_a_key_books_for_its_account(partner):
    answer = machine(partner, Scope.BOOK).post(
        "bookings/start", AGREED | {"scheduleId": factories.window().pk}
    )
    assert answer.status_code == 201, answer.content
    assert Booking.objects.get().booked_by == partner


def test_a_key_reads_what_its_account_may(partner):
    booking = factories.hold(factories.window(), factories.patient(account=partner), booked_by=partner)
    factories.paid(factories.window())
    found = machine(partner, Scope.APPOINTMENTS).get("appointments").json()["items"]
    assert [one["id"] for one in found] == [booking.public_id]


def test_a_key_does_what_it_is_for_and_no_more(partner):
    window = factories.window()
    answer = machine(partner, Scope.APPOINTMENTS).post("bookings/start", AGREED | {"scheduleId": window.pk})
    assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE")
    assert "read appointments" in answer.json()["message"]
    assert machine(partner, Scope.BOOK).get("appointments").status_code == 403
    assert not Booking.objects.exists()


@pytest.mark.parametrize("key", ["ck_0", "ck_00000000_nobodys"])
def test_what_everybody_may_read_asks_for_no_key_and_looks_at_none(key, db):
    doctor = factories.window().doctor
    said = App(Authorization=f"Bearer {key}").get("doctors").json()
    assert [one["id"] for one in said["items"]] == [doctor.pk]


def test_a_key_that_was_revoked_opens_nothing(partner):
    row, key = factories.api_key(account=partner)
    revoke_key(row.pk, actor=partner)
    assert App(Authorization=f"Bearer {key}").get("patients").status_code == 401


def test_too_many_requests_are_refused_for_a_minute(partner):
    app = machine(partner, Scope.BOOK, per_minute=2)
    assert [app.get("patients").status_code for _ in range(3)] == [200, 200, 429]
    assert app.get("patients")["Retry-After"] == "60"


def test_a_machine_books_for_many_from_one_address(partner, settings):
    settings.THROTTLES = dict.fromkeys(settings.THROTTLES, (0, 3600))
    wish = AGREED | {"scheduleId": factories.window().pk}
    assert App(partner).post("bookings/start", wish).status_code == 429
    answer = machine(partner, Scope.BOOK).post("bookings/start", wish)
    assert answer.status_code == 201


def test_two_kiosks_of_one_account_have_their_own_idempotency_keys(partner):
    for _ in range(2):
        assert machine(partner, Scope.BOOK).post("patients", CHILD, key="1").status_code == 201
    assert Patient.objects.filter(relationship="child").count() == 2


# --- Staff's keys -------------------------------------------------------------------------


@pytest.fixture
def nurse():
    return factories.staff("Reception")


WISHES = {"cancel": {"reason": "The doctor is ill", "percent": 100}, "reschedule": {"reason": "Later"}}


@pytest.fixture
def to():
    """Where a visit may move."""
    return factories.window(starts_in=factories.at_ten(2))


@pytest.fixture
def visit(to):
    """Somebody's, of the same doctor."""
    return factories.paid(factories.window(doctor=to.doctor, starts_in=factories.at_ten()))


def changed(app, booking, how, to):
    wish = WISHES[how] | ({"scheduleId": to.pk} if how == "reschedule" else {})
    return app.post(f"appointments/{booking.public_id}/{how}", wish)


@pytest.mark.parametrize("how", WISHES)
def test_a_key_that_only_books_leaves_other_peoples_visits_alone(nurse, visit, to, how):
    before = Booking.objects.values().get()
    answer = changed(machine(nurse, Scope.BOOK), visit, how, to)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert Booking.objects.values().get() == before


@pytest.mark.parametrize("how", WISHES)
def test_a_key_that_books_changes_what_its_account_booked(partner, to, how):
    window = factories.window(doctor=to.doctor, starts_in=factories.at_ten())
    booking = factories.paid(window, factories.patient(account=partner), booked_by=partner)
    answer = changed(machine(partner, Scope.BOOK), booking, how, to)
    assert answer.status_code == 200, answer.content
    assert_changed(booking, how, to)


def assert_changed(booking, how, to):
    now_at = to.pk if how == "reschedule" else booking.schedule_id
    booking.refresh_from_db()
    assert (booking.status == "cancelled", booking.schedule_id) == (how == "cancel", now_at)


@pytest.mark.parametrize("how", WISHES)
def test_a_key_for_the_desk_cancels_and_moves_as_the_desk_does(nurse, visit, to, how):
    assert changed(machine(factories.user(), Scope.DESK), visit, how, to).status_code == 404
    answer = changed(machine(nurse, Scope.DESK), visit, how, to)
    assert answer.status_code == 200, answer.content
    assert_changed(visit, how, to)


@pytest.mark.parametrize("how", WISHES)
def test_a_key_for_reading_changes_nothing(nurse, visit, to, how):
    before = Booking.objects.values().get()
    answer = changed(machine(nurse, Scope.APPOINTMENTS, Scope.MANAGE), visit, how, to)
    assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE")
    assert Booking.objects.values().get() == before
