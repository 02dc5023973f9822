"""The catalogue in Django's admin: managers write it while patients book, reception reads it."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import IntegrityError
from django.db.models import Count, Q
from django.shortcuts import redirect
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from clinic import money, service_actions
from clinic.admin import AS_BOXES, KeptAdmin, Tool, fee_field
from clinic.adminsite import require
from clinic.errors import Refused
from clinic.models import Doctor, Service, ServiceCategory

CHANGE = "clinic.change_service"


class ServiceForm(forms.ModelForm):
    price_minor = fee_field(gettext_lazy("Price"), initial=None)


class RemovedFilter(admin.SimpleListFilter):
    """The list is the catalogue; what was removed is one click away."""

    title = gettext_lazy("whether it is removed")
    parameter_name = "removed"

    def lookups(self, request, model_admin):
        return [("yes", _("Removed ones"))]

    def choices(self, changelist):
        everything, removed = super().choices(changelist)
        yield everything | {"display": _("The catalogue")}
        yield removed

    def queryset(self, request, queryset):
        return queryset.exclude(deleted_at=None) if self.value() == "yes" else queryset.in_catalogue()


@admin.register(Service)
class ServiceAdmin(KeptAdmin):
    form = ServiceForm
    list_display = ["name", "category", "takes", "price", "offered_by", "visible", "position"]
    list_select_related = ["category"]
    list_filter = [RemovedFilter, "visible", "category", "doctors"]
    search_fields = ["name", "code", "description", "doctors__name"]
    list_per_page = 50
    prepopulated_fields = {"code": ["name"]}
    formfield_overrides = AS_BOXES
    readonly_fields = ["deleted_at"]
    in_major_units = {"price_minor": "price"}
    fieldsets = [
        (None, {"fields": ["name", "code", "category", "description"]}),
        (gettext_lazy("What it takes"), {"fields": ["duration", "buffer", "price_minor", "pay_at_desk"]}),
        (gettext_lazy("Who offers it"), {"fields": ["doctors"]}),
        (gettext_lazy("On the site"), {"fields": ["visible", "position"]}),
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("doctors")

    def get_fieldsets(self, request, obj=None):
        removed = [(None, {"fields": ["deleted_at"]})] if obj and obj.deleted_at else []
        return removed + super().get_fieldsets(request, obj)

    def get_prepopulated_fields(self, request, obj=None):
        """A code that is known already doesn't follow the name."""
        return {} if obj else self.prepopulated_fields

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        """Who left stays ticked where they are, and is offered nowhere else."""
        if db_field.name == "doctors":
            service = request.resolver_match.kwargs.get("object_id")
            kwargs["queryset"] = Doctor.objects.filter(
                Q(is_active=True) | Q(services=service)
            ).order_by("name").distinct()  # fmt: skip
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request, obj=None):
        """What was removed is read until it is restored."""
        return super().has_change_permission(request, obj) and not (obj and obj.deleted_at)

    def save_model(self, request, service, form, change):
        """Writes what was changed alone: somebody may remove it at this moment."""
        own = {field.name for field in service._meta.concrete_fields}
        service.save(update_fields=own & {*form.changed_data} if change else None)

    def save_related(self, request, form, formsets, change):
        """Says, too, why patients can't book it yet, or not everywhere."""
        super().save_related(request, form, formsets, change)
        for said in import_string(settings.SERVICE_ADVICE)(form.instance):
            messages.warning(request, said)

    def changeform_view(self, request, *args, **kwargs):
        """Two managers at once: what the form could not see, the database refuses."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except IntegrityError:
            messages.error(request, _("Somebody else saved such a service at this moment. Look at it first."))
            return redirect(self.url("changelist"))

    # --- Removing and restoring -----------------------------------------------------------

    def pages(self):
        return [
            ("<int:pk>/remove/", require_POST(self.remove), "remove"),
            ("<int:pk>/restore/", require_POST(self.restore), "restore"),
        ]

    def tools(self, request, service):
        if not request.user.has_perm(CHANGE):
            return []
        if service.deleted_at:
            return [Tool(_("Restore"), self.url("restore", service.pk), post=True)]
        return [Tool(_("Remove"), self.url("remove", service.pk), post=True)]

    def remove(self, request, pk):
        words = _("Removed: %(service)s. Bookings stay as they were sold, and you can restore it here.")
        return self._at_once(request, pk, service_actions.remove_service, words)

    def restore(self, request, pk):
        return self._at_once(request, pk, service_actions.restore_service, _("Restored: %(service)s."))

    def _at_once(self, request, pk, do, words):
        require(request, CHANGE)
        try:
            messages.success(request, words % {"service": do(pk, actor=request.user)})
        except Refused as refusal:
            messages.error(request, refusal.message)
            return redirect(self.url("changelist"))
        return redirect(self.url("change", pk))

    # --- The list -------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("minutes"), ordering="duration")
    def takes(self, service):
        return f"{service.duration} + {service.buffer}" if service.buffer else str(service.duration)

    @admin.display(description=gettext_lazy("price"), ordering="price_minor")
    def price(self, service):
        return money.display(service.price_minor, settings.CLINIC_CURRENCY)

    @admin.display(description=gettext_lazy("offered by"))
    def offered_by(self, service):
        return ", ".join(doctor.name for doctor in service.doctors.all()) or "–"


@admin.register(ServiceCategory)
class ServiceCategoryAdmin(KeptAdmin):
    list_display = ["name", "position", "holds"]
    search_fields = ["name"]

    def get_queryset(self, request):
        services = Count("services", filter=Q(services__deleted_at=None))
        return super().get_queryset(request).annotate(services_count=services)

    @admin.display(description=gettext_lazy("services"), ordering="services_count")
    def holds(self, category):
        count = category.services_count
        return ngettext("%(count)d service", "%(count)d services", count) % {"count": count}
