"""A gateway that collects in a frame over our page (OpensOnOurPage), and what the browser brings back."""

import logging

from csp.constants import SELF
from csp.decorators import csp_update
from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from bookings.models import Booking
from bookings.states import Status
from clinic.pages import private, see_other
from payments import actions, gateways
from payments.gateways.base import GatewayError, OpensOnOurPage, UnknownGateway
from payments.views import live_ticket, not_told_yet

log = logging.getLogger("clinic")


@private
@require_safe
def checkout(request, public_id, gateway):
    """Opens the gateway's checkout for the attempt that was begun; a form leads there where scripts are off."""
    opener = opener_or_404(gateway)
    ticket = live_ticket(request, public_id, Booking.objects.for_page())
    attempt = ticket.booking.payments.open().started().filter(gateway=gateway).first()
    if attempt is None or not ticket.may_pay:
        return see_other("pay", public_id)
    content = {
        "booking": ticket.booking,
        "attempt": attempt,
        "gateway": opener,
        "back_url": settings.SITE_URL + reverse("checkout-back", args=[public_id, gateway]),
    }
    response = csp_update(_policy(opener))(render)(request, "payments/checkout.html", content)
    # Banks ask for passwords in windows of their own, which must find their way back to the frame.
    response["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups"
    return response


@csrf_exempt  # the gateway's page posts here, and knows neither our token nor the patient's session
@private
@require_http_methods(["GET", "HEAD", "POST"])
def checkout_back(request, public_id, gateway):
    """What the browser brings back: a signed receipt, the word that it failed, or nothing. Only a hint."""
    opener_or_404(gateway)
    booking = get_object_or_404(Booking, public_id=public_id)
    paid = request.POST.get("razorpay_payment_id", "")
    try:
        if not paid:
            actions.ask_about(booking)
            booking.refresh_from_db(fields=["status"])
            if booking.status == Status.HELD:
                messages.info(request, _("The payment was not finished."))
        elif not actions.believe(booking, gateway, paid, request.POST.get("razorpay_signature", "")):
            log.warning("checkout-signature-error", extra={"gateway": gateway, "booking": booking.pk})
            messages.error(
                request,
                _(
                    "This receipt is not from the payment service, so nothing was changed. If you have paid, this page will show it by itself."
                ),
            )
    except GatewayError as error:
        not_told_yet(request, booking, error)
        return see_other(booking)
    return see_other(booking) if paid else see_other("pay", public_id)


def opener_or_404(name: str) -> OpensOnOurPage:
    """The gateway whose checkout opens on our page."""
    try:
        gateway = gateways.get(name)
    except UnknownGateway:
        raise Http404 from None
    if not isinstance(gateway, OpensOnOurPage):
        raise Http404
    return gateway


def _policy(opener: OpensOnOurPage) -> dict[str, list[str]]:
    """What its script may do beside our own, which some directives name and some inherit."""
    inherited = set(opener.policy) - set(settings.CONTENT_SECURITY_POLICY["DIRECTIVES"])
    more = {name: [SELF] * (name in inherited) + [*sources] for name, sources in opener.policy.items()}
    return {**more, "form-action": [*opener.origins]}
