"""Bookings as the API tells them: with the line, the money and what a cancellation would give back.

One statement for any number of them, and one more where money goes back.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from bookings.models import Booking
from bookings.queries import ahead_of
from bookings.refund_rules import percent_back, why_not_own
from bookings.states import WAITING
from bookings.states import Status as BookingStatus
from payments.models import Payment, Refund
from payments.queries import LiveTicket
from payments.states import Paid, RefundStatus


def readable_by(account) -> QuerySet:
    """What an account may read: its own, and staff what they see in admin."""
    own = Booking.objects.of_account(account)
    if account.is_staff and account.has_perm("bookings.view_booking"):
        return Booking.objects.seen_by(account) | own
    return own


def told(bookings: QuerySet) -> QuerySet:
    """Annotates what `appointments` needs."""
    ahead = ahead_of(OuterRef("schedule"), OuterRef("queue_number"), OuterRef("priority")).order_by()
    ahead = ahead.values("schedule").annotate(count=Count("pk")).values("count")
    own = Payment.objects.filter(booking=OuterRef("pk"))
    nothing = ~Q(free_reason="") | Q(price_minor=F("discount_minor"))
    return bookings.for_page().annotate(
        ahead=Case(When(status__in=WAITING, then=Coalesce(Subquery(ahead), 0)), default=0),
        paid=Case(
            When(nothing, then=Value(Paid.FREE)),
            When(due_minor__gt=0, then=Value(Paid.DUE)),
            default=Coalesce(Subquery(own.telling().values("status")[:1]), Value(Paid.CREATED)),
        ),
        bought_minor=Subquery(own.bought().values("captured_minor")[:1]),
        gone_minor=Subquery(own.bought().values("refunded_minor")[:1]),
        has_refunds=Exists(Refund.objects.filter(payment__booking=OuterRef("pk"))),
    )


@dataclass(frozen=True)
class Appointment(LiveTicket):
    """A booking that was `told`."""

    @property
    def status(self) -> str:
        return BookingStatus.EXPIRED if self.is_lapsed else self.booking.status

    @property
    def may_be_cancelled(self) -> bool:
        """By its patient, now."""
        return not why_not_own(self.booking, self.now)

    @property
    def percent(self) -> int | None:
        """What cancelling gives back now. None where nothing was paid."""
        return percent_back(self.booking, self.now) if self.booking.gives_back else None

    @property
    def back_minor(self) -> int:
        """The same in minor units, without what went back before."""
        return self._bought.back(self.percent or 0)

    @property
    def refund_status(self) -> str | None:
        """The one that is furthest from its end; None where nothing goes back."""
        if self.is_awaited:
            return RefundStatus.DUE
        under_way = [refund.status for refund in self.refunds if not refund.is_ended]
        return next(iter(under_way or [refund.status for refund in self.refunds][::-1]), None)

    @property
    def refund_minor(self) -> int:
        """Minor units that went back, or are about to."""
        if self.is_awaited:
            return self._bought.back(self.booking.refund_percent)
        return sum(refund.amount_minor for refund in self.refunds)

    @property
    def _bought(self) -> Payment:
        return Payment(
            captured_minor=self.booking.bought_minor or 0, refunded_minor=self.booking.gone_minor or 0
        )


def appointments(bookings: Iterable[Booking], now: datetime) -> list[Appointment]:
    """Bookings that were `told`, with what goes back of their money."""
    refunds = defaultdict(list)
    if paid_back := [booking for booking in bookings if booking.has_refunds]:
        for refund in Refund.objects.of_all(paid_back):
            refunds[refund.payment.booking_id].append(refund)
    return [
        Appointment(booking, now, booking.ahead, refunds=tuple(refunds[booking.pk])) for booking in bookings
    ]
