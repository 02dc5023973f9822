"""What a hurried Django developer would write: the same statements on the same tables, and nothing around them.

No idempotency, no lapsed holds, no audit beyond the one row, no refusal but "full", no checks of
amount or mode. These views are a yardstick, not an example.
"""

import hmac
import json
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.template import Context, Engine
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from bookings.models import Booking, BookingEvent
from clinic.models import Doctor, Patient, Service
from payments.models import GatewayEvent, Payment, PaymentEvent
from schedules.closure_models import Closure
from schedules.models import Schedule

TEMPLATES = Engine(dirs=[Path(__file__).parent / "templates"])
FRAGMENT, PAGE, TIMES = (
    TEMPLATES.get_template(name) for name in ("status.html", "doctor.html", "times.html")
)


@require_GET
def status(request, public_id):
    """Where a patient is in the line."""
    booking = Booking.objects.select_related("schedule").get(public_id=public_id)
    earlier = Booking.objects.filter(
        schedule=booking.schedule,
        status__in=["confirmed", "checked_in"],
        queue_number__lt=booking.queue_number,
    )
    ahead = earlier.count()
    version = f"{booking.status}-{booking.queue_number}-{booking.schedule.now_serving}-{ahead}"
    if request.GET.get("seen") == version:
        return HttpResponse(status=204)
    return HttpResponse(FRAGMENT.render(Context({"booking": booking, "ahead": ahead, "version": version})))


@require_GET
def doctor(request, slug):
    """A doctor's windows of fourteen days, and what is closed."""
    doctor = Doctor.objects.get(slug=slug, is_active=True)
    today = timezone.localdate()
    windows = Schedule.objects.filter(doctor=doctor, date__range=(today, today + timedelta(days=13)))
    windows = windows.exclude(status="cancelled").order_by("starts_at")
    content = {"doctor": doctor, "windows": windows, "closures": closed(doctor, today)}
    return HttpResponse(PAGE.render(Context(content)))


def closed(doctor, today):
    either = Q(doctor=None) | Q(doctor=doctor)
    return Closure.objects.filter(either, first_day__lte=today + timedelta(days=13), last_day__gte=today)


@require_GET
def times(request, slug):
    """How many exact times are left on each of fourteen days, and those of the first day that has any."""
    doctor = Doctor.objects.get(slug=slug, is_active=True)
    today = timezone.localdate()
    slots = Schedule.objects.filter(doctor=doctor, date__range=(today, today + timedelta(days=13)))
    slots = slots.exclude(status="cancelled").order_by("starts_at")
    ahead = slots.filter(status="open", starts_at__gt=timezone.now()).order_by("date")
    days = list(ahead.values("date").annotate(left=Sum(F("capacity") - F("taken"))))
    chosen = next(day for day in days if day["left"])
    shown = {"doctor": doctor, "days": days, "chosen": chosen, "slots": slots.filter(date=chosen["date"])}
    return HttpResponse(TIMES.render(Context(shown | {"closures": closed(doctor, today)})))


