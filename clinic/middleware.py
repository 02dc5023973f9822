"""What stands around every view: health before anything else, and refusals said as pages."""

from django.utils.decorators import sync_only_middleware

from clinic import health, pages
from clinic.errors import Refused, is_busy

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
            return pages.refused(request, error)
        return pages.busy(request, error) if is_busy(error) else None

    middleware.process_exception = process_exception
    return middleware
