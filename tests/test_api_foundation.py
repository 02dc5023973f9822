"""What every operation of the API has in common: who calls, what can't be read, and asking again."""

import json
import logging
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from bookings import family_actions
from clinic import idempotency_sweeps
from clinic.api_json import JSON
from clinic.api_middleware import as_json
from clinic.errors import Refused
from clinic.idempotency_actions import claim, keep, release
from clinic.idempotency_models import StoredAnswer
from clinic.models import Patient
from tests import factories
from tests.api import App, token_of
from tests.fuzz.payloads import UNREADABLE

pytestmark = pytest.mark.django_db
WISH = {"name": "Meera Joshi", "relationship": "self", "phone": "+919820012345"}


@pytest.fixture
def account():
    return factories.user()


@pytest.fixture
def app(account):
    return App(account)


# --- Who calls ----------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "x", "é", "0" * 500, "a b", "%00"])
def test_without_a_token_of_ours_nobody_is_signed_in(token):
    answer = App(**{"X-Session-Token": token} if token is not None else {}).get("patients")
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_IN")


def test_an_app_signs_in_by_its_token(account, app):
    factories.patient(account=account, name="Meera Joshi")
    assert [person["name"] for person in app.get("patients").json()["items"]] == ["Meera Joshi"]


@pytest.mark.parametrize("wrong", [{"Authorization": "Bearer ck_0"}, {"X-Session-Token": "0"}])
def test_a_key_that_does_not_hold_is_not_passed_over(client, account, wrong):
    client.force_login(account)
    assert client.get("/api/v1/patients", headers=wrong).status_code == 401


def test_who_is_switched_off_is_signed_in_no_more(account, app):
    account.is_active = False
    account.save()
    assert app.get("patients").status_code == 401


def test_the_sites_own_pages_read_by_their_session(client, account):
    client.force_login(account)
    assert client.get("/api/v1/patients").status_code == 200


def test_they_change_nothing_without_their_csrf_token(account):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(account)
    answer = browser.post("/api/v1/patients", WISH, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "CSRF")
    assert not Patient.objects.exists()


def test_with_it_they_do(account):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(account)
    browser.get("/accounts/password/change/")
    token = browser.cookies["csrftoken"].value
    answer = browser.post(
        "/api/v1/patients", WISH, content_type="application/json", headers={"X-CSRFToken": token}
    )
    assert answer.status_code == 201, answer.content


def test_an_app_signs_in_by_mail_and_password(account):
    """allauth's own address, whose token ours understand."""
    answer = Client().post(
        "/_allauth/app/v1/auth/login",
        {"email": account.email, "password": "correct horse"},
        content_type="application/json",
    )
    assert answer.status_code == 200, answer.content
    token = answer.json()["meta"]["session_token"]
    assert App(**{"X-Session-Token": token}).get("patients").status_code == 200


# --- What can't be read -------------------------------------------------------------------


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_json_of_ours_is_not_read_where_one_signs_in_either(body):
    answer = Client().post("/_allauth/app/v1/auth/login", body, content_type="application/json")
    assert answer.status_code == 400


WRONG = {
    "nothing": ({}, "name"),
    "an unknown field": (WISH | {"admin": True}, "admin"),
    "a number for a name": (WISH | {"name": 7}, "name"),
    "an object for a name": (WISH | {"name": {"first": "Meera"}}, "name"),
    "an empty name": (WISH | {"name": "  "}, "name"),
    "a long name": (WISH | {"name": "x" * 121}, "name"),
    "nobody's relation": (WISH | {"relationship": "cat"}, "relationship"),
    "no phone": (WISH | {"phone": "call me"}, "phone"),
    "a birthday as a number": (WISH | {"dateOfBirth": 0}, "dateOfBirth"),
    "a birthday as a number in quotes": (WISH | {"dateOfBirth": "0"}, "dateOfBirth"),
    "born in the year 1": (WISH | {"dateOfBirth": "0001-01-01"}, "dateOfBirth"),
    "born in the year 9999": (WISH | {"dateOfBirth": "9999-12-31"}, "dateOfBirth"),
    "born tomorrow": (WISH | {"dateOfBirth": "2199-01-01"}, "dateOfBirth"),
    "a list": ([], "body"),
    "nothing at all": (b"", "body"),
}


