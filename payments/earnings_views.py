"""What doctors earn: each their own, a manager everybody's."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from clinic import money
from clinic.adminsite import Tile, require
from clinic.models import Doctor
from payments.ledger_models import LedgerEntry, Payout
from payments.states import PayoutStatus

ALL, OWN = "payments.view_ledgerentry", "payments.view_own_earnings"


@require_safe
def earnings(request):
    """A doctor's own statement; for a manager every doctor's balance."""
    if not request.user.has_perm(ALL):
        require(request, OWN)
        return statement(request, get_object_or_404(Doctor, user=request.user).pk)
    content = {"title": _("Earnings"), "balances": LedgerEntry.objects.balances()}
    return render(request, "admin/earnings.html", admin.site.each_context(request) | content)


@require_safe
def statement(request, doctor_id):
    """One doctor's entries, the latest first, each with the balance after it."""
    doctor = get_object_or_404(Doctor, pk=doctor_id)
    own = doctor.user_id == request.user.pk and request.user.has_perm(OWN)
    if not (own or request.user.has_perm(ALL)):
        raise PermissionDenied
    entries = LedgerEntry.objects.of(doctor)
    content = {
        "title": _("Earnings of %(doctor)s") % {"doctor": doctor},
        "doctor": doctor,
        "balances": entries.balances(),
        "payouts": Payout.objects.of(doctor)[:10],
        "sums": payout_sums(doctor),
        "page": Paginator(entries.with_running_balance(), 50).get_page(request.GET.get("page")),
    }
    return render(request, "admin/earnings_of.html", admin.site.each_context(request) | content)


def payout_sums(doctor) -> list[tuple[str, str]]:
    """What is promised and what was paid out: a sum and its word for each state that has any."""
    rows = Payout.objects.of(doctor).sums()
    known = [(money.display(row["sum"], row["currency"]), PayoutStatus(row["status"])) for row in rows]
    return [(amount, status.label) for amount, status in known if status != PayoutStatus.FAILED]


PAGES = [("earnings/", earnings, "earnings"), ("earnings/<int:doctor_id>/", statement, "earnings-of")]


def count_owed(request):
    entries = LedgerEntry.objects.all()
    if not request.user.has_perm(ALL):
        entries = entries.filter(doctor__user=request.user)
    sums = {}
    for row in entries.balances():
        sums[row["currency"]] = sums.get(row["currency"], 0) + row["balance"]
    return " + ".join(money.display(*pair[::-1]) for pair in sums.items()) or "–", _("to be paid out")


EARNINGS_TILE = Tile(label=gettext_lazy("Earnings"), page="earnings", permission=OWN, count=count_owed)
"""For managers too: they may see more behind it."""
