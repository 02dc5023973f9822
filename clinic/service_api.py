"""The catalogue as managers' programs write it (seed 002; DESIGN §8)."""

from datetime import datetime
from typing import Annotated

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _
from ninja import Body, Path, Query, Router
from ninja.responses import Status as Answered
from pydantic import Field

from clinic import service_actions
from clinic.api_again import IdempotencyKey, once
from clinic.api_auth import require, signed_in
from clinic.api_key_models import Scope
from clinic.api_schemas import ERASES, WRITES, Answer, Id, Minor, Wish, answers, invalid, lacking, leads_to
from clinic.models import DAY, Doctor, Service

router = Router(by_alias=True, auth=signed_in(Scope.MANAGE))
TAGS = ["staff"]
ServiceId = Annotated[Id, Path(alias="id")]


class ServiceRow(Answer):
    id: int
    code: str
    name: str
    description: str
    category_id: int | None
    duration: Annotated[int, Field(description="Minutes with the patient.")]
    buffer: Annotated[int, Field(description="Minutes that are kept free after it.")]
    price: int
    currency: str
    doctor_ids: list[int]
    position: int
    visible: bool
    pay_at_desk: Annotated[bool | None, Field(description="None: as the clinic does.")]
    removed_at: datetime | None


class ServiceRows(Answer):
    items: list[ServiceRow]


SAME = Field(default_factory=lambda: None)
"""Left as it is. Unlike None, which most fields can't be, it does not stand in the schema."""
Name = Annotated[str, Field(min_length=1, max_length=120)]
About = Annotated[str, Field(max_length=5000)]
Duration = Annotated[int, Field(ge=1, le=DAY, description="Minutes with the patient.")]
Buffer = Annotated[int, Field(ge=0, le=DAY, description="Minutes kept free after it.")]
Position = Annotated[int, Field(ge=0, le=32767)]
DoctorIds = Annotated[list[Id], Field(max_length=200)]


class ServiceWish(Wish):
    code: Annotated[str, Field(max_length=50, pattern=r"^[-a-zA-Z0-9_]+$")]
    name: Name
    duration: Duration
    price: Minor
    description: About = ""
    category_id: Id | None = None
    buffer: Buffer = 0
    doctor_ids: DoctorIds = []
    position: Position = 0
    visible: bool = True
    pay_at_desk: bool | None = None


class ServiceChangeWish(Wish):
    """What is left out stays as it is. A code is for good: history and files go by it."""

    name: Name = SAME
    duration: Duration = SAME
    price: Minor = SAME
    description: About = SAME
    category_id: Id | None = SAME
    buffer: Buffer = SAME
    doctor_ids: DoctorIds = SAME
    position: Position = SAME
    visible: bool = SAME
    pay_at_desk: bool | None = SAME


@router.get("admin/services", response=answers(200, ServiceRows, 401, 403, 422, 429), tags=TAGS)
def list_services(request, removed: Annotated[bool, Query(description="Those instead.")] = False):
    """The catalogue, with what patients don't see; or what was removed from it."""
    require(request, "clinic.view_service")
    rows = Service.objects.filter(deleted_at__isnull=not removed).prefetch_related("doctors")
    return ServiceRows(items=[_row(service) for service in rows])


@router.post(
    "admin/services",
    response=answers(201, ServiceRow, *WRITES),
    tags=TAGS,
    openapi_extra=leads_to(201, "change_service", "remove_service", by="id"),
)
@once
def add_service(request, wish: Annotated[ServiceWish, Body()], idempotency_key: IdempotencyKey):
    """A new one, sold from its first minute on."""
    require(request, "clinic.add_service")
    return Answered(201, _row(_said(service_actions.add_service, request, wish)))


@router.patch("admin/services/{id}", response=answers(200, ServiceRow, *WRITES), tags=TAGS)
def change_service(request, service_id: ServiceId, wish: Annotated[ServiceChangeWish, Body()]):
    """Changes what is sent. Bookings keep the name, the minutes and the price that they were sold with."""
    require(request, "clinic.change_service")
    return _row(_said(service_actions.change_service, request, wish, service_id))


@router.delete("admin/services/{id}", response=answers(200, ServiceRow, *ERASES), tags=TAGS)
def remove_service(request, service_id: ServiceId):
    """Takes it out of the catalogue; what was booked stays. A second time changes nothing."""
    require(request, "clinic.change_service")
    return _row(service_actions.remove_service(service_id, actor=request.auth.account))


def _said(do, request, wish: Wish, *which: int) -> Service:
    """Does it with the fields that were sent. Raises Refused (422) in the model's own words."""
    fields = wish.model_dump(exclude_unset=True)
    if "price" in fields:
        fields["price_minor"] = fields.pop("price")
    if "doctor_ids" in fields:
        fields["doctors"] = _doctors(fields.pop("doctor_ids"), *which)
    try:
        return do(*which, actor=request.auth.account, **fields)
    except ValidationError as error:
        names = {"price_minor": "price", "category": "categoryId"}
        raise invalid(error.message_dict, **names) from None


def _doctors(wanted: list[int], *which: int) -> list[Doctor]:
    """Those who receive, and those who offer this service already: what GET says can be sent back. Raises
    Refused (422) for others."""
    found = list(Doctor.objects.filter(Q(is_active=True) | Q(services__in=which), pk__in=wanted).distinct())
    if missing := {*wanted} - {doctor.pk for doctor in found}:
        said = _("There is no doctor %(ids)s.") % {"ids": ", ".join(map(str, sorted(missing)))}
        raise lacking("doctorIds", said)
    return found


def _row(service: Service) -> ServiceRow:
    return ServiceRow(
        id=service.pk,
        code=service.code,
        name=service.name,
        description=service.description,
        category_id=service.category_id,
        duration=service.duration,
        buffer=service.buffer,
        price=service.price_minor,
        currency=settings.CLINIC_CURRENCY,
        doctor_ids=sorted(doctor.pk for doctor in service.doctors.all()),
        position=service.position,
        visible=service.visible,
        pay_at_desk=service.pay_at_desk,
        removed_at=service.deleted_at,
    )
