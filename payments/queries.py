"""What the live page says of money, beside the place in the line."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from bookings.models import Booking
from bookings.queries import Ticket, ticket
from bookings.states import OCCUPYING
from bookings.states import Status as BookingStatus
from payments.ledger_models import Receipt
from payments.models import Payment, Refund
from payments.states import Outcome, Status


@dataclass(frozen=True)
class LiveTicket(Ticket):
    """A ticket that also knows the tries to pay, and what goes back."""

    declined: bool = False
    under_review: bool = False
    """Money arrived that is not what was asked for: nobody should pay again before a person looked."""
    refunds: tuple[Refund, ...] = ()

    @property
    def next_step(self) -> str:
        if self.is_held and self.under_review:
            return _(
                "A payment arrived that does not match the price. The clinic is looking at it and will call you. Please do not pay again."
            )
        if self.is_held and self.declined:
            return _("The payment was declined and nothing was charged. Your place is still held: try again.")
        return super().next_step

    @property
    def is_over(self) -> bool:
        """Nothing will change any more: neither the visit nor money that goes back."""
        booking = self.booking
        gone = super().is_over or booking.status == BookingStatus.OVERFLOW
        awaited = booking.refund_due_at is not None and booking.refund_percent
        return gone and all(refund.is_ended for refund in self.refunds) and bool(self.refunds or not awaited)

    @property
    def is_lost(self) -> bool:
        """The patient has no place here (any more) and may look for another."""
        return self.is_lapsed or self.booking.status in (BookingStatus.OVERFLOW, BookingStatus.CANCELLED)

    @property
    def has_slip(self) -> bool:
        return self.booking.status in OCCUPYING

    @property
    def has_receipt(self) -> bool:
        """Money came: by the price of a place that is theirs, or it is on its way back."""
        return bool(self.refunds) or (self.has_slip and self.booking.price_minor > 0)

    @property
    def version(self) -> str:
        money = [f"{refund.pk}{refund.status}" for refund in self.refunds]
        return "-".join([super().version, f"{self.declined:d}{self.under_review:d}", *money])


def live(booking: Booking, now: datetime) -> LiveTicket:
    """One statement: in line, who is ahead; waiting for money, the tries; later, the refunds."""
    place = ticket(booking, now)
    if place.is_waiting:
        return LiveTicket(booking, now, place.ahead)
    if place.is_held:
        tries = set(booking.payments.values_list("status", "outcome"))
        return LiveTicket(
            booking,
            now,
            declined=(Status.FAILED, "") in tries,
            under_review=(Status.CAPTURED, Outcome.REVIEW) in tries,
        )
    return LiveTicket(booking, now, refunds=tuple(Refund.objects.of(booking)))


def papers(booking: Booking) -> dict:
    """Receipts and credit notes of a booking, and whether the worker still has one to make."""
    awaited = Payment.objects.without_receipt().filter(booking=booking).exists()
    return {"booking": booking, "receipts": list(Receipt.objects.of(booking)), "awaited": awaited}


def surplus(ticket: LiveTicket) -> list[Payment]:
    """What a patient with a paid place paid beside it, with what became of that money."""
    if not ticket.is_waiting:
        return []
    return list(Payment.objects.owed_back().filter(booking=ticket.booking).prefetch_related("refunds"))
