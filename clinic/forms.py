"""The fields that sign-up asks for beyond e-mail and password."""

from django import forms
from django.utils.translation import gettext_lazy as _


class SignUpForm(forms.Form):
    name = forms.CharField(
        label=_("Your name"), max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )

    def signup(self, request, user):
        """Called by allauth with the saved account."""
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name"])
