"""The negative control of the machine: bugs that somebody might write, one at a time. It finds each.

Those in FOUND_SOON are looked for in every run. The others need MACHINE_SEQUENCES, some of them many: a
rival hold paid late, a sender that dies between the call and its answer.
"""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bookings import actions as bookings
from bookings import refund_rules
from bookings import steps as places
from bookings.states import Status as BookingStatus
from payments import actions, steps
from payments.models import Payment, PaymentQuerySet, Refund
from payments.states import Outcome, RefundStatus, Status
from tests.machine.machine import Machine
from tests.machine.test_machine import SEQUENCES, STORIES

pytestmark = pytest.mark.django_db(transaction=True)


def rounded_up(payment, percent):
    return min(-(-payment.captured_minor * percent // 100), payment.left_minor)


def reserve_not_given_back(payment, refund, status, *, right=steps.record_refund, **more):
    before = payment.refunded_minor
    right(payment, refund, status, **more)
    if payment.refunded_minor != before:
        payment.refunded_minor = before
        payment.save(update_fields=["refunded_minor"])


def second_capture_overwrites(payment, event, *, now, outcome):
    Payment.objects.filter(pk=payment.pk).update(
        status=Status.CAPTURED, outcome=outcome, captured_at=now,
        captured_minor=event.amount_minor, gateway_payment=event.gateway_payment,
    )  # fmt: skip
    return payment


def overflow_owes_nothing(booking, *, now):
    places.move(booking, BookingStatus.OVERFLOW, now=now, cause="OVERFLOW_AFTER_PAYMENT")


def ended_is_opened_again(payment, status, *, now, why=""):
    Payment.objects.exclude(status=Status.CAPTURED).filter(pk=payment.pk).update(status=status)


def captured_is_downgraded(payment, status, *, now, why=""):
    Payment.objects.filter(pk=payment.pk).exclude(outcome=Outcome.BOUGHT).update(status=status, outcome="")


def surplus_is_kept(payments):
    return payments.captured().filter(outcome=Outcome.NO_PLACE)


def no_place_is_kept(payments):
    return payments.captured().filter(outcome=Outcome.SURPLUS)


def rules_of_today(booking, now, *, right=refund_rules.percent_back):
    booking.refund_rules = django_settings.REFUND_RULES
    return right(booking, now)


def money_of_ended_attempts_is_ignored(payments):
    return payments.filter(outcome="").exclude(status=Status.EXPIRED)


def takes_all_that_is_promised(gateway_name, event):
    if event.kind == "authorized" and gateway_name == "razorpay":
        gateway = actions.gateways.get(gateway_name)
        money = {"amount_minor": event.amount_minor, "currency": event.currency}
        actions._settle_fetched(gateway_name, gateway.capture(gateway_payment=event.gateway_payment, **money))


def new_key_for_every_try(refund, *, right=actions.send):
    if refund.tries:
        refund.key = uuid4()
        Refund.objects.filter(pk=refund.pk).update(key=refund.key)
    return right(refund)


def gateways_refund_reserves_nothing(payment, event, *, now, right=steps._import_refund):
    before = payment.refunded_minor
    right(payment, event, now=now)
    Payment.objects.filter(pk=payment.pk).update(refunded_minor=before)


def clinic_cancels_by_the_rules(booking, percent, *, now, right=places.call_off, **more):
    right(booking, min(percent, refund_rules.percent_back(booking, now)), now=now, **more)


def desks_places_are_sold(schedule, units, channel):
    return units <= schedule.capacity - schedule.taken


def refund_ends_once_more(payment, refund, status, *, right=steps.record_refund, **more):
    if refund.status == RefundStatus.FAILED:
        refund.status = RefundStatus.PENDING
    right(payment, refund, status, **more)


BUGS = {
    "part of a unit is rounded up": (Payment, "back", rounded_up),
    "a failed refund keeps its reserve": (steps, "record_refund", reserve_not_given_back),
    "a refund that failed is sent after all, in silence": (steps, "record_refund", refund_ends_once_more),
    "a second capture overwrites the first": (steps, "record_capture", second_capture_overwrites),
    "late money is confirmed without a look for room": (places, "has_room_for", lambda *args: True),
    "the desk's places are sold online": (places, "has_left", desks_places_are_sold),
    "an overflow owes nothing": (places, "overflow", overflow_owes_nothing),
    "money that found no place is kept": (PaymentQuerySet, "owed_back", no_place_is_kept),
    "money that came twice is kept": (PaymentQuerySet, "owed_back", surplus_is_kept),
    "a declined try makes money unpaid": (steps, "mark", captured_is_downgraded),
    "a declined try opens an attempt that has ended": (steps, "mark", ended_is_opened_again),
    "money of an ended attempt is a stranger's": (
        PaymentQuerySet, "unsettled", money_of_ended_attempts_is_ignored,
    ),
    "money of another amount buys the place": (steps, "mismatch", lambda *args: ""),
    "money that our bug met is forgotten": (actions, "_park_capture", lambda *args, **more: None),
    "a second promise is taken too": (actions, "take", takes_all_that_is_promised),
    "a refund made at the gateway reserves nothing": (
        steps, "_import_refund", gateways_refund_reserves_nothing,
    ),
    "a refund is tried again under a new key": (actions, "send", new_key_for_every_try),
    "the minutes of grace are forgotten": (refund_rules, "grace", lambda: timedelta(0)),
    "today's rules count, not those that were sold": (bookings, "percent_back", rules_of_today),
    "the clinic's own cancelling gives back by the rules": (places, "call_off", clinic_cancels_by_the_rules),
}  # fmt: skip
FOUND_SOON = {
    "a declined try opens an attempt that has ended",
    "a refund made at the gateway reserves nothing",
    "a second capture overwrites the first",
    "money of an ended attempt is a stranger's",
    "the desk's places are sold online",
}
LOOKED_FOR = BUGS if SEQUENCES else FOUND_SOON
HUNT = settings(
    STORIES,
    max_examples=SEQUENCES or 400,
    report_multiple_bugs=False,
    phases=[Phase.generate],
)


@pytest.mark.once
@pytest.mark.parametrize("bug", sorted(LOOKED_FOR))
def test_the_machine_finds(bug, monkeypatch, request):
    stories = []
    monkeypatch.setattr(*BUGS[bug])
    monkeypatch.setattr(Machine, "begun", lambda machine: stories.append(machine))
    with pytest.raises(Exception) as found:
        run_state_machine_as_test(Machine, settings=HUNT)
    request.node.user_properties.append(("stories", len(stories)))
    assert not isinstance(found.value, (TypeError, NameError, AttributeError)), "the bug itself is broken"
