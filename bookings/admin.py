"""Bookings in Django's admin: found and read here; changed at the desk, or cancelled with a reason."""

import re
from datetime import timedelta

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db.models import F
from django.http import HttpResponseRedirect
from django.shortcuts import get_list_or_404, get_object_or_404
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bookings import actions, closure_admin  # noqa: F401  (Django looks for admins here)
from bookings.desk_queries import free_windows
from bookings.desk_views import CANCELLABLE
from bookings.models import Booking, BookingEvent
from bookings.move_forms import MoveForm, MoveServiceForm
from bookings.refund_rules import percent_back
from bookings.service_queries import strip
from bookings.states import Status
from bookings.visit_queries import days_to_move_to
from clinic import money
from clinic.admin import ReadableAdmin, ReadableInline, Tool, spelled
from clinic.adminsite import require
from clinic.errors import Refused

TOKEN = re.compile(r"([a-z]{0,3})[ -]?(\d{1,5})", re.IGNORECASE)


class DayFilter(admin.SimpleListFilter):
    title = gettext_lazy("day")
    parameter_name = "day"
    days = {"yesterday": -1, "today": 0, "tomorrow": 1}

    def lookups(self, request, model_admin):
        return [("yesterday", _("Yesterday")), ("today", _("Today")), ("tomorrow", _("Tomorrow"))]

    def queryset(self, request, queryset):
        if self.value() not in self.days:
            return queryset
        return queryset.on(timezone.localdate() + timedelta(days=self.days[self.value()]))


CLINICS, PATIENTS = "clinic", "patient"


class CancelForm(forms.Form):
    whose = forms.ChoiceField(
        label=gettext_lazy("Whose wish is it?"),
        choices=[
            (CLINICS, gettext_lazy("The clinic's: everything that was paid goes back")),
            (PATIENTS, gettext_lazy("The patient's own: what the rules give back")),
        ],
        initial=CLINICS,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose whose wish it is.")},
    )
    reason = forms.CharField(
        label=gettext_lazy("Why?"),
        max_length=200,
        help_text=gettext_lazy("It is kept with the booking."),
        widget=forms.TextInput(attrs={"autofocus": True}),
        error_messages={"required": gettext_lazy("Write why, in a few words.")},
    )


def with_service(booking) -> str:
    return f"{booking.service_name}, {booking}" if booking.service_name else str(booking)


