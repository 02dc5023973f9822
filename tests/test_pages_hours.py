"""Managers say when doctors receive, and when not; patients read why."""

import re
from datetime import time, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings.states import Status
from schedules import hours_actions, sweeps
from schedules.closure_models import Closure
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.states import Kind
from tests import factories as f

pytestmark = pytest.mark.django_db
CLOSE, HOLIDAYS = "/admin/schedules/closure/add/", "/admin/schedules/closure/holidays/"


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


def tomorrow():
    return timezone.localdate() + timedelta(days=1)


def typed(**fields):
    return {
        "weekdays": [str(tomorrow().weekday())], "start_time": "09:00", "end_time": "12:00", "kind": "token",
        "capacity": "15", "mode": "in_person", "holds_reserve": "on", "effective_from": timezone.localdate().isoformat(),
    } | fields  # fmt: skip


def add(client, doctor, **fields):
    return client.post(f"/admin/hours/{doctor.pk}/add/", typed(**fields))


# --- Weekly hours -------------------------------------------------------------------------


def test_a_manager_adds_hours_and_the_next_two_weeks_are_open_at_once(client, manager):
    doctor = f.doctor(fee_minor=60000, prefix="B")
    answer = add(client, doctor)
    assert (answer.status_code, answer.url) == (303, f"/admin/hours/{doctor.pk}/")
    window, later = Schedule.objects.order_by("date")
    assert (window.date, later.date) == (tomorrow(), tomorrow() + timedelta(days=7))
    assert (window.hours, window.capacity, window.fee_minor, window.prefix) == ("09:00–12:00", 15, 60000, "B")
    assert "Saved" in client.get(answer.url).content.decode()
    assert LogEntry.objects.get().user == manager


def test_repeat_daily_makes_seven_rows(client, manager):
    doctor = f.doctor()
    add(client, doctor, weekdays=[], daily="on", kind="slot", slot_minutes="25", capacity="")
    rows = WeeklyHours.objects.order_by("weekday")
    assert [row.weekday for row in rows] == list(range(7))
    assert {(row.kind, row.slot_minutes, row.capacity) for row in rows} == {(Kind.SLOT, 25, 1)}
    assert Schedule.objects.filter(date=tomorrow()).count() == 7


def test_showing_what_hours_open_saves_nothing(client, manager):
    doctor = f.doctor()
    f.closure(tomorrow(), doctor=doctor, reason="On leave")
    page = add(client, doctor, preview="1", kind="slot", slot_minutes="20", capacity="").content.decode()
    assert "Nothing is saved yet" in page
    assert "closed: On leave" in page
    assert "09:00–12:00" in page and "(9 times)" in page
    assert not WeeklyHours.objects.exists() and not Schedule.objects.exists()


def test_showing_changed_hours_counts_unbooked_windows_as_gone_and_sold_ones_as_standing(client, manager):
    row = f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    f.paid(Schedule.objects.get(date=tomorrow()))
    before = list(Schedule.objects.values())
    fields = typed(weekday=str(row.weekday), start_time="10:00", end_time="13:00", preview="1")
    page = client.post(f"/admin/hours/change/{row.pk}/", fields).content.decode()
    assert "09:00–12:00 is booked, and stays as it was sold" in page
    assert page.count("10:00–13:00") == 1
    assert list(Schedule.objects.values()) == before


def test_a_pool_without_minutes_takes_all_of_its_hours(client, manager):
    add(client, f.doctor(), kind="pool", capacity="")
    assert WeeklyHours.objects.get().capacity == 180


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weekdays": []}, "Choose at least one day"),
        ({"weekdays": ["9"]}, "not one of the available choices"),
        ({"end_time": "09:00"}, "Hours end after they start"),
        ({"end_time": "25:00"}, "Enter a valid time"),
        ({"capacity": ""}, "how many patients the doctor sees"),
        ({"capacity": "0"}, "greater than or equal to 1"),
        ({"kind": "slot", "slot_minutes": ""}, "how many minutes each patient has"),
        ({"kind": "slot", "slot_minutes": "181"}, "shorter than that"),
        ({"kind": "pool", "capacity": "181"}, "only 180 minutes"),
        ({"reserved_for_desk": "16"}, "No more than there are places"),
        ({"effective_until": "2020-01-01"}, "The last day is before the first"),
        ({"kind": "queue"}, "not one of the available choices"),
        ({"fee_minor": "5.005"}, "finer than"),
    ],
)
def test_hours_that_mean_nothing_are_refused_in_words(client, manager, wrong, said):
    page = add(client, f.doctor(), **wrong)
    assert page.status_code == 200 and said in page.content.decode()
    assert not WeeklyHours.objects.exists() and not Schedule.objects.exists()


