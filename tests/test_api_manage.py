"""Windows, the catalogue and reports through the API (seeds 000, 002 and 003)."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clinic.models import Service
from payments import report_queries, sweeps
from payments.money_queries import Days
from payments.payout_actions import ask_for
from schedules.models import Schedule
from tests import factories as f
from tests.api import App, statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager():
    return App(f.staff("Manager"))


def tomorrow(days=1):
    return timezone.localdate() + timedelta(days=days)


# --- Windows ------------------------------------------------------------------------------


def open_window(app, doctor, **wish):
    key = wish.pop("key", None)
    wish = {"doctorId": doctor.pk, "date": str(tomorrow()), "startTime": "09:00", "endTime": "12:00"} | wish
    return app.post("admin/schedules", {"maxPatients": 15} | wish, key=key)


def test_a_window_is_opened_as_in_000(manager):
    doctor = f.doctor(fee_minor=60000, prefix="R")
    answer = open_window(manager, doctor)
    assert answer.status_code == 201, answer.content
    said, window = answer.json(), Schedule.objects.get()
    assert (said["id"], said["maxPatients"], said["remaining"], said["confirmedCount"]) == (
        window.pk,
        15,
        15,
        0,
    )
    assert (said["startTime"], said["endTime"], said["fee"], said["prefix"]) == ("09:00", "12:00", 60000, "R")
    assert (window.kind, window.opened_from) == ("token", "api")
    assert timezone.localtime(window.starts_at).hour == 9
    assert LogEntry.objects.get().object_id == str(window.pk)


def test_so_is_an_exact_time_and_a_pool_of_minutes(manager):
    doctor = f.doctor()
    slot = open_window(manager, doctor, kind="slot", endTime="09:20", mode="video", maxPatients=None).json()
    assert (slot["kind"], slot["mode"], slot["maxPatients"]) == ("slot", "video", 1)
    pool = open_window(manager, doctor, kind="pool", startTime="10:00", maxPatients=None, fee=0).json()
    assert (pool["kind"], pool["maxPatients"], pool["fee"]) == ("pool", 120, 0)
    short = open_window(
        manager, doctor, kind="pool", startTime="13:00", endTime="15:00", minutes=90, maxPatients=None
    )
    assert short.json()["maxPatients"] == 90


def test_no_two_windows_of_a_doctor_overlap_and_two_doctors_may(manager):
    doctor = f.doctor()
    open_window(manager, doctor)
    answer = open_window(manager, doctor, startTime="11:59", endTime="13:00")
    assert (answer.status_code, answer.json()["code"]) == (409, "OVERLAP")
    assert Schedule.objects.count() == 1
    assert open_window(manager, doctor, startTime="12:00", endTime="13:00").status_code == 201
    assert open_window(manager, f.doctor()).status_code == 201


def test_nothing_is_opened_in_a_closure(manager):
    f.closure(tomorrow())
    answer = open_window(manager, f.doctor())
    assert (answer.status_code, answer.json()["code"]) == (409, "CLOSED")
    assert not Schedule.objects.exists()


WRONG = {
    "no doctor": ({"doctorId": 2**62}, "doctorId"),
    "yesterday": ({"date": str(tomorrow(-1))}, "endTime"),
    "an end before the start": ({"endTime": "08:00"}, "endTime"),
    "no clock": ({"startTime": "25:00"}, "startTime"),
    "nobody": ({"maxPatients": 0}, "maxPatients"),
    "not how many": ({"maxPatients": None}, "maxPatients"),
    "more for the desk than there are": ({"reservedForDesk": 16}, "reservedForDesk"),
    "minutes of a token window": ({"minutes": 60}, "minutes"),
    "many patients at one exact time": ({"kind": "slot"}, "maxPatients"),
    "more minutes than its hours have": ({"kind": "pool", "maxPatients": None, "minutes": 181}, "minutes"),
    "an unknown kind": ({"kind": "walk"}, "kind"),
}


@pytest.mark.parametrize(("wish", "field"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_window_is_named(manager, wish, field):
    answer = open_window(manager, f.doctor(), **wish)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field]), answer.content
    assert not Schedule.objects.exists()


def test_the_same_key_opens_once(manager):
    doctor = f.doctor()
    first, again = (open_window(manager, doctor, key="monday") for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert Schedule.objects.count() == 1


@pytest.mark.parametrize("role", ["Doctor", None])
def test_who_may_open_none_opens_none(role):
    app = App(f.staff(role) if role else f.user())
    assert open_window(app, f.doctor()).status_code == 403
    assert not Schedule.objects.exists()


def test_windows_are_listed_with_what_is_taken(manager):
    window = f.window()
    f.paid(window)
    f.lapse(f.hold(window))
    (row,) = manager.get("admin/schedules", {"doctorId": window.doctor_id}).json()["items"]
    assert (row["confirmedCount"], row["remaining"], row["lastNumber"]) == (1, 2, 1)


def test_they_are_chosen_by_doctor_and_day_and_come_in_pages(manager):
    doctor = f.doctor()
    days = [f.window(doctor=doctor, starts_in=f.at_ten(day)) for day in (1, 2, 3)]
    f.window(starts_in=f.at_ten(2))

    def listed(**query):
        return [row["id"] for row in manager.get("admin/schedules", query).json()["items"]]

    assert listed(doctorId=doctor.pk) == [window.pk for window in days[::-1]]
    assert listed(doctorId=doctor.pk, date=str(days[1].date)) == [days[1].pk]
    assert listed(doctorId=doctor.pk, startDate=str(days[1].date)) == [days[2].pk, days[1].pk]
    assert listed(doctorId=doctor.pk, endDate=str(days[1].date)) == [days[1].pk, days[0].pk]
    first = manager.get("admin/schedules", {"doctorId": doctor.pk, "limit": 2}).json()
    rest = manager.get("admin/schedules", {"doctorId": doctor.pk, "cursor": first["nextCursor"]}).json()
    assert [row["id"] for row in rest["items"]] == [days[0].pk]


def test_doctors_list_their_own():
    mine = f.window(doctor=f.doctor(user=f.staff("Doctor")))
    f.window()
    rows = App(mine.doctor.user).get("admin/schedules").json()["items"]
    assert [row["id"] for row in rows] == [mine.pk]


def test_listing_takes_one_statement_however_many_there_are(manager):
    for _ in range(5):
        f.paid(f.window())
    with CaptureQueriesContext(connection) as sent:
        assert len(manager.get("admin/schedules").json()["items"]) == 5
    asked = statements(sent)
    assert len(asked) == 1, "\n".join(asked)


# --- The catalogue ------------------------------------------------------------------------

ECG = {"code": "ecg", "name": "ECG", "duration": 30, "price": 40000}


def test_a_service_is_added_changed_and_removed(manager):
    doctor = f.doctor()
    answer = manager.post("admin/services", ECG | {"doctorIds": [doctor.pk], "buffer": 10})
    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert (said["code"], said["duration"], said["buffer"], said["price"]) == ("ecg", 30, 10, 40000)
    assert said["doctorIds"] == [doctor.pk] and said["visible"] and said["removedAt"] is None
    path = f"admin/services/{said['id']}"
    changed = manager.patch(path, {"price": 45000, "visible": False}).json()
    assert changed == said | {"price": 45000, "visible": False}
    assert manager.patch(path, {"doctorIds": []}).json()["doctorIds"] == []
    assert manager.delete(path).json()["removedAt"]
    assert Service.objects.get().deleted_at
    assert manager.get("admin/services").json()["items"] == []
    assert [row["id"] for row in manager.get("admin/services", {"removed": True}).json()["items"]] == [
        said["id"]
    ]
    assert LogEntry.objects.count() == 4


def test_what_was_booked_stays_as_it_was_sold(manager):
    pool = f.pool()
    ecg = f.service(pool.doctor)
    booking = f.paid(pool, **f.asking(pool, ecg))
    manager.patch(f"admin/services/{ecg.pk}", {"name": "Stress ECG", "price": 90000, "duration": 60})
    manager.delete(f"admin/services/{ecg.pk}")
    said = manager.get(f"appointments/{booking.public_id}").json()
    assert (said["service"]["name"], said["service"]["minutes"], said["price"]) == (ecg.name, 40, 40000)


WRONG_SERVICES = {
    "a code with blanks": ({"code": "e c g"}, "code"),
    "a code that another has": ({"code": "XRAY"}, "code"),
    "no time at all": ({"duration": 0}, "duration"),
    "more than a day with its pause": ({"duration": 1440, "buffer": 1}, "body"),
    "a price below nothing": ({"price": -1}, "price"),
    "a category that there is not": ({"categoryId": 2**62}, "categoryId"),
    "a doctor that there is not": ({"doctorIds": [2**62]}, "doctorIds"),
    "no name": ({"name": " "}, "name"),
}


@pytest.mark.parametrize(("wish", "field"), WRONG_SERVICES.values(), ids=WRONG_SERVICES)
def test_what_no_service_can_be_is_named(manager, wish, field):
    xray = f.service(code="xray")
    before = list(Service.objects.values())
    answer = manager.post("admin/services", ECG | wish)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field]), answer.content
    if "code" not in wish:
        answer = manager.patch(f"admin/services/{xray.pk}", wish)
        assert (answer.status_code, list(answer.json()["fields"])) == (422, [field]), answer.content
    assert list(Service.objects.values()) == before


def test_what_was_read_can_be_sent_back_when_a_doctor_has_left(manager):
    gone, other = f.doctor(is_active=False), f.doctor(is_active=False)
    ecg, xray = f.service(gone), f.service(gone, other)
    path = f"admin/services/{ecg.pk}"
    answer = manager.patch(path, {"doctorIds": [gone.pk], "buffer": 5})
    assert (answer.status_code, answer.json()["doctorIds"]) == (200, [gone.pk]), answer.content
    answer = manager.patch(path, {"doctorIds": [gone.pk, other.pk]})
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["doctorIds"])
    assert [*ecg.doctors.all()] == [gone] and xray.doctors.count() == 2


@pytest.mark.parametrize("field", ["name", "duration", "price", "buffer", "visible", "position", "doctorIds"])
def test_what_must_be_something_is_not_made_nothing(manager, field):
    ecg = f.service()
    answer = manager.patch(f"admin/services/{ecg.pk}", {field: None})
    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field])


def test_a_code_is_for_good(manager):
    ecg = f.service(code="ecg")
    assert manager.patch(f"admin/services/{ecg.pk}", {"code": "ekg"}).status_code == 422
    ecg.refresh_from_db()
    assert ecg.code == "ecg"


def test_what_was_removed_is_not_changed(manager):
    ecg = f.service(deleted_at=timezone.now())
    answer = manager.patch(f"admin/services/{ecg.pk}", {"price": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "REMOVED")
    ecg.refresh_from_db()
    assert ecg.price_minor == 40000


@pytest.mark.parametrize("pk", [0, 2**62, "x"])
def test_a_service_that_there_is_not_is_not_found(manager, pk):
    assert manager.patch(f"admin/services/{pk}", {"price": 1}).status_code == 404
    assert manager.delete(f"admin/services/{pk}").status_code == 404


def test_reception_reads_the_catalogue_and_changes_nothing():
    ecg, app = f.service(), App(f.staff("Reception"))
    before = list(Service.objects.values())
    assert [row["id"] for row in app.get("admin/services").json()["items"]] == [ecg.pk]
    assert app.post("admin/services", ECG).status_code == 403
    assert app.patch(f"admin/services/{ecg.pk}", {"price": 1}).status_code == 403
    assert app.delete(f"admin/services/{ecg.pk}").status_code == 403
    assert list(Service.objects.values()) == before
    assert App(f.user()).get("admin/services").status_code == 403


# --- Reports ------------------------------------------------------------------------------


def days_around() -> tuple[Days, dict]:
    days = Days(tomorrow(-1), tomorrow(2))
    return days, {"startDate": str(days.first), "endDate": str(days.last)}


def test_the_money_is_reported_as_on_the_money_page(manager):
    window = f.window()
    f.paid(window)
    f.attempt(f.hold(window))
    days, asked = days_around()
    said = manager.get("admin/reports/payments", asked).json()
    assert (said["startDate"], said["endDate"]) == (asked["startDate"], asked["endDate"])
    (row,) = said["items"]
    assert (row["doctorId"], row["currency"]) == (window.doctor_id, "INR")
    assert (row["captured"], row["capturedCount"], row["net"]) == (50000, 1, 50000)
    assert (row["pending"], row["pendingCount"]) == (50000, 1)
    (ours,) = report_queries.payments(days)
    assert ours["failed_minor"] == row["failed"] == 0


def test_payouts_are_reported_for_the_banks_statement(manager):
    doctor = f.paid(f.window()).schedule.doctor
    sweeps.book_ledger()
    payout = ask_for(doctor, amount_minor=10000, key=uuid4(), actor=f.staff("Manager"))
    _days, asked = days_around()
    (row,) = manager.get("admin/reports/payouts", asked | {"doctorId": doctor.pk}).json()["items"]
    assert (row["code"], row["amount"], row["status"]) == (payout.code, 10000, "requested")
    assert manager.get("admin/reports/payouts", asked | {"doctorId": f.doctor().pk}).json()["items"] == []
    assert manager.get("admin/reports/payouts", asked | {"doctorId": 2**62}).status_code == 404


def test_utilisation_is_reported_by_day(manager):
    window = f.window(starts_in=f.at_ten(1), capacity=10)
    f.paid(window)
    f.hold(window)
    _days, asked = days_around()
    (row,) = manager.get("admin/reports/utilisation", asked | {"doctorId": window.doctor_id}).json()["items"]
    assert (row["date"], row["period"], row["sells"]) == (str(window.date), "morning", "seats")
    assert (row["used"], row["held"], row["free"], row["total"], row["percent"]) == (1, 1, 8, 10, 10)


def test_doctors_read_how_full_their_own_days_are():
    mine = f.window(starts_in=f.at_ten(1), doctor=f.doctor(user=f.staff("Doctor")))
    f.window(starts_in=f.at_ten(1))
    app, (_days, asked) = App(mine.doctor.user), days_around()
    assert [row["doctorId"] for row in app.get("admin/reports/utilisation", asked).json()["items"]] == [
        mine.doctor_id
    ]


@pytest.mark.parametrize("what", ["payments", "payouts"])
@pytest.mark.parametrize("role", ["Reception", "Doctor", None])
def test_money_is_for_managers(what, role):
    app = App(f.staff(role) if role else f.user())
    assert app.get(f"admin/reports/{what}").status_code == 403


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        ("2026-11-21", "2026-11-20", "endDate"),
        ("2024-01-01", "2026-01-01", "endDate"),
        ("21.11.2026", "2026-11-22", "startDate"),
    ],
)
@pytest.mark.parametrize("what", ["payments", "payouts", "utilisation"])
def test_days_that_make_no_sense_are_refused(manager, what, first, last, field):
    answer = manager.get(f"admin/reports/{what}", {"startDate": first, "endDate": last})
    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field])


@pytest.mark.parametrize(("what", "most"), [("payments", 4), ("payouts", 1), ("utilisation", 1)])
def test_a_report_takes_few_statements_however_much_there_is(manager, what, most):
    for _ in range(3):
        f.paid(f.window())
    _days, asked = days_around()
    with CaptureQueriesContext(connection) as sent:
        assert manager.get(f"admin/reports/{what}", asked).status_code == 200
    asked = statements(sent)
    assert len(asked) <= most, "\n".join(asked)
