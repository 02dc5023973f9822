"""The books in Django's admin: read and searched, never edited."""

from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.admin import ReadableAdmin, Tool
from clinic.adminsite import require
from clinic.errors import Refused
from clinic.forms import MoneyField
from clinic.models import Doctor
from clinic.pages import see_other
from payments.ledger_actions import adjust
from payments.ledger_models import LedgerEntry, Receipt, ReceiptSeries


@admin.register(ReceiptSeries)
class ReceiptSeriesAdmin(ReadableAdmin):
    list_display = ["name", "last_number"]
    search_fields = ["name"]
    fields = ["name", "last_number"]


@admin.register(Receipt)
class ReceiptAdmin(ReadableAdmin):
    list_display = ["label", "kind", "sum", "patient", "at", "issued_at"]
    list_filter = ["kind", "series"]
    list_select_related = ["series"]
    search_fields = ["payment__booking__patient__name", "refund__payment__booking__patient__name", "number"]
    search_help_text = gettext_lazy("Name or number (CL/2026-27/000123, or 123)")
    date_hierarchy = "at"
    list_per_page = 50
    fields = ["label", "kind", "sum", "patient", "at", "issued_at", "payment", "refund"]

    def get_search_results(self, request, queryset, search_term):
        """A number as it is printed means this one; 123 means it in every year."""
        series, slash, number = search_term.strip().rpartition("/")
        if slash and number.isdecimal():
            return queryset.filter(series__name__iexact=series, number=int(number)), False
        term = search_term.strip()
        return super().get_search_results(request, queryset, term.lstrip("0") if term.isdecimal() else term)

    def tools(self, request, receipt):
        payment = receipt.payment or receipt.refund.payment
        return [Tool(_("Print"), reverse("receipt", args=[payment.booking.public_id]))]

    @admin.display(description=gettext_lazy("number"), ordering="pk")
    def label(self, receipt):
        return receipt.label

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def sum(self, receipt):
        return ("−" if receipt.is_credit_note else "") + receipt.amount

    @admin.display(description=gettext_lazy("patient"))
    def patient(self, receipt):
        return receipt.snapshot["patient"]


class AdjustForm(forms.Form):
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    amount_minor = MoneyField(
        label=gettext_lazy("Amount"), min_value=None, help_text=gettext_lazy("With a minus to take it away.")
    )
    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=200,
        help_text=gettext_lazy("The doctor reads it."),
        error_messages={"required": gettext_lazy("Write why, in a few words.")},
    )


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadableAdmin):
    list_display = ["at", "doctor", "kind", "sum", "reason", "actor"]
    list_filter = ["kind", "doctor"]
    list_select_related = ["doctor", "actor"]
    search_fields = ["doctor__name", "reason"]
    date_hierarchy = "at"
    list_per_page = 50
    fields = ["at", "doctor", "kind", "sum", "payment", "refund", "reason", "actor"]

    def pages(self):
        return [("adjust/<int:doctor_id>/", self.adjust, "adjust")]

    def adjust(self, request, doctor_id):
        """Adds to what a doctor earned, or takes from it, with a reason."""
        require(request, "payments.adjust_ledger")
        doctor = get_object_or_404(Doctor, pk=doctor_id)
        form, statement = AdjustForm(request.POST or None), reverse("admin:earnings-of", args=[doctor_id])
        if form.is_valid():
            try:
                entry = adjust(doctor, **form.cleaned_data, actor=request.user)
            except Refused as refusal:
                form.add_error("amount_minor", refusal.message)
            else:
                messages.success(request, _("Booked: %(amount)s") % {"amount": entry.amount})
                return see_other(statement)
        title = _("Adjust the earnings of %(doctor)s") % {"doctor": doctor}
        return self.ask(request, form, title=title, submit=_("Book it"), back=statement)

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def sum(self, entry):
        return entry.amount