def test_hours_that_overlap_name_the_ones_in_the_way(client, manager):
    row = f.hours(weekday=tomorrow().weekday())
    page = add(
        client, row.doctor, weekdays=[str(day) for day in range(7)], start_time="11:00", end_time="14:00"
    )
    assert "already has hours on" in page.content.decode()
    assert list(WeeklyHours.objects.all()) == [row]


def test_a_manager_changes_and_removes_hours(client, manager):
    row = f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    changed = typed(weekday=str(row.weekday), capacity="8", fee_minor="700")
    assert client.post(f"/admin/hours/change/{row.pk}/", changed).status_code == 303
    row.refresh_from_db()
    assert (row.capacity, row.fee_minor) == (8, 70000)
    assert set(Schedule.objects.values_list("capacity", "fee_minor")) == {(8, 70000)}
    assert client.get(f"/admin/hours/remove/{row.pk}/").status_code == 200
    assert client.post(f"/admin/hours/remove/{row.pk}/").status_code == 303
    assert not WeeklyHours.objects.exists() and not Schedule.objects.exists()
    assert client.post(f"/admin/hours/remove/{row.pk}/").status_code == 404


def test_the_clocks_are_spoken_of_when_hours_are_saved(client, manager, settings):
    settings.TIME_ZONE = "Europe/London"
    page = add(client, f.doctor(), weekdays=["6"], start_time="01:15", end_time="04:00")
    said = client.get(page.url).content.decode()
    assert "does not exist" in said and "happens twice" in said


@pytest.mark.parametrize("role", ["Reception", "Doctor"])
def test_others_read_the_hours_and_change_nothing(client, role):
    client.force_login(f.staff(role))
    row = f.hours()
    page = client.get(f"/admin/hours/{row.doctor_id}/")
    assert page.status_code == 200 and "Add hours" not in page.content.decode()
    assert add(client, row.doctor).status_code == 403
    for what in ("change", "remove"):
        assert client.post(f"/admin/hours/{what}/{row.pk}/", typed()).status_code == 403
    for address in (CLOSE, HOLIDAYS):
        assert client.post(address, {"first_day": tomorrow(), "reason": "x", "lines": "x"}).status_code == 403
    assert list(WeeklyHours.objects.all()) == [row] and not Closure.objects.exists()


def test_the_overview_asks_the_same_questions_for_any_number_of_doctors(client, manager):
    def asked():
        with CaptureQueriesContext(connection) as questions:
            assert client.get("/admin/hours/").status_code == 200
        return len(questions)

    f.hours()
    few = asked()
    for _n in range(5):
        f.hours()
    f.closure(tomorrow(), doctor=f.doctor())
    assert asked() == few


def test_a_week_is_told_in_short(client, manager):
    doctor = f.doctor()
    for weekday in (0, 1, 2, 4):
        f.hours(doctor=doctor, weekday=weekday)
    f.hours(doctor=doctor, weekday=0, start_time=time(17), end_time=time(20))
    page = re.sub(r"<[^>]+>|\s+", " ", client.get("/admin/hours/").content.decode())
    page = re.sub(r"\s+", " ", page)
    assert "Mon 09:00–12:00, 17:00–20:00" in page
    assert "Tue, Wed, Fri 09:00–12:00" in page


# --- Closures -----------------------------------------------------------------------------


def closing(**fields):
    return {"first_day": tomorrow().isoformat(), "reason": "Diwali"} | fields


def shown_on(page) -> str:
    return re.search(r'name="shown" value="(\w+)"', page.content.decode())[1]


