"""Finding a doctor and a time."""

from django.db.models import Q
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from clinic.models import Doctor
from schedules import queries
from schedules.states import Kind


@require_safe
@vary_on_headers("HX-Request")
def home(request):
    """Every doctor, or those of a search (?q=), with the next free place of each; and the services."""
    words = request.GET.get("q", "").strip()[:80]
    found = queries.find(words, timezone.now())
    part = "#found" if request.htmx and not request.htmx.history_restore_request else ""
    return render(
        request,
        f"schedules/home.html{part}",
        {
            "words": words,
            "today": [one for one in found if one.is_today],
            "later": [one for one in found if one.window and not one.is_today],
            "nowhere": [one for one in found if not one.window],
            "services": queries.services(words),
            "specialties": [] if part else queries.specialties(),
        },
    )


@require_safe
def doctor(request, slug):
    """A doctor's next 14 days, the windows of the chosen one (?date=), and the services."""
    doctor = get_object_or_404(Doctor.objects.active(), slug=slug)
    now, wanted = timezone.now(), request.GET.get("date", "")
    days = queries.calendar(doctor, now, wanted)
    services = queries.services_of(doctor, days)
    if not services and any(day.pools for day in days):  # minutes for nothing
        days = queries.calendar(doctor, now, wanted, only=[~Q(kind=Kind.POOL)])
    chosen = next(day for day in days if day.selected)
    later = next((day for day in days if day.date > chosen.date and day.is_free), None)
    content = {"doctor": doctor, "days": days, "chosen": chosen, "later": later}
    content["closures"] = queries.closures_of(days)
    content["services"] = services
    return render(request, "schedules/doctor.html", content)
