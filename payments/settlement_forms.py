"""The file of a bank: chosen, looked through, and sent again with what was seen."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.settlement_rules import MOST_BYTES, Line, Unreadable, read


def lines_of(data: bytes) -> list[Line]:
    """Raises ValidationError with what is wrong with the file as a whole."""
    try:
        return read(data, currency=settings.CLINIC_CURRENCY)
    except Unreadable as error:
        raise ValidationError(str(error)) from error


class UploadForm(forms.Form):
    """`cleaned_data["file"]` is its bytes, and `lines` what they say."""

    file = forms.FileField(
        label=gettext_lazy("The bank's file"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text=gettext_lazy(
            "A CSV as it was downloaded, with a line of headings: the transfer's text or reference (with our code, "
            "like PO17-3F9A), the bank's reference or UTR, and the amount; also currency, status, date and reason, if there are any."
        ),
        error_messages={"required": gettext_lazy("Choose the file.")},
    )

    def clean_file(self):
        file = self.cleaned_data["file"]
        self.lines = lines_of(file.read(MOST_BYTES + 1))
        file.seek(0)
        return file.read()


class KeptFile(forms.CharField):
    """The bytes of a file in a form, so that nothing has to be stored between two pages."""

    widget = forms.HiddenInput

    def prepare_value(self, value):
        return urlsafe_b64encode(value).decode() if isinstance(value, bytes) else value

    def to_python(self, value):
        try:
            return urlsafe_b64decode(super().to_python(value).encode())
        except ValueError as error:
            raise ValidationError(_("Choose the file again.")) from error


class ApplyForm(forms.Form):
    data = KeptFile()
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def clean_data(self):
        self.lines = lines_of(self.cleaned_data["data"])
        return self.cleaned_data["data"]
