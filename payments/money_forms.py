"""What an address of the money pages asks for."""

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.errors import Refused
from payments.money_queries import MEASURES, MOST_DAYS, Days, Selection, this_week

DATE = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
WRONG = {"invalid": gettext_lazy("Write the day as year-month-day, like 2026-11-21.")}


class DaysForm(forms.Form):
    """From one day to another; this week where none is said."""

    since = forms.DateField(
        label=gettext_lazy("From"),
        input_formats=["%Y-%m-%d"],
        required=False,
        widget=DATE,
        error_messages=WRONG,
    )
    until = forms.DateField(
        label=gettext_lazy("to"),
        input_formats=["%Y-%m-%d"],
        required=False,
        widget=DATE,
        error_messages=WRONG,
    )

    def clean(self):
        typed = super().clean()
        if self.errors:
            return typed
        first, last = typed["since"], typed["until"]
        days = this_week(timezone.localdate())
        if first or last:
            days = Days(first or last, last or first)
        if not (days.first.year >= 2000 and days.last.year < 3000):
            raise forms.ValidationError(_("Choose days of this century."))
        if days.last < days.first:
            raise forms.ValidationError(_("The last day lies before the first one."))
        if days.count > MOST_DAYS:
            raise forms.ValidationError(_("Choose a year at most."))
        return typed | {"days": days}

    @property
    def wrong(self) -> list[str]:
        """What is wrong, each once."""
        return sorted({error for errors in self.errors.values() for error in errors})

    def days(self) -> Days | None:
        """None where the address makes no sense; the form says why."""
        return self.cleaned_data["days"] if self.is_valid() else None


class SelectionForm(DaysForm):
    """The rows behind a number."""

    what = forms.ChoiceField(choices=[(name, name) for name in MEASURES])
    currency = forms.RegexField(r"^[A-Z]{3}$", required=False)
    doctor = forms.IntegerField(min_value=1, max_value=2**31, required=False)
    gateway = forms.SlugField(max_length=20, required=False)
    method = forms.SlugField(max_length=10, required=False)

    def selection(self) -> Selection:
        """Raises Refused (400) where the address makes no sense."""
        days = asked_days(self)
        named = ("what", "currency", "doctor", "gateway", "method")
        return Selection(days=days, **{name: self.cleaned_data[name] for name in named})


def asked_days(form: DaysForm) -> Days:
    """Raises Refused (400) where the address makes no sense: a file or a list of other days would mislead."""
    days = form.days()
    if days is None:
        said = " ".join(error for errors in form.errors.values() for error in errors)
        raise Refused("DAYS", said, status=400)
    return days
