"""The fields that sign-up asks for beyond e-mail and password, and how money is typed."""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from clinic import money

MOST = 2**31 - 1
"""The largest amount that a column holds, in minor units."""


class SignUpForm(forms.Form):
    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )

    def signup(self, request, user):
        """Called by allauth with the saved account."""
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])


class MoneyField(forms.DecimalField):
    """Typed and shown in major units; `cleaned_data` holds minor units, an int.

    An amount finer than the currency ("500.505" in INR) is refused, never rounded.
    """

    def __init__(self, *, currency=None, **kwargs):
        self.currency = currency or settings.CLINIC_CURRENCY
        super().__init__(**{"min_value": 0, "max_value": money.to_major(MOST, self.currency)} | kwargs)

    def clean(self, value):
        amount = super().clean(value)
        try:
            return None if amount is None else money.to_minor(amount, self.currency)
        except ValueError as error:
            raise ValidationError(
                _("%(amount)s is finer than the smallest coin of %(currency)s."),
                code="inexact",
                params={"amount": amount, "currency": self.currency},
            ) from error

    def prepare_value(self, value):
        """Minor units from the database; what was typed comes back as it was."""
        return money.to_major(value, self.currency) if isinstance(value, int) else value

    def has_changed(self, initial, data):
        return super().has_changed(self.prepare_value(initial), data)
