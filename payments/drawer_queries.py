"""The daily close: what each receptionist took and handed back, by how it was paid."""

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

    @property
    def cells(self) -> list[str]:
        return [money.display(minor, self.currency) if minor else "–" for minor in self.sums.values()]

    @property
    def total(self) -> str:
        return money.display(sum(self.sums.values()), self.currency)


def daily_close(day: date) -> dict:
    """One of the clinic's days at the counter: a line for each receptionist, their sum, the drawers,
    what of the day's visits is still owed, and what was let off.

    Money handed back is its drawer's; without a drawer it stands on a line of its own.
    """
    lines = {}

    def add(name: str, row, minor: int) -> None:
        for who in (name, _("Together")):
            key = who == _("Together"), who, row["currency"]
            lines.setdefault(key, Line(who, row["currency"])).sums[row["method"]] += minor

    taken = Payment.objects.at_counter().captured_on(day)
    rows = taken.order_by().values("taken_by__name", "taken_by__email", "method", "currency")
    for row in rows.annotate(sum=Sum("captured_minor")):
        add(row["taken_by__name"] or row["taken_by__email"] or "–", row, row["sum"])
    for refund in Refund.objects.handed_back_on(day):
        row = {"method": refund.payment.method, "currency": refund.payment.currency}
        add(
            str(refund.drawer.opened_by) if refund.drawer else _("Handed back without a drawer"),
            row,
            -refund.amount_minor,
        )
    return {
        "day": day,
        "lines": [lines[key] for key in sorted(lines)],
        "methods": Method.labels,
        "drawers": list(Drawer.objects.on(day).select_related("opened_by", "closed_by")),
        "owed": owed(Booking.objects.on(day)),
        "concessions": list(Concession.objects.made_on(day)),
    }
