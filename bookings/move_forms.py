"""Where staff move a visit, and why."""

from datetime import datetime

from django import forms
from django.utils import formats
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy, ngettext, pgettext

from bookings.minutes_queries import ServiceDay
from clinic.templatetags.clinic import clinic_time
from schedules.models import Schedule


class WindowChoice(forms.ModelChoiceField):
    def label_from_instance(self, window):
        left = ngettext("%(left)d left", "%(left)d left", window.left) % {"left": window.left}
        return f"{formats.date_format(window.date, 'D j M')} · {window.hours} · {left}"


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=150,
        help_text=gettext_lazy("It is kept with the booking."),
        error_messages={"required": gettext_lazy("Write why, in a few words.")},
    )


class MoveForm(ReasonForm):
    """To one of these windows, which have a free place."""

    field_order = ["to", "reason"]
    to = WindowChoice(label=gettext_lazy("New time"), queryset=Schedule.objects.none(), empty_label=None)

    def __init__(self, *args, windows, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["to"].queryset = windows

    @property
    def is_empty(self) -> bool:
        return not self.fields["to"].queryset.exists()

    def target(self) -> dict:
        """What `actions.reschedule` is asked for."""
        return {"to": self.cleaned_data["to"].pk}


class MoveServiceForm(ReasonForm):
    """To a start of one day at which the service fits, as it was sold."""

    field_order = ["to", "reason"]
    to = forms.ChoiceField(
        label=gettext_lazy("New time"),
        error_messages={"invalid_choice": gettext_lazy("This time is taken by now. Choose another one.")},
    )

    def __init__(self, *args, day: ServiceDay, minutes: int, but: datetime, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["to"].choices = [
            (f"{pool.schedule.pk} {start.isoformat()}", in_words(start, start in marked))
            for pool, marked in [(pool, pool.marked(minutes)) for pool in day.pools]
            for start in pool.starts(minutes)
            if start != but
        ]

    @property
    def is_empty(self) -> bool:
        return not self.fields["to"].choices

    def target(self) -> dict:
        """What `actions.reschedule` is asked for."""
        window, start = self.cleaned_data["to"].split()
        return {"to": int(window), "start_at": datetime.fromisoformat(start)}


def in_words(start: datetime, suggested: bool) -> str:
    time = clinic_time(localtime(start))
    return f"{time} · {pgettext('a time', 'suggested')}" if suggested else time
