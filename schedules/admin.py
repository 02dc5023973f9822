"""Windows in Django's admin: opened, widened and closed through actions, under their locks."""

from django.conf import settings
from django.contrib import admin, messages
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from clinic import money
from clinic.admin import ReadableAdmin, Tool
from clinic.adminsite import require
from clinic.errors import Refused
from schedules import actions, hours_admin  # noqa: F401  (Django looks for admins here)
from schedules.forms import CapacityForm, MinutesForm, WindowForm
from schedules.models import Schedule
from schedules.states import SETTLES, Status


def change_words(schedule: Schedule) -> str:
    return _("Change minutes") if schedule.has_minutes else _("Change places")


def taken_words(schedule: Schedule) -> str:
    words = (
        _("%(window)s. %(taken)d of %(capacity)d minutes are taken; the hours have %(length)d.")
        if schedule.has_minutes
        else _("%(window)s. %(taken)d of %(capacity)d places are taken.")
    )
    facts = {"taken": schedule.taken, "capacity": schedule.capacity, "length": schedule.length}
    return words % ({"window": schedule} | facts)


@admin.register(Schedule)
class ScheduleAdmin(ReadableAdmin):
    list_display = ["date", "hours", "doctor", "places", "fee", "status"]
    list_display_links = ["date", "hours"]
    list_filter = ["status", "doctor"]
    list_select_related = ["doctor"]
    search_fields = ["doctor__name", "doctor__specialty"]
    date_hierarchy = "date"
    ordering = ["-starts_at"]
    list_per_page = 50
    actions = ["close_windows", "reopen_windows"]
    fields = [
        "doctor", "date", "hours", "status", "places", "reserved_for_desk", "fee", "prefix", "last_number",
        "now_serving", "holds_reserve", "mode",
    ]  # fmt: skip

    def get_queryset(self, request):
        return super().get_queryset(request).seen_by(request.user)

    def has_add_permission(self, request):
        return request.user.has_perm("schedules.add_schedule")

    def has_plan_permission(self, request):
        return request.user.has_perm("schedules.change_schedule")

    @admin.display(description=gettext_lazy("hours"), ordering="start_time")
    def hours(self, schedule):
        return schedule.hours

    @admin.display(description=gettext_lazy("taken"), ordering="taken")
    def places(self, schedule):
        words = (
            _("%(taken)d of %(capacity)d minutes") if schedule.has_minutes else _("%(taken)d of %(capacity)d")
        )
        return words % {"taken": schedule.taken, "capacity": schedule.capacity}

    @admin.display(description=gettext_lazy("fee"), ordering="fee_minor")
    def fee(self, schedule):
        if schedule.has_minutes:
            return _("by service")
        return money.display(schedule.fee_minor, schedule.currency)

    def tools(self, request, schedule):
        bookings = reverse("admin:bookings_booking_changelist")
        found = [Tool(_("Bookings"), f"{bookings}?schedule__id__exact={schedule.pk}")]
        if schedule.status in SETTLES and self.has_plan_permission(request):
            found.append(Tool(change_words(schedule), self.url("capacity", schedule.pk)))
            is_open = schedule.status == Status.OPEN
            found.append(
                Tool(_("Close to new bookings"), self.url("close", schedule.pk), post=True)
                if is_open
                else Tool(_("Open again"), self.url("reopen", schedule.pk), post=True)
            )
            found.append(Tool(_("Withdraw"), self.url("withdraw", schedule.pk), post=True))
            found += import_string(settings.WINDOW_TOOLS)(request, schedule)
        return found

    def pages(self):
        return [
            ("<int:pk>/places/", self.change_places, "capacity"),
            *((f"<int:pk>/{name}/", self.at_once(name), name) for name in ("close", "reopen", "withdraw")),
        ]

    # --- One window -----------------------------------------------------------------------

    def add_view(self, request, form_url="", extra_context=None):
        """Opens a window. A page of its own, because Django's would not let the action start over."""
        require(request, "schedules.add_schedule")
        form = WindowForm(request.POST or None, initial=request.GET.dict())
        if form.is_valid() and (schedule := self.open(request, form)):
            messages.success(request, _("Opened: %(window)s") % {"window": schedule})
            return redirect(self.url("change", schedule.pk))
        return self.ask(
            request, form, title=_("Open a window"), submit=_("Open it"), back=self.url("changelist")
        )

    def open(self, request, form):
        """The new window; None when it was refused, which the form then says."""
        fields = form.cleaned_data
        try:
            return actions.open_window(
                doctor_id=fields.pop("doctor").pk,
                reserved_for_desk=fields.pop("reserved_for_desk") or 0,
                opened_from="admin",
                actor=request.user,
                **fields,
            )
        except Refused as refusal:
            form.add_error(None, refusal.message)

    def change_places(self, request, pk):
        """More or fewer places, or minutes of a pool; below what is taken, closing is offered instead."""
        require(request, "schedules.change_schedule")
        schedule = get_object_or_404(self.get_queryset(request).select_related("doctor"), pk=pk)
        form_class = MinutesForm if schedule.has_minutes else CapacityForm
        form = form_class(request.POST or None, initial={"capacity": schedule.capacity})
        if form.is_valid():
            try:
                actions.change_capacity(pk, form.cleaned_data["capacity"], actor=request.user)
            except Refused as refusal:
                form.add_error("capacity", refusal.message)
            else:
                messages.success(request, _("Changed: %(window)s") % {"window": schedule})
                return redirect(self.url("change", pk))
        return self.ask(
            request, form, title=change_words(schedule), submit=_("Change"), back=self.url("change", pk),
            text=taken_words(schedule),
        )  # fmt: skip

    def at_once(self, name):
        """The view of a tool that asks nothing: it runs the action of that name."""

        @require_POST
        def run(request, pk):
            require(request, "schedules.change_schedule")
            self.change_all(request, [get_object_or_404(self.get_queryset(request), pk=pk)], name)
            return redirect(self.url("change", pk))

        return run

    # --- Many windows ---------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Close to new bookings"), permissions=["plan"])
    def close_windows(self, request, queryset):
        self.change_all(request, queryset, "close")

    @admin.action(description=gettext_lazy("Open again"), permissions=["plan"])
    def reopen_windows(self, request, queryset):
        self.change_all(request, queryset, "reopen")

    def change_all(self, request, schedules, name):
        """Runs an action on each window, one transaction each, and says what was refused."""
        for schedule in schedules:
            try:
                changed = getattr(actions, name)(schedule.pk, actor=request.user)
            except Refused as refusal:
                messages.error(request, f"{schedule}: {refusal.message}")
            else:
                messages.success(request, f"{schedule}: {changed.get_status_display()}")
