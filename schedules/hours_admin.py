"""Weekly hours among admin's tables, and on a doctor's page. They change on pages of their own (hours_views)."""

from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.admin import ReadableAdmin, Tool
from schedules.hours_models import WeeklyHours


@admin.register(WeeklyHours)
class WeeklyHoursAdmin(ReadableAdmin):
    list_display = [
        "doctor",
        "weekday",
        "when",
        "kind",
        "capacity",
        "fee",
        "effective_from",
        "effective_until",
    ]
    list_filter = ["weekday", "kind", "doctor"]
    list_select_related = ["doctor"]
    search_fields = ["doctor__name"]
    date_hierarchy = "effective_from"
    fields = [
        "doctor", "weekday", "when", "kind", "mode", "capacity", "slot_minutes", "fee", "prefix",
        "reserved_for_desk", "holds_reserve", "effective_from", "effective_until",
    ]  # fmt: skip

    @admin.display(description=gettext_lazy("hours"), ordering="start_time")
    def when(self, row):
        return row.hours

    @admin.display(description=gettext_lazy("fee"), ordering="fee_minor")
    def fee(self, row):
        return row.fee

    def tools(self, request, row):
        return [Tool(_("The doctor's week"), reverse("admin:hours-of", args=[row.doctor_id]))]


def doctor_tools(request, doctor) -> list[Tool]:
    """What stands beside a doctor's name (settings.DOCTOR_TOOLS)."""
    found = []
    if request.user.has_perm("schedules.view_weeklyhours"):
        found.append(Tool(_("Weekly hours"), reverse("admin:hours-of", args=[doctor.pk])))
    if request.user.has_perm("clinic.change_doctor"):
        found.append(Tool(_("Calendar"), reverse("admin:calendar-of", args=[doctor.pk])))
    return found
