"""The people an account books for: added, changed, taken off, and booked side by side."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from bookings import family_actions
from bookings.models import Booking
from clinic.errors import Refused
from clinic.models import Patient
from tests import factories as f

pytestmark = pytest.mark.django_db
PAGES = ["/family/", "/family/add/", "/family/{pk}/", "/family/{pk}/remove/"]


@pytest.fixture
def asha(client):
    account = f.user(name="Asha Gurung")
    client.force_login(account)
    return account


def typed(**fields):
    return {
        "name": "Kabir Gurung",
        "relationship": "child",
        "date_of_birth": "2019-05-31",
        "sex": "male",
        "phone": "98200 54321",
    } | fields


def test_somebody_is_added_and_can_be_booked_for(client, asha):
    assert client.post("/family/add/", typed())["Location"] == "/family/"
    kabir = Patient.objects.get(account=asha)
    assert (kabir.name, kabir.relationship, kabir.sex) == ("Kabir Gurung", "child", "male")
    assert (kabir.date_of_birth, str(kabir.phone)) == (date(2019, 5, 31), "+919820054321")
    assert "Kabir Gurung" in client.get("/family/").content.decode()
    window = f.window()
    page = client.get(window.get_absolute_url())
    assert "Kabir Gurung" in page.content.decode()
    sent = {"request_key": page.context["request_key"], "price": 50000, "patient": kabir.pk, "consent": "on"}
    client.post(window.get_absolute_url(), sent)
    assert Booking.objects.get().patient == kabir


def test_a_person_is_changed(client, asha):
    kabir = f.patient(account=asha, name="Kabeer", relationship="child", age=6)
    assert 'value="Kabeer"' in client.get(f"/family/{kabir.pk}/").content.decode()
    assert client.post(f"/family/{kabir.pk}/", typed()).status_code == 303
    kabir.refresh_from_db()
    assert (kabir.name, kabir.account) == ("Kabir Gurung", asha)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "Write the name"),
        ({"relationship": ""}, "Choose who this is"),
        ({"relationship": "boss"}, "Choose who this is"),
        ({"phone": ""}, "Write a mobile number"),
        ({"phone": "12"}, "be called"),
        ({"date_of_birth": "long ago"}, "as in 2019-05-31"),
        ({"date_of_birth": "1819-05-31"}, "look at the year"),
        ({"date_of_birth": str(timezone.localdate() + timedelta(days=2))}, "look at the year"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(client, asha, changes, said):
    answer = client.post("/family/add/", typed(**changes))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Patient.objects.exists()


def test_there_is_one_myself(client, asha):
    f.patient(account=asha, relationship="self")
    assert client.post("/family/add/", typed(relationship="self")).status_code == 422
    with pytest.raises(Refused) as refusal:  # the form of an old tab
        family_actions.save_person(Patient(name="Asha", relationship="self"), account=asha)
    assert refusal.value.code == "ALREADY_THERE"
    assert Patient.objects.count() == 1


def test_a_list_has_an_end(client, asha, monkeypatch):
    monkeypatch.setattr(family_actions, "MOST_PEOPLE", 1)
    f.patient(account=asha)
    answer = client.post("/family/add/", typed())
    assert "ask at the desk" in answer.content.decode()
    assert Patient.objects.count() == 1


def test_who_was_never_booked_is_deleted(client, asha):
    kabir = f.patient(account=asha)
    assert client.get(f"/family/{kabir.pk}/remove/").status_code == 200
    assert Patient.objects.count() == 1
    client.post(f"/family/{kabir.pk}/remove/")
    assert not Patient.objects.exists()


def test_who_was_here_leaves_the_list_and_the_visit_stays(client, asha):
    kabir = f.patient(account=asha, name="Kabir", relationship="child")
    booking = f.seen(f.window(starts_in=timedelta(0)), kabir, booked_by=asha)
    client.post(f"/family/{kabir.pk}/remove/")
    kabir.refresh_from_db()
    assert (kabir.account, kabir.relationship) == (None, "")
    assert "Kabir" not in client.get("/family/", follow=True).content.decode().partition("<h1>")[2]
    assert booking.get_absolute_url() in client.get("/appointments/").content.decode()


def test_who_has_a_visit_ahead_stays_on_the_list(client, asha):
    kabir = f.patient(account=asha)
    f.hold(f.window(), kabir, booked_by=asha)
    answer = client.post(f"/family/{kabir.pk}/remove/")
    assert answer.status_code == 409
    assert "has a visit ahead" in answer.content.decode()
    kabir.refresh_from_db()
    assert kabir.account == asha


def test_who_was_taken_off_in_another_tab_is_not_booked():
    asha, window = f.user(), f.window()
    kabir = f.patient(account=asha)
    family_actions.remove_person(kabir.pk, account=asha)
    kabir.pk = kabir.pk or 10**6
    with pytest.raises(Refused) as refusal:
        f.hold(window, kabir, booked_by=asha)
    assert refusal.value.code == "NOT_FOUND"
    window.refresh_from_db()
    assert window.taken == 0
    assert not Booking.objects.exists()


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_the_people_of_others(client, asha, path):
    stranger = f.patient(account=f.user(), name="Somebody Else")
    for send in (client.get, client.post):
        answer = send(path.format(pk=stranger.pk), typed() if "{pk}" in path else {})
        assert "Somebody Else" not in answer.content.decode()
        assert "{pk}" not in path or answer.status_code == 404
    stranger.refresh_from_db()
    assert (stranger.name, stranger.account == asha) == ("Somebody Else", False)
    with pytest.raises(Refused):
        family_actions.remove_person(stranger.pk, account=asha)


@pytest.mark.parametrize("path", PAGES)
def test_one_signs_in_first_and_looking_changes_nothing(client, path):
    person = f.patient(account=f.user())
    assert client.get(path.format(pk=person.pk))["Location"].startswith("/accounts/login/")
    client.force_login(person.account)
    answer = client.get(path.format(pk=person.pk))
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert list(Patient.objects.values_list("pk", "account")) == [(person.pk, person.account_id)]


def test_the_page_says_which_plan_covers_the_family(client, asha):
    f.member(f.plan(name="Care Plus"), asha, until=30)
    assert "Care Plus" in client.get("/family/").content.decode()


def test_a_large_family_costs_no_more_statements(client, asha, django_assert_max_num_queries):
    for _ in range(12):
        f.patient(account=asha)
    with django_assert_max_num_queries(4):  # with the session and the account
        client.get("/family/")


# --- In one hour (seed 004) ---------------------------------------------------------------


def test_two_relatives_in_one_hour_are_fine(asha):
    window = f.window()
    people = [f.patient(account=asha, name=name) for name in ("Asha Gurung", "Kabir Gurung")]
    assert len({f.paid(window, person, booked_by=asha).queue_number for person in people}) == 2


def test_one_person_twice_in_a_window_is_not(asha):
    window, kabir = f.window(), f.patient(account=asha)
    f.paid(window, kabir, booked_by=asha)
    with pytest.raises(Refused) as refusal:
        f.hold(window, kabir, booked_by=asha, request_key=uuid4())
    assert refusal.value.code == "ALREADY_BOOKED"
    assert Booking.objects.count() == 1
    assert f.hold(f.window(), kabir, booked_by=asha)
