"""What everybody may read: doctors, services, and their times (seeds 000 and 001)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from schedules.models import Schedule
from tests import factories
from tests.api import App

pytestmark = pytest.mark.django_db
app = App()


@pytest.fixture
def doctor():
    return factories.doctor(name="Dr. Asha Rao", specialty="Cardiology", fee_minor=60000)


def windows(doctor, **query):
    answer = app.get("availability/windows", {"doctorId": doctor.pk, **query})
    assert answer.status_code == 200, answer.content
    return answer.json()["items"]


# --- The directory ------------------------------------------------------------------------


def test_doctors_are_listed_with_where_they_are_free_next(doctor):
    window = factories.window(doctor=doctor, fee_minor=50000)
    (found,) = app.get("doctors").json()["items"]
    assert found["name"] == "Dr. Asha Rao"
    assert found["nextFree"] == {
        "scheduleId": window.pk,
        "kind": "token",
        "mode": "in_person",
        "start": window.starts_at.isoformat().replace("+00:00", "Z"),
    }
    assert found["fee"] == 50000


def test_who_is_free_nowhere_is_listed_with_their_usual_fee(doctor):
    (found,) = app.get("doctors").json()["items"]
    assert (found["nextFree"], found["fee"], found["currency"]) == (None, 60000, "INR")


def test_doctors_are_searched_by_words(doctor):
    factories.doctor(specialty="Dentistry")
    assert [found["id"] for found in app.get("doctors", {"q": "asha cardio"}).json()["items"]] == [doctor.pk]
    assert app.get("doctors", {"q": "nobody"}).json()["items"] == []


@pytest.mark.parametrize("words", ["x" * 300, "\x1f"])
def test_words_that_nobody_writes_are_refused(words):
    assert app.get("doctors", {"q": words}).status_code == 422


def test_doctors_take_two_statements_however_many(doctor, django_assert_max_num_queries):
    for _ in range(5):
        factories.window()
    with django_assert_max_num_queries(2):
        assert len(app.get("doctors").json()["items"]) == 6


def test_services_say_how_long_they_take_and_who_offers_them(doctor):
    factories.service(doctor)
    (found,) = app.get("services").json()["items"]
    assert (found["duration"], found["minutes"], found["price"]) == (30, 40, 40000)
    assert found["doctorIds"] == [doctor.pk]


def test_what_is_hidden_or_deleted_is_not_offered():
    factories.service(visible=False)
    factories.service(deleted_at=timezone.now())
    assert app.get("services").json()["items"] == []


def test_services_of_one_doctor(doctor, django_assert_max_num_queries):
    theirs = factories.service(doctor)
    factories.service()
    with django_assert_max_num_queries(2):
        found = app.get("services", {"doctorId": doctor.pk}).json()["items"]
    assert [one["id"] for one in found] == [theirs.pk]


# --- Windows of tokens --------------------------------------------------------------------


def test_a_window_says_what_is_taken_and_what_is_left(doctor):
    window = factories.window(doctor=doctor, capacity=4, reserved_for_desk=1)
    factories.paid(window)
    factories.hold(window, factories.guest(name="Asha"))
    factories.lapse(factories.hold(window, factories.guest(name="Dev")))
    (found,) = windows(doctor, date=window.date)
    assert (found["maxPatients"], found["confirmedCount"], found["remaining"]) == (4, 1, 1)
    assert (found["isBookable"], found["disabledReason"], found["disabledReasonCode"]) == (True, None, None)


def full(window):
    for name in "abc":
        factories.hold(window, factories.guest(name=name))


def over(window):
    factories.move_window(window, timedelta(hours=-6))


def closed(window):
    Schedule.objects.filter(pk=window.pk).update(status="closed")


@pytest.mark.parametrize(("happens", "code"), [(full, "FULL"), (over, "PAST"), (closed, "CLOSED")])
def test_a_window_says_why_it_can_not_be_booked(doctor, happens, code):
    window = factories.window(doctor=doctor)
    happens(window)
    (found,) = windows(doctor, date=window.date)
    assert (found["isBookable"], found["disabledReasonCode"]) == (False, code)
    assert found["disabledReason"]


def test_without_a_way_to_pay_a_window_says_so(doctor, settings):
    settings.PAYMENT_GATEWAYS = []
    window = factories.window(doctor=doctor)
    assert windows(doctor, date=window.date)[0]["disabledReasonCode"] == "PAYMENT_NOT_CONFIGURED"


def test_other_days_doctors_and_cancelled_windows_are_left_out(doctor):
    window = factories.window(doctor=doctor)
    factories.window(doctor=doctor, starts_in=timedelta(days=2))
    factories.window(starts_in=timedelta(hours=1))
    factories.slot(doctor=doctor, starts_in=timedelta(hours=5))
    Schedule.objects.filter(pk=window.pk).update(status="cancelled")
    assert windows(doctor, date=window.date) == []


@pytest.mark.parametrize(
    "day", ["tomorrow", "0", "2026-13-01", "2026-11-21T00:00:00", "0001-01-01", "9999-12-31"]
)
def test_a_date_that_is_none_is_refused(doctor, day):
    answer = app.get("availability/windows", {"doctorId": doctor.pk, "date": day})
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["date"])


def test_a_doctor_who_is_not_shown_is_not_found(doctor):
    doctor.is_active = False
    doctor.save()
    for path in ("windows", "slots"):
        assert app.get(f"availability/{path}", {"doctorId": doctor.pk}).status_code == 404


def test_windows_take_two_statements_however_many(doctor, django_assert_num_queries):
    for hours in (1, 2, 3):
        factories.window(doctor=doctor, starts_in=timedelta(days=1, hours=hours), lasts=timedelta(hours=1))
    with django_assert_num_queries(2):
        app.get("availability/windows", {"doctorId": doctor.pk})


def test_what_has_not_changed_is_not_sent_again(doctor):
    window = factories.window(doctor=doctor)
    ask = {"doctorId": doctor.pk, "date": window.date}
    first = app.get("availability/windows", ask)
    same = app.get("availability/windows", ask, **{"If-None-Match": first["ETag"]})
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", first["ETag"])
    factories.hold(window)
    changed = app.get("availability/windows", ask, **{"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


# --- Exact times --------------------------------------------------------------------------


def test_exact_times_are_told_by_day(doctor):
    free, held, sold = factories.slots(3, doctor=doctor, starts_in=factories.at_ten())
    factories.hold(held)
    factories.paid(sold)
    answer = app.get("availability/slots", {"doctorId": doctor.pk}).json()
    assert len(answer["days"]) == 14
    assert answer["days"][0]["date"] == timezone.localdate().isoformat()
    tomorrow = answer["days"][1]["slots"]
    assert [(slot["id"], slot["status"], slot["available"]) for slot in tomorrow] == [
        (free.pk, "available", True),
        (held.pk, "pending", False),
        (sold.pk, "booked", False),
    ]
    assert answer["nextAvailableSlot"] == tomorrow[0]


def test_a_time_that_has_begun_is_expired(doctor):
    slot = factories.slot(doctor=doctor)
    factories.move_window(slot, timedelta(minutes=-61))
    found = app.get("availability/slots", {"doctorId": doctor.pk}).json()
    (shown,) = [slot for day in found["days"] for slot in day["slots"]]
    assert (shown["status"], found["nextAvailableSlot"]) == ("expired", None)


def test_so_many_days_as_were_asked_for(doctor):
    assert len(app.get("availability/slots", {"doctorId": doctor.pk, "days": 3}).json()["days"]) == 3
    for days in ("0", "32", "x"):
        assert app.get("availability/slots", {"doctorId": doctor.pk, "days": days}).status_code == 422


def test_exact_times_take_three_statements_however_many(doctor, django_assert_num_queries):
    for slot in factories.slots(6, doctor=doctor, starts_in=factories.at_ten())[::2]:
        factories.hold(slot)
    with django_assert_num_queries(3):
        app.get("availability/slots", {"doctorId": doctor.pk})
