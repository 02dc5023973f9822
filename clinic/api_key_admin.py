"""Keys of machines in admin: made here and shown once, looked through, taken away."""

from django import forms
from django.contrib import admin, messages
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.admin import ReadableAdmin, Tool
from clinic.adminsite import require
from clinic.api_key_actions import make_key, revoke_key
from clinic.api_key_forms import KeyForm
from clinic.api_key_models import ApiKey


class SecretAdmin(ReadableAdmin):
    """Rows whose secret stands on one page, right after it was made, and on no other."""

    def show_once(self, request, row, secret, text):
        context = self.admin_site.each_context(request) | {
            "opts": self.opts, "title": str(row), "text": text, "secret": secret,
            "back": self.url("change", row.pk),
        }  # fmt: skip
        return TemplateResponse(request, "admin/shown_once.html", context)


@admin.register(ApiKey)
class ApiKeyAdmin(SecretAdmin):
    list_display = ["name", "begins", "account", "may", "state", "last_used_at"]
    list_select_related = ["account"]
    search_fields = ["name", "prefix", "account__email"]
    date_hierarchy = "created_at"
    fields = [
        "name", "begins", "account", "may", "per_minute", "state", "expires_at", "last_used_at",
        "created_at", "created_by", "revoked_at", "revoked_by",
    ]  # fmt: skip

    @admin.display(description=gettext_lazy("begins with"), ordering="prefix")
    def begins(self, key):
        return f"ck_{key.prefix}…"

    @admin.display(description=gettext_lazy("may"))
    def may(self, key):
        return key.may_words

    @admin.display(description=gettext_lazy("state"))
    def state(self, key):
        if key.revoked_at:
            return _("revoked")
        return _("expired") if key.expires_at and key.expires_at <= timezone.now() else _("works")

    def has_add_permission(self, request, *args):
        return request.user.has_perm("clinic.add_apikey")

    def add_view(self, request, form_url="", extra_context=None):
        """Makes one, and shows it: the answer to the form is the only page that has it."""
        require(request, "clinic.add_apikey")
        form = KeyForm(request.POST or None, actor=request.user)
        if form.is_valid():
            row, key = make_key(actor=request.user, **form.asked())
            self.log_addition(request, row, _("Made: %(may)s") % {"may": row.may_words})
            return self.show_once(
                request,
                row,
                key,
                _("Copy the key now, and keep it like a password. It is never shown again."),
            )
        return self.ask(
            request, form, title=_("New API key"), submit=_("Make the key"), back=self.url("changelist")
        )

    def tools(self, request, key):
        may = key.revoked_at is None and request.user.has_perm("clinic.change_apikey")
        return [Tool(_("Revoke"), self.url("revoke", key.pk))] if may else []

    def pages(self):
        return [("<int:pk>/revoke/", self.revoke, "revoke")]

    def revoke(self, request, pk):
        """Asks first; then the key works no longer."""
        require(request, "clinic.change_apikey")
        key = get_object_or_404(ApiKey, pk=pk)
        if request.method == "POST":
            if revoke_key(pk, actor=request.user):
                self.log_change(request, key, _("Revoked"))
                messages.success(request, _("Revoked: %(key)s") % {"key": key})
            else:
                messages.warning(request, _("This key was revoked before."))
            return redirect(self.url("change", pk))
        return self.ask(
            request, forms.Form(), title=_("Revoke “%(key)s”?") % {"key": key}, submit=_("Revoke"), danger=True,
            text=_("Whatever uses it is refused from the next request on. It cannot be taken back: make a new key then."),
            back=self.url("change", pk),
        )  # fmt: skip
