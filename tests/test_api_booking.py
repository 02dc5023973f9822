"""Booking and paying through the API (seeds 000, 001 and 003)."""

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings.models import Booking
from clinic.api_key_models import Scope
from clinic.idempotency_models import StoredAnswer
from payments import gateways
from payments.gateways.base import GatewayError
from payments.models import Payment
from tests import factories
from tests.api import AGREED, App

pytestmark = pytest.mark.django_db
NOT_OURS = re.compile(r"^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)|django_session|clinic_user|cacheentry")


@pytest.fixture
def account():
    return factories.user()


@pytest.fixture
def me(account):
    return factories.patient(account=account, relationship="self")


@pytest.fixture
def app(account, me):
    return App(account)


def start(app, window, **wish):
    key = wish.pop("key", None)
    return app.post("bookings/start", AGREED | {"scheduleId": window.pk} | wish, key=key)


def test_a_place_is_held_and_the_way_to_pay_opened(app, me):
    window = factories.window()
    answer = start(app, window, price=50000)
    assert answer.status_code == 201, answer.content
    said = answer.json()
    booking = Booking.objects.get()
    assert (booking.patient, booking.channel, booking.booked_by) == (me, "api", me.account)
    assert (said["appointmentId"], said["status"]) == (booking.public_id, "held")
    assert (said["gateway"], said["amount"], said["currency"]) == ("demo", 50000, "INR")
    assert said["redirectUrl"].endswith(f"/demo-gateway/{booking.payments.get().key}/")
    assert said["holdExpiresAt"] and said["problem"] is said["clientSecret"] is said["order"] is None


def test_an_exact_time_is_booked_alike(app):
    slot = factories.slot()
    assert start(app, slot).status_code == 201
    assert Booking.objects.get().start_at == slot.starts_at


def test_what_is_free_is_confirmed_at_once(app):
    answer = start(app, factories.window(fee_minor=0)).json()
    assert (answer["status"], answer["amount"], answer["redirectUrl"]) == ("confirmed", 0, None)
    assert Booking.objects.get().queue_number == 1
    assert not Payment.objects.exists()


def test_what_a_plan_covers_is_confirmed_at_once(app, account):
    factories.member(factories.trial(visits=1), account)
    assert start(app, factories.window(), price=0).json()["status"] == "confirmed"


def test_one_may_pay_at_the_desk_where_the_clinic_says_so(app, settings):
    settings.PAY_AT_DESK = True
    answer = start(app, factories.window(), payAtDesk=True).json()
    assert (answer["status"], answer["gateway"], answer["amount"]) == ("confirmed", None, 50000)
    assert Booking.objects.get().due_minor == 50000


def test_elsewhere_the_place_is_held_and_the_answer_says_why(app):
    answer = start(app, factories.window(), payAtDesk=True).json()
    assert (answer["status"], answer["problem"]["code"]) == ("held", "DESK_NOT_OFFERED")


def test_a_gateway_that_does_not_answer_leaves_the_place_held(app, monkeypatch):
    def away(order):
        raise GatewayError("away", retryable=True)

    monkeypatch.setattr(gateways.get("demo"), "start", away)
    answer = start(app, factories.window())
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["problem"]["code"]) == ("held", "GATEWAY")
    monkeypatch.undo()
    paid = app.post(f"appointments/{answer.json()['appointmentId']}/pay").json()
    assert paid["redirectUrl"] and not paid["problem"]


def test_a_key_is_not_stuck_with_a_gateway_that_did_not_answer(app, monkeypatch):
    """The same request finds the same place, and asks the gateway anew."""

    def away(order):
        raise GatewayError("away", retryable=True)

    window, key = factories.window(), str(uuid4())
    monkeypatch.setattr(gateways.get("demo"), "start", away)
    first = start(app, window, key=key).json()
    assert first["problem"]["code"] == "GATEWAY" and not StoredAnswer.objects.exists()
    monkeypatch.undo()
    again = start(app, window, key=key).json()
    assert again["appointmentId"] == first["appointmentId"]
    assert again["redirectUrl"] and again["problem"] is None
    assert Booking.objects.count() == 1 and StoredAnswer.objects.get().code == 201


# --- Refusals -----------------------------------------------------------------------------


def full(window, me):
    for name in "abc":
        factories.hold(window, factories.guest(name=name))


def over(window, me):
    factories.move_window(window, timedelta(hours=-6))


def closed(window, me):
    window.status = "closed"
    window.save()


def booked(window, me):
    factories.hold(window, me, booked_by=me.account)


def dearer(window, me):
    window.fee_minor = 70000
    window.save()


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (full, "FULL"),
        (over, "PAST"),
        (closed, "CLOSED"),
        (booked, "ALREADY_BOOKED"),
        (dearer, "PRICE_CHANGED"),
    ],
)
def test_what_can_not_be_had_is_refused(app, me, happens, code):
    window = factories.window()
    happens(window, me)
    before = list(Booking.objects.values())
    answer = start(app, window, price=50000)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert list(Booking.objects.values()) == before and not Payment.objects.exists()


