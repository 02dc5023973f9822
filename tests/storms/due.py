"""Work that is due by itself, of every kind: how it is made, what is left of it, and what came of each row."""

import json
from collections import Counter
from datetime import timedelta
from itertools import count, pairwise

from django.db.models import Count, F, Q
from django.utils import timezone

from bookings import actions
from bookings.desk_queries import to_finish
from bookings.models import Booking, BookingEvent
from bookings.states import Status
from clinic.channels import message_id
from clinic.models import ReviewItem
from clinic.notice_models import Channel, Notice, State
from payments import actions as money
from payments.ledger_models import Receipt
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, Refund
from payments.states import Outcome, RefundStatus
from schedules.models import Schedule
from schedules.states import Status as Window
from tests import factories
from tests.gateways.stripe_server import Book
from tests.storms.killable import LEASE
from tests.storms.letterbox import Letterbox

TOGETHER = 10
"""Patients of one window."""
numbers = count(1)


class Due:
    """A fifth each: holds that lapsed, refunds, sessions to finish, inbox rows, reminders."""

    def __init__(self, book: Book, box: Letterbox, items: int):
        self._book, self._box, fifth = book, box, items // 5
        self.items = dict.fromkeys(("holds", "refunds", "sessions", "inbox", "reminders"), fifth)
        self._pks: dict[str, list[int]] = {}

    def make(self) -> None:
        """As people would have made it, with every mail still to be sent."""
        for kind, n in self.items.items():
            self._pks[kind] = getattr(self, f"_{kind}")(n)

    def _people(self, n: int, **fields) -> list[Booking]:
        """Bookings of different patients with an address."""
        windows = [
            factories.window(starts_in=timedelta(hours=30), capacity=TOGETHER, **fields)
            for _ in range(-(-n // TOGETHER))
        ]
        return [
            factories.hold(
                windows[i // TOGETHER], factories.guest(email=f"patient{next(numbers)}@example.org")
            )
            for i in range(n)
        ]

    def _holds(self, n: int) -> list[int]:
        held = [booking.pk for booking in self._people(n)]
        past = timezone.now() - timedelta(seconds=1)
        Booking.objects.filter(pk__in=held).update(hold_expires_at=past)
        return held

    def _refunds(self, n: int) -> list[int]:
        cancelled = self._people(n)
        for booking in cancelled:
            for body in self._paid(booking):
                money.process(self._kept(body))
            actions.cancel(booking.pk, reason="The doctor was called away.")
        return [booking.pk for booking in cancelled]

    def _sessions(self, n: int) -> list[int]:
        """A window and a patient each, who is still expected long after its end."""
        expected = []
        for _ in range(n):
            [booking] = self._people(1, fee_minor=0)
            factories.move_window(booking.schedule, -timedelta(hours=40))
            expected.append(booking.pk)
        return expected

    def _inbox(self, n: int) -> list[int]:
        """Of each payment two events were kept, and the web server died."""
        paid = self._people(n // 2)
        for booking in paid:
            for body in self._paid(booking):
                self._kept(body)
        return [booking.pk for booking in paid]

    def _reminders(self, n: int) -> list[int]:
        visits = [booking.pk for booking in self._people(n, fee_minor=0)]
        found = Notice.objects.filter(kind="visit-reminder24", about__in=visits)
        assert found.update(due_at=timezone.now()) == n
        return visits

    def _paid(self, booking: Booking) -> list[str]:
        """They pay at the stand-in; the bodies of the events that it would send."""
        payment = money.start(booking, "stripe")
        with self._book.lock:
            self._book.pay(payment.reference)
            return [json.dumps(event) for event in self._book.events[-2:]]

    def _kept(self, body: str) -> GatewayEvent:
        now, event = timezone.now(), json.loads(body)
        return GatewayEvent.objects.create(
            gateway="stripe", dedupe_key=event["id"], name=event["type"], body=body,
            received_at=now, next_try_at=now,
        )  # fmt: skip

    # --- What came of it ----------------------------------------------------------------------

    def left(self) -> dict[str, int]:
        """How much is still due, of every kind that a sweep does."""
        now = timezone.now()
        refunds = Payment.objects.filter(booking__in=self._pks["refunds"], outcome=Outcome.BOUGHT)
        return {
            "holds": Booking.objects.lapsed(now).count(),
            "sessions": to_finish(now).count(),
            "inbox": GatewayEvent.objects.unprocessed().count(),
            "refunds": refunds.exclude(refunds__status=RefundStatus.DONE).count(),
            "papers": Payment.objects.without_receipt().count()
            + Refund.objects.without_credit_note().count(),
            "notices": Notice.objects.filter(Q(due_at__lte=now) | ~Q(status=State.DUE))
            .filter(status__in=[State.DUE, State.SENDING])
            .count(),
        }

    def verdict(self) -> dict:
        """How many rows had how many effects: {"1": 200} is once each."""
        given_back = Counter(thing["payment_intent"] for thing in self._book.kinds["refund"])
        paid = Payment.objects.filter(booking__in=self._pks["refunds"], outcome=Outcome.BOUGHT)
        inbox = Payment.objects.filter(booking__in=self._pks["inbox"])
        finished = Schedule.objects.filter(bookings__in=self._pks["sessions"], status=Window.FINISHED)
        return {
            "left": self.left(),
            "expired": self._moves("holds", Status.EXPIRED),
            "finished": self._moves("sessions", Status.COMPLETED) | {"windows": finished.count()},
            "confirmed": self._moves("inbox", Status.CONFIRMED),
            "bought": inbox.filter(outcome=Outcome.BOUGHT, captured_minor=F("amount_minor")).count(),
            "given_back": often(given_back[name] for name in paid.values_list("gateway_payment", flat=True)),
            "given_back_minor": [
                sum(thing["amount"] for thing in self._book.kinds["refund"]),
                sum(Refund.objects.filter(status=RefundStatus.DONE).values_list("amount_minor", flat=True)),
                sum(paid.values_list("captured_minor", flat=True)),
            ],
            "receipts": often(Receipt.objects.values("payment", "refund").annotate(n=Count("pk")).values_list("n", flat=True)),
            "reminders": often_states(Notice.objects.filter(kind="visit-reminder24", about__in=self._pks["reminders"])),
            "mails": self._mails(),
            "refunds_cut": sum(tries - 1 for tries in Refund.objects.values_list("tries", flat=True)),
            "reviews": ReviewItem.objects.count(),
            "violations": violations(),
        }  # fmt: skip

    def _moves(self, kind: str, to: Status) -> dict:
        moved = Counter(
            BookingEvent.objects.filter(booking__in=self._pks[kind], to_status=to)
            .exclude(from_status=to)
            .values_list("booking", flat=True)
        )
        return often(moved[pk] for pk in self._pks[kind])

    def _mails(self) -> dict:
        """Each notice beside what the mail server has of it, by the Message-ID."""
        notices = {message_id(row.key): row for row in Notice.objects.filter(channel=Channel.EMAIL)}
        sent = {name: row for name, row in notices.items() if row.status == State.SENT}
        came = {name: sorted(times) for name, times in self._box.came.items()}
        twice = {name: times for name, times in came.items() if len(times) > 1}
        return {
            "sent": len(sent),
            "lost": len(sent.keys() - came.keys()),
            "unknown": len(came.keys() - sent.keys()),
            "copies": sum(len(times) - 1 for times in twice.values()),
            "unexplained": sum(not explained(notices.get(name), times) for name, times in twice.items()),
            "cut": sum(max(row.tries - 1, 0) for row in notices.values()),
        }


def explained(notice: Notice | None, times: list[float]) -> bool:
    """A copy is only a sending that was cut off: tried again, and not before its lease was over.

    Half a lease, since the first mail may have come some time after its sender had claimed it.
    """
    pauses = [later - sooner for sooner, later in pairwise(times)]
    patient = min(pauses) > LEASE.total_seconds() / 2
    return notice is not None and notice.tries >= len(times) and patient


def often(numbers) -> dict[str, int]:
    return {str(number): rows for number, rows in sorted(Counter(numbers).items())}


def often_states(notices) -> dict[str, int]:
    return dict(Counter(notices.values_list("status", flat=True)))
