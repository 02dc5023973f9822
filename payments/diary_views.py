"""My appointments, which follow what happens by themselves."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import HTMX_STOP_POLLING, HttpResponseClientRefresh

from clinic.pages import private
from payments.diary_queries import diary


@private
@require_safe
def appointments(request):
    """What the account has booked: what waits for a payment first, then what is coming, then the past.

    Its own page asks for the part that changes: 204 while nothing has, 286 once nothing will.
    """
    if request.htmx and not request.user.is_authenticated:
        return HttpResponseClientRefresh()
    return asked(request) if request.htmx else whole(request)


@login_required
def whole(request):
    return render(request, "payments/appointments.html", {"diary": diary(request.user, timezone.now())})


def asked(request):
    """The part that changes, for a page that shows the version `seen`."""
    found = diary(request.user, timezone.now())
    if found.version == request.GET.get("seen") and not found.is_over:
        return HttpResponse(status=204)
    code = HTMX_STOP_POLLING if found.is_over else 200
    return render(request, "payments/appointments.html#diary", {"diary": found}, status=code)