def test_a_window_that_there_is_not_is_not_found(app):
    assert app.post("bookings/start", AGREED | {"scheduleId": 2**62}).status_code == 404


def test_a_clinic_for_members_says_how_to_join(app, settings):
    settings.CLINIC_REQUIRES_MEMBERSHIP = True
    answer = start(app, factories.window())
    assert (answer.status_code, answer.json()["code"]) == (403, "SUBSCRIBE_TO_BOOK")
    assert not Booking.objects.exists()


def test_one_books_for_ones_own_people_only(app):
    window = factories.window()
    child = factories.patient(account=factories.user(), relationship="child")
    answer = start(app, window, patientId=child.pk)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["patientId"])
    assert not Booking.objects.exists()


def test_who_has_no_people_yet_adds_one_first(account):
    answer = start(App(account), factories.window())
    assert (answer.status_code, answer.json()["code"]) == (422, "NO_SUCH_PATIENT")


@pytest.mark.parametrize("gateway", ["nobody", "manual", "stripe", "Demo"])
def test_a_way_to_pay_that_is_not_offered_holds_nothing(app, gateway):
    answer = start(app, factories.window(), gateway=gateway)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["gateway"])
    assert not Booking.objects.exists()


def test_too_many_bookings_in_a_short_time_are_refused(app, settings):
    settings.THROTTLES = settings.THROTTLES | {"booking-account": (1, 3600)}
    assert start(app, factories.window(fee_minor=0)).status_code == 201
    answer = start(app, factories.window(fee_minor=0))
    assert (answer.status_code, answer["Retry-After"]) == (429, "3600")
    assert Booking.objects.count() == 1


NUMBERS = [-1, 0, 2**63, 10**18 * 9, 1.5, "7", True, None, [], {}]


@pytest.mark.parametrize("number", NUMBERS, ids=str)
@pytest.mark.parametrize("field", ["scheduleId", "patientId", "price"])
def test_a_number_that_is_none_of_ours_changes_nothing(app, field, number):
    wish = AGREED | {"scheduleId": factories.window().pk, field: number}
    answer = app.post("bookings/start", wish)
    optional = field != "scheduleId" and number is None
    fits = (field == "price" and number == 0) or number == 9 * 10**18
    if not optional:
        assert answer.status_code in ((404, 409, 422) if fits else (422,)), answer.content
        assert not Booking.objects.exists()


# --- Consent ------------------------------------------------------------------------------


def kiosk(account) -> App:
    _row, key = factories.api_key(account=account, scopes=[Scope.BOOK])
    return App(Authorization=f"Bearer {key}")


def test_the_clinic_says_what_a_patient_agrees_to_as_its_form_does(app, client, settings):
    settings.CLINIC_NAME = "Rao & Sons"
    said = App().get("clinic").json()
    assert (said["name"], said["timeZone"]) == ("Rao & Sons", "Asia/Kolkata")
    form = unescape(client.get(f"/book/{factories.window().pk}/").content.decode())
    assert said["consent"]["text"].startswith("Rao & Sons uses") and said["consent"]["text"] in form
    assert start(app, factories.window(), consentVersion=said["consent"]["version"]).status_code == 201
    assert Booking.objects.get().consent_version == said["consent"]["version"]


@pytest.mark.parametrize("version", ["", "2019-01", "yes", "x" * 21])
def test_without_consent_to_the_words_of_today_nobody_is_booked(app, account, version):
    window = factories.window()
    for caller in (app, kiosk(account)):
        answer = start(caller, window, consentVersion=version)
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["consentVersion"])
    assert not Booking.objects.exists()


def test_a_kiosk_of_staff_may_leave_it_to_the_clinics_paper(settings):
    nurse = factories.staff("Reception")
    factories.patient(account=nurse, relationship="self")
    answer = start(kiosk(nurse), factories.window(), consentVersion="2019-01")
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["consentVersion"])
    assert start(App(nurse), factories.window(), consentVersion="").status_code == 422
    assert not Booking.objects.exists()
    assert start(kiosk(nurse), factories.window(), consentVersion="").status_code == 201
    assert Booking.objects.get().consent_version == ""


# --- Once ---------------------------------------------------------------------------------


def test_the_same_key_books_once(app):
    window, key = factories.window(), str(uuid4())
    first, again = start(app, window, key=key), start(app, window, key=key)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert Booking.objects.count() == Payment.objects.count() == 1


def test_a_key_books_once_also_where_its_answer_was_lost(app):
    """Killed between the booking and its answer: the booking knows its key."""
    window, key = factories.window(), str(uuid4())
    first = start(app, window, key=key)
    StoredAnswer.objects.all().delete()
    assert start(app, window, key=key).json()["appointmentId"] == first.json()["appointmentId"]
    assert Booking.objects.count() == 1


def test_starting_takes_few_statements(app):
    window = factories.window()
    with CaptureQueriesContext(connection) as sent:
        assert start(app, window, price=50000).status_code == 201
    ours = [query["sql"] for query in sent if not NOT_OURS.search(query["sql"])]
    assert len(ours) <= 13, "\n".join(ours)
