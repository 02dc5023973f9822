"""Cash in and out of a drawer that is locked."""

from django.db.models import Sum

from payments.drawer_models import Drawer
from payments.models import Payment, Refund
from payments.states import Method


def lock_drawer_of(person) -> Drawer | None:
    """This person's open drawer, locked, so that nobody counts it while money goes in; None without one."""
    return Drawer.objects.open().of(person).locked().first()


def expected_in(drawer: Drawer) -> int:
    """What a locked drawer should hold: its float, the cash taken, less the cash handed back."""
    cash_in = Payment.objects.filter(drawer=drawer, method=Method.CASH, currency=drawer.currency)
    cash_out = Refund.objects.filter(
        drawer=drawer, payment__method=Method.CASH, payment__currency=drawer.currency
    )
    came = cash_in.aggregate(sum=Sum("captured_minor"))["sum"] or 0
    went = cash_out.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return drawer.float_minor + came - went
