"""Booking, paying and what became of it (DESIGN §8)."""

from typing import Annotated
from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Body, Path, Query, Router
from ninja.responses import Status as Answered
from pydantic import Field, model_validator

from bookings import actions as places
from bookings.models import Booking
from bookings.states import Channel, Status
from clinic.api_again import IdempotencyKey, once, unchanged, unchanged_too
from clinic.api_auth import require, signed_in
from clinic.api_key_models import Scope
from clinic.api_lists import Cursor, Limit, page
from clinic.api_schemas import (
    SIGNED_IN,
    WRITES,
    Day,
    Id,
    Minor,
    Moment,
    PublicId,
    Whole,
    Wish,
    answers,
    lacking,
    leads_to,
)
from clinic.errors import Refused
from clinic.models import Patient
from clinic.pages import client_address
from clinic.throttle import throttle
from payments import appointment_queries, start_actions
from payments.appointment_queries import Appointment, appointments, readable_by, with_ahead, with_paid
from payments.appointment_schemas import (
    AppointmentOut,
    Appointments,
    StartedOut,
    shown,
    started_out,
)
from payments.queries import with_refund_mark
from payments.start_actions import Way
from payments.states import Paid

READS = signed_in(Scope.APPOINTMENTS)
CHANGES = signed_in(Scope.BOOK, Scope.DESK)
router = Router(by_alias=True, auth=signed_in(Scope.BOOK))
OwnId = Annotated[PublicId, Path(alias="id")]
TAGS = ["appointments"]
OF_ONE = "appointment", "pay", "confirm_payment", "cancel", "reschedule", "set_status", "override_payment"
"""The operations that an appointment's id leads to."""
KEYS = UUID("b0e4a6c2-6d1c-4a53-9a0e-7f5a1f0d3b58")
"""The namespace in which an account's Idempotency-Keys become request keys."""


class PayWish(Wish):
    """The first gateway of the clinic, in the app's own checkout, unless said."""

    gateway: Annotated[str, Field(max_length=20)] | None = None
    hosted: Annotated[bool, Field(description="On the gateway's own page, where it has both.")] = False
    pay_at_desk: bool = False

    def way(self) -> Way:
        return Way(self.gateway or "", self.hosted, self.pay_at_desk)


class PlaceWish(Wish):
    """A place in a window; in one of minutes, a service from a time on."""

    schedule_id: Id
    service_id: Annotated[Id | None, Field(description="In a window of minutes.")] = None
    start_time: Annotated[
        Moment | None, Field(description="Of the service: the first that fits, unless said.")
    ] = None
    minutes: Annotated[Whole | None, Field(description="What was shown: another length is refused.")] = None
    price: Annotated[Minor | None, Field(description="What was shown: another one is refused.")] = None

    @model_validator(mode="after")
    def a_start_is_a_services(self):
        if self.service_id is None and (self.start_time or self.minutes):
            raise ValueError(_("Say which service is to begin then: serviceId."))
        return self


class StartWish(PlaceWish, PayWish):
    patient_id: Annotated[Id | None, Field(description="The account itself, unless said.")] = None
    consent_version: Annotated[
        str,
        Field(
            max_length=20,
            description="`consent.version` of GET clinic, whose words the patient agreed to. Only a machine of the"
            " clinic's staff may leave it out: there patients sign on paper.",
        ),
    ] = ""


@router.post(
    "bookings/start",
    response=answers(201, StartedOut, *WRITES),
    tags=TAGS,
    openapi_extra=leads_to(201, *OF_ONE, by="appointmentId"),
)
@once
def start(request, wish: Annotated[StartWish, Body()], idempotency_key: IdempotencyKey):
    """Takes a place and opens the way to pay for it. What is free or covered is confirmed at once.

    Where the way to pay is refused, the place is held all the same: see `problem`.
    """
    account = request.auth.account
    person = _person(account, wish.patient_id)
    _agreed(request, wish.consent_version)
    limit(request)
    started = start_actions.start(
        wish.way(),
        schedule_id=wish.schedule_id,
        service_id=wish.service_id,
        start_at=wish.start_time,
        minutes=wish.minutes,
        patient=person,
        price_minor=wish.price,
        request_key=request_key(request, idempotency_key),
        booked_by=account,
        channel=Channel.API,
        consent_version=wish.consent_version,
    )
    return Answered(201, started_out(started))


