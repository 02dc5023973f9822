"""Short steps of money, on rows that are already locked. They open no transaction."""

import logging
from datetime import datetime, timedelta

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from bookings import steps as places
from bookings.queries import in_the_way_of
from bookings.states import Status as BookingStatus
from clinic import money
from clinic.notice_models import Recipient
from clinic.notice_steps import notices, tell
from clinic.steps import admin_link, review
from payments import gateways
from payments.gateways.base import Event
from payments.models import Payment, PaymentEvent, Refund
from payments.states import Outcome, RefundStatus, Status

log = logging.getLogger("clinic")

ASK_AFTER = timedelta(hours=6)
"""A refund on its way is asked after this often, should its webhook be lost."""


def note(payment: Payment, kind: str, *, now, amount_minor: int = 0, actor=None, why: str = "") -> None:
    """Appends one line to a payment's history."""
    PaymentEvent(
        payment=payment, at=now, kind=kind, amount_minor=amount_minor, actor=actor, note=why[:200]
    ).save(force_insert=True)


# --- Money that came in -------------------------------------------------------------------


def settle(payment: Payment, event: Event, *, actor=None, claimed_as: str = "") -> Payment | None:
    """Decides, once and under the window's lock, what a captured payment bought (DESIGN §4).

    Held or lapsed with room: confirmed, and the next number. No room: overflow, all due back.
    To be paid at the desk, and not paid there yet: nothing is owed any more.
    Cancelled, free, or paid by another payment: surplus, due back in full. Another amount,
    currency or mode than was asked: kept, and somebody must look at it.

    `payment` was read without a lock, `with_place`. A capture that is known changes nothing;
    a second capture of the same attempt becomes a payment of its own. What a person says (`claimed_as`)
    is only ever about the attempt itself. Returns the row that has the money now, None for a known one.
    """
    booking, now, others = places.lock_for(
        payment.booking_id, payment.schedule_id, in_the_way_of(payment.patient_id)
    )
    wrong = mismatch(payment, event)
    if wrong:
        outcome = Outcome.REVIEW
    elif booking.owes and booking.due_minor == event.amount_minor:
        outcome = Outcome.BOUGHT
    elif booking.status not in (BookingStatus.HELD, BookingStatus.EXPIRED):
        outcome = Outcome.SURPLUS
    elif places.has_room_for(booking, others, now):
        outcome = Outcome.BOUGHT
    else:
        outcome = Outcome.NO_PLACE
    payment = record_capture(payment, event, now=now, outcome=outcome, claimed_as=claimed_as)
    if payment is None:
        return None
    note(payment, "captured", now=now, amount_minor=event.amount_minor, actor=actor, why=outcome)
    if outcome == Outcome.BOUGHT:
        give(booking, others, now=now, actor=actor, cause=f"paid by {payment.gateway}")
    elif outcome == Outcome.NO_PLACE:
        places.overflow(booking, now=now)
    elif outcome == Outcome.REVIEW:
        review(
            f"payment:{payment.pk}:wrong",
            _("A payment does not match its booking"),
            wrong + " " + _("The money is with the gateway. The booking was not confirmed by it."),
            admin_link(payment),
        )
    return payment


def give(booking, others: list, *, now: datetime, cause: str, actor=None) -> None:
    """What was paid is the patient's: a place that `has_room_for`, or one that is owed for no more."""
    if booking.owes:
        places.pay_off(booking)
    else:
        places.seat(booking, others, now=now, cause=cause, actor=actor)


def mismatch(payment: Payment, event: Event) -> str:
    """What is wrong with a capture in words, or "": amount, currency, test mode."""
    if (event.amount_minor, event.currency.upper()) != (payment.amount_minor, payment.currency):
        return _("%(got)s arrived where %(asked)s was asked for.") % {
            "got": money.display(event.amount_minor, event.currency),
            "asked": money.display(payment.amount_minor, payment.currency),
        }
    if event.live != gateways.get(payment.gateway).live:
        return _("The payment was made in another mode or account than this clinic's.")
    return ""


def record_capture(
    payment: Payment, event: Event, *, now: datetime, outcome: str, claimed_as: str = ""
) -> Payment | None:
    """Writes a capture and its outcome on the attempt, or, when that already has one, on a new
    row of its own. Returns the row; None when this very capture was written before, by its gateway or
    by a person."""
    values = {
        "status": Status.CAPTURED,
        "outcome": outcome,
        "captured_minor": event.amount_minor,
        "gateway_payment": event.gateway_payment,
        "claimed_as": claimed_as,
        "reason": "",
    }
    same_attempt = Payment.objects.unsettled().filter(
        pk=payment.pk, gateway_payment__in=("", event.gateway_payment)
    )
    if same_attempt.update(**values, captured_at=Coalesce(F("captured_at"), now)):
        return payment
    if claimed_as or _bear_out(payment, event, now=now):
        return None
    if Payment.objects.filter(gateway=payment.gateway, gateway_payment=event.gateway_payment).exists():
        return None
    return Payment.objects.create(
        booking_id=payment.booking_id,
        gateway=payment.gateway,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        reference=payment.reference,
        created_at=now,
        captured_at=now,
        **values,
    )


