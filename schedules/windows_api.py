"""Windows as the staff's own programs open and list them (seed 000; DESIGN §8)."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Body, Query, Router
from ninja.responses import Status as Answered
from pydantic import Field

from clinic import money
from clinic.api_again import IdempotencyKey, once
from clinic.api_auth import require, signed_in
from clinic.api_key_models import Scope
from clinic.api_lists import Cursor, Limit, page
from clinic.api_schemas import (
    WRITES,
    Answer,
    Clock,
    ClockTyped,
    Day,
    Id,
    Minor,
    Wish,
    answers,
    invalid,
    lacking,
    leads_to,
    one_of,
)
from schedules.actions import open_window
from schedules.forms import WindowForm
from schedules.models import Schedule, places
from schedules.states import Kind, Mode, Status

router = Router(by_alias=True, auth=signed_in(Scope.MANAGE))
TAGS = ["staff"]
CALLED = {"doctor": "doctorId", "capacity": "maxPatients", "fee_minor": "fee"}
"""What the form's fields are called here."""


WindowStatus = StrEnum("WindowStatus", {status.name: status.value for status in Status})
"""The schema has another Status, a booking's."""


class ScheduleRow(Answer):
    """A window with its counters. Of a pool, they count minutes."""

    id: int
    doctor_id: int
    doctor_name: str
    kind: Kind
    mode: Mode
    status: WindowStatus
    date: date
    start_time: Clock
    end_time: Clock
    max_patients: Annotated[int, Field(description="Places; of a pool, minutes.")]
    confirmed_count: int
    remaining: Annotated[int, Field(description="Left, those that are kept for the desk included.")]
    reserved_for_desk: int
    fee: int
    currency: str
    prefix: str
    last_number: int
    now_serving: int


class ScheduleRows(Answer):
    items: list[ScheduleRow]
    next_cursor: str | None


class ScheduleWish(Wish):
    doctor_id: Id
    date: Day
    start_time: ClockTyped
    end_time: ClockTyped
    kind: one_of(Kind) = Kind.TOKEN
    mode: one_of(Mode) = Mode.IN_PERSON
    max_patients: Annotated[
        Annotated[int, Field(ge=1, le=1000)] | None,
        Field(description="Of numbered tokens, which need it. An exact time is one patient's."),
    ] = None
    minutes: Annotated[
        Annotated[int, Field(ge=1, le=1440)] | None,
        Field(description="Of a pool: what services may take of its hours; all of them, unless said."),
    ] = None
    fee: Annotated[Minor | None, Field(description="The doctor's usual one, unless said.")] = None
    prefix: Annotated[str, Field(max_length=3, pattern=r"^\w*$")] = ""
    reserved_for_desk: Annotated[int, Field(ge=0, le=1440)] = 0
    holds_reserve: Annotated[bool, Field(description="Who is paying holds a place.")] = True

    @property
    def capacity(self) -> int:
        """In patients, or minutes of a pool. Raises Refused (422) where what is said is not of this kind."""
        length = _minute(self.end_time) - _minute(self.start_time)
        if self.kind != Kind.TOKEN and self.max_patients is not None:
            raise lacking("maxPatients", _("Only a window of numbered tokens has this."))
        if self.kind != Kind.POOL and self.minutes is not None:
            raise lacking("minutes", _("Only a window of minutes has this."))
        if self.kind == Kind.TOKEN and self.max_patients is None:
            raise lacking("maxPatients", _("Write how many patients."))
        if self.kind == Kind.POOL and (self.minutes or 0) > max(length, 1):
            said = _("These hours have only %(minutes)s minutes.") % {"minutes": length}
            raise lacking("minutes", said)
        return {Kind.TOKEN: self.max_patients, Kind.SLOT: 1, Kind.POOL: self.minutes or max(length, 1)}[
            self.kind
        ]


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


@router.post(
    "admin/schedules",
    response=answers(201, ScheduleRow, *WRITES),
    tags=TAGS,
    openapi_extra=leads_to(201, "start", "book_manually", body={"scheduleId": "id"}),
)
@once
def open_schedule(request, wish: Annotated[ScheduleWish, Body()], idempotency_key: IdempotencyKey):
    """Opens a window of one doctor. Refused (OVERLAP) over another one, and (CLOSED) in a closure."""
    require(request, "schedules.add_schedule")
    fee = "" if wish.fee is None else money.to_major(wish.fee, settings.CLINIC_CURRENCY)
    typed = wish.model_dump(exclude={"kind", "mode"})
    form = WindowForm(typed | {"doctor": wish.doctor_id, "capacity": wish.capacity, "fee_minor": fee})
    if not form.is_valid():
        raise invalid(form.errors, **CALLED)
    fields = form.cleaned_data
    opened = open_window(
        doctor_id=fields.pop("doctor").pk, kind=wish.kind, mode=wish.mode, opened_from="api",
        actor=request.auth.account, **fields,
    )  # fmt: skip
    return Answered(201, _row(_counted().get(pk=opened.pk)))


@router.get("admin/schedules", response=answers(200, ScheduleRows, 401, 403, 422, 429), tags=TAGS)
def list_schedules(
    request,
    doctor_id: Annotated[Id | None, Query(alias="doctorId")] = None,
    date: Annotated[Day | None, Query()] = None,
    start_date: Annotated[Day | None, Query(alias="startDate")] = None,
    end_date: Annotated[Day | None, Query(alias="endDate", description="Included.")] = None,
    cursor: Annotated[Cursor | None, Query()] = None,
    limit: Limit = 50,
):
    """Windows of all kinds and states that the caller sees in admin, the latest first."""
    require(request, "schedules.view_schedule")
    wanted = {"doctor": doctor_id, "date": date, "date__gte": start_date, "date__lte": end_date}
    rows = _counted().seen_by(request.auth.account)
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
    found = page(rows, "starts_at", cursor=cursor, limit=limit)
    return ScheduleRows(items=[_row(row) for row in found.items], next_cursor=found.next_cursor)


def _counted():
    return Schedule.objects.with_holds(timezone.now()).select_related("doctor")


def _row(window: Schedule) -> ScheduleRow:
    left, _online = places(window, window.freed)
    return ScheduleRow(
        id=window.pk,
        doctor_id=window.doctor_id,
        doctor_name=window.doctor.name,
        kind=window.kind,
        mode=window.mode,
        status=window.status,
        date=window.date,
        start_time=window.start_time,
        end_time=window.end_time,
        max_patients=window.capacity,
        confirmed_count=window.capacity - left - window.paying,
        remaining=left,
        reserved_for_desk=window.reserved_for_desk,
        fee=window.fee_minor,
        currency=window.currency,
        prefix=window.prefix,
        last_number=window.last_number,
        now_serving=window.now_serving,
    )
