"""What a manager types to make a key."""

from datetime import datetime, time, timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.api_key_models import ApiKey, Scope
from clinic.models import User


class KeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("It may"),
        choices=Scope,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Tick at least one thing that it may do.")},
    )
    until = forms.DateField(
        label=gettext_lazy("Last day on which it works"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Empty: until somebody revokes it."),
    )

    class Meta:
        model = ApiKey
        fields = ["name", "account", "scopes", "per_minute"]
        error_messages = {
            "name": {"required": gettext_lazy("Write what it is for, so that one knows what to revoke.")},
            "account": {"required": gettext_lazy("Choose under whose name it acts.")},
        }

    def __init__(self, *args, actor, **kwargs):
        super().__init__(*args, **kwargs)
        theirs = User.objects.filter(is_staff=True, is_active=True).order_by("name", "email")
        if not actor.is_superuser:  # nobody makes themselves a key to more than they may
            theirs = theirs.filter(is_superuser=False)
        self.fields["account"].queryset = theirs

    def clean_until(self):
        day = self.cleaned_data["until"]
        if day and day < timezone.localdate():
            raise forms.ValidationError(_("This day is over."))
        return day

    def asked(self) -> dict:
        """The fields of `make_key`; a last day becomes its end at the clinic."""
        fields = dict(self.cleaned_data)
        day = fields.pop("until")
        end = day and timezone.make_aware(datetime.combine(day + timedelta(days=1), time()))
        return fields | {"expires_at": end}
