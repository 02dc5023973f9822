"""What a payment and a refund can be, and what a captured payment turned out to buy."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Status(TextChoices):
    CREATED = "created", _("not paid yet")
    AUTHORIZED = "authorized", _("authorised")
    FAILED = "failed", _("declined")  # not final: the same attempt may still be captured
    EXPIRED = "expired", _("ended unpaid")
    CAPTURED = "captured", _("paid")


class Paid(TextChoices):
    """How a booking stands with its money, in one word (DESIGN §8)."""

    FREE = "free", _("nothing to pay")
    DUE = "due", _("to pay at the desk")
    CREATED = "created", _("not paid yet")
    AUTHORIZED = "authorized", _("authorised")
    FAILED = "failed", _("declined")
    CAPTURED = "captured", _("paid")


TELLING = (Status.CAPTURED, Status.AUTHORIZED, Status.FAILED)
"""Of several attempts the one that says how a booking stands: money that came, was promised, was declined."""

OPEN = (Status.CREATED, Status.AUTHORIZED, Status.FAILED)


class Outcome(TextChoices):
    """What a captured payment bought: exactly one, for ever."""

    BOUGHT = "bought", _("bought its place")
    NO_PLACE = "no_place", _("no place was left: refunded")
    SURPLUS = "surplus", _("paid twice or too late: refunded")
    REVIEW = "review", _("somebody must look at it")


RETURNED = (Outcome.NO_PLACE, Outcome.SURPLUS)
"""Outcomes that owe the whole amount back, by themselves."""


class RefundStatus(TextChoices):
    DUE = "due", _("about to be sent")
    SENDING = "sending", _("being sent")
    PENDING = "pending", _("on its way")
    BY_HAND = "by_hand", _("to be handed back at the desk")
    DONE = "done", _("sent back")
    FAILED = "failed", _("failed: the clinic is looking at it")


SENDABLE = (RefundStatus.DUE, RefundStatus.SENDING, RefundStatus.PENDING)
UNDER_WAY = (RefundStatus.DUE, RefundStatus.SENDING, RefundStatus.PENDING, RefundStatus.BY_HAND)


class DisputeStatus(TextChoices):
    """What became of a bank's complaint about a payment."""

    OPEN = "open", _("the bank is looking into it")
    WON = "won", _("closed: the money stays here")
    LOST = "lost", _("lost: the bank took the money back")


class ReceiptKind(TextChoices):
    RECEIPT = "receipt", _("receipt")
    CREDIT_NOTE = "credit_note", _("credit note")


RECEIPTED = (Outcome.BOUGHT, *RETURNED)
"""Outcomes that are judged for good: their money gets a receipt."""


class EntryKind(TextChoices):
    """Why the clinic owes a doctor more, or less."""

    EARNING = "earning", _("visit paid")
    REVERSAL = "reversal", _("visit refunded")
    COMMISSION = "commission", _("the clinic's share")
    ADJUSTMENT = "adjustment", _("adjusted by hand")
    PAYOUT = "payout", _("paid out")


class PayoutStatus(TextChoices):
    REQUESTED = "requested", _("asked for")
    PROCESSING = "processing", _("being paid")
    COMPLETED = "completed", _("paid out")
    FAILED = "failed", _("not paid")


PAYOUT_MOVES = {
    PayoutStatus.PROCESSING: (PayoutStatus.REQUESTED,),
    PayoutStatus.COMPLETED: (PayoutStatus.PROCESSING,),
    PayoutStatus.FAILED: (PayoutStatus.REQUESTED, PayoutStatus.PROCESSING),
}
"""What a payout becomes, and from what. Paid and not paid are the end."""


class Method(TextChoices):
    """How money is taken at the counter."""

    CASH = "cash", _("Cash")
    ESEWA = "esewa", _("eSewa")
    CARD = "card", _("Card terminal")


PAST_THE_GATEWAY = (Method.ESEWA, Method.CARD)
"""How money may come for an attempt at a gateway without passing through it. Cash is taken at the counter,
where it goes into a drawer."""


class Verdict(TextChoices):
    """What becomes of one line of a bank's file."""

    PAID = "paid", _("ticked off as paid")
    NOT_PAID = "not_paid", _("ticked off as not paid")
    KNOWN = "known", _("known already")
    WAITING = "waiting", _("still on its way")
    DIFFERS = "differs", _("another amount than ours: to look at")
    CONTRADICTS = "contradicts", _("not as we have it: to look at")
    UNKNOWN = "unknown", _("no payout of ours: to look at")
    WRONG = "wrong", _("cannot be read")


VERDICT_MOVES = {Verdict.PAID: PayoutStatus.COMPLETED, Verdict.NOT_PAID: PayoutStatus.FAILED}
TO_LOOK_AT = (Verdict.DIFFERS, Verdict.CONTRADICTS, Verdict.UNKNOWN)
