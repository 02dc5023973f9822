"""What becomes of a payout, under its doctor's lock. No transaction, no clock."""

import logging
from datetime import date, datetime

from django.contrib.admin.models import CHANGE, LogEntry
from django.utils.translation import gettext as _

from clinic.errors import Refused
from payments.ledger_models import LedgerEntry, Payout
from payments.states import PAYOUT_MOVES, EntryKind, PayoutStatus

log = logging.getLogger("clinic")


def reference_used(reference: str) -> Refused:
    words = _("Another payout was paid by %(reference)s. Each transfer has a reference of its own.")
    return Refused("REFERENCE_USED", words % {"reference": reference})


def move(
    payout_id: int,
    to: PayoutStatus,
    *,
    now: datetime,
    actor,
    reference: str = "",
    reason: str = "",
    paid_on: date | None = None,
    source: str = "",
) -> Payout:
    """Moves a payout as PAYOUT_MOVES allows, says so in admin's log (with the `source`, where a file said
    it), and enters a completed one in the ledger. Its doctor is locked.

    Raises Refused, with nothing changed: MOVE where somebody was faster, so that nothing is paid twice;
    REFERENCE_USED where the bank's reference stands at another payout.
    """
    others = Payout.objects.paid().exclude(pk=payout_id)
    if to == PayoutStatus.COMPLETED and others.filter(reference=reference).exists():
        raise reference_used(reference)
    changes = {"status": to}
    if to != PayoutStatus.PROCESSING:
        changes |= {"reference": reference, "reason": reason, "paid_on": paid_on, "ended_at": now}
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
    said = " ".join(word for word in (payout.get_status_display(), reference, reason, source) if word)
    LogEntry.objects.log_actions(actor.pk, [payout], CHANGE, said, single_object=True)
    log.info("payout", extra={"payout": payout.pk, "doctor": payout.doctor_id, "status": to})
    return payout
