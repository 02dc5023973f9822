"""A person records what became of a payment whose gateway is silent: it arrived, or it failed."""

import logging

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import money
from clinic.admin import Tool
from clinic.errors import Refused
from clinic.forms import MoneyField
from clinic.pages import see_other
from payments import gateways, override_actions
from payments.decide_admin import DecidedAdmin, DecisionForm
from payments.models import Payment
from payments.states import PAST_THE_GATEWAY, Status

log = logging.getLogger("clinic")
MAY = "payments.override_payment"
AT_GATEWAY = "gateway"


class StatusForm(DecisionForm):
    to = forms.ChoiceField(
        label=gettext_lazy("What became of it?"),
        choices=[
            (Status.CAPTURED, gettext_lazy("The money arrived")),
            (Status.FAILED, gettext_lazy("It failed")),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose what became of it.")},
    )
    method = forms.ChoiceField(label=gettext_lazy("Where did you see the money?"))
    reference = forms.CharField(
        label=gettext_lazy("The payment's number there"),
        max_length=120,
        help_text=gettext_lazy("Copy it, letter by letter."),
        error_messages={"required": gettext_lazy("Write the payment's number, as it stands there.")},
    )
    field_order = ["to", "method", "reference", "amount", "reason"]

    def __init__(self, *args, payment, **kwargs):
        super().__init__(*args, **kwargs)
        own_page = _("On %(gateway)s's own page") % {"gateway": gateways.label(payment.gateway)}
        others = [(method.value, method.label) for method in PAST_THE_GATEWAY]
        self.fields["method"].choices = [(AT_GATEWAY, own_page), *others]
        asked = money.display(payment.amount_minor, payment.currency)
        self.fields["amount"] = MoneyField(
            label=_("How much arrived"),
            currency=payment.currency,
            min_value=money.to_major(1, payment.currency),
            initial=payment.amount_minor,
            help_text=_("In %(currency)s. %(asked)s was asked for; another sum confirms nothing.")
            % {"currency": payment.currency, "asked": asked},
            error_messages={"required": _("Write how much arrived.")},
        )
        for name in ("method", "reference", "amount"):
            self.fields[name].required = self.data.get("to") != Status.FAILED
        self.order_fields(self.field_order)

    def record(self, payment_id: int, actor) -> Payment:
        """Does what was asked for. Raises Refused."""
        typed = self.cleaned_data
        said = {"reason": typed["reason"], "actor": actor}
        if typed["to"] == Status.FAILED:
            return override_actions.record_failure(payment_id, **said)
        method = "" if typed["method"] == AT_GATEWAY else typed["method"]
        seen = {"method": method, "reference": typed["reference"], "amount_minor": typed["amount"]}
        return override_actions.record_capture(payment_id, **seen, **said)


class OverriddenAdmin(DecidedAdmin):
    """Payments whose status a person may set, with a reason."""

    def tools(self, request, payment):
        found = super().tools(request, payment)
        if payment.status != Status.CAPTURED and request.user.has_perm(MAY):
            found.append(Tool(_("Set status"), self.url("status", payment.pk)))
        return found

    def pages(self):
        return [*super().pages(), ("<int:pk>/status/", self.status, "status")]

    def status(self, request, pk):
        """Asks what became of a payment and how that is known; sent, it is settled like a gateway's word."""
        if not request.user.has_perm(MAY):
            log.warning("override-denied", extra={"payment": pk, "by": request.user.pk})
            raise PermissionDenied
        payment = get_object_or_404(Payment.objects.select_related("booking__patient"), pk=pk)
        form = StatusForm(request.POST if request.method == "POST" else None, payment=payment)
        if form.is_valid():
            try:
                recorded = form.record(pk, request.user)
            except Refused as refusal:
                form.add_error(None, refusal.message)
            else:
                messages.success(request, recorded_in_words(recorded))
                return see_other(reverse("admin:payments_payment_change", args=[recorded.pk]))
        return self.ask(
            request, form, submit=_("Record it"), back=self.url("change", pk),
            title=_("What became of %(payment)s?") % {"payment": payment.amount}, text=about(payment),
        )  # fmt: skip


def about(payment: Payment) -> str:
    """Whose money it is, and what recording it does."""
    who = _("%(who)s, %(gateway)s, now “%(status)s”.") % {
        "who": payment.booking.patient.name,
        "gateway": gateways.label(payment.gateway),
        "status": payment.get_status_display(),
    }
    return f"{who}\n\n" + _(
        "What you record counts as if it came from the gateway: the place is confirmed if it is still free. It stays in the payment's history with your name."
    )


def recorded_in_words(payment: Payment) -> str:
    """What has just happened: "Recorded: ₹500 · paid, bought its place"."""
    outcome = f", {payment.get_outcome_display()}" if payment.outcome else ""
    return _("Recorded: %(payment)s") % {"payment": f"{payment}{outcome}"}
