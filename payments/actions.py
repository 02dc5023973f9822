"""Money in and out, one transaction at a time. No gateway is called inside one (DESIGN §4)."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, F, When
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from bookings.models import Booking
from clinic.errors import Refused
from clinic.transactions import action
from payments import dispute_steps, gateways, steps
from payments.gateways.base import Captures, Event, GatewayError, Order
from payments.models import Customer, GatewayEvent, Payment, Refund
from payments.states import Outcome, RefundStatus, Status

log = logging.getLogger("clinic")

LEASE = timedelta(minutes=2)
"""How long one sender has a refund to itself: longer than a gateway call may take."""
TRIES = 10
ASK_OPEN_AFTER = timedelta(minutes=15)
"""An attempt that is open for so long is asked for at its gateway, however long its hold goes on."""
SOON = timedelta(seconds=30)
"""When the worker looks at what a webhook began and may not have finished."""


class UnknownPayment(Exception):
    """An event speaks of a payment that is not here (yet)."""


def backoff(tries: int) -> timedelta:
    """30 s, then doubling up to an hour."""
    return timedelta(seconds=min(30 * 2**tries, 3600))


# --- Pay ----------------------------------------------------------------------------------


def start(booking: Booking, gateway_name: str, *, for_app: bool = False) -> Payment:
    """Opens (or finds) the attempt to pay what is held or owed for, and asks its gateway where to pay.

    A second click finds the same attempt, and a repeated call has the same key, so nothing is
    charged twice. Raises Refused: what `check_payable` refuses, GATEWAY when the gateway does not
    answer (the hold stays).
    """
    gateway = gateways.get(gateway_name)
    payment = _open_attempt(booking, gateway_name, for_app)
    if payment.reference:
        return payment
    try:
        started = gateway.start(
            Order(
                key=str(payment.key),
                amount_minor=payment.amount_minor,
                currency=payment.currency,
                description=_("Appointment at %(clinic)s") % {"clinic": settings.CLINIC_NAME},
                return_url=f"{settings.SITE_URL}{booking.get_absolute_url()}return/",
                expires_at=booking.pay_until(payment.created_at),
                asked_at=payment.created_at,
                customer=_customer(gateway, booking.booked_by),
                for_app=for_app,
            )
        )
    except GatewayError as error:
        log.warning(
            "gateway-error", extra={"gateway": gateway_name, "payment": payment.pk, "why": error.message}
        )
        what_now = _("Please try again.") if error.retryable else _("Choose another way to pay, or call us.")
        raise Refused(
            "GATEWAY",
            _(
                "The payment service did not take this. You have not been charged and your place is still held."
            )
            + f" {what_now}",
            status=503,
        ) from error
    values = {
        "reference": started.reference,
        "redirect_url": started.redirect_url,
        "client_secret": started.client_secret,
    }
    if Payment.objects.filter(pk=payment.pk, reference="").update(**values):
        vars(payment).update(values)
    else:  # a second click was first
        payment.refresh_from_db()
    return payment


def check_payable(booking: Booking, now) -> None:
    """Raises Refused: NOT_PAYABLE when the booking is not waiting for money, UNDER_REVIEW when some came
    that a person must look at before more is paid."""
    if not booking.awaits_money(now):
        raise Refused(
            "NOT_PAYABLE", _("This booking is not waiting for a payment any more."), booking=booking
        )
    if booking.payments.under_review().exists():
        raise Refused(
            "UNDER_REVIEW",
            _(
                "A payment arrived that does not match the price. The clinic is looking at it. Please do not pay again."
            ),
        )


@action
def _open_attempt(booking: Booking, gateway_name: str, for_app: bool) -> Payment:
    now = timezone.now()
    check_payable(booking, now)
    payment, _made = Payment.objects.open().get_or_create(
        booking=booking,
        gateway=gateway_name,
        for_app=for_app,
        defaults={
            "amount_minor": booking.due_minor or booking.price_minor,
            "currency": booking.currency,
            "created_at": now,
            "next_check_at": min(booking.pay_until(now), now + ASK_OPEN_AFTER),
        },
    )
    return payment


def _customer(gateway, account) -> str:
    """The gateway's id of an account, or "" where it keeps none: made once, then reused.

    Our key for it is stable, so that a repeated call finds the same customer, and says nothing
    about who it is.
    """
    if account is None:
        return ""
    known = Customer.objects.filter(user=account, gateway=gateway.name).first()
    if known is None:
        key = salted_hmac("payments.customer", f"{settings.SITE_URL} {account.pk}", algorithm="sha256")
        reference = gateway.create_customer(key.hexdigest())
        if not reference:
            return ""
        known, _made = Customer.objects.get_or_create(
            user=account, gateway=gateway.name, defaults={"reference": reference}
        )
    return known.reference


# --- Webhook ------------------------------------------------------------------------------


def receive(gateway_name: str, headers, body: bytes) -> None:
    """Keeps a signed webhook, then acts on it. Returns once it is kept: what fails after that
    is tried again by the worker. Raises BadSignature with nothing stored."""
    events = gateways.get(gateway_name).read_webhook(headers, body)
    inbox = _keep(gateway_name, events[0], body)
    log.info(f"{gateway_name}-webhook", extra={"inbox": inbox.pk, "name_of_event": inbox.name})
    if inbox.processed_at is None and process(inbox):
        _take_at_once(gateway_name, events)


def _keep(gateway_name: str, event: Event, body: bytes) -> GatewayEvent:
    now = timezone.now()
    inbox = GatewayEvent(
        gateway=gateway_name,
        dedupe_key=event.dedupe_key,
        name=event.name[:80],
        body=body.decode(),
        received_at=now,
        next_try_at=now + SOON,
    )
    try:
        with transaction.atomic():
            inbox.save(force_insert=True)
    except IntegrityError:
        return GatewayEvent.objects.get(gateway=gateway_name, dedupe_key=event.dedupe_key)
    return inbox


def process(inbox: GatewayEvent) -> bool:
    """Acts on one kept webhook. Whatever goes wrong is written on it, with the next try."""
    events = []
    try:
        events = gateways.get(inbox.gateway).parse(inbox.body)
        _process(inbox, events)
    except Exception as error:  # the money is real whatever our bug is: keep it, say so, go on
        if not isinstance(error, UnknownPayment):
            log.exception("webhook-processing", extra={"inbox": inbox.pk})
        _park(inbox, events, error)
        return False
    return True


@action
def _process(inbox: GatewayEvent, events: list[Event]) -> None:
    found = [(event, _find(inbox.gateway, event)) for event in events if event.kind != "other"]
    about = next((payment for _event, payment in found), None)
    claimed = GatewayEvent.objects.unprocessed().filter(pk=inbox.pk)
    if claimed.update(processed_at=timezone.now(), payment=about, tries=F("tries") + 1, error=""):
        for event, payment in found:
            _apply(payment, event)


def _find(gateway_name: str, event: Event) -> Payment:
    """The attempt an event speaks of, unlocked, with its place. Raises UnknownPayment."""
    payments = Payment.objects.with_place()
    found = payments.matching(gateway_name, event.payment_key, event.reference, event.gateway_payment)
    if event.kind.startswith("refund"):
        ours = Refund.objects.matching(event.refund_key, event.gateway_refund)
        found = payments.filter(gateway=gateway_name, refunds__in=ours)
    if event.kind.startswith("dispute") or (event.kind.startswith("refund") and not found.exists()):
        found = payments.of_money(gateway_name, event.gateway_payment)
    payment = found.order_by(_strangeness(event), "-pk").first()
    if payment is None:
        raise UnknownPayment(_("This payment is not known here."))
    return payment


def _strangeness(event: Event) -> Case:
    """This very money first, however often the attempt was paid; then the names that the gateway and we
    gave it, which outweigh what a person typed."""
    names = [When(reference=event.reference, then=1)] if event.reference else []
    names += [When(key=event.payment_key, then=1)] if event.payment_key else []
    return Case(When(gateway_payment=event.gateway_payment, then=0), *names, default=2)


def _apply(payment: Payment, event: Event) -> None:
    now = timezone.now()
    match event.kind:
        case "captured":
            steps.settle(payment, event)
        case "failed":
            steps.mark(payment, Status.FAILED, now=now, why=event.reason)
        case "authorized":
            steps.mark(payment, Status.AUTHORIZED, now=now)
            Payment.objects.unsettled().filter(pk=payment.pk).update(next_check_at=now + SOON)
        case "expired":
            steps.mark(payment, Status.EXPIRED, now=now)
        case "refund_done" | "refund_failed":
            steps.refund_told(Payment.objects.locked().get(pk=payment.pk), event, now=now)
        case "dispute_open" | "dispute_won" | "dispute_lost":
            dispute_steps.told(Payment.objects.locked().get(pk=payment.pk), event, now=now)


@action
def _park(inbox: GatewayEvent, events: list[Event], error: Exception) -> None:
    """Records the error, the next try, and money that a known payment captured.

    After ten tries, or 72 hours for an unknown payment, no more is tried: where money moved, a
    person is asked.
    """
    now = timezone.now()
    unknown = isinstance(error, UnknownPayment)
    late = now - inbox.received_at > timedelta(hours=72) if unknown else inbox.tries + 1 >= TRIES
    GatewayEvent.objects.unprocessed().filter(pk=inbox.pk).update(
        processed_at=now if late else None,
        tries=F("tries") + 1,
        next_try_at=now + backoff(inbox.tries),
        error=str(error)[:200] if unknown else type(error).__name__,
    )
    for event in events:
        if event.kind == "captured":
            _park_capture(inbox, event, unknown=unknown, late=late, now=now)


def _park_capture(inbox: GatewayEvent, event: Event, *, unknown: bool, late: bool, now) -> None:
    link, key = steps.admin_link(inbox), f"inbox:{inbox.pk}"
    if not unknown:
        payment = _find(inbox.gateway, event)
        link, key = steps.admin_link(payment), f"payment:{payment.pk}:stuck"
        GatewayEvent.objects.filter(pk=inbox.pk).update(payment=payment)
        steps.record_capture(payment, event, now=now, outcome=Outcome.REVIEW if late else "")
    if late:
        steps.review(
            key,
            _("Money from %(gateway)s could not be matched") % {"gateway": inbox.gateway},
            _(
                "It is with the gateway, and no booking was confirmed by it. Compare with the gateway's own page."
            ),
            link,
        )


# --- Ask the gateway ----------------------------------------------------------------------


def ask(payment: Payment) -> None:
    """Fetches what the gateway knows of an attempt, settles what was captured, and takes what was
    only authorised. Raises GatewayError."""
    events = gateways.get(payment.gateway).fetch(payment.reference)
    for event in events:
        _settle_fetched(payment.gateway, event)
    for event in events:
        take(payment.gateway, event)


def take(gateway_name: str, event: Event) -> None:
    """Takes money that was only authorised, then settles it. Raises GatewayError.

    An attempt that has its money takes no more: the second try lapses, and its bank gives it back.
    """
    gateway = gateways.get(gateway_name)
    if event.kind != "authorized" or not isinstance(gateway, Captures):
        return
    found = _find(gateway_name, event)
    if not found.outcome or found.claimed_as:
        money = {"amount_minor": event.amount_minor, "currency": event.currency}
        _settle_fetched(gateway_name, gateway.capture(gateway_payment=event.gateway_payment, **money))


def _take_at_once(gateway_name: str, events: list[Event]) -> None:
    """The webhook is kept and the worker knows: whatever goes wrong here is done by it soon."""
    for event in events:
        try:
            take(gateway_name, event)
        except Exception as error:
            log.warning("capture-later", extra={"gateway": gateway_name, "why": type(error).__name__})


def believe(booking: Booking, gateway_name: str, payment_id: str, signature: str) -> bool:
    """A browser says that it paid: if the gateway signed that for an order of this booking, it is asked
    now, and what it answers counts. False, with nothing done, if it did not. Raises GatewayError."""
    gateway = gateways.get(gateway_name)
    for payment in booking.payments.filter(gateway=gateway_name).started():
        if gateway.verify_checkout(payment.reference, payment_id, signature):
            ask(payment)
            return True
    return False


def ask_about(booking: Booking) -> None:
    """Asks after every attempt of a booking that may have been paid without our knowing. Raises GatewayError."""
    for payment in booking.payments.unsettled().started():
        ask(payment)


@action
def _settle_fetched(gateway_name: str, event: Event) -> None:
    if event.kind == "captured":
        _apply(_find(gateway_name, event), event)


@action
def act_on(gateway_name: str, event: Event) -> None:
    """Does what a webhook with this event would have done. Raises UnknownPayment."""
    _apply(_find(gateway_name, event), event)


# --- Refunds ------------------------------------------------------------------------------


@action
def owe(payment_id: int, cause: str, percent: int) -> Refund | None:
    """Reserves what a payment owes back, so that a sweep sends it."""
    payment = Payment.objects.locked().get(pk=payment_id)
    return steps.owe(payment, cause, percent, now=timezone.now())


def send(refund: Refund) -> bool:
    """Sends one refund if nobody else is sending it. A time-out repeats under the same key."""
    now = timezone.now()
    mine = Refund.objects.to_send(now).filter(pk=refund.pk)
    if not mine.update(status=RefundStatus.SENDING, tries=F("tries") + 1, next_try_at=now + LEASE):
        return False
    payment = refund.payment
    try:
        result = gateways.get(payment.gateway).refund(
            key=str(refund.key),
            gateway_payment=payment.money_id,
            amount_minor=refund.amount_minor,
            currency=payment.currency,
        )
    except GatewayError as error:
        log.warning(
            "gateway-error", extra={"gateway": payment.gateway, "refund": refund.pk, "why": error.message}
        )
        if error.retryable and refund.tries + 1 < TRIES:
            Refund.objects.sending().filter(pk=refund.pk).update(
                status=RefundStatus.DUE, next_try_at=now + backoff(refund.tries), reason=error.message[:200]
            )
            return True
        _record(refund, RefundStatus.FAILED, why=error.message)
        return True
    _record(refund, RefundStatus(result.status), gateway_refund=result.gateway_refund, why=result.reason)
    return True


@action
def _record(refund: Refund, status: RefundStatus, **more) -> None:
    """Writes the answer to our call, unless a webhook was faster: that one knows better."""
    payment = Payment.objects.locked().get(pk=refund.payment_id)
    locked = Refund.objects.locked().get(pk=refund.pk)
    if locked.status == RefundStatus.SENDING:
        locked.payment = payment
        steps.record_refund(payment, locked, status, now=timezone.now(), **more)
