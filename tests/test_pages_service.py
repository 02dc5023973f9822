"""A service: its page, the form that books it at a time of its own, and what says so afterwards."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from icalendar import Calendar

from bookings import actions
from bookings.models import Booking
from bookings.notice_words import words
from clinic.models import Patient, ServiceCategory
from clinic.notice_models import Channel, Notice, Recipient
from payments import sweeps
from payments.ledger_models import Receipt
from payments.management.commands.check_invariants import violations
from schedules.localtime import stamp
from schedules.models import Schedule
from schedules.states import Mode, Status
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool():
    return f.morning()


@pytest.fixture
def service(pool):
    return f.service(pool.doctor, name="Massage")


def at(pool, minutes):
    return pool.starts_at + timedelta(minutes=minutes)


def form_url(pool, service, minutes) -> str:
    return f"/book/{pool.pk}/?service={service.code}&start={stamp(at(pool, minutes))}"


def form(service, **fields):
    return {
        "request_key": str(uuid4()), "price": service.price_minor, "minutes": service.minutes,
        "name": "Ravi Kumar", "phone": "98200 54321", "consent": "on",
    } | fields  # fmt: skip


def times(answer) -> list[str]:
    """The starts that a page offers."""
    slots = [slot for part in answer.context["parts"] for slot in part.slots]
    return [f"{timezone.localtime(slot.starts_at):%H:%M}" for slot in slots]


def nothing_was_taken(pool) -> bool:
    taken = Schedule.objects.get(pk=pool.pk).taken
    return taken == 0 and not Booking.objects.exists() and not Patient.objects.exists()


# --- The page -----------------------------------------------------------------------------


def test_it_says_how_long_it_takes_what_it_costs_and_when_it_fits(client, pool, service):
    f.reserve(pool, service, 0)
    answer = client.get(service.get_absolute_url())
    page = answer.content.decode()
    assert "Massage" in page and "40 minutes" in page and "₹400" in page and "140 minutes left" in page
    assert times(answer)[0] == "10:40" and times(answer)[-1] == "12:20"
    assert form_url(pool, service, 40).replace("&", "&amp;").replace(":", "%3A") in page


def test_a_few_times_are_suggested_and_the_others_folded_away(client, pool, service):
    answer = client.get(service.get_absolute_url())
    first = answer.context["parts"][0]
    assert len(first.slots) == 24 and first.more == 22  # ten to noon
    assert {slot.mark for [group] in [first.first] for slot in group.slots} == {"suggested"}
    page = answer.content.decode()
    assert "22 more times" in page


def test_the_strip_names_the_first_time_that_fits_and_what_is_left(client, pool, service):
    f.reserve(pool, service, 0)
    [day] = [day for day in client.get(service.get_absolute_url()).context["days"] if day.pools]
    assert (day.word, day.note, day.tone) == ("10:40", "2 h", "free")


def test_a_day_with_minutes_but_no_room_leads_to_the_next(client, pool, service):
    """Two halves of half an hour each."""
    for after, length in [(0, 30), (60, 30), (120, 60)]:
        f.reserve(pool, f.service(pool.doctor, duration=length, buffer=0), after)
    later = f.morning(doctor=pool.doctor, days=2)
    answer = client.get(service.get_absolute_url(), {"date": pool.date})
    assert times(answer) == []
    assert "60 minutes are left" in answer.content.decode()
    assert f"date={later.date}" in answer.content.decode()


def test_who_offers_it_can_be_chosen_and_any_means_both(client, pool, service):
    other = f.morning(doctor=f.doctor(name="Dr. Late"))
    service.doctors.add(other.doctor)
    f.reserve(pool, service, 0)
    url = service.get_absolute_url()
    both, own = client.get(url), client.get(url, {"doctor": pool.doctor.slug})
    assert times(both)[0] == "10:00" and f"/book/{other.pk}/" in both.content.decode()
    assert times(own)[0] == "10:40" and f"/book/{other.pk}/" not in own.content.decode()
    assert both.content.decode().count(f"start={stamp(at(pool, 60))}".replace(":", "%3A")) == 1


def test_nobody_has_time_for_it_soon(client):
    service = f.service(f.doctor())
    assert "Nobody has time for it" in client.get(service.get_absolute_url()).content.decode()


def test_it_asks_the_database_as_often_for_ten_pools_as_for_one(
    client, pool, service, django_assert_max_num_queries
):
    for days in range(2, 11):
        f.reserve(f.morning(doctor=pool.doctor, days=days), service, 30)
    with django_assert_max_num_queries(4):
        assert client.get(service.get_absolute_url()).status_code == 200


@pytest.mark.parametrize("gone", [{"visible": False}, {"deleted_at": timezone.now()}])
def test_what_is_not_offered_any_more_says_so(client, pool, service, gone):
    for name, value in gone.items():
        setattr(service, name, value)
    service.save()
    answer = client.get(service.get_absolute_url())
    assert answer.status_code == 404 and "not offered any more" in answer.content.decode()
    answer = client.get(form_url(pool, service, 0), follow=True)
    assert answer.status_code == 404 and "not offered any more" in answer.content.decode()
    assert service.name not in client.get("/").content.decode()


def test_a_service_that_never_was_is_no_page(client):
    assert client.get("/services/never-was/").status_code == 404


NONSENSE = ["", "9999-12-31T23:59", "0001-01-01T00:00", "2026-02-30T10:00", "10:00", "٢", "x" * 3000]


@pytest.mark.parametrize("said", NONSENSE)
def test_what_makes_no_sense_in_an_address_is_as_if_it_were_not_said(client, pool, service, said):
    page = service.get_absolute_url()
    assert client.get(page, {"date": said, "doctor": said}).status_code == 200
    for query in ({"service": said, "start": said}, {"service": service.code, "start": said}):
        answer = client.get(f"/book/{pool.pk}/", query)
        assert answer.status_code in (200, 302)
        assert (
            client.post(f"/book/{pool.pk}/?{answer.request['QUERY_STRING']}", form(service)).status_code < 500
        )
    assert nothing_was_taken(pool)


# --- Found from elsewhere -----------------------------------------------------------------


def test_home_lists_services_by_category_and_finds_them(client, service):
    service.category = ServiceCategory.objects.create(name="Physiotherapy")
    service.save()
    page = client.get("/").content.decode()
    assert page.index("Physiotherapy") < page.index("Massage") and "₹400" in page
    assert "Massage" in client.get("/", {"q": "mass physio"}).content.decode()
    assert "Massage" not in client.get("/", {"q": "cardiology"}).content.decode()


def test_a_doctors_page_shows_minutes_beside_places_and_leads_to_the_services(client, pool, service):
    f.window(doctor=pool.doctor, starts_in=f.at_ten(2), capacity=9)
    answer = client.get(pool.doctor.get_absolute_url())
    page = answer.content.decode()
    assert [day.word for day in answer.context["days"]][1:3] == ["3 h", "9 left"]
    assert "180 minutes left" in page and "Choose a service" in page
    assert f"{service.get_absolute_url()}?doctor={pool.doctor.slug}&amp;date={pool.date}" in page


def test_a_morning_under_way_promises_only_the_minutes_ahead(client):
    running = f.pool(starts_in=-timedelta(minutes=150), date=timezone.localdate())
    f.service(running.doctor)
    answer = client.get(running.doctor.get_absolute_url(), {"date": running.date})
    assert "30 minutes left" in answer.content.decode()
    assert next(day.minutes for day in answer.context["days"] if day.date == running.date) == 30
    assert "30 minutes left" in client.get("/").content.decode()


@pytest.mark.parametrize("visible", [True, False])
def test_minutes_of_a_doctor_without_a_service_are_promised_nowhere(client, pool, visible):
    f.service(pool.doctor, visible=visible)
    home = client.get("/").content.decode()
    page = client.get(pool.doctor.get_absolute_url(), {"date": pool.date}).content.decode()
    for text in (home, page):
        assert ("Choose a service" in text, "180 minutes left" in text) == (visible, visible)
    assert ('id="services"' in page) == visible


def test_without_a_gateway_a_morning_of_free_services_is_open_whatever_its_own_fee(client, settings):
    settings.PAYMENT_GATEWAYS = []
    pool = f.morning(fee_minor=50000)
    f.service(pool.doctor, price_minor=0)
    answer = client.get(pool.doctor.get_absolute_url(), {"date": pool.date})
    assert "paid online yet" not in answer.content.decode()
    assert next(day.word for day in answer.context["days"] if day.selected) == "3 h"


def test_a_pool_without_a_service_leads_to_the_doctors_services(client, pool, service):
    answer = client.get(pool.get_absolute_url())
    assert answer.status_code == 302
    assert answer["Location"] == f"{pool.doctor.get_absolute_url()}?date={pool.date}#services"


# --- Booking it ---------------------------------------------------------------------------


def test_the_form_says_what_when_how_long_and_what_it_costs(client, pool, service):
    page = client.get(form_url(pool, service, 20)).content.decode()
    assert "Massage" in page and "40 minutes" in page and "10:20–11:00" in page and "₹400" in page
    assert '<input type="hidden" name="minutes" value="40">' in page


def test_a_guest_books_a_service_at_its_own_time(client, pool, service):
    answer = client.post(form_url(pool, service, 20), form(service))
    booking = Booking.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/pay/{booking.public_id}/")
    assert (booking.service, booking.start_at, booking.minutes) == (service, at(pool, 20), 40)
    assert (booking.service_name, booking.price_minor) == ("Massage", 40000)
    assert violations() == {}


def test_a_double_click_or_a_second_tab_ends_at_one_booking_and_another_time_is_another(
    client, pool, service
):
    tabs = [client.get(form_url(pool, service, 0)).context["request_key"] for _ in range(2)]
    sent = [client.post(form_url(pool, service, 0), form(service, request_key=key)) for key in tabs]
    assert len({answer["Location"] for answer in sent}) == 1
    other = client.get(form_url(pool, service, 60)).context["request_key"]
    client.post(form_url(pool, service, 60), form(service, request_key=other))
    assert Booking.objects.count() == 2


@pytest.mark.parametrize("changes", [{"price_minor": 50000}, {"duration": 45}])
def test_a_price_or_length_that_changed_meanwhile_is_shown_first(client, pool, service, changes):
    sent = form(service)
    for name, value in changes.items():
        setattr(service, name, value)
    service.save()
    answer = client.post(form_url(pool, service, 0), sent)
    assert answer.status_code == 409
    assert nothing_was_taken(pool)
    page = answer.content.decode()
    assert 'value="Ravi Kumar"' in page and f'name="minutes" value="{service.minutes}"' in page


def test_who_was_slower_takes_one_of_the_nearest_times_without_typing_again(client, pool, service):
    f.reserve(pool, service, 60)
    answer = client.post(form_url(pool, service, 60), form(service))
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Someone was faster" in page and 'value="Ravi Kumar"' in page
    offered = answer.context["nearest"]
    assert 1 <= len(offered) <= 3
    kept = form(service, request_key=answer.context["request_key"])
    assert client.post(offered[0].url, kept).status_code == 303
    assert Booking.objects.count() == 2
    assert violations() == {}


def test_looking_at_a_time_that_is_taken_shows_the_nearest_as_links(client, pool, service):
    f.reserve(pool, service, 60)
    answer = client.get(form_url(pool, service, 60))
    page = answer.content.decode()
    assert "This time is taken." in page and "Patient&#x27;s full name" not in page
    assert all(offered.url.replace("&", "&amp;") in page for offered in answer.context["nearest"])


def test_where_the_minutes_are_gone_the_page_says_what_is_left(client, service, pool):
    f.reserve(pool, f.service(pool.doctor, duration=150, buffer=0), 0)
    later = f.morning(doctor=pool.doctor, days=2)
    answer = client.post(form_url(pool, service, 140), form(service))
    assert answer.status_code == 409
    assert "Only 30 minutes are left, and this takes 40." in answer.content.decode()
    assert f"/book/{later.pk}/" in answer.content.decode()


@pytest.mark.parametrize("minutes", [-40, 160, 7, 10_000])
def test_a_start_made_up_by_hand_is_refused(client, pool, service, minutes):
    answer = client.post(form_url(pool, service, minutes), form(service))
    assert answer.status_code == 409
    assert nothing_was_taken(pool)


def test_another_doctors_service_is_refused(client, pool):
    other = f.service(f.doctor())
    assert client.post(form_url(pool, other, 0), form(other)).status_code == 409
    assert nothing_was_taken(pool)


def test_a_service_that_the_doctor_gave_up_has_no_form_and_no_other_time_with_them(client, pool, service):
    service.doctors.set([f.doctor()])
    url = form_url(pool, service, 0)
    for answer in (client.get(url), client.post(url, form(service))):
        page = answer.content.decode()
        assert "This service can&#x27;t be booked here" in page and "Hold my place" not in page
        assert "no free time near" not in page
        assert f"/book/{pool.pk}/" not in page and service.get_absolute_url() in page
    assert nothing_was_taken(pool)


def test_a_start_long_ago_reads_nothing_of_the_past(client, pool, service):
    past = f.morning(days=-7, doctor=pool.doctor)
    with CaptureQueriesContext(connection) as sent:
        answer = client.get(f"/book/{pool.pk}/?service={service.code}&start=0100-01-01T00:00")
    assert answer.context["nearest"][0].starts_at == pool.starts_at
    days = [query["sql"] for query in sent if "BETWEEN" in query["sql"]]
    assert days and not any(str(past.date) in sql or "0100-01-01" in sql for sql in days)


def test_a_start_in_a_far_year_offers_what_is_near_the_window(client, pool, service):
    answer = client.get(f"/book/{pool.pk}/?service={service.code}&start=9000-01-01T00:00")
    assert answer.context["nearest"][0].starts_at == at(pool, 140)


def test_a_service_has_no_place_in_a_window_of_numbers(client, service):
    window = f.window(doctor=service.doctors.get())
    answer = client.post(form_url(window, service, 0), form(service, price=window.fee_minor))
    assert answer.status_code == 409
    assert nothing_was_taken(window)


def test_a_closed_morning_sells_nothing_and_says_so(client, pool, service):
    Schedule.objects.filter(pk=pool.pk).update(status=Status.CLOSED)
    assert times(client.get(service.get_absolute_url())) == []
    assert "Closed to new bookings." in client.get(form_url(pool, service, 0)).content.decode()
    assert client.post(form_url(pool, service, 0), form(service)).status_code == 409
    assert nothing_was_taken(pool)


def test_without_a_gateway_only_what_is_free_can_be_booked_here(client, settings, pool, service):
    settings.PAYMENT_GATEWAYS = []
    free = f.service(pool.doctor, price_minor=0)
    for url in (service.get_absolute_url(), form_url(pool, service, 0)):
        page = client.get(url).content.decode()
        assert "paid online yet" in page and "Hold my place" not in page and f"/book/{pool.pk}/" not in page
    answer = client.post(form_url(pool, free, 0), form(free))
    assert answer["Location"] == f"/b/{Booking.objects.get().public_id}/"


def test_an_account_books_for_its_family_at_the_services_price(client, pool, service):
    account = f.user()
    child = f.patient(account=account, relationship="child", name="Kabir Joshi")
    client.force_login(account)
    answer = client.get(form_url(pool, service, 0))
    assert "Kabir Joshi" in answer.content.decode() and answer.context["offer"].common.price_minor == 40000
    sent = form(service, patient=child.pk, **{f"price-{child.pk}": 40000})
    assert client.post(form_url(pool, service, 0), sent).status_code == 303
    assert Booking.objects.get().patient == child


def test_who_gives_the_place_up_is_back_at_the_service(client, pool, service):
    booking = f.reserve(pool, service, 0)
    answer = client.post(f"/b/{booking.public_id}/give-up/")
    assert answer["Location"] == service.get_absolute_url()


def test_the_form_sends_six_statements_at_most(client, pool, service, django_assert_max_num_queries):
    f.reserve(pool, service, 60)
    for minutes in (0, 60):
        with django_assert_max_num_queries(6):
            assert client.get(form_url(pool, service, minutes)).status_code == 200


# --- Afterwards ---------------------------------------------------------------------------


@pytest.fixture
def booking(pool, service):
    """Massage from 10:20 to 11:00, paid."""
    booking = f.reserve(pool, service, 20)
    f.deliver(f.capture_body(f.attempt(booking)))
    booking.refresh_from_db()
    return booking


@pytest.mark.parametrize("page", ["", "slip/", "move/", "cancel/"])
def test_every_page_of_it_names_the_service_and_its_own_hours(client, booking, page):
    text = client.get(f"{booking.get_absolute_url()}{page}").content.decode()
    assert "10:20" in text and "10:00–" not in text
    assert "Massage · 40 minutes" in text or page == "move/"


def test_my_appointments_name_it(client, pool, service):
    account = f.user()
    f.reserve(pool, service, 20, f.patient(account=account), booked_by=account)
    client.force_login(account)
    page = client.get("/appointments/").content.decode()
    assert "Massage · 40 minutes" in page and "10:20" in page


def test_the_mail_names_it_and_so_does_its_calendar_file(booking):
    told = Notice.objects.get(kind="visit-confirmed", recipient=Recipient.PATIENT, channel=Channel.EMAIL)
    message = words([told])[told.pk]
    assert ("Service", "Massage · 40 minutes") in message.facts
    [event] = Calendar.from_ical(message.calendar[1]).walk("VEVENT")
    assert event["summary"].startswith("Massage, ")
    assert event["dtend"].dt - event["dtstart"].dt == timedelta(minutes=40)


def test_the_receipt_names_it(booking):
    sweeps.book_ledger()
    [line] = Receipt.objects.get().snapshot["lines"]
    assert line["label"].startswith("Massage · 40 minutes, ") and line["label"].endswith(", 10:20")


def test_it_moves_to_another_time_of_the_same_morning(client, booking, pool):
    page = f"{booking.get_absolute_url()}move/"
    answer = client.get(page)
    assert "10:20" not in times(answer) and "10:25" in times(answer)
    query = {"date": pool.date, "to": pool.pk, "start": stamp(at(pool, 100))}
    assert "11:40" in client.get(page, query).content.decode()
    assert client.post(page, query).status_code == 303
    booking.refresh_from_db()
    assert (booking.start_at, booking.minutes) == (at(pool, 100), 40)
    assert violations() == {}


def test_a_move_to_a_time_that_is_taken_changes_nothing(client, booking, pool, service):
    f.reserve(pool, service, 100)
    query = {"to": pool.pk, "start": stamp(at(pool, 100))}
    assert client.post(f"{booking.get_absolute_url()}move/", query).status_code == 409
    booking.refresh_from_db()
    assert booking.start_at == at(pool, 20)


def test_a_visit_that_is_gone_has_a_page_that_says_it_does_not_move(client, booking):
    page = f"{booking.get_absolute_url()}move/"
    actions.cancel(booking.pk, reason="ill")
    assert client.get(page).context["why_not"]
    client.force_login(f.staff("Manager"))
    assert client.get("/admin/bookings/booking/move/", {"booking": booking.pk}).status_code == 200


def test_a_hold_that_lapsed_has_a_page_that_says_it_does_not_move(client, pool, service):
    held = f.reserve(pool, service, 20)
    f.lapse(held)
    assert client.get(f"{held.get_absolute_url()}move/").context["why_not"]


def test_a_visit_at_the_clinic_is_offered_no_video(client, booking, pool):
    video = f.morning(days=2, doctor=pool.doctor, mode=Mode.VIDEO)
    page = f"{booking.get_absolute_url()}move/"
    query = {"date": video.date, "to": video.pk, "start": stamp(at(video, 0))}
    answer = client.get(page, query)
    assert times(answer) == [] and answer.context["target"] is None
    answer = client.post(page, query)
    assert answer.status_code == 409 and "stays at the clinic" in answer.content.decode()
    booking.refresh_from_db()
    assert booking.schedule == pool and Schedule.objects.get(pk=video.pk).taken == 0


@pytest.mark.parametrize("start", ["", "soon"])
def test_a_move_to_no_time_asks_again_and_changes_nothing(client, booking, pool, start):
    other = f.morning(days=2, doctor=pool.doctor)
    answer = client.post(f"{booking.get_absolute_url()}move/", {"to": other.pk, "start": start})
    assert answer.status_code == 200 and "Choose another time" in answer.content.decode()
    booking.refresh_from_db()
    assert (booking.schedule, booking.start_at) == (pool, at(pool, 20)) and Schedule.objects.get(
        pk=other.pk
    ).taken == 0
