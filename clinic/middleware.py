"""What stands around every view: health before anything else, and refusals said as pages."""

import logging
import uuid

from django.db import DatabaseError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.decorators import sync_only_middleware

from clinic import health
from clinic.errors import BUSY, Refused, is_busy

log = logging.getLogger("clinic")


PROBES = {"/healthz": health.alive, "/readyz": health.ready}


@sync_only_middleware
def probes(get_response):
    """Answers probes before hosts, HTTPS and sessions are looked at: a probe knows none of them."""

    def middleware(request):
        return PROBES.get(request.path, get_response)(request)

    return middleware


@sync_only_middleware
def refusals(get_response):
    """Says a refusal that no view turned into a message, and a busy database as 503."""

    def middleware(request):
        return get_response(request)

    def process_exception(request, error):
        if isinstance(error, Refused):
            page = {403: "403.html", 429: "429.html"}.get(error.status, "refused.html")
            return render(request, page, {"refusal": error}, status=error.status)
        if isinstance(error, DatabaseError) and is_busy(error):
            log.warning("busy", extra={"reference": str(uuid.uuid4()), "why": type(error.__cause__).__name__})
            response = HttpResponse(render(request, "503.html", {"message": BUSY}).content, status=503)
            response["Retry-After"] = "2"
            return response
        return None

    middleware.process_exception = process_exception
    return middleware
