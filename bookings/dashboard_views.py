"""The dashboard in admin: how full the clinic is, today and in the next days, as it happens."""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from bookings.dashboard_queries import dashboard_of, mix, windows_of
from bookings.day_charts import timeline
from clinic.adminsite import Tile

MAY = "bookings.view_booking"


@require_safe
@permission_required(MAY, raise_exception=True)
def dashboard(request):
    """One day of the next (?day=), its places as a list where ?as=list. With htmx only the part that changes,
    and 204 while it hasn't (?seen=)."""
    board = dashboard_of(request.user, timezone.now(), request.GET.get("day", ""))
    version = board.version
    if request.htmx and request.GET.get("seen") == version:
        return HttpResponse(status=204)
    context = {
        "board": board,
        "version": version,
        "chart": timeline(board),
        "as_list": request.GET.get("as") == "list",
    }
    if request.htmx:
        return render(request, "admin/dashboard.html#board", context)
    context |= admin.site.each_context(request) | {"title": _("Dashboard")}
    return render(request, "admin/dashboard.html", context)


PAGES = [("dashboard/", dashboard, "dashboard")]


def count_used(request):
    """How much of today is used: seats, and minutes where there are any."""
    today = mix(windows_of(request.user, timezone.now(), ahead=0))
    return " · ".join(f"{use.percent}%" for _sells, use in today.uses) or "–", _("used today")


DASHBOARD_TILE = Tile(label=gettext_lazy("Dashboard"), page="dashboard", permission=MAY, count=count_used)
