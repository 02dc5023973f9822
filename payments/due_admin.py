"""Discounts in Django's admin: read, never edited."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from clinic.admin import ReadableAdmin
from payments.due_models import Concession


@admin.register(Concession)
class ConcessionAdmin(ReadableAdmin):
    list_display = ["sum", "patient", "reason", "by", "at"]
    list_filter = ["by"]
    list_select_related = ["booking__patient", "by"]
    search_fields = ["booking__patient__name", "reason"]
    date_hierarchy = "at"
    list_per_page = 50
    fields = ["sum", "patient", "booking", "reason", "by", "at"]

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def sum(self, concession):
        return concession.amount

    @admin.display(description=gettext_lazy("patient"), ordering="booking__patient__name")
    def patient(self, concession):
        return concession.booking.patient