def goes_back(booking, percent):
    """How much of the price that is; a refund by hand before may leave less."""
    if not booking.charged_minor or percent is None:
        return _("Nothing was paid.")
    said = {
        "amount": money.display(booking.charged_minor * percent // 100, booking.currency),
        "percent": percent,
    }
    return _("%(amount)s goes back (%(percent)s%%).") % said


def by_the_rules(booking, now):
    """One line of the question: who it is, and what the rules as sold would give back now."""
    percent = percent_back(booking, now) if booking.gives_back else None
    return _("%(who)s: %(visit)s. By the rules now: %(back)s") % {
        "who": booking.patient.name,
        "visit": with_service(booking),
        "back": goes_back(booking, percent),
    }


class EventInline(ReadableInline):
    model = BookingEvent
    fields = ["at", "from_status", "to_status", "cause", "actor"]
    verbose_name_plural = gettext_lazy("What happened")

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("actor")


@admin.register(Booking)
class BookingAdmin(ReadableAdmin):
    list_display = ["token", "patient", "phone", "when", "what", "doctor", "status", "price", "channel"]
    list_display_links = ["token", "patient"]
    list_filter = [DayFilter, "status", "schedule__doctor", "channel"]
    list_select_related = ["schedule__doctor", "patient"]
    search_fields = ["patient__name", "patient__phone", "=external_id"]
    search_help_text = gettext_lazy("Name, phone or number (A7, or the system's before)")
    date_hierarchy = "schedule__date"
    ordering = [
        "-schedule__date", "schedule__doctor__name", "schedule__starts_at",
        F("queue_number").asc(nulls_last=True), "pk",
    ]  # fmt: skip
    list_per_page = 50
    actions = ["cancel_selected"]
    inlines = [EventInline]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "patient",
                    "phone",
                    "schedule",
                    "token",
                    "what",
                    "status",
                    "channel",
                    "price",
                    "due",
                    "off",
                ]
            },
        ),
        (
            gettext_lazy("Times"),
            {"fields": ["created_at", "hold_expires_at", "checked_in_at", "called_at", "ended_at"]},
        ),
        (
            gettext_lazy("Cancellation"),
            {"fields": ["cancel_reason", "refund_percent", "refund_due_at"], "classes": ["collapse"]},
        ),
        (
            gettext_lazy("More"),
            {"fields": ["booked_by", "free_reason", "consent_version", "public_id"], "classes": ["collapse"]},
        ),
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).seen_by(request.user)

    def get_search_results(self, request, queryset, search_term):
        """Name, phone in any spelling, or a token as people say it: A7."""
        digits = re.sub(r"[^\d]", "", search_term)
        phone = len(digits) > 5 and not re.search(r"[^\d\s()+.-]", search_term)
        term = digits.removeprefix("0") if phone else search_term
        found, distinct = super().get_search_results(request, queryset, term)
        token = TOKEN.fullmatch(search_term.strip())
        if token and not phone:
            found |= queryset.with_token(token[1], int(token[2]))
        return found, distinct

    @admin.display(description=gettext_lazy("number"), ordering="queue_number")
    def token(self, booking):
        return booking.label or "–"

    @admin.display(description=gettext_lazy("phone"))
    def phone(self, booking):
        return spelled(booking.patient.phone)

    @admin.display(description=gettext_lazy("when"), ordering="schedule__starts_at")
    def when(self, booking):
        hours = booking.schedule.hours
        if booking.start_at:
            hours = f"{localtime(booking.start_at):%H:%M}–{localtime(booking.end_at):%H:%M}"
        return f"{formats.date_format(booking.schedule.date, 'D j M')}, {hours}"

    @admin.display(description=gettext_lazy("service"), ordering="service_name", empty_value="–")
    def what(self, booking):
        return booking.service_line or None

    @admin.display(description=gettext_lazy("doctor"), ordering="schedule__doctor__name")
    def doctor(self, booking):
        return booking.schedule.doctor

    @admin.display(description=gettext_lazy("price"), ordering="price_minor")
    def price(self, booking):
        return money.display(booking.price_minor, booking.currency)

    @admin.display(description=gettext_lazy("owes"), ordering="due_minor")
    def due(self, booking):
        return booking.due if booking.owes else "–"

    @admin.display(description=gettext_lazy("let off"), ordering="discount_minor")
    def off(self, booking):
        return money.display(booking.discount_minor, booking.currency) if booking.discount_minor else "–"

    # --- What may be done -----------------------------------------------------------------

    def has_desk_permission(self, request):
        return request.user.has_perm("bookings.run_desk")

    def tools(self, request, booking):
        found = [Tool(_("Patient's page"), booking.get_absolute_url())]
        if booking.schedule.date == timezone.localdate() and self.has_desk_permission(request):
            found.append(Tool(_("At the desk"), f"{reverse('admin:desk')}?window={booking.schedule_id}"))
        if booking.status == Status.CONFIRMED and self.has_desk_permission(request):
            query = urlencode({"booking": booking.pk, "back": self.url("change", quote(booking.pk))})
            found.append(Tool(_("Move"), f"{self.url('move')}?{query}"))
        if booking.status in CANCELLABLE and self.has_desk_permission(request):
            query = urlencode({"booking": booking.pk, "back": self.url("change", quote(booking.pk))})
            found.append(Tool(_("Cancel"), f"{self.url('cancel')}?{query}"))
        return found

    def pages(self):
        return [("cancel/", self.cancel, "cancel"), ("move/", self.move, "move")]

    def came_from(self, request):
        """Where a question leads back to (?back=): a page of ours, else the list."""
        back = request.GET.get("back", "")
        ours = url_has_allowed_host_and_scheme(back, request.get_host(), request.is_secure())
        return back if ours else self.url("changelist")

    def move(self, request):
        """Moves the booking of ?booking= to another window of its doctor, for a reason."""
        require(request, "bookings.run_desk")
        asked, back = request.GET.get("booking", ""), self.came_from(request)
        mine = self.get_queryset(request).select_related("schedule__doctor", "patient")
        booking = get_object_or_404(mine, pk=asked if asked.isdecimal() else 0)
        form, days = self.move_form(request, booking)
        text = _("%(who)s: %(visit)s. What was paid moves along.")
        if form.is_empty and not any(day.first for day in days):
            text = _("%(who)s: %(visit)s. This doctor has no free time in the next two weeks.")
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            try:
                moved = actions.reschedule(booking.pk, **form.target(), actor=request.user, reason=reason)
            except Refused as refusal:
                form.add_error("to", refusal.message)
            else:
                messages.success(request, _("Moved: %(visit)s") % {"visit": moved})
                return HttpResponseRedirect(back)
        return self.ask(
            request, form, back=back, submit=_("Move"), title=_("Move this visit?"),
            text=text % {"who": booking.patient.name, "visit": with_service(booking)},
            template="admin/move.html", days=days,
        )  # fmt: skip

    def move_form(self, request, booking):
        """The doctor's free windows; of a service the starts of a day (?date=) at which it fits, and the days
        to choose from."""
        typed, now = request.POST if request.method == "POST" else None, timezone.now()
        if not booking.service_id:
            return MoveForm(typed, windows=free_windows(booking.schedule, now)), []
        found = days_to_move_to(booking, now, request.GET.get("date", ""), at_desk=True)
        address = {name: request.GET[name] for name in ("booking", "back") if name in request.GET}
        days = strip(found, booking.minutes, lambda day: f"?{urlencode(address | {'date': day})}")
        chosen = next(day for day in days if day.selected)
        form = MoveServiceForm(typed, day=chosen.day, minutes=booking.minutes, but=booking.start_at)
        return form, [day for day in days if day.pools]

    @admin.action(description=gettext_lazy("Cancel, with a reason"), permissions=["desk"])
    def cancel_selected(self, request, queryset):
        query = {"booking": list(queryset.values_list("pk", flat=True)), "back": request.get_full_path()}
        return HttpResponseRedirect(f"{self.url('cancel')}?{urlencode(query, doseq=True)}")

    def cancel(self, request):
        """Cancels the bookings of ?booking=…, for one reason: the clinic's own, or as the patients' wish."""
        require(request, "bookings.run_desk")
        chosen = [pk for pk in request.GET.getlist("booking") if pk.isdecimal()]
        bookings = get_list_or_404(
            self.get_queryset(request).select_related("schedule__doctor", "patient"), pk__in=chosen
        )
        back = self.came_from(request)
        form = CancelForm({"whose": CLINICS} | request.POST.dict() if request.method == "POST" else None)
        if form.is_valid():
            self.cancel_all(request, bookings, **form.cleaned_data)
            return HttpResponseRedirect(back)
        return self.ask(
            request, form, back=back, danger=True, submit=_("Cancel for good"),
            title=ngettext("Cancel this booking?", "Cancel these bookings?", len(bookings)),
            text="\n".join(by_the_rules(booking, timezone.now()) for booking in bookings),
        )  # fmt: skip

    def cancel_all(self, request, bookings, whose, reason):
        """One transaction each; says what was refused, and how much of the price goes back."""
        percent = None if whose == PATIENTS else 100
        for booking in bookings:
            try:
                gone = actions.cancel(booking.pk, actor=request.user, reason=reason, percent=percent)
            except Refused as refusal:
                messages.error(request, f"{booking.patient.name}: {refusal.message}")
            else:
                said = _("Cancelled: %(who)s") % {"who": booking.patient.name}
                messages.success(request, f"{said}. {goes_back(gone, gone.refund_percent)}")
