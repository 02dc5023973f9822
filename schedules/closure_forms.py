"""Closures as a manager types them: one, or a list of holidays."""

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.models import Doctor
from schedules.closure_models import Closure
from schedules.holiday_rules import MOST_DAYS, NAME_LENGTH, Unreadable, read_calendar, read_lines

LARGEST = 256 * 1024
"""Bytes of a calendar file; a country's holidays of ten years have less."""


class ClosureForm(forms.Form):
    """`closures()` are not saved yet. `shown` is the fingerprint of what the page listed."""

    doctor = forms.ModelChoiceField(
        label=gettext_lazy("Only one doctor?"),
        queryset=Doctor.objects.active(),
        required=False,
        empty_label=gettext_lazy("No, the whole clinic"),
    )
    shown = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)


class DaysForm(ClosureForm):
    """A day, several days, or the same hours of each."""

    first_day = forms.DateField(
        label=gettext_lazy("First day"),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={"required": gettext_lazy("Choose the day.")},
    )
    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text=gettext_lazy("Empty: only that day."),
    )
    start_time = forms.TimeField(
        label=gettext_lazy("From"),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        help_text=gettext_lazy("Without times the whole day is closed."),
    )
    end_time = forms.TimeField(
        label=gettext_lazy("To"),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=NAME_LENGTH,
        help_text=gettext_lazy("Patients read it: “Diwali”, “The doctor is on leave”."),
        error_messages={"required": gettext_lazy("Write why, in a few words. Patients read it.")},
    )

    def clean(self):
        typed = super().clean()
        first, last = typed.get("first_day"), typed.get("last_day") or typed.get("first_day")
        if first and last < first:
            self.add_error("last_day", _("The last day is before the first."))
        elif first and last < timezone.localdate():
            self.add_error("first_day", _("This has passed already. Choose a later day."))
        elif first and (last - first).days >= MOST_DAYS:
            self.add_error("last_day", _("That is more than %(days)s days.") % {"days": MOST_DAYS})
        start, end = typed.get("start_time"), typed.get("end_time")
        if bool(start) != bool(end):
            self.add_error("end_time" if start else "start_time", _("Write both times, or none."))
        elif start and end <= start:
            self.add_error("end_time", _("Hours end after they start, on the same day."))
        return typed | {"last_day": last}

    def closures(self) -> list[Closure]:
        fields = {name: value for name, value in self.cleaned_data.items() if name != "shown"}
        return [Closure(**fields)]


class HolidaysForm(ClosureForm):
    """A pasted list, or a calendar file, whose days are written into the list."""

    lines = forms.CharField(
        label=gettext_lazy("The list"),
        required=False,
        max_length=40_000,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "One line each, a date and a name: “26 Jan 2027 Republic Day”, “2026-10-17 to 2026-10-24 Dashain”, "
            "“24 Dec 14:00-18:00 Christmas Eve”."
        ),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a calendar file"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".ics,text/calendar"}),
        help_text=gettext_lazy("An .ics file, as calendars export it. Its days are added to the list."),
    )
    field_order = ["doctor", "lines", "file", "shown"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.holidays, self.problems = [], []

    def clean(self):
        typed = super().clean()
        today = timezone.localdate()
        if self.errors:
            return typed
        if typed.get("file"):
            self._add_file(typed["file"], today)
        found, problems = read_lines(typed.get("lines", ""), today)
        self.holidays = sorted({*found, *self.holidays}, key=lambda one: (one.first, one.name))
        self.problems += problems
        if not self.holidays and not self.errors:
            self.add_error("lines", " ".join(self.problems) or _("No day ahead was found in it."))
        if self.holidays:  # the page shows the list as it was understood, and that is what is sent next
            self.data = self.data.copy()
            self.data["lines"] = "\n".join(str(holiday) for holiday in self.holidays)
        return typed

    def _add_file(self, file, today) -> None:
        if file.size > LARGEST:
            self.add_error("file", _("This file is too large for a list of holidays."))
            return
        try:
            self.holidays, self.problems = read_calendar(file.read(), today)
        except Unreadable as error:
            self.add_error("file", str(error))

    def closures(self) -> list[Closure]:
        doctor = self.cleaned_data["doctor"]
        return [
            Closure(
                doctor=doctor, first_day=day.first, last_day=day.last, start_time=day.start, end_time=day.end,
                reason=day.name,
            )
            for day in self.holidays
        ]  # fmt: skip
