"""A service: what it is, who offers it, and the times at which it fits."""

from urllib.parse import urlencode

from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from bookings.minutes_queries import service_days
from bookings.service_queries import strip
from bookings.visit_queries import Asked
from clinic.models import Service
from schedules.queries import payments_ready


@require_safe
def service(request, slug):
    """The next 14 days of who offers it (?doctor=), and the starts that fit on the chosen one (?date=)."""
    service = get_object_or_404(Service, code=slug)
    if not service.is_offered:
        return render(request, "bookings/service_gone.html", status=404)
    doctors = list(service.doctors.active())
    doctor = next((one for one in doctors if one.slug == request.GET.get("doctor")), None)
    path, own = service.get_absolute_url(), {"doctor": doctor.slug} if doctor else {}
    found = service_days(service, timezone.now(), wanted=request.GET.get("date", ""), doctor=doctor)
    days = strip(found, service.minutes, lambda day: f"{path}?{urlencode({'date': day, **own})}")
    chosen = next(day for day in days if day.selected)
    content = {
        "service": service,
        "doctors": doctors,
        "doctor": doctor,
        "days": days,
        "chosen": chosen,
        "parts": chosen.parts(lambda window, start: Asked(service, start).booking_url(window.pk)),
        "later": next((day for day in days if day.date > chosen.date and day.first), None),
        "fits_soon": any(day.first for day in days),
        "can_pay": not service.price_minor or payments_ready(),
    }
    return render(request, "bookings/service.html", content)
