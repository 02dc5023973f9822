"""The page of the demo gateway: a bank that lends no money. It only presses the gateway's buttons.

It stands for a page of strangers, so it uses neither our layout nor our database.
"""

from django.conf import settings
from django.http import Http404
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from clinic.pages import see_other
from payments import gateways
from payments.gateways.base import GatewayError, UnknownGateway


def pay(bank, key) -> str:
    """Takes the money and tells the clinic."""
    bank.deliver(bank.pay(key))
    return ""


def decline(bank, key) -> str:
    bank.deliver(bank.decline(key))
    return ""


def pay_twice(bank, key) -> str:
    """Two payments for one order: the clinic must give one back."""
    bank.deliver(bank.pay(key))
    bank.deliver(bank.pay_again(key))
    return ""


def tell_twice(bank, key) -> str:
    """One payment, and its message twice, as gateways do."""
    event = bank.pay(key)
    bank.deliver(event)
    bank.deliver(event)
    return ""


def pay_late(bank, key) -> str:
    """A slow bank: the money comes after the clinic has stopped waiting. Before that it says to wait."""
    if timezone.now() < bank.order(key).expires_at:
        return _(
            "The clinic still waits for you. Come back to this page when the time is up, and press it again."
        )
    bank.deliver(bank.pay(key, late=True))
    return ""


BUTTONS = {"pay": pay, "decline": decline, "twice": pay_twice, "tell-twice": tell_twice, "late": pay_late}


@never_cache
@csrf_exempt  # a bank would not know our token; whoever has the key may play with pretend money
@require_http_methods(["GET", "HEAD", "POST"])
def page(request, key):
    """Shows the order; a pressed button (action=…) does what it says and leads back to the clinic."""
    try:
        bank = gateways.get("demo")
        order = bank.order(str(key))
    except UnknownGateway:
        order = None
    if order is None:
        raise Http404
    notice = ""
    if press := BUTTONS.get(request.POST.get("action")):
        try:
            notice = press(bank, order.key)
        except GatewayError:
            notice = _(
                "The clinic has closed this payment. Only a slow bank could still pay it: press “Pay late”."
            )
        if not notice:
            return see_other(order.return_url)
    content = {
        "order": order,
        "notice": notice,
        "is_late": timezone.now() >= order.expires_at,
        "clinic_name": settings.CLINIC_NAME,
    }
    return render(request, "payments/demo_bank.html", content)
