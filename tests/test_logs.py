"""What the log says of a request that failed, and what it keeps to itself."""

import io
import json
import logging

import pytest
from django.urls import reverse
from pythonjsonlogger.json import JsonFormatter

from clinic.settings import LOGGING

SECRET = "G12fq5PzPENwWR3f9osFRw"


def broken(get_response):
    """A middleware in which every request ends."""

    def middleware(request):
        raise ZeroDivisionError

    return middleware


@pytest.fixture
def written(settings):
    """The lines of django.request as production writes them, while every request fails."""
    settings.MIDDLEWARE = [f"{__name__}.broken"]
    log, stream = logging.getLogger("django.request"), io.StringIO()
    kept = logging.StreamHandler(stream)
    kept.filters = log.handlers[0].filters
    kept.setFormatter(JsonFormatter(LOGGING["formatters"]["json"]["format"]))
    log.addHandler(kept)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    log.removeHandler(kept)


def fail(client, path):
    client.raise_request_exception = False
    assert client.get(path, {"q": SECRET}).status_code == 500


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("booking", [SECRET], "/b/…/"),
        ("cancel", [SECRET], "/b/…/cancel/"),
        ("checkout", [SECRET, "demo"], "/pay/…/demo/"),
        ("calendar-feed", [SECRET], "/calendar/…"),
        ("api:appointment", [SECRET], "/api/v1/appointments/…"),
        ("account_reset_password_from_key", ["1", SECRET], "/accounts/password/reset/key/…/"),
        ("account_confirm_email", [SECRET], "/accounts/confirm-email/…/"),
    ],
)
def test_an_address_that_opens_something_is_masked(client, written, name, arguments, said):
    fail(client, reverse(name, args=arguments))
    [line] = written()
    assert line["message"] == f"Internal Server Error: {said}" and line["request"] == "GET"
    assert "ZeroDivisionError" in line["exc_info"] and SECRET not in str(line)


def test_another_address_is_said_as_it_is(client, written):
    fail(client, "/doctors/asha-rao/100%/")
    [line] = written()
    assert line["message"] == "Internal Server Error: /doctors/asha-rao/100%/"
