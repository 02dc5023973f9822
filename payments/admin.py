"""Money in Django's admin: read, never edited. Refunds by hand are ticked off where they are done."""

from datetime import timedelta

from django.contrib import admin, messages
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from bookings.admin import BookingAdmin
from clinic import money
from clinic.admin import ReadableAdmin, ReadableInline, Tool
from clinic.adminsite import require
from clinic.errors import Refused
from payments import (
    counter,
    drawer_admin,  # noqa: F401  (Django looks for tables here)
    due_admin,  # noqa: F401  (Django looks for tables here)
    ledger_admin,  # noqa: F401  (Django looks for tables here)
    payout_admin,  # noqa: F401  (Django looks for tables here)
)
from payments.dispute_models import Dispute
from payments.models import GatewayEvent, Payment, PaymentEvent, Refund
from payments.override_admin import OverriddenAdmin
from payments.states import RefundStatus
from payments.steps import admin_link


class CapturedFilter(admin.SimpleListFilter):
    title = gettext_lazy("paid on")
    parameter_name = "day"
    days = {"today": 0, "yesterday": -1}

    def lookups(self, request, model_admin):
        return [("today", _("Today")), ("yesterday", _("Yesterday"))]

    def queryset(self, request, queryset):
        if self.value() not in self.days:
            return queryset
        return queryset.captured_on(timezone.localdate() + timedelta(days=self.days[self.value()]))


def linked(row):
    """A link to another table's row."""
    return format_html('<a href="{}">{}</a>', admin_link(row), row)


# --- Payments -----------------------------------------------------------------------------


class PaymentInline(ReadableInline):
    model = Payment
    fields = ["amount", "gateway", "method", "status", "outcome", "captured_at", "taken_by"]
    readonly_fields = ["amount"]
    show_change_link = True

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("taken_by")


BookingAdmin.inlines = [*BookingAdmin.inlines, PaymentInline]
"""From this side, because bookings know nothing of payments."""


class DisputeInline(ReadableInline):
    model = Dispute
    fields = ["sum", "status", "reason", "opened_at", "closed_at", "reference"]
    readonly_fields = ["sum"]

    @admin.display(description=gettext_lazy("amount"))
    def sum(self, dispute):
        return money.display(dispute.amount_minor, dispute.currency)


@admin.register(Payment)
class PaymentAdmin(OverriddenAdmin):
    list_display = ["created_at", "sum", "patient", "gateway", "method", "status", "outcome", "taken_by"]
    list_filter = [
        CapturedFilter, "status", "outcome", ("disputed_at", admin.EmptyFieldListFilter), "gateway", "method",
    ]  # fmt: skip
    inlines = [DisputeInline]
    list_select_related = ["booking__patient", "taken_by"]
    search_fields = [
        "booking__patient__name", "booking__patient__phone", "reference", "gateway_payment", "claimed_as",
    ]  # fmt: skip
    date_hierarchy = "created_at"
    list_per_page = 50
    fields = [
        "visit", "patient", "sum", "given_back", "gateway", "method", "status", "outcome", "created_at",
        "captured_at", "taken_by", "reference", "gateway_payment", "claimed_as", "reason", "key",
    ]  # fmt: skip

    def tools(self, request, payment):
        paper = reverse("receipt", args=[payment.booking.public_id])
        papers = [Tool(_("Receipt"), paper)] if payment.captured_minor else []
        return super().tools(request, payment) + papers

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def sum(self, payment):
        return payment.amount

    @admin.display(description=gettext_lazy("given back, or about to be"))
    def given_back(self, payment):
        return money.display(payment.refunded_minor, payment.currency)

    @admin.display(description=gettext_lazy("patient"), ordering="booking__patient__name")
    def patient(self, payment):
        return payment.booking.patient

    @admin.display(description=gettext_lazy("booking"))
    def visit(self, payment):
        return linked(payment.booking)


