"""One of an account's people, as they are typed."""

from datetime import timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from phonenumber_field.formfields import PhoneNumberField

from bookings.forms import Relationship
from clinic.models import Patient

OLDEST = timedelta(days=130 * 366)


class PersonForm(forms.ModelForm):
    """`people` are the account's, with this one among them where it is there already."""

    phone = PhoneNumberField(
        label=gettext_lazy("Mobile number"),
        help_text=gettext_lazy("The desk may call it if the doctor is late. For a child, yours."),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
        error_messages={
            "required": gettext_lazy("Write a mobile number."),
            "invalid": gettext_lazy(
                "This isn't a phone number that can be called. Write it with all its digits."
            ),
        },
    )

    class Meta:
        model = Patient
        fields = ["name", "relationship", "date_of_birth", "sex", "phone"]
        labels = {"name": gettext_lazy("Full name"), "relationship": gettext_lazy("This person is")}
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "off"}),
            "date_of_birth": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        }
        error_messages = {
            "name": {"required": gettext_lazy("Write the name.")},
            "relationship": {
                "required": gettext_lazy("Choose who this is to you."),
                "invalid_choice": gettext_lazy("You are on your list already. Choose who this is to you."),
            },
            "date_of_birth": {"invalid": gettext_lazy("Write the date of birth as in 2019-05-31.")},
        }

    def __init__(self, *args, people: list[Patient], **kwargs):
        super().__init__(*args, **kwargs)
        others = [person for person in people if person.pk != self.instance.pk]
        self.has_self = any(person.relationship == Relationship.SELF for person in others)
        free = [pair for pair in Relationship.choices if pair[0] != Relationship.SELF or not self.has_self]
        self.fields["relationship"].choices = [("", _("Choose")), *free]
        self.fields["relationship"].required = True
        self.fields["sex"].choices = [("", _("I'd rather not say")), *Patient.Sex.choices]
        if not self.instance.pk and people:
            self.fields["phone"].initial = people[0].phone

    def clean_date_of_birth(self):
        born, today = self.cleaned_data["date_of_birth"], timezone.localdate()
        if born and not today - OLDEST < born <= today:
            raise forms.ValidationError(_("This can't be a date of birth. Please look at the year."))
        return born
