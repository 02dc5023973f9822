"""The gateway's book beside ours, in both directions. Reads alone; see `manage.py reconcile`."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.conf import settings
from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _

from clinic.models import ReviewItem
from payments import gateways
from payments.gateways.base import Event, GatewayError, KeepsBook, UnknownGateway
from payments.models import Payment, Refund
from payments.states import RefundStatus

AT_ONCE = 500
"""Rows of theirs that one query looks up here."""


class Fact(TextChoices):
    """How two books can differ about one sum."""

    CAME_UNKNOWN = "came-unknown", _("came there, unknown here")
    CAME_UNSETTLED = "came-unsettled", _("came there, not settled here")
    CAME_HERE_ALONE = "came-here", _("paid here, unknown there")
    CAME_OTHERWISE = "came-otherwise", _("another amount came")
    WENT_UNKNOWN = "went-unknown", _("went back there, unknown here")
    WENT_UNSETTLED = "went-unsettled", _("went back there, not settled here")
    WENT_HERE_ALONE = "went-here", _("went back here, unknown there")
    WENT_OTHERWISE = "went-otherwise", _("another amount went back")
    CAME_BACK = "came-back", _("refund failed there, done here")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One sum that the two books don't agree about; minor units, and what went back is negative."""

    gateway: str
    fact: Fact
    name: str
    """The gateway's id of the payment or refund."""
    currency: str
    theirs_minor: int = 0
    ours_minor: int = 0
    payment: Payment | None = None
    event: Event | None = None
    """What they say, if they say anything: it can be settled like a webhook."""

    @property
    def key(self) -> str:
        return f"reconcile:{self.gateway}:{self.fact}:{self.name}"[:120]

    @property
    def in_review(self) -> bool:
        """Somebody is looking at it already, or at its payment."""
        named = Q(key=self.key)
        if self.payment:
            named |= Q(key__startswith=f"payment:{self.payment.pk}:")
            for refund in self.payment.refunds.all():
                named |= Q(key=f"refund:{refund.pk}") | Q(key__startswith=f"refund:{refund.pk}:")
        return ReviewItem.objects.open().filter(named).exists()


def with_book(since: datetime, until: datetime) -> list[str]:
    """The gateways that can list what they did: those in use, and those that took money in this time."""
    took = Payment.objects.captured_between(since, until).order_by().values_list("gateway", flat=True)
    found = []
    for name in dict.fromkeys([*settings.PAYMENT_GATEWAYS, *took.distinct()]):
        try:
            if isinstance(gateways.get(name), KeepsBook):
                found.append(name)
        except UnknownGateway:  # nobody is left to ask
            continue
    return found


