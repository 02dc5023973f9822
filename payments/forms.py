"""What a patient chooses about money: how to pay, and to cancel for what was shown."""

from django import forms
from django.utils.translation import gettext_lazy as _

from payments import gateways


class PayForm(forms.Form):
    gateway = forms.ChoiceField(
        error_messages={
            "required": _("Choose how you want to pay."),
            "invalid_choice": _("This way to pay is not offered any more. Choose another."),
        }
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.offered = gateways.enabled()
        self.fields["gateway"].choices = [(gateway.name, gateway.label) for gateway in self.offered]


class CancelForm(forms.Form):
    percent = forms.IntegerField(min_value=0, max_value=100, required=False)

    def shown(self) -> int | None:
        """The percent that the page promised; None where it said that nothing was paid. What nobody
        was shown is -1: no promise equals that."""
        return self.cleaned_data["percent"] if self.is_valid() and "percent" in self.data else -1
