"""Ticking off what a bank or a gateway says it paid."""

import logging

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.errors import Refused
from clinic.models import Doctor
from clinic.transactions import action
from payments import payout_steps, settlement_rules, steps
from payments.settlement_queries import Judged, Preview, judge, payouts_of
from payments.states import VERDICT_MOVES, Verdict

log = logging.getLogger("clinic")


def settle_payouts(data: bytes, *, seen: str, actor) -> list[Judged]:
    """Does with every line of a bank's file what the preview said, all of it or nothing.

    A payout being paid becomes paid with the bank's reference, or not paid with its reason; what fits
    nothing becomes a ReviewItem, once. The same file again changes nothing: what it says is known then.
    Doctors are locked in the order of their keys, so no payout of theirs moves meanwhile.

    `seen` is the fingerprint of the preview. Raises, with nothing changed, Refused: CHANGED where a line
    would end otherwise now, WRONG where one cannot be read; and settlement_rules.Unreadable.
    """
    try:
        return _settle(data, seen, actor)
    except IntegrityError as error:  # another doctor's payout was paid by one of these references just now
        raise _changed() from error


def _changed() -> Refused:
    return Refused("CHANGED", _("Somebody has changed a payout meanwhile. Look again, nothing was changed."))


@action
def _settle(data: bytes, seen: str, actor) -> list[Judged]:
    lines = settlement_rules.read(data, currency=settings.CLINIC_CURRENCY)
    doctors = {payout.doctor_id for payout in payouts_of(lines).values()}
    list(Doctor.objects.locked().filter(pk__in=doctors))
    now, judged = timezone.now(), judge(lines)
    preview = Preview(judged)
    if preview.wrong:
        raise Refused("WRONG", _("Some lines cannot be read: nothing was changed."))
    if preview.fingerprint != seen:
        raise _changed()
    for each in judged:
        _apply(each, now=now, actor=actor)
    log.info("settlement", extra={"lines": len(judged), "moved": preview.moves})
    return judged


def _apply(judged: Judged, *, now, actor) -> None:
    line, payout = judged.line, judged.payout
    if judged.verdict in VERDICT_MOVES:
        to = VERDICT_MOVES[judged.verdict]
        failed = judged.verdict == Verdict.NOT_PAID
        payout_steps.move(
            payout.pk,
            to,
            now=now,
            actor=actor,
            reference=line.reference,
            reason=(line.reason or _("The bank gave no reason."))[:200] if failed else "",
            paid_on=line.day,
            source=_("by the bank's file, line %(number)s") % {"number": line.number},
        )
    elif judged.is_to_look_at:
        what = {"amount": judged.amount, "reference": line.reference or "–", "payout": line.payout or "–"}
        steps.review(
            judged.fact,
            _("The bank's file has a payout of %(amount)s that does not fit") % what,
            _("The bank's reference is %(reference)s, its text %(payout)s.") % what + f" {judged.why}",
            steps.admin_link(payout) if payout else "",
        )