@pytest.mark.parametrize(("body", "field"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(app, body, field):
    answer = app.post("patients", body)
    assert answer.status_code == 422
    assert field in answer.json()["fields"]
    assert not Patient.objects.exists()


def test_a_name_from_right_to_left_is_a_name(app):
    answer = app.post("patients", WISH | {"name": "مريم"})
    assert (answer.status_code, answer.json()["name"]) == (201, "مريم")


@pytest.mark.parametrize(
    ("method", "path"), [("get", "nothing"), ("get", ""), ("post", "doctors"), ("put", "patients")]
)
def test_djangos_own_errors_are_in_our_shape(client, method, path):
    answer = getattr(client, method)(f"/api/v1/{path}")
    assert answer.status_code in (404, 405)
    assert sorted(answer.json()) == ["code", "message"]
    assert answer.status_code != 405 or answer["Allow"]


def test_djangos_own_errors_keep_the_headers_that_protect(client):
    page, here = client.get("/nothing/"), client.get("/api/v1/nothing")
    for name in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy"):
        assert here[name] == page[name], name
    assert "script-src 'self'" in here["Content-Security-Policy"]
    assert "Content-Length" not in here or int(here["Content-Length"]) == len(here.content)


def test_an_error_that_was_a_page_is_changed_in_place():
    page = HttpResponse("<p>No</p>", status=405, headers={"Allow": "GET", "ETag": '"1"', "Content-Length": 9})
    page.set_cookie("kept", "1")
    as_json(page)
    assert json.loads(page.content)["code"] == "METHOD_NOT_ALLOWED"
    assert (page["Content-Type"], page["Allow"], "kept" in page.cookies) == (JSON, "GET", True)
    assert "ETag" not in page and "Content-Length" not in page


@pytest.mark.parametrize("path", ["/_allauth/nothing", "/_allauth/app/v1/nothing/", "/_allauth/%00"])
def test_so_they_are_where_one_signs_in(client, path):
    answer = client.get(path)
    assert answer.status_code == (400 if "%00" in path else 404)
    assert sorted(answer.json()) == ["code", "message"] and "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_api_without_its_slash_is_not_found_and_redirects_nobody(client, method):
    answer = getattr(client, method)("/api/v1")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("number", ["0", "-1", "x", str(2**63), "9" * 5000, "1.5", ""])
def test_a_number_that_no_row_has_is_refused(number):
    assert App().get("availability/windows", {"doctorId": number}).status_code == 422


def broken(*args, **kwargs):
    raise ZeroDivisionError


def locked(*args, **kwargs):
    raise OperationalError("database is locked")


def test_our_own_fault_says_nothing_of_itself(app, monkeypatch):
    monkeypatch.setattr("bookings.api.save_person", broken)
    app.client.raise_request_exception = False
    answer = app.client.post("/api/v1/patients", WISH, content_type="application/json", headers=app.headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "BROKEN")


def test_a_busy_database_asks_to_come_again(app, monkeypatch):
    monkeypatch.setattr("bookings.api.save_person", locked)
    answer = app.post("patients", WISH)
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "BUSY", "2")


# --- Request ids --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/v1/doctors", "/healthz", "/nothing/"])
def test_every_answer_names_its_request(client, path):
    first, second = client.get(path)["X-Request-Id"], client.get(path)["X-Request-Id"]
    assert first != second


def test_a_callers_own_name_is_kept_where_it_is_a_plain_word(client):
    assert client.get("/healthz", headers={"X-Request-Id": "trace-0123"})["X-Request-Id"] == "trace-0123"
    long = client.get("/healthz", headers={"X-Request-Id": "x" * 500})["X-Request-Id"]
    assert len(long) == 32


def test_the_log_says_which_request_it_speaks_of(client):
    lines = []
    handler = logging.getLogger().handlers[0]
    kept = logging.Handler()
    kept.filters, kept.emit = handler.filters, lines.append
    log = logging.getLogger("clinic")
    log.addHandler(kept)
    try:
        client.post(
            "/api/v1/webhooks/demo", b"{}", content_type="application/json",
            headers={"X-Request-Id": "trace-0123"},
        )  # fmt: skip
    finally:
        log.removeHandler(kept)
    assert [line.request_id for line in lines] == ["trace-0123"]


# --- Asking again -------------------------------------------------------------------------


def test_the_same_key_adds_a_person_once(app):
    first = app.post("patients", WISH | {"relationship": "child"}, key="k1")
    again = app.post("patients", WISH | {"relationship": "child"}, key="k1")
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first
    assert Patient.objects.count() == 1


def test_without_a_key_two_are_two(app):
    for _ in range(2):
        assert app.post("patients", WISH | {"relationship": "child"}).status_code == 201
    assert Patient.objects.count() == 2


def test_a_key_with_another_body_is_refused(app):
    app.post("patients", WISH, key="k1")
    answer = app.post("patients", WISH | {"name": "Ravi", "relationship": "child"}, key="k1")
    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert Patient.objects.count() == 1


def test_a_key_is_its_callers_own(app):
    other = App(factories.user())
    assert (
        app.post("patients", WISH, key="k1").json()["id"]
        != other.post("patients", WISH, key="k1").json()["id"]
    )


@pytest.mark.parametrize("key", ["x" * 256, "with blanks", "é"])
def test_a_key_that_is_no_word_is_refused(app, key):
    assert app.post("patients", WISH, key=key).status_code == 422
    assert not Patient.objects.exists()


def test_what_was_refused_may_be_asked_again_under_its_key(app, monkeypatch):
    monkeypatch.setattr(family_actions, "MOST_PEOPLE", 0)
    assert app.post("patients", WISH, key="k1").status_code == 409
    assert not StoredAnswer.objects.exists()
    monkeypatch.undo()
    assert app.post("patients", WISH, key="k1").status_code == 201


def test_while_the_first_is_at_it_the_second_waits(app, account):
    app.post("patients", WISH, key="k1")
    StoredAnswer.objects.update(code=None, body="")
    answer = app.post("patients", WISH, key="k1")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (409, "IN_PROGRESS", "1")


def test_a_key_whose_process_was_killed_is_taken_over(app):
    app.post("patients", WISH | {"relationship": "child"}, key="k1")
    StoredAnswer.objects.update(code=None, claimed_at=timezone.now() - timedelta(minutes=3))
    assert app.post("patients", WISH | {"relationship": "child"}, key="k1").status_code == 201
    assert StoredAnswer.objects.get().code == 201


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(app, monkeypatch, caplog):
    """The person is there: a 503 would say that nothing was done."""
    monkeypatch.setattr("clinic.idempotency_actions.keep", locked)
    with caplog.at_level(logging.ERROR, logger="clinic"):
        answer = app.post("patients", WISH, key="k1")
    assert (answer.status_code, answer.json()["id"]) == (201, Patient.objects.get().pk)
    assert [line.message for line in caplog.records] == ["answer-not-kept"]


@pytest.fixture
def outlived():
    """A claim whose request takes longer than its lease, and the one that took it over."""
    slow = claim("them", "k1", "same")
    StoredAnswer.objects.update(claimed_at=timezone.now() - timedelta(minutes=3))
    slow.refresh_from_db()
    return slow, claim("them", "k1", "same")


def test_who_outlived_its_lease_does_not_release_its_successors_claim(outlived):
    slow, successor = outlived
    release(slow)
    keep(successor, 201, '{"id": 2}')
    assert StoredAnswer.objects.get().body == '{"id": 2}'
    assert claim("them", "k1", "same").code == 201


def test_nor_does_its_answer_stand_for_the_successors(outlived):
    slow, successor = outlived
    keep(slow, 201, '{"id": 1}')
    with pytest.raises(Refused) as refusal:
        claim("them", "k1", "same")
    assert refusal.value.code == "IN_PROGRESS"
    keep(successor, 201, '{"id": 2}')
    assert StoredAnswer.objects.get().body == '{"id": 2}'


def test_a_successor_that_was_refused_frees_its_own_claim(outlived):
    _slow, successor = outlived
    release(successor)
    assert not StoredAnswer.objects.exists()


def test_after_a_day_it_is_forgotten(app):
    app.post("patients", WISH, key="k1")
    assert idempotency_sweeps.forget_answers() == 0
    StoredAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert idempotency_sweeps.forget_answers() == 1


def test_a_token_is_an_apps_alone(account):
    """It signs nobody in to the pages."""
    assert Client().get("/family/", headers={"X-Session-Token": token_of(account)}).status_code == 302
