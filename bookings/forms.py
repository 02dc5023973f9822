"""What a patient types to book."""

from django import forms
from django.core.validators import MaxValueValidator
from django.utils.translation import gettext_lazy as _
from phonenumber_field.formfields import PhoneNumberField

from bookings.steps import Guest
from clinic.models import Patient

NEW = "new"
NEW_PERSON = ("relationship", "name", "phone", "age")
Relationship = Patient.Relationship


class BookingForm(forms.Form):
    """Who the visit is for: one of an account's people (`patient`), or somebody who is typed in.

    `price` is what the page showed for somebody new, in minor units, `price-7` what it showed for
    patient 7, `minutes` how long it said that a service takes, and `request_key` makes a second click the same booking. It reads nothing from the
    database for a guest.
    """

    request_key = forms.UUIDField(widget=forms.HiddenInput)
    price = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    minutes = forms.IntegerField(min_value=0, required=False, widget=forms.HiddenInput)
    patient = forms.ChoiceField(
        label=_("Who is the visit for?"),
        widget=forms.RadioSelect,
        required=False,
    )
    relationship = forms.ChoiceField(label=_("This person is to me"), required=False)
    name = forms.CharField(
        label=_("Patient's full name"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": _("Write the name of the person who will see the doctor.")},
    )
    phone = PhoneNumberField(
        label=_("Mobile number"),
        help_text=_("The desk may call it if the doctor is late."),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
        error_messages={
            "required": _("Write a mobile number."),
            "invalid": _("This isn't a phone number that can be called. Write it with all its digits."),
        },
    )
    email = forms.EmailField(
        label=_("E-mail"), required=False, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    age = forms.IntegerField(
        label=_("Age in years"),
        required=False,
        min_value=0,
        validators=[MaxValueValidator(120, _("Write the age in years, as in 34."))],
        widget=forms.TextInput(attrs={"inputmode": "numeric", "size": 4}),
        error_messages={"invalid": _("Write the age in years, as in 34.")},
    )
    consent = forms.BooleanField(
        label=_("The clinic may keep these details to plan, treat and bill the visit."),
        error_messages={"required": _("We can book only with your consent.")},
    )

    def __init__(self, *args, account, **kwargs):
        super().__init__(*args, **kwargs)
        self.account = account if account.is_authenticated else None
        self.people = list(Patient.objects.of(account).order_by("pk")) if self.account else []
        self.myself = next((p for p in self.people if p.relationship == Relationship.SELF), None)
        if self.account:
            self._offer_people()
            del self.fields["email"]
        else:
            del self.fields["relationship"]
        if not self.people:
            del self.fields["patient"]

    def _offer_people(self):
        for person in self.people:
            shown = forms.IntegerField(min_value=0, required=False, widget=forms.HiddenInput)
            self.fields[f"price-{person.pk}"] = shown
        choices = [(str(person.pk), person.name) for person in self.people]
        self.fields["patient"].choices = [*choices, (NEW, _("Someone new"))]
        self.fields["patient"].initial = str((self.myself or self.people[0]).pk) if self.people else NEW
        relations = [("", _("I'd rather not say")), *Relationship.choices]
        self.fields["relationship"].choices = relations
        self.fields["relationship"].initial = "" if self.myself else Relationship.SELF
        if self.myself:  # not offered twice, but still understood: a double click sends the old form
            self.fields["relationship"].widget.choices = [c for c in relations if c[0] != Relationship.SELF]
        self.fields["name"].initial = "" if self.myself else self.account.name

    def clean(self):
        """What stands in the fields for somebody new does not matter when somebody known is chosen."""
        if self.known:
            for name in NEW_PERSON:
                self.errors.pop(name, None)
        if any(name.startswith(("request_key", "price", "minutes")) for name in self.errors):
            raise forms.ValidationError(_("This page was not complete. Please send it once more."))

    @property
    def known(self) -> Patient | None:
        """Who of the account's people is chosen."""
        return {str(p.pk): p for p in self.people}.get(self.cleaned_data.get("patient"))

    def who(self) -> Patient | Guest:
        """The person: somebody of the account as they stand, else a new one as typed."""
        if self.known:
            return self.known
        typed = self.cleaned_data
        return Guest(
            name=typed["name"],
            phone=typed["phone"].as_e164,
            email=typed.get("email", ""),
            age=typed["age"],
            account_id=self.account.pk if self.account else None,
            relationship=typed.get("relationship", ""),
        )

    @property
    def price_shown(self) -> int:
        """What the page said that it costs for who is chosen."""
        own = self.cleaned_data.get(f"price-{self.known.pk}") if self.known else None
        return self.cleaned_data["price"] if own is None else own

    def wish(self) -> dict:
        """What `actions.hold` is asked for."""
        return {
            "patient": self.who(),
            "price_minor": self.price_shown,
            "minutes": self.cleaned_data["minutes"],
            "request_key": self.cleaned_data["request_key"],
            "booked_by": self.account,
        }
