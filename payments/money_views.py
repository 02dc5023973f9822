"""The clinic's money in admin: sums with a chart, the rows behind each number, and files for a spreadsheet."""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import Http404, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from clinic import money
from clinic.adminsite import Tile, require
from payments import money_charts
from payments.export_queries import TABLES, as_csv
from payments.models import Payment, Refund
from payments.money_forms import DaysForm, SelectionForm, asked_days
from payments.money_queries import Book, Days, books, presets, way_label
from payments.steps import admin_link

log = logging.getLogger("clinic")
MAY, MAY_EXPORT, MAY_LOOK = "payments.view_money", "payments.export_money", "payments.view_payment"


@require_safe
def dashboard(request):
    """What came, what went back and what is open, over the days of the address; else of this week. Who may not
    see the clinic's money as a whole is at today's payments here."""
    if not request.user.has_perm(MAY):
        require(request, MAY_LOOK)
        return redirect(reverse("admin:payments_payment_changelist") + "?day=today")
    form = DaysForm(request.GET)
    days = form.days()
    today = timezone.localdate()
    content = {
        "title": _("Money"),
        "form": form,
        "days": days,
        "presets": presets(today),
        "books": [shown(book, days) for book in books(days)] if days else [],
        "tables": [(what, label) for what, label in EXPORTS if request.user.has_perm(MAY_EXPORT)],
    }
    return render(request, "admin/money.html", admin.site.each_context(request) | content)


def shown(book: Book, days: Days) -> dict:
    """One currency as the page draws it."""
    sums = {
        "taken": book.total.cells["captured"].text,
        "back": book.total.cells["refunded"].text,
        "days": days,
    }
    chart = money_charts.stacked(
        book,
        _("%(days)s: %(taken)s taken, %(back)s given back. The same by day is in the table below.") % sums,
    )
    return {
        "currency": book.currency,
        "total": book.total,
        "columns": book.columns,
        "open": [book.total.cells[name] for name in OPEN],
        "chart": chart,
        "lines": [line for line in book.days if not line.is_empty],
        "tables": [
            (gettext_lazy("By doctor"), gettext_lazy("Doctor"), money_charts.shares(book.by_doctor)),
            (gettext_lazy("By way of paying"), gettext_lazy("Way"), money_charts.shares(book.by_way)),
        ],
    }


OPEN = ("pending", "under_way", "overflow", "surplus", "review", "failed")
"""What stands in small figures below taken, given back and kept."""
EXPORTS = [
    ("payments", gettext_lazy("Payments")),
    ("refunds", gettext_lazy("Refunds")),
    ("ledger", gettext_lazy("Ledger")),
]


# --- The rows behind a number -------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A payment, or a refund beside what it was paid by."""

    at: datetime
    payment: Payment
    amount: str
    beside: str
    """What was asked for, or paid, where that is another sum."""
    link: str
    state: str
    numbers: list[tuple[str, str]]
    """What its gateway calls it: pairs of a word and an id."""
    refunds: list[Refund]

    @property
    def way(self) -> str:
        return way_label(self.payment.gateway, self.payment.method)


def row_of(found: Payment | Refund, measure) -> Row:
    """One line of the page."""
    payment = found if isinstance(found, Payment) else found.payment
    numbers = [(_("order"), payment.reference), (_("payment"), payment.money_id)]
    refunds = []
    if isinstance(found, Payment):
        refunds = list(found.refunds.all())
        for refund in refunds:
            refund.payment = payment
        state = payment.get_outcome_display() or payment.get_status_display()
    else:
        numbers.append((_("refund"), found.gateway_refund))
        state = found.get_status_display()
    minor = getattr(found, measure.minor)
    whole = payment.amount_minor if measure.model is Payment else payment.captured_minor
    words = _("of %(sum)s asked for") if measure.model is Payment else _("of %(sum)s paid")
    beside = words % {"sum": money.display(whole, payment.currency)} if minor != whole else ""
    known = [(word, number) for word, number in numbers if number]
    amount = money.display(minor, payment.currency)
    return Row(
        getattr(found, measure.at), payment, amount, beside, admin_link(payment), state, known, refunds
    )


@require_safe
def rows(request):
    """The payments or refunds that a number of the dashboard is the sum of, the latest first."""
    require(request, MAY)
    asked = SelectionForm(request.GET).selection()
    page = Paginator(asked.for_page(), 50).get_page(request.GET.get("page"))
    content = {
        "title": asked.measure.label,
        "asked": asked,
        "sums": asked.sums(),
        "page": page,
        "rows": [row_of(found, asked.measure) for found in page],
    }
    return render(request, "admin/money_rows.html", admin.site.each_context(request) | content)


# --- Files --------------------------------------------------------------------------------


@require_safe
def export(request, what):
    """One of `export_queries.TABLES` over the days of the address, as a file that comes while it is read."""
    require(request, MAY_EXPORT)
    if what not in TABLES:
        raise Http404
    days = asked_days(DaysForm(request.GET))
    log.info(
        "money-export",
        extra={"what": what, "since": str(days.first), "until": str(days.last), "by": request.user.pk},
    )
    response = StreamingHttpResponse(as_csv(what, days), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{what}-{days.first}-to-{days.last}.csv"'
    response["Cache-Control"] = "no-store"
    return response


PAGES = [
    ("money/", dashboard, "money"),
    ("money/rows/", rows, "money-rows"),
    ("money/export/<slug:what>.csv", export, "money-export"),
]


def count_taken(request):
    """What was taken today, less what was given back of it; by currency, of which there is usually one."""
    sums = Payment.objects.captured_on(timezone.localdate()).net_by_currency()
    return " + ".join(money.display(s["net"], s["currency"]) for s in sums) or "–", _("taken today")


MONEY_TILE = Tile(
    label=gettext_lazy("Money"),
    page="money",
    permission=MAY_LOOK,
    count=count_taken,
    group=gettext_lazy("Money"),
)
