"""How windows are opened and changed, as typed."""

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinic.forms import MoneyField
from clinic.models import Doctor
from schedules.localtime import instant


class LineForm(forms.Form):
    """What windows and the hours that open them have in common."""

    prefix = forms.CharField(
        label=_("Token prefix"),
        max_length=3,
        required=False,
        help_text=_("“A” makes tokens A1, A2, … Empty: the doctor's usual one."),
    )
    reserved_for_desk = forms.IntegerField(
        label=_("Places kept for the desk"),
        min_value=0,
        required=False,
        help_text=_("Not sold online, so that walk-ins find room."),
    )
    holds_reserve = forms.BooleanField(
        label=_("Somebody who is paying holds their place"),
        required=False,
        initial=True,
        help_text=_("Off: the place belongs to whoever pays first."),
    )


class WindowForm(LineForm):
    """One window of one doctor. Empty fee and prefix mean the doctor's usual ones."""

    field_order = ["doctor", "date", "start_time", "end_time", "capacity", "fee_minor"]

    doctor = forms.ModelChoiceField(label=_("Doctor"), queryset=Doctor.objects.active())
    date = forms.DateField(label=_("Date"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}))
    start_time = forms.TimeField(
        label=_("From"), widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    )
    end_time = forms.TimeField(label=_("To"), widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}))
    capacity = forms.IntegerField(label=_("Places"), min_value=1, max_value=1000)
    fee_minor = MoneyField(label=_("Fee"), required=False, help_text=_("Empty: the doctor's usual fee."))

    def clean(self):
        typed = super().clean()
        day, start, end = (typed.get(name) for name in ("date", "start_time", "end_time"))
        if start and end and end <= start:
            self.add_error("end_time", _("A window ends after it starts, on the same day."))
        for name in ("start_time", "end_time"):
            if day and typed.get(name):
                self._check_clock(day, name)
        if day and end and not self.errors and instant(day, end) <= timezone.now():
            self.add_error("end_time", _("This has passed already. Choose a later time."))
        if (typed.get("reserved_for_desk") or 0) > (typed.get("capacity") or 0):
            self.add_error("reserved_for_desk", _("No more than there are places."))
        return typed

    def _check_clock(self, day, name):
        try:
            instant(day, self.cleaned_data[name])
        except ValidationError as error:
            self.add_error(name, error)


class CapacityForm(forms.Form):
    capacity = forms.IntegerField(
        label=_("Places"), min_value=1, max_value=100_000, widget=forms.NumberInput(attrs={"autofocus": True})
    )


class MinutesForm(CapacityForm):
    """The same of a pool: fewer for one day, say before a holiday."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["capacity"].label = _("Minutes for services")