@admin.register(PaymentEvent)
class PaymentEventAdmin(ReadableAdmin):
    list_display = ["at", "kind", "sum", "payment", "actor", "note"]
    list_filter = ["kind"]
    list_select_related = ["payment", "actor"]
    search_fields = ["note", "payment__reference", "payment__gateway_payment"]
    date_hierarchy = "at"
    ordering = ["-pk"]
    list_per_page = 50
    fields = ["at", "kind", "sum", "payment", "actor", "note"]

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def sum(self, event):
        return money.display(event.amount_minor, event.payment.currency)


@admin.register(GatewayEvent)
class GatewayEventAdmin(ReadableAdmin):
    list_display = ["received_at", "gateway", "name", "processed_at", "tries", "error"]
    list_filter = ["gateway", ("processed_at", admin.EmptyFieldListFilter), "name"]
    search_fields = ["name", "dedupe_key", "payment__reference", "payment__gateway_payment"]
    date_hierarchy = "received_at"
    list_per_page = 50
    fieldsets = [
        (None, {"fields": ["received_at", "gateway", "name", "dedupe_key", "payment"]}),
        (gettext_lazy("What became of it"), {"fields": ["processed_at", "tries", "next_try_at", "error"]}),
    ]

    def get_queryset(self, request):
        """The body stays in the database until somebody may read it and does."""
        return super().get_queryset(request).select_related("payment").defer("body")

    def get_fieldsets(self, request, obj=None):
        """A gateway writes e-mail addresses into its messages: few may read them whole."""
        fieldsets = super().get_fieldsets(request, obj)
        if request.user.has_perm("payments.change_gatewayevent"):
            fieldsets = [*fieldsets, (_("The message itself"), {"fields": ["body"], "classes": ["collapse"]})]
        return fieldsets


# --- Refunds ------------------------------------------------------------------------------


@admin.register(Refund)
class RefundAdmin(ReadableAdmin):
    list_display = ["created_at", "sum", "patient", "cause", "status", "done_at"]
    list_filter = ["status", "cause"]
    list_select_related = ["payment__booking__patient"]
    search_fields = ["payment__booking__patient__name", "payment__booking__patient__phone", "gateway_refund"]
    date_hierarchy = "created_at"
    list_per_page = 50
    actions = ["hand_back_selected"]
    fields = [
        "paid", "patient", "sum", "cause", "status", "created_at", "done_at", "tries", "next_try_at",
        "gateway_refund", "reason", "key",
    ]  # fmt: skip

    @admin.display(description=gettext_lazy("amount"), ordering="amount_minor")
    def sum(self, refund):
        return refund.amount

    @admin.display(description=gettext_lazy("patient"))
    def patient(self, refund):
        return refund.payment.booking.patient

    @admin.display(description=gettext_lazy("payment"))
    def paid(self, refund):
        return linked(refund.payment)

    def has_counter_permission(self, request):
        return request.user.has_perm("payments.take_payment")

    def tools(self, request, refund):
        may = refund.status == RefundStatus.BY_HAND and self.has_counter_permission(request)
        return [Tool(_("Handed back"), self.url("hand_back", refund.pk), post=True)] if may else []

    def pages(self):
        return [("<int:pk>/handed-back/", require_POST(self.hand_back), "hand_back")]

    def hand_back(self, request, pk):
        """The money was given to the patient."""
        require(request, "payments.take_payment")
        self.hand_back_selected(request, Refund.objects.filter(pk=pk))
        return redirect(self.url("change", pk))

    @admin.action(description=gettext_lazy("Handed back"), permissions=["counter"])
    def hand_back_selected(self, request, queryset):
        """One transaction each; says what was refused."""
        for refund in queryset:
            try:
                refund = counter.hand_back(refund.pk, actor=request.user)
            except Refused as refusal:
                messages.error(request, refusal.message)
            else:
                messages.success(request, _("Handed back: %(amount)s") % {"amount": refund.amount})
