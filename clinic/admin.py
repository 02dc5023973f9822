"""Who is in the clinic, and what must be looked at, in Django's admin."""

from dataclasses import dataclass

from allauth.mfa.admin import AuthenticatorAdmin  # noqa: F401  (registered before we take its place)
from allauth.mfa.models import Authenticator
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group
from django.db import models
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.module_loading import import_string
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import money
from clinic.actions import resolve_review
from clinic.adminsite import Tile, require
from clinic.forms import MoneyField, PatientForm
from clinic.models import Doctor, Patient, ReviewItem, User


def spelled(phone) -> str:
    """A phone number as people write it."""
    return getattr(phone, "as_international", "") or "–"


@dataclass(frozen=True)
class Tool:
    """Something to do with one row, beside its title. `post`: at once; else it leads to a page."""

    label: str | Promise
    url: str
    post: bool = False


class ToolsAdmin(admin.ModelAdmin):
    """An admin whose rows have tools and pages of their own.

    What changes under a lock is done on these pages, by calling an action: Django's own save
    is one transaction, in which an action could not start over (DESIGN §2).
    """

    change_form_template = "admin/with_tools.html"
    view_on_site = False

    def tools(self, request, row) -> list[Tool]:
        return []

    def pages(self) -> list:
        """(route, view, name) of this admin's own pages; the name gets the model's in front."""
        return []

    def get_urls(self):
        prefix = self.opts.label_lower.replace(".", "_")
        own = [
            path(route, self.admin_site.admin_view(view), name=f"{prefix}_{name}")
            for route, view, name in self.pages()
        ]
        return own + super().get_urls()

    def url(self, name, *args) -> str:
        return reverse(f"admin:{self.opts.label_lower.replace('.', '_')}_{name}", args=args)

    def changelist_view(self, request, extra_context=None):
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, title | (extra_context or {}))

    def render_change_form(self, request, context, add=False, change=False, form_url="", obj=None):
        if obj:
            context |= {"tools": self.tools(request, obj), "title": str(obj), "subtitle": None}
        return super().render_change_form(request, context, add, change, form_url, obj)

    def ask(
        self, request, form, *, title, submit, back, text="", danger=False, template="admin/ask.html", **more
    ):
        """A page of its own with one small form and one button; `more` is for a `template` that adds to it."""
        context = self.admin_site.each_context(request) | {
            "opts": self.opts, "form": form, "title": title, "text": text,
            "submit": submit, "back": back, "danger": danger, **more,
        }  # fmt: skip
        return TemplateResponse(request, template, context)


class ReadableAdmin(ToolsAdmin):
    """A table that is read here; what may change in it changes through tools and actions."""

    def has_add_permission(self, request, *args):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class ReadableInline(admin.TabularInline):
    template = "admin/readable_inline.html"
    extra = 0
    can_delete = False

    def has_add_permission(self, request, *args):
        return False

    def has_change_permission(self, request, obj=None):
        return False


class KeptAdmin(ToolsAdmin):
    """Rows that others refer to: they are hidden or switched off, never deleted."""

    in_major_units = {}
    """Fields of money, and the column that says the same to those who only read."""

    def get_fieldsets(self, request, obj=None):
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        said = self.in_major_units
        return [
            (name, of | {"fields": [said.get(field, field) for field in of["fields"]]}) for name, of in found
        ]

    def get_readonly_fields(self, request, obj=None):
        return [*super().get_readonly_fields(request, obj), *self.in_major_units.values()]

    def has_delete_permission(self, request, obj=None):
        return False


AS_BOXES = {models.ManyToManyField: {"widget": forms.CheckboxSelectMultiple}}
"""A clinic has few roles and few doctors: they are ticked, not moved between two lists."""

admin.site.unregister(Group)  # roles are what clinic/roles.py says, after every migrate
admin.site.unregister(Authenticator)  # allauth's shows the secrets


# --- People -------------------------------------------------------------------------------


class NewAccountForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name")


@admin.register(User)
class AccountAdmin(UserAdmin):
    add_form = NewAccountForm
    list_display = ["email", "name", "roles", "is_staff", "is_active", "last_login"]
    list_filter = ["is_staff", "is_active", "groups"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    date_hierarchy = "date_joined"
    list_per_page = 50
    filter_horizontal = []
    formfield_overrides = AS_BOXES
    readonly_fields = ["last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        (
            gettext_lazy("What they may do"),
            {"fields": ["is_active", "is_staff", "groups", "is_superuser"]},
        ),
        (gettext_lazy("When"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "usable_password", "password1", "password2"]})]

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=gettext_lazy("roles"))
    def roles(self, account):
        return ", ".join(group.name for group in account.groups.all())


