"""What stands around every view: health before anything else, and refusals said as pages."""

import re
from uuid import uuid4

from django.utils.decorators import sync_only_middleware
from django.utils.translation import gettext as _

from clinic import health, logs, maintenance, pages
from clinic.errors import Refused, is_busy

PROBES = {"/healthz": health.alive, "/readyz": health.ready}

GOOD_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


@sync_only_middleware
def request_ids(get_response):
    """Names each request in its answer (X-Request-Id) and in every log line of it, by the caller's own id
    where that is a plain word."""

    def middleware(request):
        asked = request.headers.get("X-Request-Id", "")
        token = logs.request_id.set(asked if GOOD_ID.fullmatch(asked) else uuid4().hex)
        try:
            response = get_response(request)
            response["X-Request-Id"] = logs.request_id.get()
            return response
        finally:
            logs.request_id.reset(token)

    return middleware


@sync_only_middleware
def probes(get_response):
    """Answers probes before hosts, HTTPS and sessions are looked at: a probe knows none of them."""

    def middleware(request):
        return PROBES.get(request.path, get_response)(request)

    return middleware


@sync_only_middleware
def readable_addresses(get_response):
    """400 where an address has NUL in it: PostgreSQL stores no text with it, and fails when it is asked for one."""

    def middleware(request):
        if "\0" in request.path or "%00" in request.META["QUERY_STRING"]:
            said = _("This address can’t be read.")
            return pages.refused(request, Refused("MALFORMED", said, status=400))
        return get_response(request)

    return middleware


@sync_only_middleware
def closed_for_maintenance(get_response):
    """While the switch is on, every view but those marked `goes_on` says so, to staff too: the database may
    be half migrated. Before sessions and CSRF, so that it asks for none of what may be away."""

    def middleware(request):
        return get_response(request)

    def process_view(request, view, args, kwargs):
        if getattr(view, "goes_on_in_maintenance", False):
            return None
        now = maintenance.current()
        return pages.closed(request, now) if now else None

    middleware.process_view = process_view
    return middleware


@sync_only_middleware
def refusals(get_response):
    """Says a refusal that no view turned into a message, and a busy database as 503."""

    def middleware(request):
        return get_response(request)

    def process_exception(request, error):
        if isinstance(error, Refused):
            return pages.refused(request, error)
        return pages.busy(request, error) if is_busy(error) else None

    middleware.process_exception = process_exception
    return middleware
