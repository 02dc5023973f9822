"""Walk-in: a person at the desk gets the next number, paid, in one form.

The lookup by phone is posted, because names and numbers have no place in an address.
"""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.db.models import Sum
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bookings.desk_queries import in_question
from bookings.menu_queries import menu
from bookings.models import Booking
from clinic.adminsite import Tile
from clinic.errors import Refused
from clinic.pages import see_other
from payments.counter import walk_in
from payments.counter_forms import WalkInForm
from schedules.models import Schedule
from schedules.states import Kind

may_take_money = permission_required("payments.take_payment", raise_exception=True)


def form_for(request, data=None, **initial) -> WalkInForm:
    """The form over today's windows and services: the window in question now is chosen unless `initial`
    says."""
    now = timezone.now()
    windows = Schedule.objects.at_desk(timezone.localdate(now)).with_left(now).select_related("doctor")
    wanted = str((data or initial).get("schedule", ""))[:18]
    windows = windows.without_gone_times(now, but=int(wanted) if wanted.isdecimal() else None)
    windows = list(windows.order_by("starts_at", "doctor__name"))
    visits = [window for window in windows if not window.has_minutes]
    meant = in_question(visits or windows, now)  # of a service nobody could say which one
    return WalkInForm(
        data,
        initial={"schedule": meant and meant.pk} | initial,
        windows=windows,
        menu=menu(now) if any(window.has_minutes for window in windows) else [],
        may_add_place=request.user.has_perm("schedules.overbook"),
    )


def wished(query) -> dict:
    """What an address fills in: ?window=."""
    return {"schedule": query["window"]} if "window" in query else {}


def show(request, form):
    context = {"form": form, "title": _("Walk-in")}
    return render(request, "admin/walk_in.html", admin.site.each_context(request) | context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_take_money
def sell(request):
    """The form; posted, it sells the next number and goes on to the slip."""
    form = form_for(request, request.POST or None, **wished(request.GET))
    if form.is_valid():
        try:
            booking = walk_in(**form.sale(), actor=request.user)
            return see_other("admin:walk-in-done", booking.public_id)
        except Refused as refusal:
            form.refuse(refusal)
            if form.item:
                form.offer(menu(timezone.now()))
    return show(request, form)


@require_POST
@may_take_money
def find(request):
    """Everyone on the number typed, and what the window chosen costs. Nothing is judged yet."""
    form = form_for(request, **request.POST.dict())
    if request.htmx:
        return render(request, "admin/walk_in.html#found", {"form": form})
    return show(request, form)


@require_safe
@may_take_money
def done(request, public_id):
    """The number just given, its slip, and the way to the next walk-in."""
    booking = get_object_or_404(Booking.objects.for_page(), public_id=public_id)
    context = {"booking": booking, "payment": booking.payments.bought().first(), "title": _("Walk-in")}
    return render(request, "admin/walk_in_done.html", admin.site.each_context(request) | context)


PAGES = [
    ("walk-in/", sell, "walk-in"),
    ("walk-in/find/", find, "walk-in-find"),
    ("walk-in/<str:public_id>/", done, "walk-in-done"),
]


def count_left(request):
    now = timezone.now()
    windows = Schedule.objects.at_desk(timezone.localdate(now)).with_left(now).filter(ends_at__gt=now)
    windows = windows.exclude(kind=Kind.POOL)  # what is left of those are minutes
    return str(max(windows.aggregate(places=Sum("left"))["places"] or 0, 0)), _("places left today")


WALK_IN_TILE = Tile(
    label=gettext_lazy("Walk-in"), page="walk-in", permission="payments.take_payment", count=count_left
)
