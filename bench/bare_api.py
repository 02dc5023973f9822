"""bench/bare.py's yardstick for the JSON API. An account is known by its session token, read in one statement."""

import json
from datetime import timedelta

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.db.models import F, Q, Sum
from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from bookings.models import Booking, BookingEvent
from clinic.models import Doctor, Patient
from payments.models import Customer, Payment
from schedules.models import Schedule


def account_of(request):
    return SessionStore(request.headers["X-Session-Token"])[SESSION_KEY]


@require_GET
def windows(request):
    """A day's windows of tokens, each with who has a place and whose hold has lapsed."""
    doctor = Doctor.objects.get(pk=request.GET["doctorId"], is_active=True)
    now = timezone.now()
    held, lapsed = Q(bookings__status="held"), Q(bookings__hold_expires_at__lte=now)
    rows = doctor.schedules.filter(date=request.GET["date"], kind="token").exclude(status="cancelled")
    rows = rows.annotate(
        held=Sum("bookings__units", filter=held & ~lapsed, default=0),
        freed=Sum("bookings__units", filter=held & lapsed, default=0),
    )
    items = []
    for row in rows.order_by("starts_at"):
        left = row.capacity - row.taken + row.freed
        items.append(
            {
                "id": row.pk,
                "doctorId": row.doctor_id,
                "date": row.date,
                "startTime": f"{row.start_time:%H:%M}",
                "endTime": f"{row.end_time:%H:%M}",
                "mode": row.mode,
                "price": row.fee_minor,
                "currency": row.currency,
                "maxPatients": row.capacity,
                "confirmedCount": row.capacity - left - row.held,
                "remaining": left,
                "isBookable": left > 0 and now < row.ends_at,
                "disabledReason": None if left > 0 else "Full",
                "disabledReasonCode": None if left > 0 else "FULL",
            }
        )
    return JsonResponse({"items": items})


@require_GET
def appointment(request, public_id):
    """An account's booking: where it is in the line, and what was paid."""
    bookings = Booking.objects.select_related("schedule__doctor", "patient")
    booking = bookings.get(public_id=public_id, booked_by=account_of(request))
    schedule, doctor = booking.schedule, booking.schedule.doctor
    earlier = Booking.objects.filter(
        schedule=schedule, status__in=["confirmed", "checked_in"], queue_number__lt=booking.queue_number
    )
    ahead = earlier.count()
    paid = [payment.status for payment in Payment.objects.filter(booking=booking)]
    version = f'"{booking.status}-{booking.queue_number}-{schedule.now_serving}-{ahead}-{paid[-1]}"'
    if request.headers.get("If-None-Match") == version:
        return HttpResponse(status=304)
    said = {
        "id": booking.public_id,
        "status": booking.status,
        "paymentStatus": paid[-1],
        "queueNumber": booking.queue_number,
        "tokenLabel": f"{schedule.prefix}{booking.queue_number}",
        "schedule": {
            "id": schedule.pk,
            "doctorId": doctor.pk,
            "doctorName": doctor.name,
            "room": doctor.room,
            "kind": schedule.kind,
            "date": schedule.date,
            "startTime": f"{schedule.start_time:%H:%M}",
            "endTime": f"{schedule.end_time:%H:%M}",
        },
        "service": None,
        "patient": {"id": booking.patient_id, "name": booking.patient.name},
        "mode": schedule.mode,
        "startAt": schedule.starts_at,
        "endAt": None,
        "price": booking.price_minor,
        "due": booking.due_minor,
        "currency": booking.currency,
        "freeReason": None,
        "holdExpiresAt": None,
        "aheadOfYou": ahead,
        "nowServing": None,
        "estimatedWait": (schedule.starts_at - timezone.now()).total_seconds() // 60 + ahead * 10,
        "refund": None,
        "cancellation": {"percent": 100, "amount": booking.price_minor},
    }
    return JsonResponse(said, headers={"ETag": version})


@csrf_exempt
@require_POST
def start(request):
    """Holds a place for the account's own person, with the attempt to pay for it."""
    account, wish = account_of(request), json.loads(request.body)
    patient = Patient.objects.get(account=account, relationship="self")
    customer = Customer.objects.get(user=account, gateway="stripe")
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update().get(pk=wish["scheduleId"])
        now = timezone.now()
        lapsed = Booking.objects.filter(schedule=schedule, status="held", hold_expires_at__lte=now)
        if schedule.capacity - schedule.taken + len(lapsed) <= 0:
            return JsonResponse({"code": "FULL"}, status=409)
        booking = Booking.objects.create(
            schedule=schedule,
            patient=patient,
            booked_by_id=account,
            units=1,
            price_minor=schedule.fee_minor,
            currency=schedule.currency,
            status="held",
            hold_expires_at=now + timedelta(minutes=15),
            consent_version=wish["consentVersion"],
            created_at=now,
        )
        BookingEvent.objects.create(booking=booking, at=now, to_status="held", cause="held")
        Schedule.objects.filter(pk=schedule.pk).update(taken=F("taken") + 1)
        payment = Payment.objects.create(
            booking=booking,
            gateway="stripe",
            for_app=True,
            amount_minor=booking.price_minor,
            currency=booking.currency,
            created_at=now,
            next_check_at=booking.hold_expires_at,
        )
    intent = f"pi_{payment.key.hex}"  # here Stripe would be asked, with customer.reference
    secret = f"{intent}_secret_{customer.reference}"
    Payment.objects.filter(pk=payment.pk).update(reference=intent, client_secret=secret)
    return JsonResponse(
        {
            "appointmentId": booking.public_id,
            "status": booking.status,
            "gateway": "stripe",
            "clientSecret": secret,
            "publishableKey": None,
            "order": None,
            "redirectUrl": None,
            "amount": payment.amount_minor,
            "currency": booking.currency,
            "holdExpiresAt": booking.hold_expires_at,
            "problem": None,
        },
        status=201,
    )