@require_GET
def pool(request, doctor_id, date):
    """The minutes of an afternoon, and which services are no longer than the longest free piece."""
    pools = Schedule.objects.filter(doctor=doctor_id, date=date, kind="pool", start_time__gte="12:00")
    now, total, taken, longest, reservations = timezone.now(), 0, 0, 0, 0
    for window in pools.exclude(status="cancelled"):
        booked = Booking.objects.filter(schedule=window, units__gt=0).exclude(
            status="held", hold_expires_at__lte=now
        )
        at, total = window.starts_at, total + window.capacity
        for booking in [*booked.order_by("start_at")]:
            longest = max(longest, (booking.start_at - at).total_seconds() // 60)
            at, taken, reservations = booking.end_at, taken + booking.minutes, reservations + 1
        longest = max(longest, (window.ends_at - at).total_seconds() // 60)
    services = Service.objects.filter(doctors=doctor_id, visible=True, deleted_at=None)
    return JsonResponse(
        {
            "totalMinutes": total,
            "consumedMinutes": taken,
            "remainingMinutes": total - taken,
            "currentReservations": reservations,
            "services": [
                {
                    "id": service.pk,
                    "code": service.code,
                    "name": service.name,
                    "minutes": service.duration + service.buffer,
                    "price": service.price_minor,
                    "available": service.duration + service.buffer <= longest,
                }
                for service in services
            ],
        }
    )


@require_POST
def book(request, schedule_id):
    """Holds a place for fifteen minutes; of a pool, the minutes of a service."""
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update().get(pk=schedule_id)
        now = timezone.now()
        lapsed = Booking.objects.filter(schedule=schedule, status="held", hold_expires_at__lte=now)
        if schedule.capacity - schedule.taken + len(lapsed) <= 0:
            return HttpResponse("full", status=409)
        place, fee = {"units": 1}, schedule.fee_minor
        if code := request.GET.get("service"):
            service = Service.objects.get(code=code, visible=True, deleted_at=None)
            start = timezone.make_aware(datetime.fromisoformat(request.GET["start"]))
            minutes, fee = service.duration + service.buffer, service.price_minor
            end = start + timedelta(minutes=minutes)
            booked = Booking.objects.filter(schedule=schedule, units__gt=0)
            if booked.filter(start_at__lt=end, end_at__gt=start).exists():
                return HttpResponse("taken", status=409)
            place = {
                "units": minutes, "minutes": minutes, "start_at": start, "end_at": end,
                "service": service, "service_name": service.name,
            }  # fmt: skip
        patient = Patient.objects.create(
            name=request.POST["name"],
            phone=request.POST["phone"],
            email=request.POST["email"],
            age=int(request.POST["age"]),
        )
        booking = Booking.objects.create(
            schedule=schedule,
            patient=patient,
            request_key=request.POST["request_key"],
            price_minor=fee,
            currency=schedule.currency,
            status="held",
            hold_expires_at=now + timedelta(minutes=15),
            created_at=now,
            **place,
        )
        BookingEvent.objects.create(booking=booking, at=now, to_status="held", cause="held")
        schedule.taken += place["units"]
        schedule.save(update_fields=["taken"])
    return HttpResponseRedirect(f"/pay/{booking.public_id}/", status=303)


@csrf_exempt
@require_POST
def webhook(request):
    """Confirms the booking that was paid."""
    parts = dict(part.split("=", 1) for part in request.headers["Stripe-Signature"].split(","))
    signed = f"{parts['t']}.".encode() + request.body
    expected = hmac.new(settings.STRIPE_WEBHOOK_SECRET.encode(), signed, "sha256").hexdigest()
    if not hmac.compare_digest(expected, parts["v1"]):
        return HttpResponse(status=400)
    event = json.loads(request.body)
    intent = event["data"]["object"]
    now = timezone.now()
    inbox = GatewayEvent.objects.create(
        gateway="stripe",
        dedupe_key=event["id"],
        name=event["type"],
        body=request.body.decode(),
        received_at=now,
        next_try_at=now,
    )
    with transaction.atomic():
        names = Q(key=intent["metadata"]["payment"]) | Q(gateway_payment=intent["id"])
        payment = Payment.objects.select_related("booking").get(names, gateway="stripe")
        GatewayEvent.objects.filter(pk=inbox.pk).update(processed_at=now, payment=payment)
        schedule = Schedule.objects.select_for_update().get(pk=payment.booking.schedule_id)
        booking = Booking.objects.get(pk=payment.booking_id)
        Payment.objects.filter(pk=payment.pk, outcome="").update(
            status="captured",
            outcome="bought",
            captured_minor=intent["amount_received"],
            gateway_payment=intent["id"],
            captured_at=now,
        )
        PaymentEvent.objects.create(
            payment=payment, at=now, kind="captured", amount_minor=intent["amount_received"]
        )
        schedule.last_number += 1
        booking.status, booking.queue_number, booking.numbered_at = "confirmed", schedule.last_number, now
        booking.save(update_fields=["status", "queue_number", "numbered_at"])
        BookingEvent.objects.create(
            booking=booking, at=now, from_status="held", to_status="confirmed", cause="paid by stripe"
        )
        schedule.save(update_fields=["last_number"])
    return JsonResponse({"received": True})
