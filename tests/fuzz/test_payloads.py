"""Every operation that changes something, by every body that it should not get: each one in the schema, so
that a new one is asked as the old ones are."""

from functools import cache

import jsonschema_rs
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.models import ServiceCategory
from tests import factories
from tests.api import App, schema
from tests.fuzz.payloads import ADDRESSES, KINDS, LARGE, UNREADABLE, plain, spoilt, written

pytestmark = pytest.mark.django_db
SCHEMA = schema()
COMPONENTS = SCHEMA["components"]["schemas"]
OPERATIONS = [
    pytest.param(path, method, operation, id=operation["operationId"])
    for path, operations in SCHEMA["paths"].items()
    for method, operation in operations.items()
]
CHANGING = [param for param in OPERATIONS if param.values[1] != "get"]
WITH_BODY = [param for param in CHANGING if "requestBody" in param.values[2]]
CHANGES = "INSERT", "UPDATE", "DELETE"


@cache
def judge(shape: str) -> jsonschema_rs.Validator:
    """Whether a body is one of the committed schema."""
    whole = {"$ref": shape, "components": {"schemas": COMPONENTS}}
    return jsonschema_rs.validator_for(whole, validate_formats=True)


@pytest.fixture
def known(settings):
    """What a manager could know, who is a patient here too."""
    settings.THROTTLES = {what: (10**9, seconds) for what, (_many, seconds) in settings.THROTTLES.items()}
    account = factories.staff("Manager")
    patient = factories.patient(account=account, relationship="self")
    window, service = factories.window(), factories.service()
    booking = factories.paid(window, patient=patient, booked_by=account)
    return {
        "account": account,
        "id": booking.public_id,
        "scheduleId": factories.window(capacity=100).pk,
        "doctorId": window.doctor_id,
        "serviceId": service.pk,
        "patientId": patient.pk,
        "categoryId": ServiceCategory.objects.create(name="Heart").pk,
        "phone": "+919820012345",
        "startTime": "09:00",
        "endTime": "12:00",
    }


def refused_untouched(app, method, url, body, **options):
    with CaptureQueriesContext(connection) as asked:
        answer = app.send(method, url, body, **options)
    assert 400 <= answer.status_code < 500, (url, str(body)[:300], answer.content)
    assert answer.json()["code"] and answer.json()["message"]
    assert not [query for query in asked if query["sql"].startswith(CHANGES)], (url, str(body)[:300])
    return answer


def address(path, known):
    number = known["serviceId"] if "services" in path else known["id"]
    return path.replace("{id}", str(number))


@pytest.mark.parametrize(("path", "method", "operation"), WITH_BODY)
def test_a_body_that_is_not_the_schemas_is_refused_and_a_strange_one_breaks_nothing(
    path, method, operation, known
):
    app, url = App(known["account"]), address(path, known)
    shape = operation["requestBody"]["content"]["application/json"]["schema"]
    right = plain(shape, COMPONENTS, known)
    judged = judge(shape["$ref"])
    assert judged.is_valid(right), right
    for body in spoilt(right, shape, COMPONENTS, known):
        if judged.is_valid(body):
            assert app.send(method, url, written(body)).status_code < 500, body
        else:
            refused_untouched(app, method, url, written(body))
    for body in (None, [], [right], "x", 7, True):
        refused_untouched(app, method, url, written(body))


@pytest.mark.parametrize(("path", "method", "operation"), WITH_BODY)
def test_what_is_no_json_of_ours_is_read_nowhere(path, method, operation, known):
    app, url = App(known["account"]), address(path, known)
    for what, body in UNREADABLE.items():
        assert refused_untouched(app, method, url, body).status_code == 400, what
    assert refused_untouched(app, method, url, b"").status_code == 422
    assert refused_untouched(app, method, url, LARGE).status_code == 413
    right = plain(operation["requestBody"]["content"]["application/json"]["schema"], COMPONENTS, known)
    for kind in KINDS:
        assert refused_untouched(app, method, url, written(right), kind=kind).status_code == 400, kind


@pytest.mark.parametrize(("path", "method", "operation"), CHANGING)
def test_an_address_of_nothing_is_refused(path, method, operation, known):
    app, body = App(known["account"]), b""
    if "requestBody" in operation:
        shape = operation["requestBody"]["content"]["application/json"]["schema"]
        body = written(plain(shape, COMPONENTS, known))
    for strange in ADDRESSES if "{" in path else ():
        refused_untouched(app, method, path.replace("{id}", strange), body)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_a_strange_word_in_an_address_is_read_or_refused(path, method, operation, known):
    """In each parameter of the query; what is listed answers it."""
    app, url = App(known["account"]), address(path, known)
    for parameter in operation["parameters"]:
        for strange in ADDRESSES if parameter["in"] == "query" else ():
            app.send(method, f"{url}?doctorId={known['doctorId']}&{parameter['name']}={strange}")
