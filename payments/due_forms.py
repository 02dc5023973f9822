"""What a patient owes, as it is taken at the counter: how, and how much where a discount is given."""

from uuid import uuid4

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bookings.models import Booking
from clinic.forms import MoneyField
from payments.states import Method


class TakePaymentForm(forms.Form):
    """Enter takes all of it in cash. Who may give a discount types less, and why; or lets all of it off."""

    request_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    method = forms.ChoiceField(
        label=gettext_lazy("Paid by"), choices=Method.choices, initial=Method.CASH, widget=forms.RadioSelect
    )
    reason = forms.CharField(
        label=gettext_lazy("Why less?"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args, booking: Booking, may_discount: bool, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)
        self.due_minor = booking.to_collect_minor
        self.may_discount = may_discount
        self.fields["collected_minor"] = MoneyField(
            label=_("Amount taken"),
            currency=booking.currency,
            initial=self.due_minor,
            required=False,
            widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        )

    @property
    def lets_all_off(self) -> bool:
        return "let-off" in self.data

    @property
    def of_discount(self) -> list:
        return [self["collected_minor"], self["reason"]]

    @property
    def shows_discount(self) -> bool:
        """The discount's fields stand open: one of them is wrong."""
        return bool(self.errors.keys() & {"collected_minor", "reason"})

    def clean(self):
        typed = super().clean()
        if self.lets_all_off:
            typed["collected_minor"] = 0
        if typed.get("collected_minor") is None:
            typed["collected_minor"] = self.due_minor
        if typed["collected_minor"] < self.due_minor and not self.may_discount:
            self.add_error(None, _("Only a manager can take less than the price. Nothing was taken."))
        return typed

    def wish(self) -> dict:
        """What `collect` asks for."""
        typed = self.cleaned_data
        return {name: typed[name] for name in ("collected_minor", "method", "reason")} | {
            "key": typed["request_key"]
        }

    def refuse(self, refusal) -> None:
        """Says why the counter took nothing, beside the field that helps."""
        field = {"REASON_NEEDED": "reason", "TOO_MUCH": "collected_minor"}.get(refusal.code)
        self.add_error(field, refusal.message)
