"""Weekly hours, as a manager types them."""

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from clinic.forms import MoneyField
from schedules.forms import LineForm
from schedules.opening_rules import minutes
from schedules.states import Kind, Mode

KINDS = [
    (Kind.TOKEN, _("Numbers: patients come within these hours and are called in turn")),
    (Kind.SLOT, _("Exact times: one patient each")),
    (Kind.POOL, _("Services: each takes its own minutes")),
]
MODES = [(Mode.IN_PERSON, _("At the clinic")), (Mode.VIDEO, _("By video"))]


def _date() -> forms.DateInput:
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


def _time() -> forms.TimeInput:
    return forms.TimeInput(format="%H:%M", attrs={"type": "time"})


class HoursForm(LineForm):
    """`cleaned_data` holds what `hours_actions` takes, after `clean` has put each kind's own in order."""

    field_order = [
        "start_time", "end_time", "kind", "capacity", "slot_minutes", "mode", "fee_minor", "prefix",
        "reserved_for_desk", "holds_reserve",
    ]  # fmt: skip

    start_time = forms.TimeField(
        label=_("From"), widget=_time(), error_messages={"required": _("Write when these hours begin.")}
    )
    end_time = forms.TimeField(
        label=_("To"), widget=_time(), error_messages={"required": _("Write when these hours end.")}
    )
    kind = forms.ChoiceField(
        label=_("What do patients book?"), choices=KINDS, initial=Kind.TOKEN, widget=forms.RadioSelect
    )
    capacity = forms.IntegerField(
        label=_("How many patients, or minutes for services?"),
        min_value=1,
        max_value=1000,
        required=False,
        help_text=_(
            "For exact times leave it empty. For services, empty means all of these hours: "
            "180 from 9 to 12, 300 from 13 to 18."
        ),
    )
    slot_minutes = forms.IntegerField(
        label=_("Minutes of each exact time"),
        min_value=1,
        max_value=720,
        required=False,
        help_text=_("Times that would end too late are left out."),
    )
    mode = forms.ChoiceField(
        label=_("Where?"), choices=MODES, initial=Mode.IN_PERSON, widget=forms.RadioSelect
    )
    fee_minor = MoneyField(label=_("Fee"), required=False)
    effective_from = forms.DateField(
        label=_("From which day on?"), widget=_date(), initial=timezone.localdate
    )
    effective_until = forms.DateField(
        label=_("Until which day?"),
        widget=_date(),
        required=False,
        help_text=_("Empty: until further notice."),
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["reserved_for_desk"].label = _("Kept for the desk: places, or minutes for services")
        self.fields["fee_minor"].help_text = _(
            "In %(currency)s. Empty: the doctor's usual fee, as it is on the day the hours open. Services have prices of their own."
        ) % {"currency": settings.CLINIC_CURRENCY}

    def clean(self):
        typed = super().clean()
        start, end = typed.get("start_time"), typed.get("end_time")
        if start and end and end <= start:
            self.add_error("end_time", _("Hours end after they start, on the same day."))
        since, until = typed.get("effective_from"), typed.get("effective_until")
        if since and until and until < since:
            self.add_error("effective_until", _("The last day is before the first."))
        if not self.errors:
            self._clean_places(typed, _length(start, end))
        return typed

    def _clean_places(self, typed: dict, length: int) -> None:
        kind, each, places = typed["kind"], typed["slot_minutes"], typed["capacity"]
        kept = typed["reserved_for_desk"] = typed["reserved_for_desk"] or 0
        if kind == Kind.SLOT:
            places = 1
            if not each:
                self.add_error("slot_minutes", _("Write how many minutes each patient has."))
            elif each > length:
                self.add_error("slot_minutes", _("These hours are shorter than that."))
        else:
            typed["slot_minutes"] = None
        if kind == Kind.POOL:
            places = places or length
        typed["capacity"] = places
        if not places:
            self.add_error("capacity", _("Write how many patients the doctor sees in these hours."))
        elif kind == Kind.POOL and places > length:
            self.add_error("capacity", _("These hours have only %(minutes)s minutes.") % {"minutes": length})
        elif kept > places:
            self.add_error("reserved_for_desk", _("No more than there are places."))


class NewHoursForm(HoursForm):
    """Several weekdays at once: each becomes a row of its own."""

    daily = forms.BooleanField(label=_("Every day"), required=False)
    weekdays = forms.TypedMultipleChoiceField(
        label=_("On which days?"),
        coerce=int,
        choices=list(WEEKDAYS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    field_order = ["daily", "weekdays", *HoursForm.field_order]

    def clean(self):
        typed = super().clean()
        chosen = list(WEEKDAYS) if typed.pop("daily", False) else typed.get("weekdays")
        if not chosen and "weekdays" not in self.errors:
            self.add_error("weekdays", _("Choose at least one day, or “Every day”."))
        typed["weekdays"] = chosen
        return typed


class ChangedHoursForm(HoursForm):
    weekday = forms.TypedChoiceField(label=_("Weekday"), coerce=int, choices=list(WEEKDAYS.items()))
    field_order = ["weekday", *HoursForm.field_order]


def _length(start, end) -> int:
    """Minutes between two clock times of one day."""
    return minutes(end) - minutes(start)
