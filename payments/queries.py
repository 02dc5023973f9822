"""What a patient's pages say of money, beside the place in the line."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from bookings.models import Booking
from bookings.queries import Ticket, ticket
from bookings.refund_rules import percent_back, why_not_own, words
from bookings.states import OCCUPYING
from bookings.states import Status as BookingStatus
from clinic import money
from clinic.models import ReviewItem
from payments import gateways
from payments.dispute_models import Dispute
from payments.gateways.base import Event
from payments.ledger_models import Receipt
from payments.models import Payment, Refund
from payments.states import Outcome, RefundStatus, Status


@dataclass(frozen=True)
class LiveTicket(Ticket):
    """A ticket that also knows the tries to pay, and what goes back."""

    declined: bool = False
    under_review: bool = False
    """Money arrived that is not what was asked for: nobody should pay again before a person looked."""
    refunds: tuple[Refund, ...] = ()

    @property
    def next_step(self) -> str:
        booking = self.booking
        if self.is_held and self.under_review:
            return _(
                "A payment arrived that does not match the price. The clinic is looking at it and will call you. Please do not pay again."
            )
        if self.is_held and self.declined:
            return _("The payment was declined and nothing was charged. Your place is still held: try again.")
        if booking.status == BookingStatus.CANCELLED and booking.refund_percent == 0 and booking.price_minor:
            return _("This booking was cancelled. By the rules it was sold with, nothing comes back.")
        if booking.status == BookingStatus.CANCELLED and self.is_awaited:
            return _("This booking was cancelled. %(sum)s.") % {"sum": self.awaited}
        return super().next_step

    @property
    def is_awaited(self) -> bool:
        """Money is due back, and no refund was made yet."""
        return (
            self.booking.refund_due_at is not None and bool(self.booking.refund_percent) and not self.refunds
        )

    @property
    def awaited(self) -> str:
        minor = self.booking.price_minor * self.booking.refund_percent // 100
        return _("%(amount)s goes back to you") % {"amount": money.display(minor, self.booking.currency)}

    @property
    def is_over(self) -> bool:
        """Nothing will change any more: neither the visit nor money that goes back."""
        booking = self.booking
        gone = super().is_over or booking.status == BookingStatus.OVERFLOW
        return gone and all(refund.is_ended for refund in self.refunds) and not self.is_awaited

    @property
    def poll_seconds(self) -> int:
        """Soon again while our own worker is at it; a bank takes its time."""
        ours = any(refund.status in (RefundStatus.DUE, RefundStatus.SENDING) for refund in self.refunds)
        return 4 if self.is_awaited or ours else super().poll_seconds

    @property
    def is_lost(self) -> bool:
        """The patient has no place here (any more) and may look for another."""
        return self.is_lapsed or self.booking.status in (BookingStatus.OVERFLOW, BookingStatus.CANCELLED)

    @property
    def may_cancel(self) -> bool:
        return not why_not_own(self.booking, self.now)

    @property
    def has_slip(self) -> bool:
        return self.booking.status in OCCUPYING

    @property
    def has_receipt(self) -> bool:
        """Money came: by the price of a place that is theirs, or it is on its way back."""
        return bool(self.refunds) or self.booking.is_paid

    @property
    def may_pay(self) -> bool:
        """The patient can pay: to get a held place, or what the desk would take else."""
        return not self.under_review and (self.is_held or (self.booking.owes and bool(gateways.enabled())))

    @property
    def may_choose_desk(self) -> bool:
        """The patient may get their number now and pay when they come."""
        return self.is_held and self.booking.may_pay_at_desk

    @property
    def money_moves(self) -> bool:
        return self.is_awaited or any(not refund.is_ended for refund in self.refunds)

    @property
    def money(self) -> list[str]:
        """What was paid, and what became of each sum that goes back, a line each."""
        booking, said = self.booking, [refund.in_words for refund in self.refunds]
        if self.is_awaited:
            return [self.awaited]
        if booking.status not in OCCUPYING:
            return said
        if booking.free_reason or not booking.price_minor:
            return [_("Free"), *said]
        if booking.due_minor:
            return [_("%(price)s to pay at the desk") % {"price": booking.due}, *said]
        if not booking.charged_minor:
            return [_("Nothing to pay"), *said]
        paid = money.display(booking.charged_minor, booking.currency)
        return [_("%(price)s paid") % {"price": paid}, *said]

    @property
    def version(self) -> str:
        money = [f"{refund.pk}{refund.status}{'w' * refund.waits_for_bank}" for refund in self.refunds]
        facts = f"{self.declined:d}{self.under_review:d}{self.booking.due_minor}"
        return "-".join([super().version, facts, *money])


def with_refund_mark(bookings):
    """Bookings that know whether any of their money goes back, so that most pages need not ask."""
    return bookings.annotate(has_refunds=Exists(Refund.objects.filter(payment__booking=OuterRef("pk"))))


def live(booking: Booking, now: datetime) -> LiveTicket:
    """In line, who is ahead; waiting for money, the tries; and what goes back, where anything does.

    `booking` comes from `with_refund_mark`.
    """
    place = ticket(booking, now)
    refunds = tuple(Refund.objects.of(booking)) if booking.has_refunds else ()
    tries = set(booking.payments.values_list("status", "outcome")) if booking.awaits_money(now) else set()
    return LiveTicket(booking, now, place.ahead, **judged(tries), refunds=refunds)


def judged(tries: set) -> dict[str, bool]:
    """What the tries to pay say: pairs of status and outcome."""
    return {
        "declined": (Status.FAILED, "") in tries,
        "under_review": (Status.CAPTURED, Outcome.REVIEW) in tries,
    }


def papers(booking: Booking) -> dict:
    """Receipts and credit notes of a booking, and whether the worker still has one to make."""
    awaited = Payment.objects.without_receipt().filter(booking=booking).exists()
    return {"booking": booking, "receipts": list(Receipt.objects.of(booking)), "awaited": awaited}


def surplus(ticket: LiveTicket) -> list[Payment]:
    """What a patient with a paid place paid beside it, and no refund was made of yet."""
    if not ticket.is_waiting:
        return []
    return list(Payment.objects.owed_back().without_own_refund().filter(booking=ticket.booking))


@dataclass(frozen=True)
class Offer:
    """What a patient who cancels now gets back, and why so much."""

    percent: int | None
    """None where nothing was paid."""
    minor: int
    gone_minor: int
    """What went back before, or is about to: so much less comes back now."""
    currency: str
    rule: str
    why_not: str
    """Why the patient can't cancel by themselves, or ""."""


