"""What a manager's spreadsheet or bookkeeping asks for (seed 003's reporting; DESIGN §8)."""

import datetime
from typing import Annotated

from django.shortcuts import get_object_or_404
from ninja import Query, Router
from pydantic import Field

from bookings.dashboard_views import MAY as MAY_SEE_DAYS
from bookings.use_queries import Sells
from clinic.api_auth import require, signed_in
from clinic.api_key_models import Scope
from clinic.api_schemas import SIGNED_IN, Answer, Day, Id, answers, invalid
from clinic.models import Doctor
from payments import report_queries
from payments.money_forms import DaysForm
from payments.money_queries import Days
from payments.money_views import MAY as MAY_SEE_MONEY
from payments.states import PayoutStatus
from schedules.localtime import Period

router = Router(by_alias=True, auth=signed_in(Scope.MANAGE))
TAGS = ["reports"]
First = Annotated[Day | None, Query(alias="startDate", description="This week, unless said.")]
Last = Annotated[Day | None, Query(alias="endDate", description="Included; a year at most.")]
OfDoctor = Annotated[Id | None, Query(alias="doctorId")]


def days_of(first: datetime.date | None, last: datetime.date | None) -> Days:
    """Raises Refused (422) for days that make no sense, or too many."""
    form = DaysForm({"since": first, "until": last})
    if not form.is_valid():
        raise invalid(form.errors, since="startDate", until="endDate", __all__="endDate")
    return form.cleaned_data["days"]


class DoctorMoney(Answer):
    """A doctor's sums in one currency, in its minor unit, and of how many payments or refunds each is."""

    currency: str
    doctor_id: int
    doctor: str
    captured: int
    captured_count: int
    refunded: int
    refunded_count: int
    net: Annotated[int, Field(description="Captured less refunded.")]
    pending: int
    pending_count: int
    under_way: Annotated[int, Field(description="Refunds that are promised and on their way.")]
    under_way_count: int
    overflow: int
    overflow_count: int
    surplus: int
    surplus_count: int
    review: int
    review_count: int
    failed: int
    failed_count: int


class PaymentsReport(Answer):
    start_date: datetime.date
    end_date: datetime.date
    items: list[DoctorMoney]


@router.get("admin/reports/payments", response=answers(200, PaymentsReport, *SIGNED_IN), tags=TAGS)
def report_payments(request, start_date: First = None, end_date: Last = None):
    """What the money page sums up, by doctor: what came and went by the day on which it moved, the rest by the
    day on which it was asked for."""
    require(request, MAY_SEE_MONEY)
    days = days_of(start_date, end_date)
    items = [
        DoctorMoney(**{name.removesuffix("_minor"): value for name, value in row.items()})
        for row in report_queries.payments(days)
    ]
    return PaymentsReport(start_date=days.first, end_date=days.last, items=items)


class PayoutRow(Answer):
    id: int
    code: str
    doctor_id: int
    doctor: str
    amount: int
    currency: str
    status: PayoutStatus
    reference: Annotated[str, Field(description="The bank's.")]
    reason: Annotated[str, Field(description="Why it was not paid.")]
    requested_at: datetime.datetime
    ended_at: datetime.datetime | None
    paid_on: datetime.date | None


class PayoutsReport(Answer):
    start_date: datetime.date
    end_date: datetime.date
    items: list[PayoutRow]


@router.get("admin/reports/payouts", response=answers(200, PayoutsReport, *SIGNED_IN), tags=TAGS)
def report_payouts(request, doctor_id: OfDoctor = None, start_date: First = None, end_date: Last = None):
    """Payouts that were asked for or ended in these days, the oldest first: to compare with the bank's statement."""
    require(request, "payments.view_payout")
    days, doctor = days_of(start_date, end_date), _doctor(doctor_id)
    items = [PayoutRow(amount=row.pop("amount_minor"), **row) for row in report_queries.payouts(days, doctor)]
    return PayoutsReport(start_date=days.first, end_date=days.last, items=items)


class UseOut(Answer):
    """`used` for good, `held` by who is paying, `free`: seats or minutes, as `sells` says."""

    date: datetime.date
    doctor_id: int
    doctor: str
    period: Period
    sells: Sells
    windows: int
    used: int
    held: int
    free: int
    total: int
    percent: int


class UtilisationReport(Answer):
    start_date: datetime.date
    end_date: datetime.date
    items: list[UseOut]


@router.get("admin/reports/utilisation", response=answers(200, UtilisationReport, *SIGNED_IN), tags=TAGS)
def report_utilisation(request, doctor_id: OfDoctor = None, start_date: First = None, end_date: Last = None):
    """How far each day's windows are used, by doctor and part of the day. Doctors read their own."""
    require(request, MAY_SEE_DAYS)
    days, doctor = days_of(start_date, end_date), _doctor(doctor_id)
    rows = report_queries.utilisation(days, doctor, request.auth.account)
    return UtilisationReport(start_date=days.first, end_date=days.last, items=[UseOut(**row) for row in rows])


def _doctor(doctor_id: int | None) -> Doctor | None:
    """Also one who left: their past is reported. Raises Http404."""
    return get_object_or_404(Doctor, pk=doctor_id) if doctor_id else None
