"""The JSON API at /api/v1/: the routers of every app, and what they answer when they refuse (DESIGN §8)."""

import logging

from csp.decorators import csp_update
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, UnreadablePostError
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from bookings.api import router as bookings
from bookings.minutes_api import router as minutes
from clinic.api_json import JSONRenderer, Malformed, StrictParser
from clinic.api_middleware import problem
from clinic.errors import BUSY, Refused, is_busy
from clinic.service_api import router as catalogue
from payments.api import router as payments
from payments.desk_api import router as desk
from payments.report_api import router as reports
from schedules.api import router as schedules
from schedules.windows_api import router as windows

log = logging.getLogger("clinic")


class ClinicAPI(NinjaAPI):
    def get_openapi_operation_id(self, operation):
        return operation.view_func.__name__


api = ClinicAPI(
    title="Clinic bookings",
    version="1",
    description="Amounts are integers in the currency's minor unit, moments are UTC. How to sign in, how to book"
    " and what the words mean: docs/api.md.",
    urls_namespace="api",
    parser=StrictParser(),
    renderer=JSONRenderer(),
    docs_decorator=csp_update({"img-src": ["data:"]}),  # Swagger's icons
)
for router in (schedules, minutes, bookings, payments, windows, desk, catalogue, reports):
    api.add_router("", router)


@api.exception_handler(Refused)
def refused(request, error):
    """In the words of the rule that refused."""
    more = {}
    if error.status == 422:
        more = {"fields": error.details.get("fields", {})}
    if error.status == 409:
        more = {"suggestions": [_start(start) for start in error.details.get("suggestions", [])]}
    response = problem(error.status, error.code, error.message, **more)
    if seconds := error.details.get("retry_after"):
        response["Retry-After"] = str(seconds)
    return response


def _start(start) -> dict:
    return {"scheduleId": start.schedule_id, "doctorId": start.doctor_id, "start": start.start}


@api.exception_handler(ValidationError)
def invalid(request, error):
    """422 with the fields. An address that can't be one of ours is not found, like any other."""
    fields = {}
    for found in error.errors:
        where, *path = found["loc"]
        if where == "path":
            return problem(404)
        name = ".".join(str(part) for part in (path[1:] if where == "body" else path))
        fields.setdefault(name or where, []).append(found["msg"].removeprefix("Value error, "))
    return problem(422, "INVALID", _("Some of this is not as it should be."), fields=fields)


@api.exception_handler(HttpError)
def malformed(request, error):
    """ninja's own: a body that the parser could not read."""
    cause = error.__cause__
    return problem(error.status_code, message=cause if isinstance(cause, Malformed) else "")


@api.exception_handler(AuthenticationError)
def not_signed_in(request, error):
    return problem(401)


@api.exception_handler(PermissionDenied)
def forbidden(request, error):
    return problem(403)


@api.exception_handler(Http404)
def not_found(request, error):
    return problem(404)


@api.exception_handler(RequestDataTooBig)
def too_big(request, error):
    return problem(413)


@api.exception_handler(UnreadablePostError)
def broken_off(request, error):
    return problem(400)


@api.exception_handler(OperationalError)
def busy(request, error):
    """503 where the database was only too busy: nothing was changed, and trying again helps."""
    if not is_busy(error):
        raise error
    log.warning("busy", extra={"why": type(error.__cause__).__name__})
    response = problem(503, "BUSY", BUSY)
    response["Retry-After"] = "2"
    return response


@api.exception_handler(Exception)
def broken(request, error):
    """Django logs it and says 500. ninja would show the traceback to anyone while DEBUG is on."""
    raise error
