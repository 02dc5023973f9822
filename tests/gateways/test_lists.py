"""Every gateway can say what it did in a span of time, however much that was."""

from datetime import UTC, datetime, timedelta

import pytest

from payments.gateways.base import GatewayError, KeepsBook
from payments.gateways.manual import Manual
from tests.gateways.conftest import REFUND, order

MINUTE = timedelta(minutes=1)


def listed(gateway, since=-MINUTE, until=MINUTE):
    now = datetime.now(UTC)
    return list(gateway.list_payments(now + since, now + until))


def paid(bench):
    started = bench.gateway.start(order())
    [event] = bench.gateway.parse(bench.pay(started))
    return event


def test_what_came_and_what_went_back_is_listed_as_its_webhook_told_it(bench):
    assert isinstance(bench.gateway, KeepsBook)
    bench.gateway.start(order())  # nobody pays this one
    bench.decline(bench.gateway.start(order()))
    event = paid(bench)
    money = {"gateway_payment": event.gateway_payment, "amount_minor": 20_000, "currency": "INR"}
    refund = bench.gateway.refund(key=REFUND, **money)
    came, went = listed(bench.gateway)
    facts = "kind", "gateway_payment", "amount_minor", "currency", "live"
    assert [getattr(came, fact) for fact in facts] == [getattr(event, fact) for fact in facts]
    assert came.payment_key or came.reference == event.reference
    assert (went.kind, went.gateway_refund, went.refund_key) == ("refund_done", refund.gateway_refund, REFUND)
    assert (went.gateway_payment, went.amount_minor, went.currency) == tuple(money.values())


def test_what_happened_at_another_time_is_not_listed(bench):
    paid(bench)
    assert listed(bench.gateway, since=-2 * MINUTE, until=-MINUTE) == []
    assert listed(bench.gateway, since=MINUTE, until=2 * MINUTE) == []


def test_long_lists_are_read_to_their_end_each_sum_once(bench):
    names = {paid(bench).gateway_payment for _ in range(205)}
    found = [event.gateway_payment for event in listed(bench.gateway)]
    assert len(found) == 205
    assert set(found) == names


def test_a_gateway_that_does_not_answer_gives_no_short_list(bench):
    for fault in bench.faults:
        with pytest.raises(GatewayError) as error:
            listed(bench.failing(fault))
        assert error.value.retryable


def test_the_counter_keeps_no_book_of_its_own():
    assert not isinstance(Manual(), KeepsBook)
