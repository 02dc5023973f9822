"""The site's own pages: its colours, and what it says when something went wrong."""

import sys

from django.conf import settings
from django.http import Http404, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_safe

from clinic import pages, theme
from clinic.errors import is_busy
from clinic.maintenance import goes_on


def _version(request) -> str:
    return f'"{settings.CLINIC_ACCENT or "own"}"'


@goes_on
@require_safe
@cache_control(public=True, max_age=3600)
@condition(etag_func=_version)
def theme_css(request):
    """The clinic's colour as CSS variables. A link, because a strict CSP forbids inline styles."""
    return HttpResponse(theme.css(settings.CLINIC_ACCENT), content_type="text/css; charset=utf-8")


@require_safe
def plans(request):
    """What one may join, and how."""
    return pages.how_to_join(request)


def no_page(request):
    """404 at an address that Django would complete by a slash, and send programs on to nothing."""
    raise Http404


def server_error(request):
    """500, unless the database was only busy: that may also happen in a session's or a message's middleware."""
    error = sys.exc_info()[1]
    if error is not None and is_busy(error):
        return pages.busy(request, error)
    return HttpResponse(render_to_string("500.html"), status=500)
