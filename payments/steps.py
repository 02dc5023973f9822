"""Short steps of money, on rows that are already locked. They open no transaction."""

import logging
from datetime import datetime, timedelta

from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from bookings import steps as places
from bookings.queries import live_in_window
from bookings.states import Status as BookingStatus
from clinic import money
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


def settle(payment: Payment, event: Event) -> None:
    """Decides, once and under the window's lock, what a captured payment bought (DESIGN §4).

    Held or lapsed with room: confirmed, and the next number. No room: overflow, all due back.
    Cancelled, free, or paid by another payment: surplus, due back in full. Another amount,
    currency or mode than was asked: kept, and somebody must look at it.

    `payment` was read without a lock, with its booking. A capture that is known changes nothing;
    a second capture of the same attempt becomes a payment of its own.
    """
    stale = payment.booking
    booking, now, others = places.lock_for(stale.pk, stale.schedule_id, live_in_window(stale.patient_id))
    wrong = mismatch(payment, event)
    if wrong:
        outcome = Outcome.REVIEW
    elif booking.status not in (BookingStatus.HELD, BookingStatus.EXPIRED):
        outcome = Outcome.SURPLUS
    elif places.has_room_for(booking, others, now):
        outcome = Outcome.BOUGHT
    else:
        outcome = Outcome.NO_PLACE
    payment = record_capture(payment, event, now=now, outcome=outcome)
    if payment is None:
        return
    note(payment, "captured", now=now, amount_minor=event.amount_minor, why=outcome)
    if outcome == Outcome.BOUGHT:
        places.seat(booking, others, now=now, cause=f"paid by {payment.gateway}")
    elif outcome == Outcome.NO_PLACE:
        places.overflow(booking, now=now)
    elif outcome == Outcome.REVIEW:
        review(
            f"payment:{payment.pk}:wrong",
            _("A payment does not match its booking"),
            wrong + " " + _("The money is with the gateway. The booking was not confirmed by it."),
            admin_link(payment),
        )


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


def record_capture(payment: Payment, event: Event, *, now: datetime, outcome: str) -> Payment | None:
    """Writes a capture and its outcome on the attempt, or, when that already has one, on a new
    row of its own. Returns the row; None when this very capture was written before."""
    values = {
        "status": Status.CAPTURED,
        "outcome": outcome,
        "captured_minor": event.amount_minor,
        "gateway_payment": event.gateway_payment,
        "reason": "",
    }
    same_attempt = Payment.objects.unsettled().filter(
        pk=payment.pk, gateway_payment__in=("", event.gateway_payment)
    )
    if same_attempt.update(**values, captured_at=Coalesce(F("captured_at"), now)):
        return payment
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


def mark(payment: Payment, status: Status, *, now, why: str = "") -> None:
    """An open attempt was declined, authorised or ended. A captured one is never downgraded."""
    if (
        Payment.objects.open()
        .filter(pk=payment.pk)
        .exclude(status=status)
        .update(status=status, reason=why[:200])
    ):
        note(payment, status, now=now, why=why)


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
    gone = money.display(event.amount_minor, event.currency)
    what = {"amount": gone, "gateway": payment.gateway}
    subject, why = _("%(amount)s was given back on %(gateway)s's own page") % what, ""
    if event.currency != payment.currency or not (
        0 < event.amount_minor <= payment.captured_minor - payment.refunded_minor
    ):
        why = _("That is more than was left of this payment, so it is not in our books. Compare both.")
    else:
        payment.refunded_minor += event.amount_minor
        payment.save(update_fields=["refunded_minor"])
        payment.refunds.create(
            cause=f"gateway:{event.gateway_refund}"[:60],
            amount_minor=event.amount_minor,
            status=RefundStatus.DONE,
            gateway_refund=event.gateway_refund,
            created_at=now,
            next_try_at=now,
            done_at=now,
        )
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


def dispute(payment: Payment, event: Event, *, now: datetime) -> None:
    """The payer's bank wants money back. Nothing moves here: a person answers it at the gateway."""
    note(payment, "dispute", now=now, amount_minor=event.amount_minor, why=event.reason)
    review(
        f"payment:{payment.pk}:dispute:{event.dedupe_key}"[:120],
        _("The patient's bank disputes a payment of %(amount)s")
        % {"amount": money.display(event.amount_minor, event.currency)},
        _(
            "The bank's reason: %(why)s. Answer on %(gateway)s's own page before its date. Don't refund it here meanwhile: the money could go back twice."
        )
        % {"why": event.reason or "?", "gateway": payment.gateway},
        admin_link(payment),
    )


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
