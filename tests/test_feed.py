"""A doctor's calendar at a secret address: their times, nobody's name, and gone when it is switched off."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from icalendar import Calendar

from bookings import actions
from bookings.feed_actions import make_feed
from clinic.feed_models import Feed
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def doctor():
    return f.doctor(user=f.staff("Doctor"))


def address(doctor) -> str:
    return reverse("calendar-feed", args=[make_feed(doctor, actor=doctor.user).code])


def events(answer) -> list:
    return Calendar.from_ical(answer.content).walk("VEVENT")


def test_a_doctor_reads_windows_and_booked_times(client, doctor):
    window = f.window(doctor=doctor)
    f.paid(window)
    f.paid(window, f.guest(name="Anu"))
    free, taken, video = f.slots(3, doctor=doctor, starts_in=timedelta(days=1))
    video.mode = "video"
    video.save(update_fields=["mode"])
    f.paid(taken)
    f.paid(video)
    f.hold(free)
    answer = client.get(address(doctor))
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    tokens, visit, by_video = events(answer)
    assert tokens["summary"] == "Consultations: 2 visits" and tokens["description"] == "Token A1\nToken A2"
    assert tokens["dtstart"].dt == window.starts_at.replace(microsecond=0)
    assert (visit["summary"], by_video["summary"]) == ("Consultation", "Consultation, by video")
    assert visit["dtend"].dt == taken.ends_at.replace(microsecond=0)
    assert "location" in visit and "location" not in by_video


def test_a_service_stands_there_by_its_name(client, doctor):
    slot = f.slot(doctor=doctor)
    booking = f.paid(slot)
    booking.service_name = "ECG"
    booking.save(update_fields=["service_name"])
    assert [event["summary"] for event in events(client.get(address(doctor)))] == ["ECG"]


def test_nobody_is_named_and_no_booking_can_be_opened_from_it(client, doctor):
    bookings = [f.paid(f.window(doctor=doctor)), f.paid(f.slot(doctor=doctor, starts_in=timedelta(days=1)))]
    content = client.get(address(doctor)).content.decode().replace("\r\n ", "")
    assert len(events(client.get(address(doctor)))) == 2
    for secret in ("Ravi", "Kumar", "98200", "/b/", *(booking.public_id for booking in bookings)):
        assert secret not in content


def test_what_was_cancelled_and_other_doctors_are_not_there(client, doctor):
    gone, stays = f.slots(2, doctor=doctor)
    actions.cancel(f.paid(gone).pk, reason="ill")
    f.paid(stays)
    f.paid(f.window())
    cancelled = f.window(doctor=doctor, starts_in=timedelta(days=1), status="cancelled")
    assert cancelled.status == "cancelled"
    assert [event["dtstart"].dt for event in events(client.get(address(doctor)))] == [
        stays.starts_at.replace(microsecond=0)
    ]


def test_a_week_behind_and_sixty_days_ahead(client, doctor):
    for days in (-8, -6, 59, 62):
        f.window(doctor=doctor, starts_in=f.at_ten(days))
    assert len(events(client.get(address(doctor)))) == 2


def test_a_visit_keeps_its_name_when_it_moves(client, doctor):
    one, other = f.slots(2, doctor=doctor)
    booking, url = f.paid(one), address(doctor)
    [before] = events(client.get(url))
    actions.reschedule(booking.pk, other.pk, reason="asked")
    [after] = events(client.get(url))
    assert before["uid"] == after["uid"] and before["dtstart"].dt < after["dtstart"].dt


def test_while_nothing_changes_it_answers_304(client, doctor):
    window, url = f.window(doctor=doctor), address(doctor)
    first = client.get(url)
    assert first["Cache-Control"] == "private, no-cache" and first["X-Robots-Tag"] == "noindex"
    same = client.get(url, headers={"If-None-Match": first["ETag"]})
    assert same.status_code == 304 and not same.content and same["Cache-Control"] == first["Cache-Control"]
    f.paid(window)
    assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_it_sends_three_statements_however_much_is_booked(client, doctor):
    url = address(doctor)
    for slot in f.slots(6, doctor=doctor):
        f.paid(slot)
    window = f.window(doctor=doctor, starts_in=timedelta(days=1), capacity=9)
    for _n in range(5):
        f.paid(window, f.guest(name="Anu"))
    with CaptureQueriesContext(connection) as sent:
        assert len(events(client.get(url))) == 7
    assert len(sent) == 3, sent.captured_queries


# --- The address --------------------------------------------------------------------------


def test_a_new_address_ends_the_old_one(client, doctor):
    old = address(doctor)
    new = address(doctor)
    assert old != new and client.get(old).status_code == 404 and client.get(new).status_code == 200


@pytest.mark.parametrize("code", ["x" * 22, "x", "ü" * 22])
def test_a_guessed_address_shows_nothing(client, doctor, code):
    address(doctor)
    assert client.get(f"/calendar/{code}.ics").status_code == 404


def test_it_ends_with_the_doctors_account(client, doctor):
    url = address(doctor)
    doctor.user.is_active = False
    doctor.user.save(update_fields=["is_active"])
    assert client.get(url).status_code == 404


def test_it_only_reads(client, doctor):
    assert client.post(address(doctor)).status_code == 405


def test_a_doctor_makes_renews_and_switches_off_their_own(client, doctor):
    client.force_login(doctor.user)
    page = reverse("admin:calendar")
    assert "Make the address" in client.get(page).content.decode()
    client.post(page, {"do": "make"})
    feed = Feed.objects.get()
    assert (feed.doctor, feed.made_by) == (doctor, doctor.user)
    shown = client.get(page)
    assert f"/calendar/{feed.code}.ics" in shown.content.decode() and "no-store" in shown["Cache-Control"]
    client.post(page, {"do": "make"})
    assert Feed.objects.get().code != feed.code
    client.post(page, {"do": "stop"})
    assert not Feed.objects.exists()


def test_a_manager_does_it_for_a_doctor_and_it_is_written_down(client, doctor):
    client.force_login(f.staff("Manager"))
    page = reverse("admin:calendar-of", args=[doctor.pk])
    assert page in client.get(reverse("admin:clinic_doctor_change", args=[doctor.pk])).content.decode()
    client.post(page, {"do": "make"})
    client.post(page, {"do": "stop"})
    history = client.get(reverse("admin:clinic_doctor_history", args=[doctor.pk])).content.decode()
    assert "New calendar address" in history and "Calendar address switched off" in history


def test_nobody_else_sees_it(client, doctor):
    feed = make_feed(doctor, actor=None)
    page = reverse("admin:calendar-of", args=[doctor.pk])
    for who in (f.doctor(user=f.staff("Doctor")).user, f.staff("Reception")):
        client.force_login(who)
        assert client.get(page).status_code == client.post(page, {"do": "stop"}).status_code == 403
    assert Feed.objects.get().code == feed.code


def test_who_is_no_doctor_chooses_one(client):
    client.force_login(f.user(is_staff=True, is_superuser=True))
    assert client.get(reverse("admin:calendar")).status_code == 303


def test_days_are_the_clinics(client, doctor, settings):
    f.window(doctor=doctor, starts_in=f.at_ten(1))
    [event] = events(client.get(address(doctor)))
    assert timezone.localtime(event["dtstart"].dt).hour == 10
