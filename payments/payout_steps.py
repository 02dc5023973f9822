"""What becomes of a payout, under its doctor's lock. No transaction, no clock."""

import logging
from datetime import date, datetime

from django.contrib.admin.models import CHANGE, LogEntry
from django.utils.translation import gettext as _

from clinic import money
from clinic.errors import Refused
from clinic.notice_models import Recipient
from clinic.notice_steps import notices, tell
from payments.earnings_queries import standing
from payments.ledger_models import LedgerEntry, Payout
from payments.states import PAYOUT_MOVES, EntryKind, PayoutStatus

log = logging.getLogger("clinic")


def reference_used(reference: str) -> Refused:
    words = _("Another payout was paid by %(reference)s. Each transfer has a reference of its own.")
    return Refused("REFERENCE_USED", words % {"reference": reference})


def _check_covered(payout: Payout) -> None:
    """Of one that is being paid by now: together with all others that are, it is still owed."""
    missing = -standing(payout.doctor, payout.currency).covered_minor
    if missing > 0:
        words = _(
            "Only %(covered)s of it is covered: money went back to patients since. Mark it as not paid, and ask for less."
        )
        covered = max(payout.amount_minor - missing, 0)
        raise Refused("TOO_MUCH", words % {"covered": money.display(covered, payout.currency)})


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
    REFERENCE_USED where the bank's reference stands at another payout; TOO_MUCH where one is started that
    is not covered any more, because money went back to patients since it was asked for.
    """
    others = Payout.objects.paid().exclude(pk=payout_id)
    if to == PayoutStatus.COMPLETED and others.filter(reference=reference).exists():
        raise reference_used(reference)
    changes = {"status": to}
    if to != PayoutStatus.PROCESSING:
        changes |= {"reference": reference, "reason": reason, "paid_on": paid_on, "ended_at": now}
    if not Payout.objects.in_state(*PAYOUT_MOVES[to]).filter(pk=payout_id).update(**changes):
        raise Refused("MOVE", _("This payout cannot be changed that way any more."))
    payout = Payout.objects.select_related("doctor").get(pk=payout_id)
    if to == PayoutStatus.PROCESSING:
        _check_covered(payout)
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
    said = " ".join(word for word in (payout.get_status_display(), reference, reason, source) if word)
    LogEntry.objects.log_actions(actor.pk, [payout], CHANGE, said, single_object=True)
    log.info("payout", extra={"payout": payout.pk, "doctor": payout.doctor_id, "status": to})
    return payout
