"""What becomes of an attempt to pay by itself: asked about, ended, asked about once more."""

from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.transactions import action
from payments import gateways, steps
from payments.actions import ASK_OPEN_AFTER, ask
from payments.gateways.base import GatewayError
from payments.models import Payment
from payments.states import Status

MONEY_MAY_COME = timedelta(days=14)
"""How long after it began an attempt that no gateway can end is asked about. Banks authorise up to three days
late (razorpay.com/docs/payments/late-authorization), and a debit takes up to two weeks to come
(docs.stripe.com/payments/sepa-debit)."""


def look_after(payment: Payment) -> None:
    """Asks about an attempt whose time has come, and ends it once its hold is over, or nothing is owed
    any more. Raises GatewayError."""
    booking, now = payment.booking, timezone.now()
    until = booking.pay_until(payment.created_at)
    if booking.awaits_money(now) and now < until:
        ask(payment)
        _look_again(payment, min(until, now + ASK_OPEN_AFTER))
    else:
        close(payment)


def close(payment: Payment) -> None:
    """Ends an attempt that nobody should pay any more; money that arrived meanwhile is settled.

    What its gateway cannot end is asked about again, twice as late each time, for as long as money
    may come. Raises GatewayError.
    """
    ended = True
    if payment.reference:
        ended = gateways.get(payment.gateway).cancel(payment.reference)
        ask(payment)
    _end(payment, for_good=ended)


@action
def stuck(payment: Payment, error: GatewayError) -> None:
    """The gateway will not end this attempt, however often it is asked: a person is, once."""
    _look_again(payment, timezone.now() + timedelta(days=1))
    steps.review(
        f"attempt:{payment.pk}",
        _("An unpaid attempt could not be ended at %(gateway)s") % {"gateway": payment.gateway},
        _("The gateway said: %(why)s. Money may still arrive for it.") % {"why": error.message},
        steps.admin_link(payment),
    )


@action
def _end(payment: Payment, *, for_good: bool) -> None:
    now, last = timezone.now(), payment.created_at + MONEY_MAY_COME
    steps.mark(payment, Status.EXPIRED, now=now)
    if for_good or now >= last:
        steps.doubt(payment)
    later = min(last, now + max(now - payment.created_at, timedelta(minutes=15)))
    _look_again(payment, None if for_good or now >= last else later)


def _look_again(payment: Payment, at) -> None:
    Payment.objects.in_question().filter(pk=payment.pk).update(next_check_at=at)