def test_a_day_on_which_nobody_is_booked_is_closed_at_once(client, manager):
    f.hours(weekday=tomorrow().weekday())
    sweeps.open_ahead()
    assert client.post(CLOSE, closing()).status_code == 303
    assert Closure.objects.get().carried_out_at
    assert not Schedule.objects.filter(date=tomorrow()).exists()


def test_bookings_are_listed_first_and_cancelled_when_the_manager_is_sure(client, manager):
    window = f.window(starts_in=timedelta(days=1))
    booking = f.paid(window, f.guest(name="Lalita Rana"))
    form = closing(first_day=window.date.isoformat())
    page = client.post(CLOSE, form)
    assert "Lalita Rana" in page.content.decode() and "Close, and cancel 1 booking" in page.content.decode()
    booking.refresh_from_db()
    assert booking.status == Status.CONFIRMED and not Closure.objects.exists()
    answer = client.post(CLOSE, form | {"shown": shown_on(page)})
    assert answer.status_code == 303
    booking.refresh_from_db()
    assert (booking.status, booking.refund_percent) == (Status.CANCELLED, 100)


def test_whoever_books_while_the_manager_reads_is_shown_before_they_lose_their_place(client, manager):
    window = f.window(starts_in=timedelta(days=1))
    f.paid(window)
    form = closing(first_day=window.date.isoformat())
    page = client.post(CLOSE, form)
    late = f.paid(window, f.guest(name="Hari Poudel"))
    page = client.post(CLOSE, form | {"shown": shown_on(page)})
    assert "Please look again" in page.content.decode() and "Hari Poudel" in page.content.decode()
    late.refresh_from_db()
    assert late.status == Status.CONFIRMED and not Closure.objects.exists()
    assert client.post(CLOSE, form | {"shown": shown_on(page)}).status_code == 303


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"first_day": ""}, "Choose the day"),
        ({"first_day": "2020-01-01"}, "passed already"),
        ({"last_day": "2020-01-01"}, "before the first"),
        ({"last_day": "2099-01-01"}, "more than"),
        ({"start_time": "09:00"}, "both times"),
        ({"start_time": "09:00", "end_time": "08:00"}, "end after they start"),
        ({"reason": ""}, "Patients read it"),
        ({"doctor": "999999"}, "valid choice"),
    ],
)
def test_closures_that_mean_nothing_are_refused_in_words(client, manager, wrong, said):
    page = client.post(CLOSE, closing(**wrong))
    assert page.status_code == 200 and said in page.content.decode()
    assert not Closure.objects.exists()


def test_a_pasted_list_is_shown_as_it_was_read_and_then_closed(client, manager):
    year = timezone.localdate().year + 1
    page = client.post(HOLIDAYS, {"lines": f"26 Jan {year} Republic Day\n2083 Bhadra 5 Teej\n"})
    said = page.content.decode()
    assert f"{year}-01-26 Republic Day" in said and "Nepali calendar" in said
    assert not Closure.objects.exists()
    form = {"lines": f"{year}-01-26 Republic Day", "shown": shown_on(page)}
    assert client.post(HOLIDAYS, form).status_code == 303
    assert (Closure.objects.get().reason, Closure.objects.get().first_day.month) == ("Republic Day", 1)
    client.post(HOLIDAYS, form)
    assert Closure.objects.count() == 1


def ics(content: bytes):
    return SimpleUploadedFile("holidays.ics", content, content_type="text/calendar")


def test_a_calendar_file_becomes_a_list_to_look_at(client, manager):
    year = timezone.localdate().year + 1
    content = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\n"
        f"DTSTART;VALUE=DATE:{year}0126\r\nSUMMARY:Republic Day\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    page = client.post(HOLIDAYS, {"lines": f"1 May {year} Labour Day", "file": ics(content.encode())})
    said = page.content.decode()
    assert f"{year}-01-26 Republic Day\n{year}-05-01 Labour Day" in said
    form = {"lines": f"{year}-01-26 Republic Day\n{year}-05-01 Labour Day", "shown": shown_on(page)}
    assert client.post(HOLIDAYS, form).status_code == 303
    assert Closure.objects.count() == 2


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT", b"PK\x03\x04", b"x" * 300_000]
)
def test_a_bad_file_is_refused_in_words(client, manager, content):
    page = client.post(HOLIDAYS, {"lines": "", "file": ics(content)})
    assert page.status_code == 200
    assert re.search("no calendar file|too large|empty", page.content.decode())
    assert not Closure.objects.exists()


