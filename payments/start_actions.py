"""Booking from outside in one go: take the place, then open the way to pay for it (seeds 000, 001, 003)."""

import logging
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from bookings import actions as places
from bookings.models import Booking
from bookings.states import Status
from clinic.errors import Refused
from payments import actions, gateways
from payments.gateways.base import Gateway, GatewayError, OpensOnOurPage
from payments.models import Payment

log = logging.getLogger("clinic")


@dataclass(frozen=True)
class Way:
    """How to pay: by a gateway (its name; "" is the first one here), in an app's own checkout or on the
    gateway's page (`hosted`); or at the desk."""

    gateway: str = ""
    hosted: bool = False
    at_desk: bool = False


@dataclass(frozen=True)
class Started:
    """`payment` is None where nothing is to be paid now; so it is where the way to pay was refused, and
    `problem` says why: the place is held all the same, and may be paid in another way."""

    booking: Booking
    payment: Payment | None = None
    problem: Refused | None = None


def start(way: Way, **wish) -> Started:
    """Holds what `wish` asks of `bookings.actions.hold`, then opens the way to pay for it.

    Raises Refused: NO_SUCH_GATEWAY (422), and what `hold` refuses. From then on it refuses nothing,
    because something has changed.
    """
    _check(way)
    booking = places.hold(**wish)
    if booking.status != Status.HELD:
        return Started(booking)
    try:
        return pay(booking, way)
    except Refused as refusal:
        return Started(booking, problem=refusal)


def pay(booking: Booking, way: Way) -> Started:
    """Opens, or finds, the way to pay what is held or owed for.

    Raises Refused: NO_SUCH_GATEWAY (422), PAYMENT_NOT_CONFIGURED where none can be paid by, and what
    `payments.actions.start` and `bookings.actions.pay_at_desk` refuse; what is not to be paid can't be
    paid at the desk either.
    """
    _check(way)
    if way.at_desk:
        actions.check_payable(booking, timezone.now())
        return Started(places.pay_at_desk(booking.pk, actor=booking.booked_by))
    name = way.gateway or next(iter(_offered()), "")
    if not name:
        raise Refused("PAYMENT_NOT_CONFIGURED", _("This can't be paid online yet. Please call the clinic."))
    return Started(booking, actions.start(booking, name, for_app=not way.hosted))


def confirm(booking: Booking, gateway: str, payment_id: str, signature: str) -> None:
    """Somebody says that it was paid: the gateway is asked now, and what it answers counts.

    Raises Refused: BAD_SIGNATURE (422) with nothing done where the gateway did not sign `payment_id` for an
    order of this booking, GATEWAY (503) when it does not answer.
    """
    try:
        if not payment_id:
            actions.ask_about(booking)
        elif not _signs(gateway) or not actions.believe(booking, gateway, payment_id, signature):
            said = _("This receipt is not from the payment service, so nothing was changed.")
            raise Refused("BAD_SIGNATURE", said, status=422, fields={"signature": [said]})
    except GatewayError as error:
        log.warning("gateway-error", extra={"booking": booking.pk, "why": error.message})
        said = _("The payment service has not told us yet. Please ask again in a moment.")
        raise Refused("GATEWAY", said, status=503, retry_after=5) from error


def _signs(gateway: str) -> bool:
    return gateway in gateways.NAMES and isinstance(gateways.get(gateway), OpensOnOurPage)


def _check(way: Way) -> None:
    if way.gateway and way.gateway not in _offered():
        said = _("This way to pay is not offered. Choose another.")
        raise Refused("NO_SUCH_GATEWAY", said, status=422, fields={"gateway": [said]})


def _offered() -> list[str]:
    return [gateway.name for gateway in gateways.enabled()]


def gateway_of(payment: Payment) -> Gateway:
    """Whose checkout an attempt is paid in."""
    return gateways.get(payment.gateway)