@admin.register(Authenticator)
class SecondFactorAdmin(ReadableAdmin):
    """Somebody who lost their phone gets in again when an operator deletes its row."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    list_select_related = ["user"]
    search_fields = ["user__email", "user__name"]
    date_hierarchy = "created_at"
    fields = ["user", "type", "created_at", "last_used_at"]

    def has_delete_permission(self, request, obj=None):
        return request.user.has_perm("mfa.delete_authenticator")


def fee_field(label, initial=0):
    return MoneyField(
        label=label,
        initial=initial,
        help_text=gettext_lazy("In %(currency)s.") % {"currency": settings.CLINIC_CURRENCY},
    )


class DoctorForm(forms.ModelForm):
    fee_minor = fee_field(gettext_lazy("Usual fee"))


@admin.register(Doctor)
class DoctorAdmin(KeptAdmin):
    form = DoctorForm
    list_display = ["name", "specialty", "room", "prefix", "fee", "is_active"]
    list_filter = ["is_active", "specialty"]
    list_select_related = ["user"]
    search_fields = ["name", "specialty"]
    prepopulated_fields = {"slug": ["name"]}
    fieldsets = [
        (None, {"fields": ["name", "slug", "specialty", "is_active", "user"]}),
        (gettext_lazy("At the desk"), {"fields": ["room", "prefix", "fee_minor", "follow_up_days"]}),
        (gettext_lazy("For patients"), {"fields": ["qualifications", "languages", "about", "offers"]}),
    ]
    readonly_fields = ["offers"]
    in_major_units = {"fee_minor": "fee"}

    @admin.display(description=gettext_lazy("services"))
    def offers(self, doctor):
        """Who offers what is ticked at the service."""
        if not doctor.pk:
            return "–"
        found = [
            (reverse("admin:clinic_service_change", args=[s.pk]), s) for s in doctor.services.in_catalogue()
        ]
        return format_html_join(", ", '<a href="{}">{}</a>', found) or "–"

    def tools(self, request, doctor):
        return import_string(settings.DOCTOR_TOOLS)(request, doctor)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        """A doctor's account is one of the clinic's people."""
        if db_field.name == "user":
            kwargs["queryset"] = User.objects.filter(is_staff=True).order_by("name", "email")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("usual fee"), ordering="fee_minor")
    def fee(self, doctor):
        return money.display(doctor.fee_minor, settings.CLINIC_CURRENCY)


@admin.register(Patient)
class PatientAdmin(KeptAdmin):
    form = PatientForm
    list_display = ["name", "number", "email", "age", "date_of_birth", "account", "created_at"]
    list_select_related = ["account"]
    list_filter = ["sex", "relationship"]
    search_fields = ["name", "phone", "email"]
    date_hierarchy = "created_at"
    list_per_page = 50
    readonly_fields = ["account", "relationship", "created_at"]
    fields = [
        "name",
        "phone",
        "email",
        "date_of_birth",
        "age",
        "sex",
        "looked_after_by",
        "account",
        "relationship",
        "created_at",
    ]

    @admin.display(description=gettext_lazy("phone"), ordering="phone")
    def number(self, patient):
        return spelled(patient.phone)

    def get_queryset(self, request):
        """Whoever may not correct patients (a doctor) sees their own only."""
        patients = super().get_queryset(request)
        if request.user.has_perm("clinic.change_patient"):
            return patients
        return patients.filter(bookings__schedule__doctor__user=request.user).distinct()

    @admin.display(description=gettext_lazy("looked after by"))
    def looked_after_by(self, patient):
        """For those who only read."""
        return ", ".join(map(str, Doctor.objects.of_patient(patient))) or "–"

    def has_add_permission(self, request):
        """Patients come into being with their first booking."""
        return False


# --- What must be looked at ---------------------------------------------------------------


class NoteForm(forms.Form):
    note = forms.CharField(
        label=gettext_lazy("What was done about it"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4, "autofocus": True}),
        error_messages={"required": gettext_lazy("Write what was done, so that nobody has to ask again.")},
    )


class OpenFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request, model_admin):
        return [("open", _("to look at")), ("resolved", _("resolved"))]

    def queryset(self, request, queryset):
        if self.value() == "open":
            return queryset.open()
        return queryset.exclude(resolved_at=None) if self.value() == "resolved" else queryset


@admin.register(ReviewItem)
class ReviewItemAdmin(ReadableAdmin):
    list_display = ["subject", "created_at", "resolved_at", "resolved_by"]
    list_filter = [OpenFilter]
    list_select_related = ["resolved_by"]
    search_fields = ["subject", "explanation", "note"]
    date_hierarchy = "created_at"
    fields = ["subject", "explanation", "where", "created_at", "resolved_at", "resolved_by", "note"]

    @admin.display(description=gettext_lazy("where to look"))
    def where(self, item):
        return format_html('<a href="{0}">{0}</a>', item.link) if item.link else "–"

    def tools(self, request, item):
        """What resolves it: a decision about its payment, or a note that it is fine as it is."""
        if item.resolved_at:
            return []
        found = import_string(settings.REVIEW_TOOLS)(request, item)
        if request.user.has_perm("clinic.change_reviewitem"):
            found.append(Tool(_("Accept as it is, with a note"), self.url("resolve", item.pk)))
        return found

    def pages(self):
        return [("<int:pk>/resolve/", self.resolve, "resolve")]

    def resolve(self, request, pk):
        """Closes one item with a note about what was done."""
        require(request, "clinic.change_reviewitem")
        item = get_object_or_404(ReviewItem, pk=pk)
        form = NoteForm(request.POST or None)
        if form.is_valid():
            if resolve_review(pk, note=form.cleaned_data["note"], actor=request.user):
                messages.success(request, _("Resolved: %(subject)s") % {"subject": item.subject})
            else:
                messages.warning(request, _("Somebody else has resolved this already. Their note stays."))
            return redirect(self.url("changelist") + "?state=open")
        return self.ask(
            request, form, title=item.subject, text=item.explanation,
            submit=_("Accept"), back=self.url("change", pk),
        )  # fmt: skip


def count_open(request):
    return str(ReviewItem.objects.open().count()), _("open")


REVIEW_TILE = Tile(
    label=gettext_lazy("To look at"),
    page="clinic_reviewitem_changelist",
    query="?state=open",
    permission="clinic.view_reviewitem",
    count=count_open,
    in_header=True,
)

from clinic import api_key_admin, hook_admin, membership_admin, notice_admin, service_admin  # noqa: E402, F401  (Django looks for tables here; they stand on those above)
