"""The dashboard over some days: how full the clinic was, who did not come, what sold and what it brought in."""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from bookings.dashboard_views import MAY
from payments.money_forms import DaysForm
from payments.money_queries import presets
from payments.money_views import MAY as MAY_SEE_MONEY
from payments.money_views import MAY_EXPORT
from payments.report_queries import report


@require_safe
@permission_required(MAY, raise_exception=True)
def period(request):
    """The days of the address, else this week. Doctors read their own; only who may see the clinic's money
    reads what came in."""
    form = DaysForm(request.GET)
    days = form.days()
    with_money = request.user.has_perm(MAY_SEE_MONEY)
    content = {
        "title": _("Dashboard"),
        "form": form,
        "days": days,
        "presets": presets(timezone.localdate()),
        "report": report(days, request.user, with_money=with_money) if days else None,
        "with_money": with_money,
        "tables": FILES if request.user.has_perm(MAY_EXPORT) else [],
    }
    return render(request, "admin/dashboard_period.html", admin.site.each_context(request) | content)


FILES = [("utilisation", gettext_lazy("Utilisation")), ("services", gettext_lazy("Services"))]
PAGES = [("dashboard/period/", period, "dashboard-period")]
