"""How a patient wants to pay."""

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
