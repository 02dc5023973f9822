"""What everybody may read: who receives, what is offered, and when (DESIGN §8)."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from django.conf import settings
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router
from pydantic import Field

from clinic import consent_words
from clinic.api_again import public, unchanged_too
from clinic.api_schemas import PUBLIC, Answer, Clock, Day, Id, Text, answers, leads_to
from clinic.models import Doctor, Service
from schedules import availability_queries, queries
from schedules.queries import Window
from schedules.states import Kind, Mode

router = Router(by_alias=True)


class Consent(Answer):
    """What a patient agrees to: show `text`, and send `version` along when they book."""

    version: str
    text: str


class ClinicOut(Answer):
    name: str
    phone: str
    currency: str
    time_zone: str
    consent: Consent


@router.get(
    "clinic",
    response=unchanged_too(answers(200, ClinicOut)),
    tags=["directory"],
    openapi_extra=leads_to(200, "start", body={"consentVersion": "consent/version"}),
)
@public
def clinic(request):
    """Whose API this is, and what a patient agrees to by booking."""
    return ClinicOut(
        name=settings.CLINIC_NAME,
        phone=settings.CLINIC_PHONE,
        currency=settings.CLINIC_CURRENCY,
        time_zone=settings.TIME_ZONE,
        consent=Consent(version=settings.CONSENT_VERSION, text=consent_words.words()),
    )


# --- Who ----------------------------------------------------------------------------------


class NextFree(Answer):
    """The soonest time that can be booked online."""

    schedule_id: int
    kind: Kind
    mode: Mode
    start: datetime


class DoctorOut(Answer):
    id: int
    slug: str
    name: str
    specialty: str
    qualifications: str
    about: str
    languages: str
    fee: int
    currency: str
    next_free: NextFree | None


class Doctors(Answer):
    items: list[DoctorOut]


@router.get(
    "doctors",
    response=answers(200, Doctors, 422),
    tags=["directory"],
    openapi_extra=leads_to(200, "windows", "slots", "pool", "services", doctorId="items/0/id"),
)
def doctors(request, q: Annotated[Text | None, Query(description="Words of a name or a specialty.")] = None):
    """Who receives patients, those who are free soonest first."""
    return Doctors(items=[_doctor(found) for found in queries.find(q or "", timezone.now())])


def _doctor(found: queries.Found) -> DoctorOut:
    doctor, window = found.doctor, found.window
    return DoctorOut(
        id=doctor.pk,
        slug=doctor.slug,
        name=doctor.name,
        specialty=doctor.specialty,
        qualifications=doctor.qualifications,
        about=doctor.about,
        languages=doctor.languages,
        fee=window.fee_minor if window else doctor.fee_minor,
        currency=window.currency if window else settings.CLINIC_CURRENCY,
        next_free=window
        and NextFree(schedule_id=window.pk, kind=window.kind, mode=window.mode, start=window.starts_at),
    )


class ServiceOut(Answer):
    id: int
    code: str
    name: str
    description: str
    category: str | None
    duration: Annotated[int, Field(description="Minutes with the patient.")]
    minutes: Annotated[int, Field(description="Minutes that it takes of a day: with the pause after it.")]
    price: int
    currency: str
    doctor_ids: list[int]


class Services(Answer):
    items: list[ServiceOut]


@router.get("services", response=answers(200, Services, 422), tags=["directory"])
def services(request, doctor_id: Annotated[Id | None, Query(alias="doctorId")] = None):
    """What is offered, or what one doctor offers."""
    found = Service.objects.offered().select_related("category").prefetch_related("doctors")
    if doctor_id:
        found = found.filter(doctors=doctor_id)
    return Services(items=[_service(service) for service in found])


def _service(service: Service) -> ServiceOut:
    return ServiceOut(
        id=service.pk,
        code=service.code,
        name=service.name,
        description=service.description,
        category=service.category and service.category.name,
        duration=service.duration,
        minutes=service.minutes,
        price=service.price_minor,
        currency=settings.CLINIC_CURRENCY,
        doctor_ids=sorted(doctor.pk for doctor in service.doctors.all() if doctor.is_active),
    )


# --- When ---------------------------------------------------------------------------------

DoctorId = Annotated[Id, Query(alias="doctorId")]


class Reason(StrEnum):
    FULL = "FULL"
    PAST = "PAST"
    CLOSED = "CLOSED"
    PAYMENT_NOT_CONFIGURED = "PAYMENT_NOT_CONFIGURED"


class WindowOut(Answer):
    id: int
    doctor_id: int
    date: date
    start_time: Clock
    end_time: Clock
    mode: Mode
    price: int
    currency: str
    max_patients: int
    confirmed_count: int
    remaining: Annotated[int, Field(description="Places left online.")]
    is_bookable: bool
    disabled_reason: str | None
    disabled_reason_code: Reason | None


class Windows(Answer):
    items: list[WindowOut]


@router.get(
    "availability/windows",
    response=unchanged_too(answers(200, Windows, *PUBLIC)),
    tags=["availability"],
    openapi_extra=leads_to(200, "start", body={"scheduleId": "items/0/id"}),
)
@public
def windows(request, doctor_id: DoctorId, date: Annotated[Day | None, Query()] = None):
    """A day's windows of numbered tokens of one doctor; today's, unless said. What was cancelled is left out."""
    now = timezone.now()
    doctor = get_object_or_404(Doctor.objects.active(), pk=doctor_id)
    day = date or timezone.localdate(now)
    return Windows(items=[_window(row) for row in availability_queries.token_windows(doctor, day, now)])


def _window(window: Window) -> WindowOut:
    return WindowOut(
        id=window.pk,
        doctor_id=window.doctor_id,
        date=window.date,
        start_time=window.start_time,
        end_time=window.end_time,
        mode=window.mode,
        price=window.fee_minor,
        currency=window.currency,
        max_patients=window.capacity,
        confirmed_count=window.confirmed,
        remaining=window.online_left,
        is_bookable=window.is_bookable,
        disabled_reason=window.why_not or None,
        disabled_reason_code=window.why_not_code or None,
    )


class SlotStatus(StrEnum):
    """Seed 001's words."""

    AVAILABLE = "available"
    PENDING = "pending"
    BOOKED = "booked"
    EXPIRED = "expired"