def request_key(request, idempotency_key: str | None) -> UUID:
    """What a booking is known by, so that the same key of the same caller never books twice."""
    return uuid5(KEYS, f"{request.auth.name} {idempotency_key}") if idempotency_key else uuid4()


def limit(request) -> None:
    """Counts one more booking of this account and address. Raises Refused (429). A machine books for many
    from one address: its key has a limit of its own."""
    if request.auth.key is None:
        throttle("booking-account", str(request.auth.account.pk))
        throttle("booking-address", client_address(request))


def _agreed(request, version: str) -> None:
    """Nobody is booked for without consent to the words of today. Raises Refused (422) for other ones; a key
    of staff may leave it to the clinic's own paper."""
    on_paper = request.auth.key is not None and request.auth.account.is_staff
    if version != settings.CONSENT_VERSION and (version or not on_paper):
        raise lacking(
            "consentVersion", _("Show what the patient agrees to, and send its version: GET clinic.")
        )


def _person(account, patient_id: int | None) -> Patient:
    """One of the account's people; without a number, the account itself. Raises Refused (422)."""
    people = Patient.objects.of(account)
    who = {"pk": patient_id} if patient_id else {"relationship": Patient.Relationship.SELF}
    found = people.filter(**who).first()
    if found is None:
        said = _("Choose one of your people: GET patients.")
        raise Refused("NO_SUCH_PATIENT", said, status=422, fields={"patientId": [said]})
    return found


# --- Reading ------------------------------------------------------------------------------


@router.get(
    "appointments",
    response=answers(200, Appointments, 401, 403, 422, 429),
    tags=TAGS,
    auth=READS,
    openapi_extra=leads_to(200, *OF_ONE, by="items/0/id"),
)
def list_appointments(
    request,
    doctor_id: Annotated[Id | None, Query(alias="doctorId")] = None,
    patient_id: Annotated[Id | None, Query(alias="patientId")] = None,
    status: Annotated[Status | None, Query()] = None,
    payment: Annotated[Paid | None, Query()] = None,
    date: Annotated[Day | None, Query()] = None,
    cursor: Annotated[Cursor | None, Query()] = None,
    limit: Limit = 50,
):
    """What an account has booked, or the desk for one of its people; staff see what they see in admin. The
    latest visit first."""
    now, rows = timezone.now(), readable_by(request.auth.account).for_page()
    wanted = {"schedule__doctor": doctor_id, "patient": patient_id, "schedule__date": date}
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
    if status:
        rows = rows.standing_at(status, now)
    if payment:
        rows = with_paid(rows).filter(paid=payment)
    found = page(with_refund_mark(with_ahead(rows)), "schedule__starts_at", cursor=cursor, limit=limit)
    items = [shown(each) for each in appointments(found.items, now)]
    return Appointments(items=items, next_cursor=found.next_cursor)


@router.get(
    "appointments/{id}",
    response=unchanged_too(answers(200, AppointmentOut, *SIGNED_IN)),
    tags=TAGS,
    auth=READS,
)
@unchanged
def appointment(request, public_id: OwnId):
    """One of them, to be asked for again and again: with If-None-Match, 304 while nothing has changed."""
    return shown(appointment_of(request, public_id))


def appointment_of(request, public_id: str) -> Appointment:
    """The one that the caller may read. Raises Http404."""
    rows = with_refund_mark(readable_by(request.auth.account).for_page())
    return appointment_queries.appointment(get_object_or_404(rows, public_id=public_id), timezone.now())


# --- Changing -----------------------------------------------------------------------------


def _own(request, public_id: str) -> Booking:
    """The booking of the caller's own. Raises Http404."""
    found = Booking.objects.of_account(request.auth.account).filter(public_id=public_id).first()
    if found is None:
        raise Http404
    return found


