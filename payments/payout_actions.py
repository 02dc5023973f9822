"""Paying doctors what they earned: asked for, being paid, paid or not."""

import logging
from uuid import UUID

from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import IntegrityError
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic import money
from clinic.errors import Refused
from clinic.models import Doctor
from clinic.notice_models import Recipient
from clinic.notice_steps import notices, tell
from clinic.transactions import action
from payments.ledger_models import LedgerEntry, Payout
from payments.ledger_steps import sum_of
from payments.states import PAYOUT_MOVES, EntryKind, PayoutStatus

log = logging.getLogger("clinic")


def ask_for(doctor: Doctor, *, amount_minor: int, key: UUID, actor) -> Payout:
    """Promises a doctor so much of what they earned. The same `key` returns the same payout.

    Raises Refused (TOO_MUCH) above the balance less what is promised already, or for nothing.
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
    free = available(doctor)
    if not 0 < amount_minor <= free:
        raise Refused(
            "TOO_MUCH",
            _("%(free)s can be paid out at most.")
            % {"free": money.display(max(free, 0), settings.CLINIC_CURRENCY)},
        )
    return Payout.objects.create(
        key=key,
        doctor=doctor,
        amount_minor=amount_minor,
        currency=settings.CLINIC_CURRENCY,
        requested_by=actor,
        requested_at=timezone.now(),
    )


def available(doctor: Doctor) -> int:
    """What can be promised of a doctor's balance in the clinic's currency: the sum less open payouts."""
    entries = LedgerEntry.objects.of(doctor).filter(currency=settings.CLINIC_CURRENCY)
    promised = Payout.objects.of(doctor).open().filter(currency=settings.CLINIC_CURRENCY)
    return sum_of(entries) - (promised.aggregate(sum=Sum("amount_minor"))["sum"] or 0)


@action
def move_payout(payout_id: int, to: PayoutStatus, *, actor, reference: str = "", reason: str = "") -> Payout:
    """Moves a payout as PAYOUT_MOVES allows, says so in admin's log, and enters a completed one in
    the ledger. Raises Refused (MOVE) where somebody was faster: nothing is paid twice."""
    now = timezone.now()
    changes = {"status": to}
    if to != PayoutStatus.PROCESSING:
        changes |= {"reference": reference, "reason": reason, "ended_at": now}
    if not Payout.objects.in_state(*PAYOUT_MOVES[to]).filter(pk=payout_id).update(**changes):
        raise Refused("MOVE", _("This payout cannot be changed that way any more."))
    payout = Payout.objects.get(pk=payout_id)
    if to == PayoutStatus.COMPLETED:
        LedgerEntry.objects.create(
            doctor_id=payout.doctor_id,
            kind=EntryKind.PAYOUT,
            amount_minor=-payout.amount_minor,
            currency=payout.currency,
            payout=payout,
            at=now,
            reason=reference,
            actor=actor,
        )
        doctor = {"to": Recipient.DOCTOR, "doctor_id": payout.doctor_id}
        tell(notices("payout-done", payout.pk, fact=str(payout.pk), now=now, **doctor))
    said = f"{payout.get_status_display()} {reference}{reason}".strip()
    LogEntry.objects.log_actions(actor.pk, [payout], CHANGE, said, single_object=True)
    log.info("payout", extra={"payout": payout.pk, "doctor": payout.doctor_id, "status": to})
    return payout
