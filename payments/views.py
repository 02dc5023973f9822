"""Paying, the live page of a booking, and what gateways tell us."""

import logging

from csp.decorators import csp_update
from django.contrib import messages
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse, JsonResponse, UnreadablePostError
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HTMX_STOP_POLLING

from bookings import refund_rules
from bookings.models import Booking
from clinic.errors import Refused
from clinic.maintenance import goes_on
from clinic.pages import private, see_other
from payments import actions, queries
from payments.forms import PayForm
from payments.gateways.base import BadSignature, GatewayError, OpensOnOurPage, UnknownGateway
from payments.readiness import note_forgery
from schedules.queries import next_free

log = logging.getLogger("clinic")


def live_ticket(request, public_id, bookings) -> queries.LiveTicket:
    """The one of `bookings` behind a link, for whoever may see it (else 404), with its place in the line."""
    visible = queries.with_refund_mark(bookings.visible_to(request.user))
    return queries.live(get_object_or_404(visible, public_id=public_id), timezone.now())


def terms_of(ticket) -> refund_rules.Terms:
    """What the booking gives back when it is cancelled, as sold."""
    booking = ticket.booking
    price = {"price_minor": booking.price_minor, "currency": booking.currency}
    return refund_rules.terms(booking.refund_rules, **price, starts=booking.starts, now=ticket.now)


@private
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request, public_id):
    """How to pay for a held place, or what is owed at the desk; chosen, it leads to the gateway's page. The
    hold goes on whatever happens."""
    ticket = live_ticket(request, public_id, Booking.objects.for_page())
    if not ticket.may_pay:
        return see_other(ticket.booking)
    form = PayForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            payment = actions.start(ticket.booking, form.cleaned_data["gateway"])
        except Refused as refusal:
            messages.error(request, refusal.message)
            return see_other("pay", public_id)
        if payment.redirect_url:
            return see_other(payment.redirect_url)
        return see_other("checkout", public_id, payment.gateway)
    elsewhere = [gateway for gateway in form.offered if not isinstance(gateway, OpensOnOurPage)]
    origins = [origin for gateway in elsewhere for origin in gateway.origins]
    page = csp_update({"form-action": origins})(render)
    content = {"ticket": ticket, "booking": ticket.booking, "form": form, "terms": terms_of(ticket)}
    return page(request, "payments/pay.html", content, status=422 if form.errors else 200)


@private
@require_safe
def booking(request, public_id):
    """The live page: what to do now, the number and the line, or what became of the place and the money."""
    ticket = live_ticket(request, public_id, Booking.objects.for_page())
    content = {
        "ticket": ticket,
        "booking": ticket.booking,
        "surplus": queries.surplus(ticket),
        "may_cancel": ticket.may_cancel and ticket.booking.is_own_of(request.user),
        "may_move": not refund_rules.why_not_move_own(ticket.booking, ticket.now)
        and ticket.booking.is_own_of(request.user),
        "next_windows": next_free(ticket.booking.schedule.doctor, ticket.now) if ticket.is_lost else [],
    }
    return render(request, "payments/booking.html", content)


@private
@require_safe
def status(request, public_id):
    """What the live page asks for again and again: 204 while nothing has changed, 286 once nothing will."""
    ticket = live_ticket(request, public_id, Booking.objects.for_line())
    if ticket.version == request.GET.get("seen") and not ticket.is_over:
        return HttpResponse(status=204)
    code = HTMX_STOP_POLLING if ticket.is_over else 200
    return render(request, "payments/booking.html#news", {"ticket": ticket}, status=code)


@private
@require_safe
def come_back(request, public_id):
    """Where a gateway sends the patient back to. Only a hint: what counts is what the gateway answers now."""
    ticket = live_ticket(request, public_id, Booking.objects.for_page())
    try:
        actions.ask_about(ticket.booking)
    except GatewayError as error:
        not_told_yet(request, ticket.booking, error)
    return see_other(ticket.booking)


def not_told_yet(request, booking: Booking, error: GatewayError) -> None:
    """Who comes back from a gateway that does not answer has not lost anything by it."""
    log.warning("gateway-error", extra={"booking": booking.pk, "why": error.message})
    messages.info(
        request, _("The payment service has not told us yet. This page changes as soon as it does.")
    )


@private
@require_safe
def receipt(request, public_id):
    """Receipts and credit notes of a booking, as they were issued, to be printed."""
    visible = Booking.objects.visible_to(request.user)
    papers = queries.papers(get_object_or_404(visible, public_id=public_id))
    return render(request, "payments/receipt.html", papers)


@goes_on
@csrf_exempt
@require_POST
def webhook(request, gateway):
    """Keeps and acts on what a gateway has signed. Bad input is said to be bad, and nothing is stored."""
    try:
        actions.receive(gateway, request.headers, request.body)
    except RequestDataTooBig:
        return problem(413, "TOO_BIG", "The body is larger than 256 KiB.")
    except UnknownGateway:
        return problem(404, "NOT_FOUND", "There is no such gateway here.")
    except (BadSignature, UnreadablePostError) as error:
        log.warning("webhook-signature-error", extra={"gateway": gateway, "why": str(error)})
        note_forgery()
        return problem(400, "BAD_SIGNATURE", "This body was not signed by the gateway.")
    return JsonResponse({"received": True})


def problem(status: int, code: str, message: str) -> JsonResponse:
    """An error as the API says it (DESIGN §8)."""
    return JsonResponse({"code": code, "message": message}, status=status)
