"""What the desk does from programs of its own: sell a place, say who came, record money (DESIGN §8)."""

from typing import Annotated, Literal

from django.core.exceptions import ValidationError
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Body, Path, Router
from ninja.responses import Status as Answered
from phonenumber_field.formfields import PhoneNumberField
from pydantic import Field, model_validator

from bookings import desk
from bookings.models import Booking
from bookings.states import Status
from bookings.steps import Guest
from clinic.api_again import IdempotencyKey, once
from clinic.api_auth import require, signed_in
from clinic.api_key_models import Scope
from clinic.api_schemas import (
    WRITES,
    Id,
    PublicId,
    Wish,
    answers,
    lacking,
    leads_to,
    one_of,
)
from clinic.errors import Refused
from clinic.models import Patient
from payments import override_actions
from payments.api import OF_ONE, PlaceWish, appointment_of, request_key
from payments.appointment_schemas import AppointmentOut, shown
from payments.counter import walk_in
from payments.models import Payment
from payments.states import PAST_THE_GATEWAY, Method
from payments.states import Status as PaymentStatus
from schedules.models import Schedule

router = Router(by_alias=True, auth=signed_in(Scope.DESK))
TAGS = ["staff"]
AnyId = Annotated[PublicId, Path(alias="id")]
READS = "bookings.view_booking"


# --- A walk-in ----------------------------------------------------------------------------


class GuestWish(Wish):
    """Somebody who is not known here yet."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    phone: Annotated[str, Field(max_length=40, description="With its country, or as it is dialled here.")] = (
        ""
    )
    age: Annotated[Annotated[int, Field(ge=0, le=130)] | None, Field(description="In years.")] = None


class ManualWish(PlaceWish):
    patient_id: Annotated[Id | None, Field(description="Who was here before; else say `guest`.")] = None
    guest: GuestWish | None = None
    method: one_of(Method)
    extra_place: Annotated[
        str, Field(max_length=150, description="Why a full window gets one more place, from who may add it.")
    ] = ""

    @model_validator(mode="after")
    def says_who(self):
        if (self.patient_id is None) == (self.guest is None):
            raise ValueError(_("Say who it is: patientId, or guest."))
        return self


@router.post(
    "admin/bookings/manual",
    response=answers(201, AppointmentOut, *WRITES),
    tags=TAGS,
    openapi_extra=leads_to(201, *OF_ONE, by="id"),
)
@once
def book_manually(request, wish: Annotated[ManualWish, Body()], idempotency_key: IdempotencyKey):
    """Sells a place at the desk: confirmed, paid and numbered in one transaction, or not at all. Only in
    windows that the account sees."""
    require(request, "payments.take_payment", READS)
    if wish.extra_place:
        require(request, "schedules.overbook")
    get_object_or_404(Schedule.objects.seen_by(request.auth.account), pk=wish.schedule_id)
    booking = walk_in(
        schedule_id=wish.schedule_id,
        who=_who(request, wish),
        method=wish.method,
        actor=request.auth.account,
        request_key=request_key(request, idempotency_key),
        extra_place=wish.extra_place,
        shown=wish.price,
        service_id=wish.service_id,
        start_at=wish.start_time,
        minutes=wish.minutes,
    )
    return Answered(201, shown(appointment_of(request, booking.public_id)))


def _who(request, wish: ManualWish) -> Patient | Guest:
    """Raises Refused (422) for a patient that there is not, and for a phone number that is none."""
    if wish.guest:
        number = PhoneNumberField(required=False)
        try:
            phone = number.clean(wish.guest.phone)
        except ValidationError as error:
            raise lacking("guest.phone", error.messages[0]) from None
        return Guest(name=wish.guest.name, phone=phone.as_e164 if phone else "", age=wish.guest.age)
    require(request, "clinic.view_patient")
    if patient := Patient.objects.filter(pk=wish.patient_id).first():
        return patient
    said = _("There is no such patient.")
    raise Refused("NO_SUCH_PATIENT", said, status=422, fields={"patientId": [said]})


# --- Who came -----------------------------------------------------------------------------


class StatusWish(Wish):
    """`in_consultation` is for who is called next, at the desk; `cancelled` is another operation."""

    status: Literal[Status.CONFIRMED, Status.CHECKED_IN, Status.COMPLETED, Status.NO_SHOW]


@router.patch("appointments/{id}/status", response=answers(200, AppointmentOut, *WRITES), tags=TAGS)
def set_status(request, public_id: AnyId, wish: Annotated[StatusWish, Body()]):
    """The patient came (`checked_in`), did not (`no_show`), is done (`completed`), or was checked in by mistake
    (`confirmed`). What already is so stays; a move that no button at the desk makes is refused (MOVE)."""
    require(request, "bookings.run_desk", READS)
    booking = get_object_or_404(Booking.objects.seen_by(request.auth.account), public_id=public_id)
    desk.bring_to(booking.pk, Status(wish.status), actor=request.auth.account)
    return shown(appointment_of(request, public_id))


# --- What became of the money -------------------------------------------------------------


class PaymentWish(Wish):
    """Of `captured`, `amount` and `reference` are needed: copied from where the money was seen."""

    status: Literal[PaymentStatus.CAPTURED, PaymentStatus.FAILED]
    reason: Annotated[str, Field(min_length=1, max_length=150, description="Kept with the payment.")]
    method: Annotated[
        Literal[PAST_THE_GATEWAY] | None,
        Field(description="How it came past the gateway. None: it is at the gateway of the attempt."),
    ] = None
    reference: Annotated[str, Field(max_length=120, description="The payment's number there.")] = ""
    amount: Annotated[
        Annotated[int, Field(ge=1, le=2**31 - 1)] | None,
        Field(
            description="How much arrived, in the minor unit; another sum than was asked for confirms nothing."
        ),
    ] = None


@router.patch("appointments/{id}/payment", response=answers(200, AppointmentOut, *WRITES), tags=TAGS)
def override_payment(request, public_id: AnyId, wish: Annotated[PaymentWish, Body()]):
    """A person records what became of a payment whose gateway is silent. It is added to the history and settled
    like the gateway's own word. What arrived stays so: it is refunded, never recorded as failed."""
    require(request, "payments.override_payment", READS)
    booking = get_object_or_404(Booking.objects.seen_by(request.auth.account), public_id=public_id)
    attempt = Payment.objects.filter(booking=booking).spoken_of().first()
    if attempt is None:
        raise Refused("NO_ATTEMPT", _("Nobody has begun to pay for this. Take the payment at the desk."))
    _record(attempt.pk, wish, actor=request.auth.account)
    return shown(appointment_of(request, public_id))


def _record(payment_id: int, wish: PaymentWish, *, actor) -> None:
    if wish.status == PaymentStatus.FAILED:
        override_actions.record_failure(payment_id, reason=wish.reason, actor=actor)
        return
    if wish.amount is None:
        raise lacking("amount", _("Write how much arrived."))
    override_actions.record_capture(
        payment_id,
        amount_minor=wish.amount,
        method=wish.method or "",
        reference=wish.reference,
        reason=wish.reason,
        actor=actor,
    )