def test_an_empty_list_is_no_error_of_ours(client, manager):
    for lines in ("", "nothing here", "\x00", "9" * 5000):
        page = client.post(HOLIDAYS, {"lines": lines})
        assert page.status_code == 200 and not Closure.objects.exists()


def test_a_removed_closure_opens_again(client, manager):
    f.hours(weekday=tomorrow().weekday())
    closure = f.closure(tomorrow())
    sweeps.open_ahead()
    assert client.get(f"/admin/schedules/closure/{closure.pk}/remove/").status_code == 200
    assert client.post(f"/admin/schedules/closure/{closure.pk}/remove/").status_code == 303
    sweeps.open_ahead()
    assert Schedule.objects.filter(date=tomorrow()).count() == 1


def test_a_booked_window_is_cancelled_with_everybody_in_it(client, manager):
    window = f.window(starts_in=timedelta(days=1))
    booking = f.paid(window, f.guest(name="Lalita Rana"))
    address = f"/admin/windows/{window.pk}/cancel/"
    assert address in client.get(f"/admin/schedules/schedule/{window.pk}/change/").content.decode()
    page = client.get(address)
    assert "Lalita Rana" in page.content.decode()
    shown = re.search(r'name="shown" value="([\d.]*)"', page.content.decode())[1]
    assert "Write why" in client.post(address, {"reason": "", "shown": shown}).content.decode()
    late = f.paid(window, f.guest(name="Hari Poudel"))
    again = client.post(address, {"reason": "The doctor is ill", "shown": shown}).content.decode()
    assert "Hari Poudel" in again and "Please look again" in again
    booking.refresh_from_db()
    assert booking.status == Status.CONFIRMED
    shown = re.search(r'name="shown" value="([\d.]*)"', again)[1]
    assert client.post(address, {"reason": "The doctor is ill", "shown": shown}).status_code == 303
    for one in (booking, late):
        one.refresh_from_db()
        assert (one.status, one.refund_percent, one.cancel_reason) == (
            Status.CANCELLED,
            100,
            "The doctor is ill",
        )
    client.force_login(f.staff("Reception"))
    assert client.get(address).status_code == 403


# --- What patients see --------------------------------------------------------------------


def test_patients_read_why_a_day_is_closed(client):
    row = f.hours(weekday=tomorrow().weekday())
    closure = f.closure(tomorrow(), doctor=row.doctor, reason="The doctor is on leave")
    f.closure(
        tomorrow() + timedelta(days=1), start_time=time(10), end_time=time(11), reason="A <b>meeting</b>"
    )
    f.closure(tomorrow(), doctor=f.doctor(), reason="Somebody else's leave")
    f.closure(tomorrow() + timedelta(days=40), reason="Far away")
    sweeps.open_ahead()
    answer = client.get(row.doctor.get_absolute_url())
    page = answer.content.decode()
    assert f"Away on {tomorrow():%A} {tomorrow().day} {tomorrow():%B}: The doctor is on leave" in page
    assert "10:00–11:00: A &lt;b&gt;meeting&lt;/b&gt;" in page
    assert "Somebody else" not in page and "Far away" not in page
    day = answer.context["days"][1]
    assert (day.closed, day.word, day.windows) == ([closure], "closed", [])


def test_a_doctors_page_in_admin_leads_to_their_week(client, manager):
    doctor = f.doctor()
    assert (
        f"/admin/hours/{doctor.pk}/"
        in client.get(f"/admin/clinic/doctor/{doctor.pk}/change/").content.decode()
    )


def test_hours_that_somebody_removed_meanwhile_are_gone(client, manager):
    row = f.hours()
    hours_actions.remove_hours(row.pk, actor=manager)
    assert client.post(f"/admin/hours/change/{row.pk}/", typed(weekday="1")).status_code == 404
