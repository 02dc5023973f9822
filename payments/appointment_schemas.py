"""An appointment as the API says it, and what starting one answers (DESIGN §8)."""

from datetime import date, datetime
from typing import Annotated

from django.conf import settings
from pydantic import Field

from bookings.states import Status
from clinic.api_schemas import Answer, Clock, Problem
from payments.appointment_queries import Appointment
from payments.gateways.base import OpensOnOurPage
from payments.start_actions import Started, gateway_of
from payments.states import Paid, RefundStatus
from schedules.states import Kind, Mode


class ScheduleOut(Answer):
    id: int
    doctor_id: int
    doctor_name: str
    room: str
    kind: Kind
    date: date
    start_time: Clock
    end_time: Clock


class ServiceSold(Answer):
    """As it was sold, whatever the catalogue says by now."""

    id: int
    name: str
    minutes: int


class Person(Answer):
    id: int
    name: str


class RefundOut(Answer):
    amount: int
    status: RefundStatus


class Cancellation(Answer):
    """What cancelling gives back now: send `percent` along. None where nothing was paid."""

    percent: int | None
    amount: int


class AppointmentOut(Answer):
    id: str
    status: Status
    payment_status: Paid
    queue_number: int | None
    token_label: str | None
    schedule: ScheduleOut
    service: ServiceSold | None
    patient: Person
    mode: Mode
    start_at: Annotated[
        datetime, Field(description="The patient's own time; of a token, its window's start.")
    ]
    end_at: datetime | None
    price: int
    due: Annotated[int, Field(description="Still to be paid at the desk.")]
    currency: str
    free_reason: str | None
    hold_expires_at: datetime | None
    ahead_of_you: int | None
    now_serving: str | None
    estimated_wait: Annotated[int | None, Field(description="Minutes, to five.")]
    refund: RefundOut | None
    cancellation: Annotated[
        Cancellation | None, Field(description="None where its patient can't cancel by themselves any more.")
    ]


class Appointments(Answer):
    items: list[AppointmentOut]
    next_cursor: str | None


def shown(told: Appointment) -> AppointmentOut:
    booking, schedule = told.booking, told.booking.schedule
    wait = told.estimate_minutes
    return AppointmentOut(
        id=booking.public_id,
        status=told.status,
        payment_status=told.paid,
        queue_number=booking.queue_number,
        token_label=booking.token_label or None,
        schedule=ScheduleOut(
            id=schedule.pk,
            doctor_id=schedule.doctor_id,
            doctor_name=schedule.doctor.name,
            room=schedule.doctor.room,
            kind=schedule.kind,
            date=schedule.date,
            start_time=schedule.start_time,
            end_time=schedule.end_time,
        ),
        service=booking.service_id
        and ServiceSold(id=booking.service_id, name=booking.service_name, minutes=booking.minutes),
        patient=Person(id=booking.patient_id, name=booking.patient.name),
        mode=booking.mode,
        start_at=booking.starts,
        end_at=booking.end_at,
        price=booking.price_minor,
        due=booking.due_minor,
        currency=booking.currency,
        free_reason=booking.free_reason or None,
        hold_expires_at=booking.hold_expires_at if told.is_held else None,
        ahead_of_you=told.ahead if told.is_waiting else None,
        now_serving=told.now_serving or None,
        estimated_wait=None if wait is None else wait // 5 * 5,
        refund=told.refund_status and RefundOut(amount=told.refund_minor, status=told.refund_status),
        cancellation=Cancellation(percent=told.percent, amount=told.back_minor)
        if told.may_be_cancelled
        else None,
    )


# --- Starting one -------------------------------------------------------------------------


class OrderOut(Answer):
    """What Razorpay's checkout is opened with."""

    id: str
    key_id: str


class StartedOut(Answer):
    """One of `clientSecret` (Stripe, with its publishable key), `order` (Razorpay) and `redirectUrl` (a page of
    the gateway's) says how to pay; none where nothing is to be paid now, or where `problem` says why."""

    appointment_id: str
    status: Status
    gateway: str | None
    client_secret: str | None
    publishable_key: str | None
    order: OrderOut | None
    redirect_url: str | None
    amount: Annotated[int, Field(description="To be paid now, or at the desk; 0 where nothing is.")]
    currency: str
    hold_expires_at: datetime | None
    problem: Problem | None


def started_out(started: Started) -> StartedOut:
    booking, payment, problem = started.booking, started.payment, started.problem
    secret, opener = payment and payment.client_secret, payment and gateway_of(payment)
    to_pay = booking.price_minor if booking.status == Status.HELD else booking.due_minor
    return StartedOut(
        appointment_id=booking.public_id,
        status=booking.status,
        gateway=payment and payment.gateway,
        client_secret=secret or None,
        publishable_key=settings.STRIPE_PUBLISHABLE_KEY if secret else None,
        order=OrderOut(id=payment.reference, key_id=opener.key_id)
        if isinstance(opener, OpensOnOurPage)
        else None,
        redirect_url=(payment and payment.redirect_url) or None,
        amount=payment.amount_minor if payment else to_pay,
        currency=booking.currency,
        hold_expires_at=booking.hold_expires_at if booking.status == Status.HELD else None,
        problem=problem and Problem(code=problem.code, message=str(problem.message)),
    )