class Comparison:
    """One gateway's book beside ours from `since` until `until`; the sums are complete once `differences`
    was read to its end.

    What only one of the two lists in this time may stand in the other a little before or after: then
    it is looked up by its name, so that no edge makes a difference.
    """

    def __init__(self, gateway: str, since: datetime, until: datetime, tick: Callable = bool):
        """`tick` is called after each sum."""
        self.gateway, self.since, self.until, self._tick = gateway, since, until, tick
        self.payments = self.refunds = 0
        self.theirs: Counter[str] = Counter()
        self.ours: Counter[str] = Counter()
        """Kept, in minor units by currency: what came less what went back."""
        self._seen: set[str] = set()
        self._asked: dict[str, dict[str, Event]] = {}

    def differences(self) -> Iterator[Difference]:
        """Asks the gateway as it is read. Raises GatewayError."""
        listed = gateways.get(self.gateway).list_payments(self.since, self.until)
        while some := list(islice(listed, AT_ONCE)):
            yield from self._from_theirs(some)
        captured = Payment.objects.captured_between(self.since, self.until).filter(gateway=self.gateway)
        for payment in captured.iterator(AT_ONCE):
            if payment.gateway_payment not in self._seen:
                event = self._told(payment, payment.gateway_payment)
                yield from self._came(event, payment)
        done = Refund.objects.done_between(self.since, self.until).sent_by_gateway()
        done = done.filter(payment__gateway=self.gateway)
        for refund in done.select_related("payment").iterator(AT_ONCE):
            if refund.gateway_refund not in self._seen:
                yield from self._went(self._told(refund.payment, refund.gateway_refund), refund)

    def _from_theirs(self, events: Iterable[Event]) -> Iterator[Difference]:
        new = {_name(event): event for event in events if _name(event) not in self._seen}
        came = [name for name, event in new.items() if event.kind == "captured"]
        went = {name: event for name, event in new.items() if event.kind != "captured"}
        captured = Payment.objects.captured().filter(gateway=self.gateway, gateway_payment__in=came)
        payments = {payment.gateway_payment: payment for payment in captured}
        refunds: dict[str, Refund] = {}
        keys = [event.refund_key for event in went.values() if event.refund_key]
        known = Refund.objects.named(keys, list(went)).filter(payment__gateway=self.gateway)
        for refund in known.select_related("payment"):
            refunds |= {name: refund for name in (str(refund.key), refund.gateway_refund) if name}
        for name, event in new.items():
            if event.kind == "captured":
                yield from self._came(event, payments.get(name))
            else:
                yield from self._went(event, refunds.get(name) or refunds.get(event.refund_key))

    def _told(self, payment: Payment, name: str) -> Event | None:
        """What the gateway says of one sum when it is asked about its attempt."""
        if payment.reference not in self._asked:
            try:
                told = gateways.get(self.gateway).fetch(payment.reference) if payment.reference else []
            except GatewayError as error:
                if error.retryable:
                    raise
                told = []
            self._asked = {payment.reference: {_name(event): event for event in told}}
        return self._asked[payment.reference].get(name)

    def _came(self, event: Event | None, payment: Payment | None) -> Iterator[Difference]:
        """`payment` is captured."""
        self.payments += 1
        theirs = (event.amount_minor, event.currency) if event else (0, "")
        ours = (payment.captured_minor, payment.currency) if payment else (0, "")
        wrong = ""
        if event is None:
            wrong = Fact.CAME_HERE_ALONE
        elif payment is None:
            payment = self._attempt(event)
            wrong = Fact.CAME_UNSETTLED if payment else Fact.CAME_UNKNOWN
        elif theirs != ours:
            wrong = Fact.CAME_OTHERWISE
        yield from self._compared(event, payment, wrong, theirs, ours)

    def _went(self, event: Event | None, refund: Refund | None) -> Iterator[Difference]:
        """`refund` may be in any state; without an event it is done."""
        self.refunds += 1
        done = refund is not None and refund.status == RefundStatus.DONE
        theirs = (-event.amount_minor, event.currency) if event and event.kind == "refund_done" else (0, "")
        ours = (-refund.amount_minor, refund.payment.currency) if done else (0, "")
        payment = refund.payment if refund else self._attempt(event)
        wrong = ""
        if event is None:
            wrong = Fact.WENT_HERE_ALONE
        elif event.kind == "refund_failed":
            wrong = Fact.CAME_BACK if done else ""
        elif refund is None:
            wrong = Fact.WENT_UNKNOWN
        elif not done:
            wrong = Fact.WENT_UNSETTLED
        elif theirs != ours:
            wrong = Fact.WENT_OTHERWISE
        yield from self._compared(event, payment, wrong, theirs, ours, refund)

    def _compared(self, event, payment, wrong, theirs, ours, refund=None) -> Iterator[Difference]:
        name = _name(event) if event else (refund.gateway_refund if refund else payment.gateway_payment)
        self._seen.add(name)
        self._tick()
        for book, (minor, currency) in (self.theirs, theirs), (self.ours, ours):
            book[currency or theirs[1] or ours[1]] += minor
        if wrong:
            yield Difference(
                gateway=self.gateway,
                fact=wrong,
                name=name,
                currency=theirs[1] or ours[1],
                theirs_minor=theirs[0],
                ours_minor=ours[0],
                payment=payment,
                event=event,
            )

    def _attempt(self, event: Event) -> Payment | None:
        """The attempt that an event of theirs is about, whatever became of it here."""
        names = event.payment_key, event.reference, event.gateway_payment
        return Payment.objects.matching(self.gateway, *names).first()


def _name(event: Event) -> str:
    return event.gateway_refund if event.kind.startswith("refund") else event.gateway_payment
