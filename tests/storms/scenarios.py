"""One round of each storm, from the first request to the last refund, and what it came to.

Nothing is judged here: test_storms.py says what must come out.
"""

import random
from collections import Counter
from itertools import count
from uuid import uuid4

from bookings.models import Booking
from bookings.states import Status
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, Refund
from payments.states import Outcome, RefundStatus
from schedules.models import Schedule
from tests import factories
from tests.storms import wire
from tests.storms.site import wait_for

FEE = 50_000
numbers = count()


class Storm:
    """A server under attack: `racers` patients at once want one of `places` places."""

    def __init__(self, port: int, payers, *, racers: int, places: int):
        self.port, self.payers, self.racers, self.places = port, payers, racers, places
        self.cookie = self.token = ""

    # --- Rounds -------------------------------------------------------------------------------

    def free(self) -> dict:
        """Places that cost nothing: whoever gets one is confirmed at once."""
        window, answers = self._window(fee_minor=0), Counter()
        self._book(window, answers)
        return self._result(window, answers)

    def held(self) -> dict:
        """All want to hold a place; who holds one pays, and every webhook comes twice."""
        window, answers = self._window(), Counter()
        self._book(window, answers)
        self._deliver(self._pay(window, answers) * 2, answers)
        return self._result(window, answers)

    def slot(self) -> dict:
        """One exact time: all want it, who holds it pays, and every webhook comes twice."""
        window, answers = self._window(kind="slot", capacity=1), Counter()
        self._book(window, answers)
        self._deliver(self._pay(window, answers) * 2, answers)
        return self._result(window, answers)

    def unreserved(self) -> dict:
        """Holds that reserve nothing: all hold, all pay, and the webhooks decide."""
        window, answers = self._window(holds_reserve=False), Counter()
        self._book(window, answers)
        self._deliver(self._pay(window, answers), answers)
        return self._result(window, answers)

    def copies(self) -> dict:
        """One payment, told by as many copies of its webhook as there are racers."""
        window, answers = self._window(), Counter()
        self._race([self._form(window)], "book", answers)
        [webhook, *_more] = self._pay(window, answers)
        self._deliver([webhook] * self.racers, answers)
        return self._result(window, answers) | {"inbox": self._inbox(window)}

    # --- What patients do ---------------------------------------------------------------------

    def _window(self, **fields) -> Schedule:
        """A window of a new doctor, later today, and what a browser knows after looking at it."""
        window = factories.window(**{"capacity": self.places, "fee_minor": FEE} | fields)
        self.cookie, self.token = wire.open_form(self.port, window.get_absolute_url())
        return window

    def _form(self, window: Schedule) -> bytes:
        """One more patient, who fills in everything."""
        n = next(numbers)
        fields = {
            "csrfmiddlewaretoken": self.token,
            "request_key": uuid4(),
            "price": window.fee_minor,
            "name": f"Patient {n}",
            "phone": f"+9198200{n % 100_000:05}",
            "email": f"patient{n}@example.org",
            "age": 20 + n % 60,
            "consent": "on",
        }
        return wire.form(window.get_absolute_url(), fields, self.cookie)

    def _book(self, window: Schedule, answers: Counter) -> None:
        self._race([self._form(window) for _ in range(self.racers)], "book", answers)

    def _pay(self, window: Schedule, answers: Counter) -> list[bytes]:
        """Everyone who holds a place chooses how to pay, and pays; the webhooks that are now due."""
        fields = {"csrfmiddlewaretoken": self.token, "gateway": self.payers.gateway}
        holds = Booking.objects.filter(schedule=window, status=Status.HELD)
        pages = [f"/pay/{public_id}/" for public_id in holds.values_list("public_id", flat=True)]
        self._race([wire.form(page, fields, self.cookie) for page in pages], "pay", answers)
        payments = Payment.objects.open().filter(booking__schedule=window)
        return [webhook for payment in payments for webhook in self.payers.pay(payment)]

    def _deliver(self, webhooks: list[bytes], answers: Counter) -> None:
        """In any order, as many at once as there are racers."""
        random.shuffle(webhooks)
        for first in range(0, len(webhooks), self.racers):
            self._race(webhooks[first : first + self.racers], "webhook", answers)

    def _race(self, messages: list[bytes], what: str, answers: Counter) -> None:
        for answer in wire.race(self.port, messages):
            full = " full" if answer.status == 409 and b"full" in answer.body else ""
            answers[f"{what} {answer.status}{full}"] += 1

    # --- What it came to ----------------------------------------------------------------------

    def _result(self, window: Schedule, answers: Counter) -> dict:
        """Once the workers have sent every refund. `numbers`: those of confirmed bookings, sorted."""
        returned = Payment.objects.owed_back().filter(booking__schedule=window)
        done = Refund.objects.filter(payment__in=returned, status=RefundStatus.DONE)
        wait_for(lambda: done.count() >= returned.count(), 60, "the refunds")
        bookings = Booking.objects.filter(schedule=window)
        confirmed = bookings.filter(status=Status.CONFIRMED).order_by("queue_number")
        money = Payment.objects.filter(booking__schedule=window)
        return {
            "answers": dict(sorted(answers.items())),
            "confirmed": confirmed.count(),
            "numbers": list(confirmed.values_list("queue_number", flat=True)),
            "overflow": bookings.filter(status=Status.OVERFLOW).count(),
            "bought": money.filter(outcome=Outcome.BOUGHT).count(),
            "kept_minor": sum(payment.captured_minor - payment.refunded_minor for payment in money),
            "refunds": done.filter(amount_minor=window.fee_minor).count(),
            "violations": violations(),
        }

    def _inbox(self, window: Schedule) -> int:
        return GatewayEvent.objects.filter(payment__booking__schedule=window).count()
