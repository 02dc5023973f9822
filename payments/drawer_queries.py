"""The daily close: what each receptionist took and handed back, by how it was paid."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Sum
from django.utils.translation import gettext as _

from bookings.models import Booking
from bookings.queries import owed
from clinic import money
from payments.drawer_models import Drawer
from payments.due_models import Concession
from payments.models import Payment, Refund
from payments.states import Method


@dataclass
class Line:
    """One person's day in one currency: taken less handed back, by method."""

    who: str
    currency: str
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Method.values, 0))
    back: dict[str, int] = field(default_factory=lambda: dict.fromkeys(Method.values, 0))
    """What was handed back: `sums` are less by it."""

    @property
    def cells(self) -> list[tuple[str, str]]:
        """By method, what is left, and what was handed back of it, or ""."""
        return [(self._said(self.sums[method], back), self._back(back)) for method, back in self.back.items()]

    @property
    def total(self) -> tuple[str, str]:
        back = sum(self.back.values())
        return money.display(sum(self.sums.values()), self.currency), self._back(back)

    def _said(self, minor: int, back: int) -> str:
        return money.display(minor, self.currency) if minor or back else "–"

    def _back(self, minor: int) -> str:
        return _("%(amount)s handed back") % {"amount": money.display(minor, self.currency)} if minor else ""


def daily_close(day: date) -> dict:
    """One of the clinic's days at the counter: a line for each receptionist, their sum, the drawers,
    what of the day's visits is still owed, and what was let off.

    Money handed back is its drawer's; without a drawer it stands on a line of its own. `loose` is the cash
    that went into no drawer, which nobody counts: a sum for each currency.
    """
    lines, loose = {}, Counter()

    def add(person: int | None, who: str, row, minor: int, back: int = 0) -> None:
        for key, name in ((0, person, row["currency"]), who), ((1, None, row["currency"]), _("Together")):
            line = lines.setdefault(key, Line(name, row["currency"]))
            line.sums[row["method"]] += minor - back
            line.back[row["method"]] += back
        if row["drawer"] is None and row["method"] == Method.CASH:
            loose[row["currency"]] += minor - back

    taken = Payment.objects.at_counter().captured_on(day)
    rows = taken.order_by().values(
        "taken_by", "taken_by__name", "taken_by__email", "method", "currency", "drawer"
    )
    for row in rows.annotate(sum=Sum("captured_minor")):
        add(row["taken_by"], row["taken_by__name"] or row["taken_by__email"] or "–", row, row["sum"])
    for refund in Refund.objects.handed_back_on(day):
        row = {
            "method": refund.payment.method,
            "currency": refund.payment.currency,
            "drawer": refund.drawer_id,
        }
        whose = refund.drawer and refund.drawer.opened_by
        who = str(whose) if whose else _("Handed back without a drawer")
        add(whose and whose.pk, who, row, 0, back=refund.amount_minor)
    return {
        "day": day,
        "lines": [
            line
            for key, line in sorted(lines.items(), key=lambda pair: (pair[0][0], pair[1].who, pair[0][2]))
        ],
        "methods": Method.labels,
        "loose": [money.display(minor, currency) for currency, minor in sorted(loose.items()) if minor],
        "drawers": list(Drawer.objects.on(day).select_related("opened_by", "closed_by")),
        "owed": owed(Booking.objects.on(day)),
        "concessions": list(Concession.objects.made_on(day)),
    }
