"""The same POST twice at the same instant: one effect (DESIGN §8)."""

from collections import Counter
from uuid import uuid4

import pytest

from bookings.models import Booking
from clinic.idempotency_models import StoredAnswer
from clinic.models import Patient
from tests import factories
from tests.api import AGREED, App
from tests.racing import Meeting, at_once

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
CHILD = {"name": "Meera Joshi", "relationship": "child", "phone": "+919820012345"}


def twice(account, path, body, *, key, at):
    """Both requests have looked for the key (or, without one, have read) before either writes."""
    apps = [App(account), App(account)]
    calls = [lambda app=app: app.post(path, body, key=key) for app in apps]
    return at_once(*calls, meeting=Meeting(at))


def test_one_person_is_added_under_one_key():
    account = factories.user()
    answers = twice(account, "patients", CHILD, key="k1", at='FROM "clinic_storedanswer"')
    assert Patient.objects.count() == StoredAnswer.objects.count() == 1
    codes = Counter(answer.status_code for answer in answers)
    assert codes in ({201: 2}, {201: 1, 409: 1})
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"IN_PROGRESS"}


def test_without_a_key_they_are_two_people():
    """The negative control."""
    account = factories.user()
    answers = twice(account, "patients", CHILD, key=None, at='FROM "clinic_patient"')
    assert [answer.status_code for answer in answers] == [201, 201]
    assert Patient.objects.count() == 2


def test_one_place_is_taken_under_one_key():
    account = factories.user()
    factories.patient(account=account, relationship="self")
    window = factories.window(fee_minor=0)
    key = str(uuid4())
    answers = twice(
        account,
        "bookings/start",
        AGREED | {"scheduleId": window.pk},
        key=key,
        at='FROM "clinic_storedanswer"',
    )
    assert Booking.objects.count() == 1
    assert sorted(answer.status_code for answer in answers) in ([201, 201], [201, 409])
