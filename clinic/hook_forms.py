"""What a manager types about a webhook."""

from urllib.parse import urlsplit, urlunsplit

from django import forms
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.channels import NotSent
from clinic.hook_channels import addresses_of
from clinic.hook_models import EVENTS, Hook
from clinic.notice_models import KINDS


def choices() -> list[tuple[str, str]]:
    """Each event with what it is called here and outside."""
    return [(event, f"{KINDS[kind]} ({event})") for kind, event in EVENTS.items()]


WRONG = {
    "no web address": gettext_lazy(
        "This is no web address. It begins with https:// and has no name or password in it."
    ),
    "not https": gettext_lazy("It must begin with https://, so that nobody reads along."),
    "unknown name": gettext_lazy("Nobody knows this name. Is it spelled right?"),
    "private address": gettext_lazy(
        "This leads into the clinic's own network. An operator may allow it (HOOKS_TO_PRIVATE_ADDRESSES)."
    ),
}


class HookForm(forms.ModelForm):
    url = forms.URLField(
        label=gettext_lazy("Address"),
        assume_scheme="https",
        error_messages={"required": gettext_lazy("Type the address that messages go to.")},
        max_length=500,
        help_text=gettext_lazy(
            "Messages carry a booking's id, which opens its page: give them to systems that you trust."
        ),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("It is told of"),
        choices=choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Tick at least one thing that it is told of.")},
    )

    class Meta:
        model = Hook
        fields = ["name", "url", "events", "is_active"]
        error_messages = {
            "name": {"required": gettext_lazy("Write whose it is, so that one knows whom to call.")}
        }

    def clean_url(self):
        """Looked at here, so that the one who types it learns it; and again before each delivery. One that
        stays is not: where the other side has gone, the rest of the form still works."""
        url = self.cleaned_data["url"]
        if "url" not in self.changed_data:
            return url
        try:
            addresses_of(url)
        except NotSent as error:
            raise forms.ValidationError(WRONG.get(str(error), _("This address does not work."))) from error
        return _sendable(url)


def _sendable(url: str) -> str:
    """Its path as HTTP sends it, in ASCII. The name stays: it is asked for in another alphabet (IDNA)."""
    to = urlsplit(url)
    return urlunsplit(to._replace(path=iri_to_uri(to.path), query=iri_to_uri(to.query)))


class NewHookForm(HookForm):
    class Meta(HookForm.Meta):
        fields = ["name", "url", "events"]
