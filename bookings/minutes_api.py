"""What is left of the minutes that services are sold from (seed 002): of a day, of a part of it, for a service."""

from datetime import datetime
from typing import Annotated

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router
from pydantic import Field

from bookings.minutes_queries import day_availability, period_availability, service_availability
from clinic.api_again import public, unchanged_too
from clinic.api_schemas import PUBLIC, Answer, Day, Id, answers
from clinic.models import Doctor, Service
from schedules.localtime import Period

router = Router(by_alias=True)


class MinutesOut(Answer):
    total_minutes: int
    consumed_minutes: int
    remaining_minutes: int
    is_available: bool


class Daily(Answer):
    total_capacity: int
    total_remaining: int
    morning: MinutesOut
    afternoon: MinutesOut
    evening: MinutesOut


class DayMinutes(Answer):
    daily: Daily


class TimeSlot(MinutesOut):
    current_reservations: int


class ServiceFits(Answer):
    """Whether one service still fits somewhere in this part of the day."""

    id: int
    code: str
    name: str
    required_minutes: int
    price_minor: Annotated[int, Field(alias="price")]
    available: bool


class PeriodMinutes(Answer):
    time_slot: TimeSlot
    services: list[ServiceFits]


class StartOut(Answer):
    schedule_id: int
    doctor_id: int
    start: datetime


class ServiceStarts(Answer):
    """When one service can begin: book with `scheduleId`, `serviceId` and `startTime`."""

    available: bool
    required_minutes: int
    remaining_minutes: int
    start_times: list[StartOut]
    message: Annotated[str, Field(description="Why there is none.")]


Shapes = DayMinutes | PeriodMinutes | ServiceStarts


@router.get("availability/pool", response=unchanged_too(answers(200, Shapes, *PUBLIC)), tags=["availability"])
@public
def pool(
    request,
    date: Annotated[Day, Query()],
    period: Annotated[Period | None, Query()] = None,
    service_id: Annotated[Id | None, Query(alias="serviceId")] = None,
    doctor_id: Annotated[Id | None, Query(alias="doctorId")] = None,
):
    """Of the whole clinic, or of one doctor. With a `serviceId`, when it can begin; else with a `period`, what
    is left of it and which services fit; else the day's minutes."""
    now = timezone.now()
    doctor = get_object_or_404(Doctor.objects.active(), pk=doctor_id) if doctor_id else None
    if service_id:
        service = get_object_or_404(Service.objects.offered(), pk=service_id)
        found = service_availability(service, date, now, period=period or "", doctor=doctor)
        found["start_times"] = [vars(start) for start in found["start_times"]]
        return ServiceStarts(**found)
    if period:
        return PeriodMinutes(**period_availability(date, period, now, doctor=doctor))
    return DayMinutes(**day_availability(date, now, doctor=doctor))
