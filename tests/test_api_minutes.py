"""Services in minutes through the API (seed 002): its worked example, to the minute."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings.models import Booking
from tests import factories
from tests.api import AGREED, App

pytestmark = pytest.mark.django_db


@pytest.fixture
def doctor():
    return factories.doctor()


@pytest.fixture
def pool(doctor):
    """Tomorrow from ten on, 180 minutes."""
    return factories.pool(doctor=doctor, starts_in=factories.at_ten())


@pytest.fixture
def short(doctor):
    return factories.service(doctor, duration=30, buffer=10, price_minor=40000)


@pytest.fixture
def long(doctor):
    return factories.service(doctor, duration=60, buffer=10, price_minor=70000)


@pytest.fixture
def me():
    return factories.patient(account=factories.user(), relationship="self")


@pytest.fixture
def app(me):
    return App(me.account)


def said(moment) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def left(pool, **query) -> dict:
    answer = App().get("availability/pool", {"date": pool.date, **query})
    assert answer.status_code == 200, answer.content
    return answer.json()


def start(app, pool, service, minute=None, **wish):
    when = {} if minute is None else {"startTime": said(pool.starts_at + timedelta(minutes=minute))}
    wish = AGREED | {"scheduleId": pool.pk, "serviceId": service.pk} | when | wish
    return app.post("bookings/start", wish)


# --- What is left -------------------------------------------------------------------------


def test_a_day_says_what_is_left_of_its_parts(pool):
    factories.pool(starts_in=factories.at_ten() + timedelta(hours=4), capacity=120)
    day = left(pool)["daily"]
    assert (day["totalCapacity"], day["totalRemaining"]) == (300, 300)
    assert day["morning"] == {
        "totalMinutes": 180, "consumedMinutes": 0, "remainingMinutes": 180, "isAvailable": True,
    }  # fmt: skip
    assert (day["afternoon"]["totalMinutes"], day["evening"]["isAvailable"]) == (120, False)


def test_one_doctors_day(pool, doctor):
    factories.pool(starts_in=factories.at_ten(), capacity=60)
    assert left(pool, doctorId=doctor.pk)["daily"]["totalCapacity"] == 180


def test_a_part_of_the_day_says_which_services_fit(app, pool, short, long):
    assert start(app, pool, long, 0).status_code == 201
    assert start(app, pool, long, 70).status_code == 201
    found = left(pool, period="morning")
    assert found["timeSlot"] == {
        "totalMinutes": 180, "consumedMinutes": 140, "remainingMinutes": 40, "isAvailable": True,
        "currentReservations": 2,
    }  # fmt: skip
    assert {one["id"]: one["available"] for one in found["services"]} == {short.pk: True, long.pk: False}
    assert {one["price"] for one in found["services"]} == {40000, 70000}


def test_a_service_says_when_it_can_begin(app, pool, short, doctor):
    start(app, pool, short, 0)
    found = left(pool, serviceId=short.pk)
    assert (found["available"], found["requiredMinutes"], found["remainingMinutes"]) == (True, 40, 140)
    assert found["startTimes"][0] == {
        "scheduleId": pool.pk, "doctorId": doctor.pk, "start": said(pool.starts_at + timedelta(minutes=40)),
    }  # fmt: skip
    assert found["message"] == ""


def test_where_it_does_not_fit_it_says_why(pool, doctor):
    massage = factories.service(doctor, duration=200)
    found = left(pool, serviceId=massage.pk, period="morning")
    assert (found["available"], found["startTimes"]) == (False, [])
    assert "180 minutes" in found["message"]


@pytest.mark.parametrize("query", [{"serviceId": 2**60}, {"doctorId": 2**60}])
def test_what_there_is_not_is_not_found(pool, query):
    assert App().get("availability/pool", {"date": pool.date, **query}).status_code == 404


@pytest.mark.parametrize("query", [{}, {"date": "0001-01-01"}, {"period": "night"}, {"serviceId": "x"}])
def test_what_means_nothing_is_refused(query):
    query = {"date": timezone.localdate()} | query if query else {}
    assert App().get("availability/pool", query).status_code == 422


@pytest.mark.parametrize(("query", "most"), [({}, 2), ({"period": "morning"}, 4), ({"serviceId": 1}, 4)])
def test_availability_takes_few_statements(
    app, pool, short, long, query, most, django_assert_max_num_queries
):
    start(app, pool, short)
    query = {"serviceId": short.pk} if "serviceId" in query else query
    with django_assert_max_num_queries(most):
        left(pool, **query)


# --- Booking ------------------------------------------------------------------------------


def test_the_worked_example_of_seed_002(app, pool, short, long):
    """180 minutes: 140, 100 and 60 are left; seventy are refused; forty are sold, and 20 are left."""

    def remaining():
        return left(pool)["daily"]["totalRemaining"]

    for minutes in (140, 100, 60):
        assert start(app, pool, short).status_code == 201
        assert remaining() == minutes
    answer = start(app, pool, long)
    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_ENOUGH_MINUTES")
    assert (Booking.objects.count(), remaining()) == (3, 60)
    assert start(app, pool, short).status_code == 201
    assert remaining() == 20


def test_a_start_that_was_taken_is_refused_with_others_that_fit(app, pool, short):
    start(app, pool, short, 0)
    answer = start(app, pool, short, 20)
    assert (answer.status_code, answer.json()["code"]) == (409, "OVERLAP")
    suggestions = answer.json()["suggestions"]
    assert 1 <= len(suggestions) <= 3
    assert sorted(suggestions[0]) == ["doctorId", "scheduleId", "start"]
    again = app.post(
        "bookings/start",
        AGREED | {"scheduleId": pool.pk, "serviceId": short.pk, "startTime": suggestions[0]["start"]},
    )
    assert again.status_code == 201, again.content


def test_the_appointment_says_what_was_sold(app, pool, short):
    answer = start(app, pool, short, 40, price=40000, minutes=40).json()
    found = app.get(f"appointments/{answer['appointmentId']}").json()
    assert found["service"] == {"id": short.pk, "name": short.name, "minutes": 40}
    assert found["startAt"] == said(pool.starts_at + timedelta(minutes=40))
    assert found["endAt"] == said(pool.starts_at + timedelta(minutes=80))
    assert (found["tokenLabel"], found["price"]) == (None, 40000)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"price": 1}, "PRICE_CHANGED"),
        ({"minutes": 39}, "PRICE_CHANGED"),
        ({"startTime": "2020-01-01T00:00:00Z"}, "PAST"),
        ({"startTime": "2190-01-01T00:00:00Z"}, "NO_SUCH_START"),
        ({"serviceId": 2**60}, "NOT_OFFERED"),
        ({"serviceId": None}, "NOT_OFFERED"),
    ],
)
def test_what_can_not_be_had_is_refused(app, pool, short, changed, code):
    answer = start(app, pool, short, **changed)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert not Booking.objects.exists()


BAD = ["10:00", "2026-11-21", "2026-11-21T10:00:00", "0", 0, 1700000000, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-21T10:00:00+99:99", [], True]  # fmt: skip


@pytest.mark.parametrize("moment", BAD, ids=str)
def test_a_moment_that_is_none_is_refused(app, pool, short, moment):
    answer = start(app, pool, short, startTime=moment)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["startTime"])
    assert not Booking.objects.exists()


def test_a_start_without_a_service_means_nothing(app, doctor):
    window = factories.window(doctor=doctor)
    wish = AGREED | {"scheduleId": window.pk, "startTime": said(window.starts_at)}
    answer = app.post("bookings/start", wish)
    assert answer.status_code == 422
    assert not Booking.objects.exists()


def test_a_service_moves_inside_its_window(app, me, pool, short):
    booking = factories.hold(
        pool, me, price_minor=40000, service_id=short.pk, start_at=pool.starts_at, booked_by=me.account
    )
    factories.deliver(factories.capture_body(factories.attempt(booking)))
    to = said(pool.starts_at + timedelta(minutes=60))
    answer = app.post(
        f"appointments/{booking.public_id}/reschedule", {"scheduleId": pool.pk, "startTime": to}
    )
    assert answer.status_code == 200, answer.content
    assert answer.json()["startAt"] == to
