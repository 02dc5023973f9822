"""Take payment: somebody in the line, or whose card failed online, pays at the counter."""

from django.contrib import admin
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bookings.models import Booking
from clinic.errors import Refused
from clinic.pages import see_other
from payments.counter_views import may_take_money
from payments.due_actions import collect
from payments.due_forms import TakePaymentForm
from payments.queries import judged


@require_http_methods(["GET", "HEAD", "POST"])
@may_take_money
def take_payment(request, public_id):
    """What is to be paid and how; posted, it takes the money and goes on to the number and its slip."""
    visible = Booking.objects.seen_by(request.user).for_page()
    booking = get_object_or_404(visible, public_id=public_id)
    form = TakePaymentForm(
        request.POST or None, booking=booking, may_discount=request.user.has_perm("payments.discount")
    )
    if form.is_valid():
        try:
            collect(booking.pk, **form.wish(), actor=request.user)
            return see_other("admin:walk-in-done", public_id)
        except Refused as refusal:
            form.refuse(refusal)
            booking = visible.get(pk=booking.pk)
    return page(request, booking, form)


def page(request, booking, form):
    content = {
        "booking": booking,
        "form": form,
        "title": _("Take payment"),
        **judged(set(booking.payments.values_list("status", "outcome"))),
    }
    return render(request, "admin/take_payment.html", admin.site.each_context(request) | content)


PAGES = [("take-payment/<str:public_id>/", take_payment, "take-payment")]
