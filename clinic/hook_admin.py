"""Webhooks in admin: who is told of what, what became of each message, and sending it again."""

from django import forms
from django.contrib import admin, messages
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from clinic.admin import ReadableAdmin, Tool
from clinic.adminsite import require
from clinic.api_key_admin import SecretAdmin
from clinic.hook_actions import change_secret, make_hook, send_again
from clinic.hook_forms import HookForm, NewHookForm
from clinic.hook_models import Delivery, Hook
from clinic.notice_models import WAITING

CHANGE = "clinic.change_hook"
COPY = gettext_lazy(
    "Copy the secret now, for the other side checks our signatures with it. It is never shown again."
)


@admin.register(Hook)
class HookAdmin(SecretAdmin):
    form = HookForm
    list_display = ["name", "url", "told_of", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["name", "url"]
    date_hierarchy = "created_at"
    fields = ["name", "url", "events", "is_active", "created_at", "created_by"]
    readonly_fields = ["created_at", "created_by"]

    @admin.display(description=gettext_lazy("is told of"))
    def told_of(self, hook):
        return ", ".join(hook.events)

    def has_add_permission(self, request, *args):
        return request.user.has_perm("clinic.add_hook")

    def has_change_permission(self, request, obj=None):
        return request.user.has_perm(CHANGE)

    def add_view(self, request, form_url="", extra_context=None):
        """Makes one, and shows its secret: the answer to the form is the only page that has it."""
        require(request, "clinic.add_hook")
        form = NewHookForm(request.POST or None)
        if form.is_valid():
            hook = make_hook(actor=request.user, **form.cleaned_data)
            self.log_addition(request, hook, _("Made for %(url)s") % {"url": hook.url})
            return self.show_once(request, hook, hook.secret, COPY)
        return self.ask(
            request, form, title=_("New webhook"), submit=_("Make it"), back=self.url("changelist"),
            text=_("An address of another system that is told at once what happens here, signed."),
        )  # fmt: skip

    def tools(self, request, hook):
        log = reverse("admin:clinic_delivery_changelist") + f"?hook__id__exact={hook.pk}"
        found = [Tool(_("What was sent"), log)]
        if request.user.has_perm(CHANGE):
            found.append(Tool(_("Change the secret"), self.url("secret", hook.pk)))
        return found

    def pages(self):
        return [("<int:pk>/secret/", self.secret, "secret")]

    def secret(self, request, pk):
        """Asks first; then shows the new one."""
        require(request, CHANGE)
        hook = get_object_or_404(Hook, pk=pk)
        if request.method == "POST":
            hook = change_secret(pk)
            self.log_change(request, hook, _("New secret"))
            return self.show_once(request, hook, hook.secret, COPY)
        return self.ask(
            request, forms.Form(), title=_("A new secret for “%(hook)s”?") % {"hook": hook},
            text=_("For a day messages are signed with both, so that the other side can change without a gap."),
            submit=_("Make a new secret"), back=self.url("change", pk),
        )  # fmt: skip


@admin.register(Delivery)
class DeliveryAdmin(ReadableAdmin):
    list_display = ["event", "hook", "status", "answer", "tries", "created_at", "due_at", "sent_at"]
    list_filter = ["status", "event", "hook"]
    list_select_related = ["hook"]
    search_fields = ["=message"]
    date_hierarchy = "created_at"
    list_per_page = 50
    actions = ["resend"]
    fields = [
        "event", "hook", "message", "status", "answer", "error", "tries", "created_at", "due_at", "sent_at", "body",
    ]  # fmt: skip

    def has_resend_permission(self, request):
        return request.user.has_perm(CHANGE)

    @admin.action(description=gettext_lazy("Send again"), permissions=["resend"])
    def resend(self, request, deliveries):
        n = send_again(deliveries)
        said = ngettext("%(n)s message is sent again.", "%(n)s messages are sent again.", n) % {"n": n}
        self.message_user(request, said, messages.SUCCESS if n else messages.WARNING)

    def tools(self, request, delivery):
        may = self.has_resend_permission(request) and delivery.status not in WAITING
        return [Tool(_("Send again"), self.url("again", delivery.pk), post=True)] if may else []

    def pages(self):
        return [("<int:pk>/again/", require_POST(self.again), "again")]

    def again(self, request, pk):
        require(request, CHANGE)
        delivery = get_object_or_404(Delivery, pk=pk)
        if send_again(Delivery.objects.filter(pk=pk)):
            self.log_change(request, delivery, _("Sent again"))
            messages.success(request, _("It is sent again within a minute."))
        else:
            messages.warning(request, _("It is under way already, or its webhook is switched off."))
        return redirect(self.url("change", pk))
