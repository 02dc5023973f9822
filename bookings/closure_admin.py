"""Closures in admin, and windows cancelled with their bookings: the page lists first who loses a place."""

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from bookings import closing, closing_queries
from bookings.closing_queries import fingerprint, hits
from clinic.admin import ReadableAdmin, Tool
from clinic.adminsite import require
from clinic.errors import Refused
from clinic.pages import see_other
from schedules.closure_forms import DaysForm, HolidaysForm
from schedules.closure_models import Closure
from schedules.models import Schedule

CHANGE = "schedules.change_closure"
AT_ONCE = 20
"""So many windows with bookings are cancelled while the manager waits; the worker does the others."""


@admin.register(Closure)
class ClosureAdmin(ReadableAdmin):
    list_display = ["when", "reason", "whom", "created_by", "done"]
    list_filter = ["doctor"]
    list_select_related = ["doctor", "created_by"]
    search_fields = ["reason", "doctor__name"]
    date_hierarchy = "first_day"
    ordering = ["-first_day", "start_time"]
    fields = ["when", "reason", "whom", "created_by", "created_at", "done"]

    @admin.display(description=gettext_lazy("when"), ordering="first_day")
    def when(self, closure):
        return closure.when

    @admin.display(description=gettext_lazy("who"), ordering="doctor__name")
    def whom(self, closure):
        return closure.whom

    @admin.display(description=gettext_lazy("bookings cancelled"), boolean=True)
    def done(self, closure):
        return closure.carried_out_at is not None

    def has_add_permission(self, request):
        return request.user.has_perm(CHANGE)

    def tools(self, request, closure):
        if not request.user.has_perm(CHANGE):
            return []
        return [Tool(_("Remove"), self.url("remove", closure.pk))]

    def pages(self):
        return [("holidays/", self.holidays, "holidays"), ("<int:pk>/remove/", self.remove, "remove")]

    def add_view(self, request, form_url="", extra_context=None):
        """Closes days, or hours of them; what that does to bookings is shown first."""
        require(request, CHANGE)
        form = DaysForm(request.POST or None, initial=request.GET.dict())
        return self.close(request, form, title=_("Close the clinic, or one doctor's hours"))

    def holidays(self, request):
        """Closes the days of a pasted list or of a calendar file."""
        require(request, CHANGE)
        form = HolidaysForm(request.POST or None, request.FILES or None)
        return self.close(request, form, title=_("A list of holidays"), ask_always=True)

    def close(self, request, form, *, title, ask_always=False):
        """Once the form is right: what it would do, and once that was seen, does it."""
        content = {"title": title, "form": form, "opts": self.opts, "back": reverse("admin:hours")}
        if form.is_valid():
            closures = form.closures()
            found = hits(closures, timezone.now())
            content |= seen(closures, found)
            sure = form.cleaned_data["shown"] or not (ask_always or found)
            if sure and self.done_at_once(request, form, closures, content):
                return see_other("admin:hours")
        return render(request, "admin/closure.html", self.admin_site.each_context(request) | content)

    def done_at_once(self, request, form, closures, content) -> bool:
        """Writes the closures and carries them out as far as there is time; False when refused."""
        shown = form.cleaned_data["shown"] or content["shown"]
        try:
            added = closing.add_closures(closures, actor=request.user, shown=shown)
        except Refused as refusal:
            content["changed"] = refusal.message
            return False
        cancelled = sum(closing.carry_out(closure, most=AT_ONCE) for closure in added)
        for closure in added[:5]:
            messages.success(request, _("Closed: %(closure)s") % {"closure": closure})
        if len(added) != 1:
            said = ngettext(
                "%(count)d day or range of days was closed.",
                "%(count)d days or ranges of days were closed.",
                len(added),
            )
            messages.success(request, said % {"count": len(added)})
        if content["ending"]:
            said = _("%(done)d of %(all)d bookings are cancelled already, the others follow within a minute.")
            messages.success(request, said % {"done": cancelled, "all": content["ending"]})
        return True

    def remove(self, request, pk):
        """Asks first; then the worker opens what the weekly hours say."""
        require(request, CHANGE)
        closure = get_object_or_404(Closure.objects.select_related("doctor"), pk=pk)
        if request.method == "POST":
            try:
                closing.remove_closure(pk, actor=request.user)
                messages.success(request, _("Removed: %(closure)s") % {"closure": closure})
            except Refused as refusal:
                messages.warning(request, refusal.message)
            return see_other("admin:hours")
        return self.ask(
            request, forms.Form(), title=_("Open again: %(closure)s?") % {"closure": closure}, danger=True,
            text=_("The weekly hours of these days are opened again. Bookings that were cancelled stay cancelled."),
            submit=_("Remove this closure"), back=reverse("admin:hours"),
        )  # fmt: skip


# --- One window ---------------------------------------------------------------------------


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=120,
        help_text=gettext_lazy("Patients read it: “The doctor is ill”."),
        error_messages={"required": gettext_lazy("Write why, in a few words. Patients read it.")},
    )
    shown = forms.CharField(widget=forms.HiddenInput, required=False, max_length=20_000)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(CHANGE, raise_exception=True)
def cancel_window(request, pk):
    """Lists who is booked in a window; sent, it is cancelled with all of them, and all money goes back."""
    schedule = get_object_or_404(Schedule.objects.select_related("doctor"), pk=pk)
    form, refused = ReasonForm(request.POST or None), ""
    if form.is_valid():
        try:
            closing.cancel_window(pk, actor=request.user, **form.cleaned_data)
        except Refused as refusal:
            refused = refusal.message
        else:
            messages.success(request, _("Cancelled: %(window)s") % {"window": schedule})
            return see_other("admin:schedules_schedule_change", pk)
    going, staying = closing_queries.leaving(schedule)
    content = {
        "title": _("Cancel this window and its bookings?"), "opts": Schedule._meta, "schedule": schedule,
        "form": form, "refused": refused, "going": going, "staying": staying,
        "shown": closing.window_fingerprint(going),
    }  # fmt: skip
    return render(request, "admin/window_cancel.html", admin.site.each_context(request) | content)


def window_tools(request, schedule) -> list[Tool]:
    """What managers may do with a booked window, beside closing it (settings.WINDOW_TOOLS)."""
    if not schedule.taken or not request.user.has_perm(CHANGE):
        return []
    return [Tool(_("Cancel it with its bookings"), reverse("admin:window-cancel", args=[schedule.pk]))]


PAGES = [("windows/<int:pk>/cancel/", cancel_window, "window-cancel")]


def seen(closures, found) -> dict:
    """What the page shows of closures before they are made."""
    return {
        "closures": closures,
        "hits": found,
        "ending": sum(len(hit.going) for hit in found),
        "staying": sum(len(hit.staying) for hit in found),
        "shown": fingerprint(closures, found),
    }
