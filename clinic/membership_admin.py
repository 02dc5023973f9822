"""Plans and who is on them, in Django's admin. Reception enrols; managers write plans and end memberships."""

from django import forms
from django.contrib import admin, messages
from django.db import IntegrityError
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.admin import KeptAdmin
from clinic.membership_models import Membership, Plan, Rule, overlapping
from clinic.models import User


@admin.register(Plan)
class PlanAdmin(KeptAdmin):
    list_display = ["name", "rule", "free_visits", "free_days", "is_active"]
    list_filter = ["is_active", "rule"]
    search_fields = ["name", "words"]
    fields = ["name", "words", "rule", "free_visits", "free_days", "is_active"]

    def get_readonly_fields(self, request, obj=None):
        """What somebody has joined does not become something else: make a new plan, and switch this one off."""
        joined = obj and Membership.objects.filter(plan=obj).exists()
        return ["rule", "free_visits", "free_days"] if joined else []


class EnrolForm(forms.ModelForm):
    email = forms.EmailField(
        label=gettext_lazy("E-mail address of the account"),
        help_text=gettext_lazy("With which they sign in here."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    class Meta:
        model = Membership
        fields = ["plan", "starts_on", "ends_on"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["plan"].queryset = Plan.objects.offered()
        self.fields["starts_on"].initial = timezone.localdate()

    def clean_email(self):
        address = self.cleaned_data["email"].lower()
        account = User.objects.filter(email=address).first()
        if account is None:
            raise forms.ValidationError(_("Nobody signs in with this address. They make an account first."))
        self.instance.account = account
        return address


@admin.register(Membership)
class MembershipAdmin(KeptAdmin):
    list_display = ["account", "plan", "starts_on", "ends_on", "visits"]
    list_filter = ["plan"]
    list_select_related = ["account", "plan"]
    search_fields = ["account__email", "account__name"]
    date_hierarchy = "starts_on"
    list_per_page = 50

    def get_queryset(self, request):
        return super().get_queryset(request).with_used()

    def get_form(self, request, obj=None, **kwargs):
        return super().get_form(request, obj, **(kwargs if obj else kwargs | {"form": EnrolForm}))

    def get_fields(self, request, obj=None):
        if obj is None:
            return ["email", "plan", "starts_on", "ends_on"]
        return ["account", "plan", "starts_on", "ends_on", "visits"]

    def get_readonly_fields(self, request, obj=None):
        """It ends; who wants another plan ends this one and joins that."""
        return ["account", "plan", "starts_on", "visits"] if obj else []

    @admin.display(description=gettext_lazy("free visits used"))
    def visits(self, member):
        if member.plan.rule == Rule.PAYS:
            return "–"
        most = member.plan.free_visits
        return (
            f"{member.used}"
            if most is None
            else _("%(used)s of %(most)s") % {"used": member.used, "most": most}
        )

    def changeform_view(self, request, *args, **kwargs):
        """Two receptionists at once: what the form could not see, the database refuses."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except IntegrityError:
            messages.error(request, overlapping())
            return redirect(request.path)
