"""What the views of every app share."""

import logging
from functools import wraps

from allauth.account.adapter import get_adapter
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render, resolve_url
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from clinic.errors import BUSY, Refused
from clinic.maintenance import Maintenance
from clinic.membership_models import Plan

log = logging.getLogger("clinic")

PROGRAMS = "/api/", "/_allauth/"
"""Who calls there reads JSON, errors too."""


def private(view):
    """A patient's page: kept by no cache, and its secret address is told to no other site.

    Not `no-referrer`: browsers then send a form's origin as "null", which CSRF refuses.
    """

    @wraps(view)
    @never_cache
    def wrapped(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "same-origin"
        response["X-Robots-Tag"] = "noindex"
        return response

    return wrapped


def see_other(to, *args) -> HttpResponseRedirect:
    """303: the form is done, the browser goes on with a GET. `to` is a row, a URL name or a URL."""
    response = HttpResponseRedirect(resolve_url(to, *args))
    response.status_code = 303
    return response


def client_address(request) -> str:
    """The address that a request came from, past as many proxies as settings.TRUSTED_PROXIES."""
    return get_adapter(request).get_client_ip(request)


def refused(request, refusal: Refused) -> HttpResponse:
    """A refusal as a page of its own, where the view had no better place for it."""
    if refusal.code == "SUBSCRIBE_TO_BOOK":
        return how_to_join(request, refusal)
    page = {403: "403.html", 429: "429.html"}.get(refusal.status, "refused.html")
    return _again_after(
        render(request, page, {"refusal": refusal}, status=refusal.status), refusal.details.get("retry_after")
    )


def how_to_join(request, refusal: Refused | None = None) -> HttpResponse:
    """The plans that one may join, in the clinic's words; after a refusal, that one is needed."""
    content = {"refusal": refusal, "plans": Plan.objects.offered()}
    return render(request, "plans.html", content, status=refusal.status if refusal else 200)


def busy(request, error: Exception) -> HttpResponse:
    """503: the database was only too busy. Nothing was changed, and trying again helps."""
    log.warning("busy", extra={"why": type(error.__cause__).__name__})
    return _again_after(render(request, "503.html", {"message": BUSY}, status=503), 2)


def closed(request, now: Maintenance) -> HttpResponse:
    """503: the site is closed for maintenance. Programs get it as JSON."""
    if request.path.startswith(PROGRAMS):
        words = _("The site is closed for maintenance and will be back soon.")
        response = JsonResponse({"code": "MAINTENANCE", "message": words}, status=503)
    else:
        response = render(request, "maintenance.html", {"maintenance": now}, status=503)
    add_never_cache_headers(response)
    return _again_after(response, now.retry_after())


def _again_after(response: HttpResponse, seconds: int | None) -> HttpResponse:
    if seconds:
        response["Retry-After"] = str(seconds)
    return response
