"""What a person records of a payment whose gateway said nothing, or too little: it arrived, or it failed."""

import logging

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.errors import Refused
from clinic.transactions import action
from payments import gateways, steps
from payments.actions import SOON
from payments.drawer_steps import lock_drawer_of
from payments.gateways.base import Event, UnknownGateway
from payments.ledger_actions import book_at_once
from payments.models import Payment
from payments.states import Method, Status

log = logging.getLogger("clinic")


def record_capture(
    payment_id: int, *, amount_minor: int, method: str, reference: str, reason: str, actor
) -> Payment:
    """Records that money for this attempt arrived, because a person saw it: it is settled like any other
    capture (bought, no place, surplus, or of a wrong amount and to be looked at). Returns its row.

    Without a `method` it is at the attempt's own gateway, which is asked about it soon: `reference` is what
    the gateway calls it, and stays a person's word until the gateway has spoken. With one (eSewa, the card
    terminal) it came past the gateway, and is a payment of its own.

    The caller checks the permission. Raises Refused, with nothing changed: CAPTURED, REFERENCE (none),
    REFERENCE_USED, GATEWAY (this clinic has it no longer).
    """
    reference = reference.strip()
    if not reference:
        raise Refused("REFERENCE", _("Write the payment's number, as it stands where you saw the money."))
    try:
        payment = _record_capture(payment_id, amount_minor, method, reference, reason, actor)
    except IntegrityError as error:  # a rival has just used this number
        raise _used(reference) from error
    except UnknownGateway as error:
        raise Refused(
            "GATEWAY", _("This clinic does not work with %(gateway)s any more.") % {"gateway": error}
        ) from error
    said = {"payment": payment.pk, "by": actor.pk, "to": payment.status, "outcome": payment.outcome}
    log.info("payment-override", extra=said)
    book_at_once(payment.booking_id)
    return payment


@action
def _record_capture(payment_id, amount_minor, method, reference, reason, actor) -> Payment:
    attempt = Payment.objects.with_place().select_related("booking").get(pk=payment_id)
    if attempt.status == Status.CAPTURED:
        raise _captured()
    gateway = "manual" if method else attempt.gateway
    if Payment.objects.of_money(gateway, reference).exists():
        raise _used(reference)
    payment = _beside(attempt, method, actor) if method else attempt
    event = Event(
        kind="captured",
        dedupe_key="",
        gateway_payment=reference if method else "",
        amount_minor=amount_minor,
        currency=payment.currency,
        live=gateways.get(gateway).live,
    )
    settled = steps.settle(payment, event, actor=actor, claimed_as="" if method else reference)
    if settled is None:
        raise _captured()
    payment.refresh_from_db()
    payment.next_check_at = None if method else payment.captured_at + SOON
    payment.drawer = lock_drawer_of(actor) if method else None
    payment.save(update_fields=["next_check_at", "drawer"])
    steps.note(
        payment,
        "recorded by hand",
        now=payment.captured_at,
        amount_minor=amount_minor,
        actor=actor,
        why=reason,
    )
    return payment


def _beside(attempt: Payment, method: Method, actor) -> Payment:
    """A payment past the gateway, for the same booking and the same price, `with_place`."""
    made = Payment.objects.create(
        booking=attempt.booking,
        gateway="manual",
        method=method,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        taken_by=actor,
        created_at=timezone.now(),
    )
    return Payment.objects.with_place().get(pk=made.pk)


def record_failure(payment_id: int, *, reason: str, actor) -> Payment:
    """Records that an open attempt failed, as its gateway would have: the patient reads it at once, the place
    stays held to the end of the hold, and money that comes after all is settled as ever.

    The caller checks the permission. Raises Refused, with nothing changed: CAPTURED, ENDED.
    """
    payment = _record_failure(payment_id, reason, actor)
    log.info("payment-override", extra={"payment": payment.pk, "by": actor.pk, "to": payment.status})
    return payment


@action
def _record_failure(payment_id, reason, actor) -> Payment:
    payment = Payment.objects.locked().get(pk=payment_id)
    if payment.status == Status.CAPTURED:
        raise _captured()
    if not steps.mark(
        payment,
        Status.FAILED,
        now=timezone.now(),
        actor=actor,
        why=_("recorded by hand: %(reason)s") % {"reason": reason},
    ):
        raise Refused("ENDED", _("This attempt has failed or ended already."))
    payment.refresh_from_db()
    return payment


def _captured() -> Refused:
    return Refused(
        "CAPTURED",
        _("This payment has arrived, and that stays so. To give money back, use “Refund” on its page."),
    )


def _used(reference: str) -> Refused:
    return Refused(
        "REFERENCE_USED",
        _("The number %(reference)s stands on another payment here. Look at that one first.")
        % {"reference": reference},
    )
