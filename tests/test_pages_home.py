"""Finding a doctor: who is free, and when."""

from datetime import datetime, time, timedelta

import pytest
from django.utils import timezone

from schedules import queries
from schedules.states import Status
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def noon():
    """Tomorrow at noon at the clinic, so that a test means the same at every hour."""
    day = timezone.localdate() + timedelta(days=1)
    return timezone.make_aware(datetime.combine(day, time(12)))


def at(noon, hours, **fields):
    """A window that starts so many hours after that noon."""
    return factories.window(starts_in=noon - timezone.now() + timedelta(hours=hours), **fields)


def test_the_doctor_who_is_free_soonest_comes_first(noon):
    later, sooner = at(noon, 5), at(noon, 1)
    assert [one.doctor for one in queries.find("", noon)] == [sooner.doctor, later.doctor]


def test_a_doctor_shows_only_the_next_window_with_a_free_place(noon):
    doctor = factories.doctor()
    full = at(noon, 1, doctor=doctor, capacity=1)
    factories.paid(full)
    closed = at(noon, 20, doctor=doctor, status=Status.CLOSED)
    free = at(noon, 26, doctor=doctor)
    [one] = queries.find("", noon)
    assert one.window.pk == free.pk
    assert not one.is_today
    assert closed.pk != free.pk


def test_a_place_whose_hold_has_lapsed_counts_as_free(noon):
    window = at(noon, 1, capacity=1)
    factories.lapse(factories.hold(window))
    [one] = queries.find("", noon)
    assert one.window.pk == window.pk
    assert one.window.online_left == 1
    assert one.is_today


def test_a_window_that_ends_in_half_an_hour_is_sold_no_more(noon):
    at(noon, -2, lasts=timedelta(hours=2, minutes=29))
    assert [one.window for one in queries.find("", noon)] == [None]


def test_places_kept_for_the_desk_are_not_free_online(noon):
    at(noon, 1, capacity=2, reserved_for_desk=2)
    assert [one.window for one in queries.find("", noon)] == [None]


def test_every_word_of_a_search_must_match_name_or_specialty(client):
    heart = factories.doctor(name="Dr Imran Qureshi", specialty="Heart")
    factories.doctor(name="Dr Anjali Rao", specialty="Skin")
    page = client.get("/", {"q": "heart qur"}).content.decode()
    assert heart.name in page
    assert "Dr Anjali Rao" not in page


def test_a_search_without_a_result_says_so_and_leads_back(client):
    factories.doctor()
    page = client.get("/", {"q": "<b>unicorn"}).content.decode()
    assert "We found nobody" in page
    assert "<b>unicorn" not in page
    assert "See all doctors" in page


def test_a_search_for_what_no_text_may_hold_is_unreadable(client):
    assert client.get("/", {"q": "ra\0o"}).status_code == 400


def test_a_doctor_who_left_is_not_found(client):
    factories.doctor(name="Dr Gone", is_active=False)
    assert "Dr Gone" not in client.get("/").content.decode()


def test_the_live_search_gets_the_list_alone(client):
    factories.doctor(name="Dr Anjali Rao")
    answer = client.get("/", {"q": "rao"}, headers={"HX-Request": "true"})
    assert "Dr Anjali Rao" in answer.content.decode()
    assert "<html" not in answer.content.decode()
    assert "HX-Request" in answer["Vary"]


def test_the_first_page_asks_the_database_as_often_for_ten_doctors_as_for_one(
    client, django_assert_max_num_queries
):
    for _ in range(10):
        factories.window(starts_in=timedelta(days=1))
    with django_assert_max_num_queries(4):
        client.get("/")
