"""My appointments: what one account has booked, with what is owed, paid and on its way back."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from bookings.models import Booking
from bookings.states import WAITING, Status
from payments.models import Payment, Refund
from payments.queries import LiveTicket, judged


@dataclass(frozen=True)
class Diary:
    """Waiting for a payment, coming (the next first), and past (the latest first)."""

    held: list[LiveTicket]
    coming: list[LiveTicket]
    past: list[LiveTicket]

    @property
    def tickets(self) -> list[LiveTicket]:
        return [*self.held, *self.coming, *self.past]

    @property
    def is_over(self) -> bool:
        """Nothing on the page will change by itself."""
        return all(ticket.is_over for ticket in self.tickets)

    @property
    def poll_seconds(self) -> int:
        """Fast while somebody pays, slow while all is far away."""
        if self.held:
            return 5
        soon = any(t.is_in_line or t.booking.status == Status.IN_CONSULTATION for t in self.coming)
        return 10 if soon or any(t.money_moves for t in self.past) else 60

    @property
    def version(self) -> str:
        """Changes whenever something on the page changes."""
        facts = [
            (
                t.booking.pk, t.status_word, t.label, t.now_serving if t.is_in_line else "",
                t.declined, t.under_review, t.may_cancel, t.money,
            )
            for t in self.tickets
        ]  # fmt: skip
        return sha256(repr(facts).encode()).hexdigest()[:16]


def diary(account, now: datetime, *, most: int = 200) -> Diary:
    """An account's bookings as its page tells them: three statements, however many there are."""
    bookings = list(Booking.objects.of_account(account).for_page()[:most])
    refunds, tries = defaultdict(list), defaultdict(set)
    for refund in Refund.objects.of_all(bookings):
        refunds[refund.payment.booking_id].append(refund)
    for booking_id, *outcome in Payment.objects.tries_of(bookings):
        tries[booking_id].add(tuple(outcome))
    tickets = [
        LiveTicket(booking, now, **judged(tries[booking.pk]), refunds=tuple(refunds[booking.pk]))
        for booking in bookings
    ]
    held = [ticket for ticket in tickets if ticket.is_held]
    coming = [ticket for ticket in tickets if ticket.booking.status in (*WAITING, Status.IN_CONSULTATION)]
    past = [ticket for ticket in tickets if ticket not in held and ticket not in coming]
    return Diary(sorted(held, key=lambda t: t.booking.hold_expires_at), coming[::-1], past)
