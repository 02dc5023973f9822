"""What the lines of a bank's file mean for our payouts. Reads only: the same for the preview and under the locks."""

import hashlib
import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from clinic import money
from payments.ledger_models import Payout
from payments.settlement_rules import Line, State
from payments.states import TO_LOOK_AT, VERDICT_MOVES, PayoutStatus, Verdict

CODE = re.compile(r"(?<![0-9A-Z])PO([0-9]{1,18})[- ]?([0-9A-F]{4})(?![0-9A-Z])", re.IGNORECASE)
"""A payout's code, also where a bank has dropped the hyphen or written around it."""


@dataclass(frozen=True)
class Judged:
    """A line, the payout that it is about, and what becomes of it."""

    line: Line
    verdict: Verdict
    payout: Payout | None = None
    why: str = ""

    @property
    def amount(self) -> str:
        return money.display(self.line.amount_minor, self.line.currency) if self.line.currency else ""

    @property
    def fact(self) -> str:
        """The same for the same line in any file: what a ReviewItem about it is known by."""
        line = self.line
        said = line.reference or line.payout, line.state, line.amount_minor, line.currency
        return f"settlement:{self.verdict}:{hashlib.sha256(repr(said).encode()).hexdigest()[:40]}"

    @property
    def is_to_look_at(self) -> bool:
        return self.verdict in TO_LOOK_AT

    @property
    def tone(self) -> str:
        if self.verdict in VERDICT_MOVES:
            return "free"
        return "late" if self.is_to_look_at or self.verdict == Verdict.WRONG else "held"


def judge(lines: list[Line]) -> list[Judged]:
    """Every line beside its payout, in the order of the file. Two lines of one payout contradict each
    other, whichever is true."""
    payouts, used = payouts_of(lines), _used(lines)
    judged, first = [], {}
    for line in lines:
        payout = _named(line.payout, payouts)
        earlier = payout and first.setdefault(payout.pk, line.number)
        if line.wrong:
            judged.append(Judged(line, Verdict.WRONG, None, line.wrong))
        elif payout and earlier != line.number:
            why = _("Line %(number)s is about this payout too.") % {"number": earlier}
            judged.append(Judged(line, Verdict.WRONG, payout, why))
        else:
            judged.append(Judged(line, *_verdict(line, payout, used.get(line.reference))))
    return judged


def payouts_of(lines: list[Line]) -> dict[int, Payout]:
    """The payouts whose codes the lines carry, by key."""
    return _coded(*(line.payout for line in lines))


def payout_named(text: str) -> Payout | None:
    """The payout whose code stands in a text, if there is just one."""
    return _named(text, _coded(text))


def _coded(*texts: str) -> dict[int, Payout]:
    named = {int(pk) for text in texts for pk, _check in CODE.findall(text)}
    return Payout.objects.select_related("doctor").in_bulk(named)


def _used(lines: list[Line]) -> dict[str, Payout]:
    """Paid payouts by the bank's reference."""
    references = [line.reference for line in lines if line.reference]
    paid = Payout.objects.paid().filter(reference__in=references).select_related("doctor")
    return {payout.reference: payout for payout in paid}


def _named(text: str, payouts: dict[int, Payout]) -> Payout | None:
    codes = [(payouts.get(int(pk)), check.upper()) for pk, check in CODE.findall(text)]
    named = {payout for payout, check in codes if payout and payout.code.endswith(f"-{check}")}
    return named.pop() if len(named) == 1 else None


def _verdict(
    line: Line, payout: Payout | None, paid_by_it: Payout | None
) -> tuple[Verdict, Payout | None, str]:
    if payout is None and paid_by_it is None:
        return Verdict.UNKNOWN, None, _("No payout of ours has this code.")
    if payout is None:  # ticked off by hand, and the transfer carried no code
        payout = paid_by_it
    if (line.amount_minor, line.currency) != (payout.amount_minor, payout.currency):
        return Verdict.DIFFERS, payout, _("It was asked for as %(amount)s.") % {"amount": payout.amount}
    state = payout.get_status_display()
    if line.state == State.ON_ITS_WAY:
        return Verdict.WAITING, payout, ""
    if line.state == State.FAILED:
        if payout.status == PayoutStatus.FAILED:
            return Verdict.KNOWN, payout, ""
        if payout.status == PayoutStatus.PROCESSING:
            return Verdict.NOT_PAID, payout, line.reason
        return (
            Verdict.CONTRADICTS,
            payout,
            _("The bank did not pay it; here it is: %(state)s.") % {"state": state},
        )
    if paid_by_it and paid_by_it != payout:
        return (
            Verdict.CONTRADICTS,
            payout,
            _("%(code)s was paid by this reference.") % {"code": paid_by_it.code},
        )
    if paid_by_it:
        return Verdict.KNOWN, payout, ""
    if payout.status == PayoutStatus.PROCESSING:
        return Verdict.PAID, payout, ""
    return Verdict.CONTRADICTS, payout, _("The bank paid it; here it is: %(state)s.") % {"state": state}


@dataclass(frozen=True)
class Preview:
    """All lines of a file, judged."""

    lines: list[Judged]

    @property
    def fingerprint(self) -> str:
        """What somebody saw: the same as long as every line has the same fate."""
        facts = [(each.line, each.verdict.value, each.payout and each.payout.pk) for each in self.lines]
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    @property
    def moves(self) -> int:
        return sum(each.verdict in VERDICT_MOVES for each in self.lines)

    @property
    def to_look_at(self) -> int:
        return sum(each.is_to_look_at for each in self.lines)

    @property
    def wrong(self) -> int:
        return sum(each.verdict == Verdict.WRONG for each in self.lines)

    @property
    def changes(self) -> bool:
        """Whether anything would become of it."""
        return not self.wrong and bool(self.moves or self.to_look_at)