def offer(booking: Booking, now: datetime) -> Offer:
    """What cancelling would give back at this moment; the lock's clock decides in the end."""
    percent = percent_back(booking, now) if booking.gives_back else None
    bought = Payment.objects.bought().filter(booking=booking).first()
    return Offer(
        percent=percent,
        minor=bought.back(percent or 0) if bought else 0,
        gone_minor=bought.refunded_minor if bought else 0,
        currency=booking.currency,
        rule=words(booking, now) if booking.gives_back and booking.price_minor else "",
        why_not=why_not_own(booking, now),
    )


def amount_back(booking: Booking, percent: int) -> int:
    """Minor units that `percent` gives back of what bought this place: never more than is left of it."""
    bought = Payment.objects.bought().filter(booking=booking).first()
    return bought.back(percent) if bought else 0


def payment_in_question(item: ReviewItem) -> Payment | None:
    """The payment that a decision can settle an item about, by the item's key: money that matches nothing,
    or whose refund failed. An open dispute is settled with the bank, so it has none."""
    kind, pk, fact = _about(item)
    if kind == "refund" and not fact:
        return Payment.objects.filter(refunds__in=Refund.objects.failed().filter(pk=pk)).first()
    payment = Payment.objects.filter(pk=pk).first() if kind == "payment" else None
    return None if payment and payment.disputed_at and fact.startswith("dispute:") else payment


@dataclass(frozen=True)
class Unbooked:
    """Money that went back at the gateway and is not in our books, because it did not fit."""

    payment: Payment
    amount_minor: int
    currency: str
    gateway_refund: str = ""
    dispute: Dispute | None = None


def left_unbooked(item: ReviewItem) -> Unbooked | None:
    """What an item tells of: a refund from the gateway's own page, or what a lost dispute took."""
    kind, pk, fact = _about(item)
    payment = Payment.objects.filter(pk=pk).first() if kind == "payment" else None
    if payment is None or not fact:
        return None
    name, _colon, rest = fact.partition(":")
    if name == "dispute":
        dispute = next(
            (each for each in payment.disputes.all() if str(each.pk) == rest.partition(":")[0]), None
        )
        missing = dispute.unbooked_minor if dispute else 0
        return Unbooked(payment, missing, dispute.currency, dispute=dispute) if missing else None
    if payment.refunds.filter(gateway_refund=fact).exists():
        return None
    told = next((event for event in _told(payment) if event.gateway_refund == fact), None)
    return Unbooked(payment, told.amount_minor, told.currency, gateway_refund=fact) if told else None


def _about(item: ReviewItem) -> tuple[str, int, str]:
    """An item's key in parts: "payment:7:wrong" is about payment 7, and what of it. ("", 0, "") of no number."""
    kind, _colon, rest = item.key.partition(":")
    pk, _colon, fact = rest.partition(":")
    return (kind, int(pk), fact) if pk.isdecimal() and len(pk) < 19 else ("", 0, "")


def _told(payment: Payment) -> Iterator[Event]:
    """What its gateway said of refunds that were done."""
    for inbox in payment.gateway_events.order_by("pk"):
        events = gateways.get(payment.gateway).parse(inbox.body)
        yield from (event for event in events if event.kind == "refund_done")


def refund_by_hand(item: ReviewItem) -> Refund | None:
    """The refund that an item asks the desk to hand back."""
    kind, _colon, pk = item.key.partition(":")
    return Refund.objects.by_hand().filter(pk=pk).first() if kind == "refund" and pk.isdecimal() else None
