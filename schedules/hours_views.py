"""Weekly hours in admin: every doctor's week at a glance, one doctor's in full, and a form that shows first what it opens."""

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from clinic.adminsite import Tile
from clinic.errors import Refused
from clinic.models import Doctor
from clinic.pages import see_other
from schedules import hours_actions, opening_queries
from schedules.closure_models import Closure
from schedules.hours_forms import ChangedHoursForm, NewHoursForm
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule

VIEW, CHANGE = "schedules.view_weeklyhours", "schedules.change_weeklyhours"
OWN_FIELDS = (
    "weekday", "start_time", "end_time", "kind", "capacity", "slot_minutes", "mode", "fee_minor", "prefix",
    "reserved_for_desk", "holds_reserve", "effective_from", "effective_until",
)  # fmt: skip


@require_safe
@permission_required(VIEW, raise_exception=True)
def hours(request):
    """Every doctor's week, and the closures ahead."""
    today = timezone.localdate()
    content = {
        "title": _("Weekly hours"),
        "weeks": opening_queries.weeks(today),
        "closures": Closure.objects.ahead(today).select_related("doctor")[:20],
    }
    return render(request, "admin/hours.html", admin.site.each_context(request) | content)


@require_safe
@permission_required(VIEW, raise_exception=True)
def hours_of(request, doctor_id):
    """One doctor's week, what is open of the next 14 days, and the closures among them."""
    doctor = get_object_or_404(Doctor, pk=doctor_id)
    today = timezone.localdate()
    content = {
        "title": _("Weekly hours of %(doctor)s") % {"doctor": doctor},
        "doctor": doctor,
        "today": today,
        "week": opening_queries.week_of(doctor, today),
        "days": opening_queries.days_ahead(doctor, today),
        "closures": Closure.objects.for_doctor(doctor).ahead(today).select_related("doctor")[:20],
    }
    return render(request, "admin/hours_of.html", admin.site.each_context(request) | content)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(CHANGE, raise_exception=True)
def add(request, doctor_id):
    """New hours on one weekday or several; "Show what it opens" saves nothing."""
    doctor = get_object_or_404(Doctor, pk=doctor_id)
    form = NewHoursForm(request.POST or None, initial={"weekdays": request.GET.getlist("weekday")})
    if wants_to_save(request, form):
        fields = dict(form.cleaned_data)
        if added := save(form, hours_actions.add_hours, doctor.pk, fields.pop("weekdays"), request, **fields):
            say_saved(request, added)
            return see_other("admin:hours-of", doctor.pk)
    title = _("New hours of %(doctor)s") % {"doctor": doctor}
    return ask(request, form, doctor, title=title)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(CHANGE, raise_exception=True)
def change(request, pk):
    """Other hours; windows ahead that nobody has booked are opened anew."""
    row = get_object_or_404(WeeklyHours.objects.select_related("doctor"), pk=pk)
    form = ChangedHoursForm(request.POST or None, initial={name: getattr(row, name) for name in OWN_FIELDS})
    if wants_to_save(request, form) and (
        changed := save(form, hours_actions.change_hours, pk, request, **form.cleaned_data)
    ):
        say_saved(request, [changed])
        return see_other("admin:hours-of", row.doctor_id)
    title = _("Change hours of %(doctor)s") % {"doctor": row.doctor}
    return ask(request, form, row.doctor, title=title, row=row)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(CHANGE, raise_exception=True)
def remove(request, pk):
    """Asks first; then these hours open nothing any more."""
    row = get_object_or_404(WeeklyHours.objects.select_related("doctor"), pk=pk)
    if request.method == "POST":
        try:
            hours_actions.remove_hours(pk, actor=request.user)
            messages.success(request, _("Removed: %(hours)s") % {"hours": row})
        except Refused as refusal:
            messages.warning(request, refusal.message)
        return see_other("admin:hours-of", row.doctor_id)
    booked = Schedule.objects.to_come(timezone.now()).opened_by(row).given_away()
    content = {"title": _("Remove these hours?"), "row": row, "doctor": row.doctor, "booked": booked}
    return render(request, "admin/hours_remove.html", admin.site.each_context(request) | content)


def wants_to_save(request, form) -> bool:
    """The form is right, and its other button was not pressed."""
    return form.is_valid() and "preview" not in request.POST


def save(form, do, *arguments, **fields):
    """Does it as whoever asks (the last argument is the request); a refusal stands in the form."""
    *arguments, request = arguments
    try:
        return do(*arguments, actor=request.user, **fields)
    except Refused as refusal:
        form.add_error(None, refusal.message)


def say_saved(request, rows: list[WeeklyHours]) -> None:
    """What is open now, and on which days of the next year the clocks are in the way."""
    for row in rows:
        messages.success(request, _("Saved: %(hours)s") % {"hours": row})
    for said in opening_queries.clock_changes_ahead(rows, timezone.now()):
        messages.warning(request, said)


def ask(request, form, doctor, *, title, row=None):
    """The form, and below it what these hours would open, once they can be read."""
    content = {"title": title, "form": form, "doctor": doctor, "row": row}
    if form.is_bound and form.is_valid():
        content |= preview(doctor, form.cleaned_data, row)
    return render(request, "admin/hours_edit.html", admin.site.each_context(request) | content)


def preview(doctor, typed: dict, row: WeeklyHours | None) -> dict:
    """What the next 14 days would bring by the hours as typed. Reads only."""
    fields, now = dict(typed), timezone.now()
    weekdays = fields.pop("weekdays", None) or [fields.pop("weekday")]
    wanted = [
        WeeklyHours(pk=row and row.pk, doctor=doctor, weekday=weekday, **fields) for weekday in weekdays
    ]
    days = opening_queries.plan(doctor, wanted, now, instead_of=row)
    return {
        "days": [day for day in days if any(one.is_on(day.date) for one in wanted)],
        "clock_changes": opening_queries.clock_changes_ahead(wanted, now),
    }


PAGES = [
    ("hours/", hours, "hours"),
    ("hours/<int:doctor_id>/", hours_of, "hours-of"),
    ("hours/<int:doctor_id>/add/", add, "hours-add"),
    ("hours/change/<int:pk>/", change, "hours-change"),
    ("hours/remove/<int:pk>/", remove, "hours-remove"),
]


def count_closures(request):
    ahead = Closure.objects.ahead(timezone.localdate()).count()
    return str(ahead), ngettext("closure ahead", "closures ahead", ahead)


HOURS_TILE = Tile(label=gettext_lazy("Hours"), page="hours", permission=CHANGE, count=count_closures)