def _bear_out(payment: Payment, event: Event, *, now: datetime) -> bool:
    """The gateway speaks for the first time of money that a person had recorded: it is the same money,
    and has the gateway's own name from now on. A second sum of the same attempt has its own event, and
    is a payment of its own then."""
    claim = Payment.objects.claimed().filter(pk=payment.pk)
    recorded = claim.values_list("captured_minor", flat=True).first()
    if not claim.update(claimed_as="", gateway_payment=event.gateway_payment):
        return False
    note(
        payment,
        "confirmed by the gateway",
        now=now,
        amount_minor=event.amount_minor,
        why=event.gateway_payment,
    )
    if (event.amount_minor, event.currency.upper()) != (recorded, payment.currency):
        said = {
            "recorded": money.display(recorded, payment.currency),
            "got": money.display(event.amount_minor, event.currency),
        }
        review(
            f"payment:{payment.pk}:claim",
            _("A payment recorded by hand has another amount at its gateway"),
            _("%(recorded)s was recorded, %(got)s is what the gateway has. Compare with its own page.")
            % said,
            admin_link(payment),
        )
    return True


def doubt(payment: Payment) -> None:
    """A person recorded that this attempt was paid, and its gateway, asked to the end, knows of nothing."""
    if not Payment.objects.claimed().filter(pk=payment.pk).exists():
        return
    what = {"gateway": gateways.label(payment.gateway)}
    review(
        f"payment:{payment.pk}:claim",
        _("%(gateway)s knows nothing of a payment that was recorded by hand") % what,
        _(
            "Compare with %(gateway)s's own page. If the money is there, accept this with a note. If it never came, the booking was confirmed for nothing: cancel it, or have the patient pay at the desk."
        )
        % what,
        admin_link(payment),
    )


def mark(payment: Payment, status: Status, *, now, actor=None, why: str = "") -> bool:
    """An open attempt was declined, authorised or ended. A captured one is never downgraded. False where
    nothing was written."""
    still_open = Payment.objects.open().filter(pk=payment.pk).exclude(status=status)
    written = still_open.update(status=status, reason=why[:200])
    if written:
        note(payment, status, now=now, actor=actor, why=why)
    return bool(written)


# --- Money that goes back -----------------------------------------------------------------


def owe(payment: Payment, cause: str, percent: int, *, now: datetime) -> Refund | None:
    """Reserves a refund on a locked payment: min(due, what is left of it). Once per cause."""
    amount = payment.back(percent)
    if amount <= 0 or payment.refunds.filter(cause=cause).exists():
        return None
    return reserve(payment, cause, amount, now=now, why=cause)


def reserve(payment: Payment, cause: str, amount: int, *, now: datetime, actor=None, why: str) -> Refund:
    """Takes so many minor units of a locked payment as a refund that is due: the sweep sends it.

    The caller has seen that as much is left of it.
    """
    payment.refunded_minor += amount
    payment.save(update_fields=["refunded_minor"])
    refund = Refund.objects.create(
        payment=payment, cause=cause, amount_minor=amount, created_at=now, next_try_at=now
    )
    note(payment, "refund due", now=now, amount_minor=amount, actor=actor, why=why)
    return refund


def refund_told(payment: Payment, event: Event, *, now: datetime) -> None:
    """Writes what a gateway says of a refund of a locked payment: of ours, or of one that somebody made on
    the gateway's own page, which becomes a row here (cause `gateway:<id>`)."""
    refund = payment.refunds.matching(event.refund_key, event.gateway_refund).locked().first()
    done = event.kind == "refund_done"
    if refund:
        status = RefundStatus.DONE if done else RefundStatus.FAILED
        record_refund(payment, refund, status, now=now, gateway_refund=event.gateway_refund, why=event.reason)
    elif done:
        _import_refund(payment, event, now=now)