SLOT_STATUS = {
    "free": SlotStatus.AVAILABLE,
    "held": SlotStatus.PENDING,
    "booked": SlotStatus.BOOKED,
    "past": SlotStatus.EXPIRED,
}


class Slot(Answer):
    id: int
    start: datetime
    end: datetime
    mode: Mode
    price: int
    currency: str
    status: SlotStatus
    available: bool


class SlotDay(Answer):
    date: date
    slots: list[Slot]


class Slots(Answer):
    doctor_id: int
    days: list[SlotDay]
    next_available_slot: Slot | None


@router.get(
    "availability/slots",
    response=unchanged_too(answers(200, Slots, *PUBLIC)),
    tags=["availability"],
    openapi_extra=leads_to(200, "start", body={"scheduleId": "nextAvailableSlot/id"}),
)
@public
def slots(request, doctor_id: DoctorId, days: Annotated[int, Query(ge=1, le=31)] = 14):
    """Exact times of one doctor from today on. `booked` is also what was closed by hand."""
    doctor = get_object_or_404(Doctor.objects.active(), pk=doctor_id)
    found = availability_queries.slots(doctor, days, timezone.now())
    shown = [SlotDay(date=day, slots=[_slot(window) for window in rows]) for day, rows in found.items()]
    free = (slot for day in shown for slot in day.slots if slot.available)
    return Slots(doctor_id=doctor.pk, days=shown, next_available_slot=next(free, None))


def _slot(window: Window) -> Slot:
    return Slot(
        id=window.pk,
        start=window.starts_at,
        end=window.ends_at,
        mode=window.mode,
        price=window.fee_minor,
        currency=window.currency,
        status=SLOT_STATUS[window.state],
        available=window.is_bookable,
    )
