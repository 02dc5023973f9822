"""A patient cancels: what comes back stands on the page before they press the button."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bookings import actions
from bookings.models import Booking
from bookings.states import Status
from clinic import money
from clinic.errors import Refused
from clinic.pages import private, see_other
from payments import queries
from payments.forms import CancelForm


@private
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request, public_id):
    """What cancelling gives back and why; sent, it cancels, unless another sum comes back by now."""
    own = Booking.objects.own_of(request.user).for_page()
    booking = get_object_or_404(own, public_id=public_id)
    if booking.status == Status.CANCELLED:
        return see_other(booking)
    if request.method != "POST":
        return cancel_page(request, booking)
    form = CancelForm(request.POST)
    actor = request.user if request.user.is_authenticated else None
    try:
        cancelled = actions.cancel_own(booking.pk, actor=actor, shown=form.shown())
    except Refused as refusal:
        return cancel_page(request, own.get(pk=booking.pk), refusal)
    messages.success(request, said(cancelled))
    return see_other(booking)


def cancel_page(request, booking, refusal=None):
    """The offer of this moment, under what was refused."""
    content = {
        "booking": booking,
        "offer": queries.offer(booking, timezone.now()),
        "refusal": refusal,
    }
    return render(request, "payments/cancel.html", content, status=refusal.status if refusal else 200)


def said(booking) -> str:
    """What has just happened, with what comes back."""
    back = queries.amount_back(booking, booking.refund_percent or 0)
    if not back:
        return _("Your booking is cancelled.")
    amount = money.display(back, booking.currency)
    return _("Your booking is cancelled. You get %(amount)s back.") % {"amount": amount}
