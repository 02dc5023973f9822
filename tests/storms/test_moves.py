"""MOVE_RACES moves against whatever else may happen at that instant, each with one legal outcome.

tests/test_races_of_moves.py has the same rivals once each, with a negative control. Two thousand:
MOVE_RACES=2000 ./run test --postgres -s tests/storms/test_moves.py
"""

import os
import random
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from bookings import actions
from bookings.models import Booking
from bookings.states import Status
from clinic.errors import Refused
from payments import sweeps
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent
from schedules.models import Schedule
from tests import factories as f
from tests.racing import at_once

pytestmark = [pytest.mark.storm, pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
RACES = int(os.environ.get("MOVE_RACES", "50"))
APART = 0.006
"""Seconds between the two rivals, at most: about as long as an action takes, so that each is first at times."""


class Rivals:
    """Two windows of one doctor, for tokens or exact times, with one place each; `mine` is in the first."""

    def __init__(self, dice: random.Random):
        self.dice, doctor = dice, f.doctor()
        make = dice.choice([f.window, f.slot])
        self.left, self.wanted, self.other = (
            make(doctor=doctor, starts_in=timedelta(days=day), capacity=1) for day in (2, 3, 4)
        )

    def move(self, booking: Booking, to: Schedule):
        return lambda: actions.reschedule(booking.pk, to.pk, own=True)

    def race(self, *calls) -> tuple[str, ...]:
        """What each of them was told: a status, a refusal's code, an error's name."""
        return tuple(told(answer) for answer in at_once(*map(self._soon, calls)))

    def _soon(self, call):
        pause = self.dice.uniform(0, APART)

        def run():
            threading.Event().wait(pause)
            return call()

        return run

    def late(self, window: Schedule) -> tuple[Booking, str]:
        """A hold whose time is up, and the body of the event of its payment, which comes only now."""
        booking = f.hold(window)
        body = f.capture_body(f.attempt(booking))
        f.lapse(booking)
        return booking, body

    def taken(self) -> tuple[int, ...]:
        rows = Schedule.objects.filter(pk__in=[self.left.pk, self.wanted.pk, self.other.pk])
        return tuple(rows.order_by("starts_at").values_list("taken", flat=True))


def told(answer) -> str:
    if isinstance(answer, Refused):
        return answer.code
    if isinstance(answer, Exception):
        return type(answer).__name__
    return str(getattr(answer, "status", "told"))


def state(booking: Booking) -> tuple[str, int]:
    booking.refresh_from_db()
    return str(booking.status), booking.schedule_id


# --- The races: each gives what was said and what came of it -------------------------------


def cancel(rivals: Rivals):
    """Whoever is first: cancelled, no place anywhere, all of the money due back."""
    mine = f.paid(rivals.left)
    said = rivals.race(
        rivals.move(mine, rivals.wanted), lambda: actions.cancel(mine.pk, reason="changed my mind")
    )
    sweeps.make_refunds()
    assert said in {("confirmed", "cancelled"), ("TOO_LATE", "cancelled")}
    assert state(mine) == ("cancelled", (rivals.wanted if said[0] == "confirmed" else rivals.left).pk)
    assert rivals.taken() == (0, 0, 0)
    assert mine.payments.get().refunded_minor == 50000
    return said


def second_payment(rivals: Rivals):
    """It bought nothing, wherever the visit is by then, and the visit has its place."""
    mine = f.paid(rivals.left)
    body = f.capture_body(mine.payments.get(), again=True)
    said = rivals.race(rivals.move(mine, rivals.wanted), lambda: f.deliver(body))
    processed()
    assert said == ("confirmed", "told")
    assert state(mine) == ("confirmed", rivals.wanted.pk)
    assert sorted(mine.payments.values_list("outcome", flat=True)) == ["bought", "surplus"]
    assert rivals.taken() == (0, 1, 0)
    return said


def late_money_for_the_wanted_place(rivals: Rivals):
    """One of the two has it: the other stays where it is, or has its money back."""
    late, body = rivals.late(rivals.wanted)
    mine = f.paid(rivals.left)
    said = rivals.race(rivals.move(mine, rivals.wanted), lambda: f.deliver(body))
    processed()
    if said[0] == "confirmed":
        assert (state(mine), state(late)[0]) == (("confirmed", rivals.wanted.pk), "overflow")
        assert rivals.taken() == (0, 1, 0)
    else:
        assert said[0] == "FULL"
        assert (state(mine), state(late)[0]) == (("confirmed", rivals.left.pk), "confirmed")
        assert rivals.taken() == (1, 1, 0)
    return said


def late_money_for_the_left_place(rivals: Rivals):
    """It comes before the place is free, or after."""
    late, body = rivals.late(rivals.left)
    mine = f.paid(rivals.left)
    said = rivals.race(rivals.move(mine, rivals.wanted), lambda: f.deliver(body))
    processed()
    assert said[0] == "confirmed" and state(mine) == ("confirmed", rivals.wanted.pk)
    became = state(late)[0]
    assert became in ("confirmed", "overflow")
    assert rivals.taken() == (int(became == "confirmed"), 1, 0)
    return said[0], became


def move_for_the_last_place(rivals: Rivals):
    """One has it, and the other keeps what it had."""
    one, two = f.paid(rivals.left), f.paid(rivals.other)
    said = rivals.race(rivals.move(one, rivals.wanted), rivals.move(two, rivals.wanted))
    assert sorted(said) == ["FULL", "confirmed"]
    first = said[0] == "confirmed"
    assert state(one) == ("confirmed", (rivals.wanted if first else rivals.left).pk)
    assert state(two) == ("confirmed", (rivals.other if first else rivals.wanted).pk)
    assert rivals.taken() == (int(not first), 1, int(first))
    return said


def processed() -> None:
    """A webhook that met a lock may wait for the worker."""
    GatewayEvent.objects.unprocessed().update(next_try_at=timezone.now())
    sweeps.process_inbox()
    assert not GatewayEvent.objects.unprocessed().exists()


RIVALS = [
    cancel, second_payment, late_money_for_the_wanted_place, late_money_for_the_left_place, move_for_the_last_place,
]  # fmt: skip


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.__name__)
def test_a_move_against(rival):
    dice, outcomes, began = random.Random(rival.__name__), Counter(), time.monotonic()
    rounds = RACES // len(RIVALS)
    for _ in range(rounds):
        outcomes[rival(Rivals(dice))] += 1
    rate = rounds / (time.monotonic() - began)
    print(f"\n{rival.__name__}: {dict(outcomes)}, {rate:.0f} races a second")  # noqa: T201
    assert violations() == {}
    assert Booking.objects.live().filter(status=Status.HELD).count() == 0
