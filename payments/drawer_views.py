"""The cash desk: one's own drawer, and the day's close, to be printed."""

from datetime import date

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from clinic.adminsite import Tile
from payments.drawer_models import Drawer
from payments.drawer_queries import daily_close


@require_safe
@permission_required("payments.take_payment", raise_exception=True)
def cash(request):
    """A day's money at the counter by receptionist, and the drawers; ?day=2026-11-21, else today."""
    close = daily_close(asked_day(request.GET.get("day", "")))
    mine = Drawer.objects.open().of(request.user).first()
    content = {"title": _("Cash desk"), "mine": mine, **close}
    return render(request, "admin/cash.html", admin.site.each_context(request) | content)


def asked_day(typed: str) -> date:
    """The day of an address; today where it is none."""
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return timezone.localdate()


PAGES = [("cash/", cash, "cash")]


def count_open(request):
    return str(Drawer.objects.open().count()), _("drawers open")


CASH_TILE = Tile(
    label=gettext_lazy("Cash desk"),
    page="cash",
    permission="payments.take_payment",
    count=count_open,
    group=gettext_lazy("Money"),
)
