"""A doctor's calendar at its secret address, and the page in admin that makes and ends the address."""

import re
from hashlib import sha256

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from bookings.feed_actions import make_feed, stop_feed
from bookings.feed_calendar import doctors_calendar
from clinic.adminsite import Tile, require
from clinic.feed_models import Feed
from clinic.models import Doctor
from clinic.pages import see_other

OWN, ANYBODYS = "clinic.own_calendar", "clinic.change_doctor"
MOMENT = re.compile(rb"DTSTAMP:\d{8}T\d{6}Z")


@require_safe
def feed(request, code):
    """The calendar, for whoever knows the address; 304 while nothing has changed but the clock."""
    found = Feed.objects.at(code).first()
    if found is None:
        raise Http404
    body = doctors_calendar(found.doctor, timezone.now())
    etag = f'W/"{sha256(MOMENT.sub(b"", body)).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Robots-Tag": "noindex"}
    response = HttpResponse(body, content_type="text/calendar; charset=utf-8", headers=headers)
    return get_conditional_response(request, etag=etag, response=response)


@require_http_methods(["GET", "HEAD", "POST"])
def own_calendar(request):
    """The page of whoever is a doctor; the others choose one first."""
    require(request, OWN)
    doctor = Doctor.objects.filter(user=request.user).first()
    if doctor is None:
        messages.info(request, _("Your account is no doctor's. Choose one, then “Calendar”."))
        return see_other("admin:clinic_doctor_changelist")
    return page(request, doctor, "admin:calendar")


@require_http_methods(["GET", "HEAD", "POST"])
def calendar_of(request, doctor_id):
    """The same of one doctor, for themselves and for managers."""
    doctor = get_object_or_404(Doctor, pk=doctor_id)
    own = request.user.has_perm(OWN) and doctor.user_id == request.user.pk
    if not own and not request.user.has_perm(ANYBODYS):
        raise PermissionDenied
    return page(request, doctor, "admin:calendar-of", doctor.pk)


def page(request, doctor, *here):
    """Shows the address; posted, makes a new one or switches it off (`do`)."""
    if request.method == "POST":
        if request.POST.get("do") == "stop":
            stop_feed(doctor, actor=request.user)
            messages.success(
                request, _("Switched off. Calendars that know the old address show nothing new.")
            )
        else:
            make_feed(doctor, actor=request.user)
            messages.success(
                request, _("This is the new address. Only whoever has it can read the calendar.")
            )
        return see_other(*here)
    found = Feed.objects.filter(doctor=doctor).select_related("made_by").first()
    content = {"title": _("Calendar of %(doctor)s") % {"doctor": doctor}, "doctor": doctor, "feed": found}
    if found:
        address = settings.SITE_URL + reverse("calendar-feed", args=[found.code])
        content |= {"address": address, "subscribe": re.sub(r"^https?", "webcal", address)}
    return render(request, "admin/calendar.html", admin.site.each_context(request) | content)


def is_shared(request):
    on = Feed.objects.filter(doctor__user=request.user).exists()
    return ("1", _("address")) if on else ("0", _("addresses"))


PAGES = [("calendar/", own_calendar, "calendar"), ("calendar/<int:doctor_id>/", calendar_of, "calendar-of")]
CALENDAR_TILE = Tile(label=gettext_lazy("Calendar"), page="calendar", permission=OWN, count=is_shared)
