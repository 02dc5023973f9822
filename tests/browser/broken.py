"""Addresses at which something goes wrong, so that the pages that say so can be looked at.

The server runs with DEBUG, which would explain the error instead. So the real answer, headers
and all, comes from Django in this process, and the browser is handed it.
"""

from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.test import Client, override_settings
from django.urls import path
from django.utils import timezone
from django.views.csrf import csrf_failure

from clinic import pages, urls
from clinic.errors import Refused
from clinic.maintenance import Maintenance

ERRORS = {
    "403": PermissionDenied(),
    "404": Http404(),
    "409": Refused("FULL", "This window is full. Please choose another one."),
    "429": Refused("TOO_MANY", "Too many bookings in a short time.", status=429),
    "500": RuntimeError("a bug"),
    "503": OperationalError("database is locked"),
}
WAYS = [*ERRORS, "403-form", "503-maintenance"]


def fail(request, way):
    if way in ERRORS:
        raise ERRORS[way]
    if way == "503-maintenance":
        return pages.closed(request, Maintenance(timezone.now() + timedelta(minutes=20)))
    return csrf_failure(request)


handler500 = urls.handler500
urlpatterns = [path("broken/<slug:way>/", fail), *urls.urlpatterns]


def show(page, way: str) -> None:
    """Lets the browser see what the clinic answers when something went wrong in this way."""
    with override_settings(ROOT_URLCONF=__name__, DEBUG=False):
        answer = Client(raise_request_exception=False).get(f"/broken/{way}/", headers={"host": "127.0.0.1"})
    assert answer.status_code == int(way[:3])
    said = {"status": answer.status_code, "headers": dict(answer.headers), "body": answer.content}
    page.route(f"**/broken/{way}/", lambda route: route.fulfill(**said))
    page.goto(f"/broken/{way}/")
