"""Payouts in Django's admin: asked for by a doctor, paid and ticked off by a manager."""

from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import money
from clinic.admin import ReadableAdmin, Tool
from clinic.adminsite import require
from clinic.errors import Refused
from clinic.forms import MoneyField
from clinic.models import Doctor
from clinic.pages import see_other
from payments.earnings_queries import standing
from payments.ledger_models import Payout
from payments.payout_actions import ask_for, move_payout
from payments.settlement_queries import payout_named
from payments.states import PAYOUT_MOVES, PayoutStatus

PAY = "payments.change_payout"


class AskForm(forms.Form):
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    amount_minor = MoneyField(label=gettext_lazy("How much?"))


class ReferenceForm(forms.Form):
    reference = forms.CharField(
        label=gettext_lazy("The bank's reference"),
        max_length=120,
        error_messages={"required": gettext_lazy("Write the reference, so that it can be found again.")},
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why was it not paid?"),
        max_length=200,
        help_text=gettext_lazy("The doctor reads it."),
        error_messages={"required": gettext_lazy("Write why, in a few words.")},
    )


MOVES = {
    PayoutStatus.PROCESSING: (gettext_lazy("Start paying"), forms.Form),
    PayoutStatus.COMPLETED: (gettext_lazy("Paid"), ReferenceForm),
    PayoutStatus.FAILED: (gettext_lazy("Not paid"), ReasonForm),
}
"""What a manager does with one, in words, and what must be said."""


@admin.register(Payout)
class PayoutAdmin(ReadableAdmin):
    change_list_template = "admin/payouts.html"
    list_display = ["code", "doctor", "sum", "status", "requested_at", "ended_at", "paid_on", "reference"]
    list_filter = ["status", "doctor"]
    list_select_related = ["doctor"]
    search_fields = ["doctor__name", "reference"]
    search_help_text = gettext_lazy("Doctor, the bank's reference, or our code (PO17-3F9A)")
    date_hierarchy = "requested_at"
    list_per_page = 50
    fields = [
        "code", "doctor", "sum", "status", "requested_by", "requested_at", "ended_at", "paid_on", "reference", "reason",
    ]  # fmt: skip

    def pages(self):
        return [("ask/<int:doctor_id>/", self.ask_for, "ask"), ("<int:pk>/move/<str:to>/", self.move, "move")]

    def tools(self, request, payout):
        if not request.user.has_perm(PAY):
            return []
        may = [to for to, origins in PAYOUT_MOVES.items() if payout.status in origins]
        return [Tool(MOVES[to][0], self.url("move", payout.pk, to)) for to in may]

    def get_search_results(self, request, queryset, search_term):
        """A code means this one payout."""
        payout = payout_named(search_term)
        if payout:
            return queryset.filter(pk=payout.pk), False
        return super().get_search_results(request, queryset, search_term)

    def changelist_view(self, request, extra_context=None):
        may = {"may_import": request.user.has_perm(PAY)}
        return super().changelist_view(request, may | (extra_context or {}))

    def ask_for(self, request, doctor_id):
        """A doctor asks for what they earned, or a manager for them."""
        doctor = get_object_or_404(Doctor, pk=doctor_id)
        own = doctor.user_id == request.user.pk and request.user.has_perm("payments.view_own_earnings")
        if not (own or request.user.has_perm(PAY)):
            raise PermissionDenied
        form, statement = AskForm(request.POST or None), reverse("admin:earnings-of", args=[doctor_id])
        if form.is_valid():
            try:
                payout = ask_for(doctor, **form.cleaned_data, actor=request.user)
            except Refused as refusal:
                form.add_error("amount_minor", refusal.message)
            else:
                messages.success(request, _("Asked for: %(amount)s") % {"amount": payout.amount})
                return see_other(statement)
        free = money.display(standing(doctor).free_minor, form.fields["amount_minor"].currency)
        return self.ask(
            request, form, title=_("Ask for a payout to %(doctor)s") % {"doctor": doctor}, back=statement,
            text=_("%(free)s can be paid out.") % {"free": free}, submit=_("Ask for it"),
        )  # fmt: skip

    def move(self, request, pk, to):
        """Started, paid (with the bank's reference) or not paid (with a reason)."""
        require(request, PAY)
        payout = get_object_or_404(Payout.objects.select_related("doctor"), pk=pk)
        if to not in MOVES:
            raise Http404
        word, form_class = MOVES[to]
        form = form_class(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                payout = move_payout(pk, PayoutStatus(to), **form.cleaned_data, actor=request.user)
                messages.success(request, str(payout))
                return see_other(self.url("change", pk))
            except Refused as refusal:
                form.add_error(None, refusal.message)
        title = _("%(word)s: %(amount)s to %(doctor)s") % {
            "word": word, "amount": payout.amount, "doctor": payout.doctor,
        }  # fmt: skip
        text = (
            _("Write %(code)s into the transfer's text: the bank's file is matched by it.")
            if to == "processing"
            else ""
        )
        return self.ask(
            request, form, title=title, text=text and text % {"code": payout.code}, submit=word,
            back=self.url("change", pk),
        )  # fmt: skip

    @admin.display(description=gettext_lazy("code"), ordering="pk")
    def code(self, payout):
        return payout.code

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def sum(self, payout):
        return payout.amount
