"""What doctors earn: each their own, a manager everybody's."""

from datetime import date, timedelta

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from clinic import money
from clinic.adminsite import Tile, require
from clinic.models import Doctor
from payments.earnings_queries import balances, months, standing
from payments.ledger_models import LedgerEntry, Payout

ALL, OWN = "payments.view_ledgerentry", "payments.view_own_earnings"


@require_safe
def earnings(request):
    """A doctor's own statement; for a manager every doctor's sums."""
    if not request.user.has_perm(ALL):
        require(request, OWN)
        return statement(request, get_object_or_404(Doctor, user=request.user).pk)
    content = {"title": _("Earnings"), "balances": balances()}
    return render(request, "admin/earnings.html", admin.site.each_context(request) | content)


@require_safe
def statement(request, doctor_id):
    """How one doctor stands, their payouts, and a month's entries; ?month=2026-11, else this month's."""
    doctor = get_object_or_404(Doctor, pk=doctor_id)
    own = doctor.user_id == request.user.pk and request.user.has_perm(OWN)
    if not (own or request.user.has_perm(ALL)):
        raise PermissionDenied
    first = asked_month(request.GET.get("month", ""))
    content = {
        "title": _("Earnings of %(doctor)s") % {"doctor": doctor},
        "doctor": doctor,
        "standing": standing(doctor),
        "payouts": Payout.objects.of(doctor)[:10],
        "months": months(doctor, first),
        "first": first,
        "earlier": first - timedelta(days=1),
        "later": later_month(first),
    }
    return render(request, "admin/earnings_of.html", admin.site.each_context(request) | content)


def asked_month(typed: str) -> date:
    """The first day of an address's month; of this month where it is none, or one that has not begun."""
    this = timezone.localdate().replace(day=1)
    try:
        asked = date.fromisoformat(f"{typed}-01")
    except ValueError:
        return this
    return asked if asked.year >= 2000 and asked <= this else this


def later_month(first: date) -> date | None:
    """The month after, unless it has not begun."""
    later = (first + timedelta(days=31)).replace(day=1)
    return later if later <= timezone.localdate() else None


PAGES = [("earnings/", earnings, "earnings"), ("earnings/<int:doctor_id>/", statement, "earnings-of")]


def count_owed(request):
    entries = LedgerEntry.objects.all()
    if not request.user.has_perm(ALL):
        entries = entries.filter(doctor__user=request.user)
    sums = {}
    for row in entries.balances():
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["balance"]
    return " + ".join(money.display(*pair[::-1]) for pair in sums.items()) or "–", _("to be paid out")


EARNINGS_TILE = Tile(
    label=gettext_lazy("Earnings"),
    page="earnings",
    permission=OWN,
    count=count_owed,
    group=gettext_lazy("Money"),
)
"""For managers too: they may see more behind it."""
