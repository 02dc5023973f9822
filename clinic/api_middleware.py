"""What stands around the API: errors in one shape, whoever made them, and nothing kept by a cache."""

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.decorators import sync_only_middleware
from django.utils.translation import gettext_lazy as _
from pydantic_core import to_json

from clinic.api_json import JSON, Malformed, read
from clinic.pages import PROGRAMS

SIGN_IN = "/_allauth/"
WORDS = {
    400: ("MALFORMED", _("This request can't be read.")),
    401: ("SIGN_IN", _("Sign in first.")),
    403: ("FORBIDDEN", _("You may not do that.")),
    404: ("NOT_FOUND", _("There is no such thing here.")),
    405: ("METHOD_NOT_ALLOWED", _("This address does not do that.")),
    413: ("TOO_BIG", _("The body is larger than 256 KiB.")),
    429: ("TOO_MANY", _("Too many requests. Please wait a while.")),
    500: ("BROKEN", _("Something went wrong on our side.")),
    503: ("BUSY", _("Please try again in a few seconds.")),
}


def problem(status: int, code: str = "", message="", **more) -> HttpResponse:
    """An error as the API says it."""
    return HttpResponse(_said(status, code, message, **more), status=status, content_type=JSON)


def _said(status: int, code: str = "", message="", **more) -> bytes:
    usual_code, usual = WORDS.get(status, WORDS[400])
    return to_json({"code": code or usual_code, "message": str(message or usual), **more})


@sync_only_middleware
def speaks_json(get_response):
    """Where programs call, also Django's own errors are JSON. Of /_allauth/ the bodies are read as strictly
    as ours."""

    def middleware(request):
        if request.path.startswith(SIGN_IN) and (bad := unreadable(request)):
            return bad
        response = get_response(request)
        if request.path.startswith(PROGRAMS):
            as_json(response)
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def unreadable(request: HttpRequest) -> HttpResponse | None:
    """The answer to a body that is no JSON, or too large."""
    try:
        if request.body:
            read(request.body)
    except RequestDataTooBig:
        return problem(413)
    except (Malformed, UnreadablePostError) as error:
        return problem(400, message=error if isinstance(error, Malformed) else "")
    return None


def as_json(response: HttpResponse) -> None:
    """Makes an error say `{code, message}`, unless it does already. Its other headers and cookies stay."""
    if response.status_code < 400 or response.get("Content-Type", "").startswith(JSON):
        return
    response.content = _said(response.status_code)
    response["Content-Type"] = JSON
    for of_the_page in ("Content-Length", "ETag"):
        del response[of_the_page]
