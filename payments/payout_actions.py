"""Paying doctors what they earned: asked for, being paid, paid or not."""

from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic import money
from clinic.errors import Refused
from clinic.models import Doctor
from clinic.transactions import action
from payments import payout_steps as steps
from payments.earnings_queries import standing
from payments.ledger_models import Payout
from payments.states import PayoutStatus


def ask_for(doctor: Doctor, *, amount_minor: int, key: UUID, actor) -> Payout:
    """Promises a doctor so much of what they earned. The same `key` returns the same payout.

    Raises Refused (TOO_MUCH) above what is free: the balance less what is promised already and what
    is about to go back to patients; or for nothing.
    """
    try:
        return _ask_for(doctor.pk, amount_minor, key, actor)
    except IntegrityError:
        return Payout.objects.get(key=key)


@action
def _ask_for(doctor_id, amount_minor, key, actor) -> Payout:
    doctor = Doctor.objects.locked().get(pk=doctor_id)
    known = Payout.objects.filter(key=key).first()
    if known:
        return known
    free = standing(doctor).free_minor
    if not 0 < amount_minor <= free:
        raise Refused(
            "TOO_MUCH",
            _("%(free)s can be paid out at most.") % {"free": money.display(free, settings.CLINIC_CURRENCY)},
        )
    return Payout.objects.create(
        key=key,
        doctor=doctor,
        amount_minor=amount_minor,
        currency=settings.CLINIC_CURRENCY,
        requested_by=actor,
        requested_at=timezone.now(),
    )


def move_payout(payout_id: int, to: PayoutStatus, *, actor, reference: str = "", reason: str = "") -> Payout:
    """Starts a payout, or ticks it off as paid (with the bank's reference) or not paid (with a reason),
    under its doctor's lock. Raises Refused: MOVE, REFERENCE_USED."""
    try:
        return _move(payout_id, to, actor=actor, reference=reference, reason=reason)
    except IntegrityError as error:  # another doctor's payout got this reference just now
        raise steps.reference_used(reference) from error


@action
def _move(payout_id, to, **fields) -> Payout:
    payout = Payout.objects.get(pk=payout_id)
    Doctor.objects.locked().get(pk=payout.doctor_id)
    return steps.move(payout_id, to, now=timezone.now(), **fields)
