"""The fields that sign-up asks for beyond e-mail and password, a patient in admin, and how money is typed."""

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from clinic import money
from clinic.membership_models import CareRelation
from clinic.models import Doctor

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


class PatientForm(forms.ModelForm):
    """A patient as the desk corrects them, and which doctors look after them."""

    looked_after_by = forms.ModelMultipleChoiceField(
        Doctor.objects.active().order_by("name"),
        label=_("Looked after by"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("With these doctors a visit is free on some plans."),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["looked_after_by"].initial = list(Doctor.objects.of_patient(self.instance))

    def _save_m2m(self):
        """Called by admin once the patient is saved."""
        super()._save_m2m()
        doctors = self.cleaned_data["looked_after_by"]
        offered = self.fields["looked_after_by"].queryset
        self.instance.care_relations.filter(doctor__in=offered).exclude(doctor__in=doctors).delete()
        for doctor in doctors:
            CareRelation.objects.get_or_create(patient=self.instance, doctor=doctor)


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