def _import_refund(payment: Payment, event: Event, *, now: datetime) -> None:
    """What went back is written down. A person is asked where that fits nothing: more than was left of
    the payment, or the money of a place that still stands."""
    what = {"amount": money.display(event.amount_minor, event.currency), "gateway": payment.gateway}
    subject, why = _("%(amount)s was given back on %(gateway)s's own page") % what, ""
    if not fits(payment, event.amount_minor, event.currency):
        why = _(
            "That is more than was left of this payment, so it is not in our books. Compare both: once our own refund is sent or has failed, what went back there can be written down here."
        )
    else:
        gone(
            payment, at_gateway(event.gateway_refund), event.amount_minor,
            now=now, gateway_refund=event.gateway_refund,
        )  # fmt: skip
        if payment.outcome == Outcome.BOUGHT and payment.booking.status != BookingStatus.CANCELLED:
            why = _("The booking still stands. Cancel it if the patient is not coming.")
    note(
        payment,
        "refund made at the gateway",
        now=now,
        amount_minor=event.amount_minor,
        why=event.gateway_refund,
    )
    log.info("refund", extra={"payment": payment.pk, "status": "made at the gateway"})
    if why:
        review(f"payment:{payment.pk}:{event.gateway_refund}"[:120], subject, why, admin_link(payment))


def tell_of(refund: Refund, now: datetime) -> None:
    """The patient is told of money that was sent back, and connected systems are."""
    what, fact = ("refund-sent", refund.pk), {"fact": str(refund.pk), "now": now}
    tell([*notices(*what, to=Recipient.PATIENT, **fact), *notices(*what, to=Recipient.PARTNER, **fact)])


def at_gateway(gateway_refund: str) -> str:
    """The cause of a refund that somebody made on the gateway's own page."""
    return f"gateway:{gateway_refund}"[:60]


def fits(payment: Payment, amount_minor: int, currency: str) -> bool:
    """Whether so much can have gone back of what is left of a payment."""
    return currency == payment.currency and 0 < amount_minor <= payment.left_minor


def gone(payment: Payment, cause: str, amount: int, *, now: datetime, **facts) -> Refund:
    """Writes down on a locked payment that so many minor units went back without our sending them,
    and tells the patient.

    The caller has seen that they fit. `facts`: gateway_refund, dispute.
    """
    payment.refunded_minor += amount
    payment.save(update_fields=["refunded_minor"])
    refund = payment.refunds.create(
        cause=cause,
        amount_minor=amount,
        status=RefundStatus.DONE,
        created_at=now,
        next_try_at=now,
        done_at=now,
        **facts,
    )
    tell_of(refund, now)
    return refund


def record_refund(
    payment: Payment,
    refund: Refund,
    status: RefundStatus,
    *,
    now: datetime,
    gateway_refund="",
    why="",
    actor=None,
) -> None:
    """Writes what became of a refund; both rows are locked. A failed one gives its reserve back
    and becomes a ReviewItem. What has ended stays so, and nothing is written twice; where a gateway
    says the opposite later, or out of order, a person is asked."""
    ends = RefundStatus.DONE, RefundStatus.FAILED
    if refund.status in ends:
        if status in ends and status != refund.status:
            note(payment, f"refund {status}", now=now, amount_minor=refund.amount_minor, why=why)
            review(
                f"refund:{refund.pk}:{status}",
                _("A refund of %(amount)s ended in two ways") % {"amount": refund.amount},
                _("The gateway said that it was sent, and that it failed. Look at the gateway's own page, and see to it that the patient gets the money once."),
                admin_link(refund),
            )  # fmt: skip
        return
    if refund.status == status:
        return
    refund.status, refund.reason = status, why[:200]
    refund.gateway_refund = gateway_refund or refund.gateway_refund
    refund.done_at = now if status == RefundStatus.DONE else None
    if status == RefundStatus.PENDING:
        refund.next_try_at, refund.tries = now + ASK_AFTER, 0
    refund.save(update_fields=["status", "reason", "gateway_refund", "done_at", "next_try_at", "tries"])
    note(payment, f"refund {status}", now=now, amount_minor=refund.amount_minor, why=why, actor=actor)
    log.info("refund", extra={"refund": refund.pk, "payment": payment.pk, "status": status})
    if status == RefundStatus.DONE:
        tell_of(refund, now)
    if status == RefundStatus.FAILED:
        payment.refunded_minor -= refund.amount_minor
        payment.save(update_fields=["refunded_minor"])
        review(
            f"refund:{refund.pk}",
            _("A refund of %(amount)s failed") % {"amount": refund.amount},
            _(
                "The gateway said: %(why)s. Look at its own page: if it did not send the money, that is still owed. Send it another way and note how."
            )
            % {"why": why or "?"},
            admin_link(refund),
        )
    elif status == RefundStatus.BY_HAND:
        review(
            f"refund:{refund.pk}",
            _("%(amount)s is to be handed back at the desk") % {"amount": refund.amount},
            _("It was paid at the counter (%(method)s). Hand it back, then mark the refund as done.")
            % {"method": payment.get_method_display()},
            admin_link(refund),
        )