@router.post("appointments/{id}/pay", response=answers(200, StartedOut, *WRITES), tags=TAGS)
@once
def pay(request, public_id: OwnId, wish: Annotated[PayWish, Body()], idempotency_key: IdempotencyKey):
    """A new way to pay while the place is held, or what is owed at the desk. The same way again is the same
    attempt."""
    return started_out(start_actions.pay(_own(request, public_id), wish.way()))


class ReceiptWish(Wish):
    """What Razorpay's checkout handed over. Without it, the gateways are asked all the same."""

    gateway: Annotated[str, Field(max_length=20)] = "razorpay"
    payment_id: Annotated[str, Field(max_length=120)] = ""
    signature: Annotated[str, Field(max_length=200)] = ""


@router.post("appointments/{id}/confirm-payment", response=answers(200, AppointmentOut, *WRITES), tags=TAGS)
@once
def confirm_payment(
    request, public_id: OwnId, wish: Annotated[ReceiptWish, Body()], idempotency_key: IdempotencyKey
):
    """A hint that it was paid: the gateway is asked now, and what it answers counts."""
    start_actions.confirm(_own(request, public_id), wish.gateway, wish.payment_id, wish.signature)
    return shown(appointment_of(request, public_id))


def _changeable(request, public_id: str) -> tuple[Booking, bool]:
    """A booking that the caller may cancel or move, and whether it is their own; else the desk does it, and a
    key must be for that.

    Raises Http404 where they may not even read it, PermissionDenied where staff may only read.
    """
    account, key = request.auth.account, request.auth.key
    theirs = Booking.objects.of_account(account)
    rows = readable_by(account) if key is None or key.may(Scope.DESK) else theirs
    booking = get_object_or_404(rows, public_id=public_id)
    own = theirs.filter(pk=booking.pk).exists()
    if not own:
        require(request, "bookings.run_desk")
    return booking, own


def _reason(wish: Wish) -> str:
    """Why the desk does it. Raises Refused (422) where it does not say."""
    if not wish.reason:
        raise lacking("reason", _("Write why, in a few words."))
    return wish.reason


Reason = Annotated[str, Field(max_length=150, description="Of the desk, which must give one.")]


class CancelWish(Wish):
    percent: Annotated[
        Annotated[int, Field(ge=0, le=100)] | None,
        Field(
            description="Of the patient: `cancellation.percent` as shown. If another one holds by now, nothing is done."
        ),
    ] = None
    reason: Reason = ""
    full_refund: Annotated[
        bool, Field(description="Of the desk: all of it goes back, whatever the rules say.")
    ] = False


@router.post(
    "appointments/{id}/cancel", response=answers(200, AppointmentOut, *WRITES), tags=TAGS, auth=CHANGES
)
@once
def cancel(request, public_id: OwnId, wish: Annotated[CancelWish, Body()], idempotency_key: IdempotencyKey):
    """By the rules as sold. A second time changes nothing."""
    (booking, own), actor = _changeable(request, public_id), request.auth.account
    if own:
        places.cancel_own(booking.pk, actor=actor, shown=wish.percent)
    else:
        percent = 100 if wish.full_refund else None
        places.cancel(booking.pk, actor=actor, reason=_reason(wish), percent=percent)
    return shown(appointment_of(request, public_id))


class MoveWish(Wish):
    schedule_id: Id
    start_time: Annotated[Moment | None, Field(description="In a window of minutes.")] = None
    reason: Reason = ""


@router.post(
    "appointments/{id}/reschedule", response=answers(200, AppointmentOut, *WRITES), tags=TAGS, auth=CHANGES
)
@once
def reschedule(request, public_id: OwnId, wish: Annotated[MoveWish, Body()], idempotency_key: IdempotencyKey):
    """To another time of the same doctor: same id, same money."""
    (booking, own), actor = _changeable(request, public_id), request.auth.account
    reason = "" if own else _reason(wish)
    to = {"to": wish.schedule_id, "start_at": wish.start_time}
    places.reschedule(booking.pk, **to, actor=actor, reason=reason, own=own)
    return shown(appointment_of(request, public_id))
