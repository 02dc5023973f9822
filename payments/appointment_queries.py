"""Bookings as the API tells them: with the line, the money and what a cancellation would give back."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from bookings.models import Booking
from bookings.queries import ahead_of, ticket
from bookings.refund_rules import percent_back, why_not_own
from bookings.states import WAITING
from bookings.states import Status as BookingStatus
from payments.models import Payment, Refund
from payments.queries import LiveTicket
from payments.states import TELLING, Outcome, Paid, RefundStatus


@dataclass(frozen=True)
class Appointment(LiveTicket):
    """A booking with every attempt to pay for it."""

    payments: tuple[Payment, ...] = ()

    @property
    def status(self) -> str:
        return BookingStatus.EXPIRED if self.is_lapsed else self.booking.status

    @property
    def paid(self) -> Paid:
        """As `with_paid` has it in the database."""
        if self.booking.free_reason or not self.booking.asked_minor:
            return Paid.FREE
        if self.booking.due_minor:
            return Paid.DUE
        tried = {payment.status for payment in self.payments}
        return Paid(next((status for status in TELLING if status in tried), Paid.CREATED))

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
        under_way = [refund.status for refund in self._going_back if not refund.is_ended]
        return next(iter(under_way or [refund.status for refund in self._going_back][::-1]), None)

    @property
    def refund_minor(self) -> int:
        """Minor units that went back, or are about to."""
        if self.is_awaited:
            return self._bought.back(self.booking.refund_percent)
        return sum(refund.amount_minor for refund in self._going_back)

    @property
    def _going_back(self) -> tuple[Refund, ...]:
        """Without those that failed, which others may have replaced; if all failed, the last of them."""
        good = tuple(refund for refund in self.refunds if refund.status != RefundStatus.FAILED)
        return good or self.refunds[-1:]

    @property
    def _bought(self) -> Payment:
        bought = (payment for payment in self.payments if payment.outcome == Outcome.BOUGHT)
        return next(bought, Payment())


def readable_by(account) -> QuerySet:
    """What an account may read: its own, and staff what they see in admin."""
    own = Booking.objects.of_account(account)
    if account.is_staff and account.has_perm("bookings.view_booking"):
        return Booking.objects.seen_by(account) | own
    return own


def with_paid(bookings: QuerySet) -> QuerySet:
    """Annotates `paid`, to look for: how each stands with its money (states.Paid)."""
    telling = Payment.objects.filter(booking=OuterRef("pk")).telling().values("status")
    nothing = ~Q(free_reason="") | Q(price_minor=F("discount_minor"))
    return bookings.annotate(
        paid=Case(
            When(nothing, then=Value(Paid.FREE)),
            When(due_minor__gt=0, then=Value(Paid.DUE)),
            default=Coalesce(Subquery(telling[:1]), Value(Paid.CREATED)),
        )
    )


def with_ahead(bookings: QuerySet) -> QuerySet:
    """Annotates `ahead`: how many are called before each that waits."""
    before = ahead_of(OuterRef("schedule"), OuterRef("queue_number"), OuterRef("priority")).order_by()
    count = before.values("schedule").annotate(count=Count("pk")).values("count")
    return bookings.annotate(
        ahead=Case(When(status__in=WAITING, then=Coalesce(Subquery(count), 0)), default=0)
    )


def appointment(booking: Booking, now: datetime) -> Appointment:
    """One `with_refund_mark`: its attempts, who is ahead while it waits, and what goes back, each a short
    statement."""
    booking.ahead = ticket(booking, now).ahead
    return appointments([booking], now)[0]


def appointments(bookings: Iterable[Booking], now: datetime) -> list[Appointment]:
    """Bookings `with_ahead` and `with_refund_mark`: at most two statements for all of them, their attempts and
    what goes back."""
    payments, refunds = defaultdict(list), defaultdict(list)
    for payment in Payment.objects.filter(booking__in=[each for each in bookings if each.price_minor]):
        payments[payment.booking_id].append(payment)
    going_back = [each for each in bookings if each.has_refunds]
    if going_back:
        for refund in Refund.objects.of_all(going_back):
            refunds[refund.payment.booking_id].append(refund)
    return [
        Appointment(
            booking,
            now,
            booking.ahead,
            refunds=tuple(refunds[booking.pk]),
            payments=tuple(payments[booking.pk]),
        )
        for booking in bookings
    ]
