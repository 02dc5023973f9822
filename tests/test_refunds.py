"""Money that goes back: once per cause, under one key, never more than came."""

import json
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from bookings import actions as places
from clinic.errors import Refused
from clinic.models import ReviewItem
from payments import actions, counter, gateways, steps, sweeps
from payments.gateways.base import GatewayError, RefundResult
from payments.gateways.demo import Demo, DemoBook
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, Refund
from payments.states import RefundStatus
from tests import factories as f

pytestmark = pytest.mark.django_db


class Moody(Demo):
    """The demo gateway with the answers to `refund` laid out beforehand; it notes what it was asked."""

    def expect(self, *answers):
        self.answers, self.asked = list(answers), []

    def refund(self, **asked):
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


TIMEOUT = GatewayError("no answer", retryable=True)
NO = GatewayError("already refunded", retryable=False)


@pytest.fixture
def gateway(settings, monkeypatch):
    """Answers to refunds as the test lays them out; all else is the demo gateway."""
    book, secrets = DemoBook(settings.DEMO_GATEWAY_BOOK), ["a secret"]
    moody = Moody(book=book, site_url=settings.SITE_URL, webhook_secrets=secrets)
    monkeypatch.setitem(gateways.TABLE, "demo", lambda: moody)
    gateways.get.cache_clear()
    yield moody.expect
    gateways.get.cache_clear()


def due(**fields) -> Refund:
    """A paid booking was cancelled by the clinic, and its refund is about to be sent."""
    booking = f.paid(f.window(**fields))
    places.cancel(booking.pk, reason="the doctor is ill")
    assert sweeps.make_refunds() == 1
    return Refund.objects.get()


def state(refund) -> tuple:
    refund.refresh_from_db()
    refund.payment.refresh_from_db()
    return refund.status, refund.payment.refunded_minor


def make_due_again(refund):
    Refund.objects.filter(pk=refund.pk).update(next_try_at=timezone.now())


def event(refund, name: str) -> str:
    """A refund's event as the demo gateway tells it."""
    facts = {
        "order": str(refund.payment.key),
        "payment": refund.payment.gateway_payment,
        "amount": refund.amount_minor,
        "refund_key": str(refund.key),
        "refund": refund.gateway_refund or "demo_re_1",
    }
    return f.altered(json.dumps({"type": name, "data": {"currency": "INR"}}), **facts)


def test_a_due_refund_is_sent_once_however_often_the_sweeps_run():
    refund = due()
    for _ in range(3):
        sweeps.make_refunds()
        sweeps.send_refunds()
    assert state(refund) == (RefundStatus.DONE, 50000)
    assert Refund.objects.count() == 1
    assert refund.done_at
    assert violations() == {}


def test_a_refund_is_reserved_on_its_payment_before_anything_is_sent():
    refund = due()
    assert state(refund) == (RefundStatus.DUE, 50000)


def test_two_refunds_of_a_payment_never_give_back_more_than_came():
    payment = f.paid(f.window()).payments.get()
    first = actions.owe(payment.pk, "staff:1", 60)
    second = actions.owe(payment.pk, "staff:2", 60)
    assert (first.amount_minor, second.amount_minor) == (30000, 20000)
    assert actions.owe(payment.pk, "staff:3", 60) is None
    assert actions.owe(payment.pk, "staff:1", 60) is None


def test_part_of_a_minor_unit_stays_with_the_clinic():
    payment = f.paid(f.window(fee_minor=999)).payments.get()
    assert actions.owe(payment.pk, "staff:1", 50).amount_minor == 499


def test_a_timeout_is_repeated_under_the_same_key_and_amount(gateway):
    refund = due()
    gateway(TIMEOUT, RefundResult(status="done", gateway_refund="re_1"))
    sweeps.send_refunds()
    assert state(refund) == (RefundStatus.DUE, 50000)
    assert refund.next_try_at > timezone.now()
    assert sweeps.send_refunds() == 0
    make_due_again(refund)
    sweeps.send_refunds()
    assert state(refund) == (RefundStatus.DONE, 50000)
    first, again = f.demo().asked
    assert first == again
    assert first["key"] == str(refund.key)
    assert violations() == {}


def test_while_one_sender_has_a_refund_no_other_sends_it():
    refund = due()
    before = Refund.objects.get()
    assert actions.send(refund) is True
    assert actions.send(before) is False


def test_a_refund_whose_sender_died_is_sent_by_another_under_the_same_key(gateway):
    refund = due()
    Refund.objects.update(status=RefundStatus.SENDING, next_try_at=timezone.now() + actions.LEASE, tries=1)
    gateway(RefundResult(status="done", gateway_refund="re_1"))
    assert sweeps.send_refunds() == 0
    make_due_again(refund)  # two minutes later
    assert sweeps.send_refunds() == 1
    assert state(refund) == (RefundStatus.DONE, 50000)
    assert [asked["key"] for asked in f.demo().asked] == [str(refund.key)]


def test_a_refused_refund_gives_its_reserve_back_and_a_person_is_told(gateway):
    refund = due()
    gateway(NO)
    sweeps.send_refunds()
    assert state(refund) == (RefundStatus.FAILED, 0)
    assert ReviewItem.objects.get().key == f"refund:{refund.pk}"
    assert "already refunded" in ReviewItem.objects.get().explanation
    sweeps.make_refunds()
    assert Refund.objects.count() == 1
    assert violations() == {}


def test_a_refund_that_nobody_answers_is_handed_to_a_person_after_ten_tries(gateway):
    refund = due()
    gateway(*[TIMEOUT] * 10)
    for _ in range(10):
        assert not ReviewItem.objects.exists()
        make_due_again(refund)
        sweeps.send_refunds()
    assert ReviewItem.objects.get().key == f"refund:{refund.pk}"


def test_a_refund_on_its_way_is_done_when_the_gateway_says_so(gateway):
    refund = due()
    gateway(RefundResult(status="pending", gateway_refund="demo_re_1"))
    sweeps.send_refunds()
    assert state(refund) == (RefundStatus.PENDING, 50000)
    assert sweeps.send_refunds() == 0
    f.deliver(event(refund, "refund.done"))
    assert state(refund) == (RefundStatus.DONE, 50000)


def test_a_refund_on_its_way_is_asked_about_again_under_the_same_key(gateway):
    refund = due()
    gateway(RefundResult(status="pending", gateway_refund="re_1"), RefundResult(status="done"))
    sweeps.send_refunds()
    make_due_again(refund)
    sweeps.send_refunds()
    assert state(refund) == (RefundStatus.DONE, 50000)
    assert refund.gateway_refund == "re_1"
    first, again = f.demo().asked
    assert first == again


def test_the_gateways_word_may_come_before_the_answer_to_our_call(gateway):
    refund = due()
    Refund.objects.update(status=RefundStatus.SENDING)
    f.deliver(event(refund, "refund.done"))
    assert state(refund) == (RefundStatus.DONE, 50000)
    actions._record(refund, RefundStatus.PENDING, gateway_refund="demo_re_1")
    assert state(refund) == (RefundStatus.DONE, 50000)


def test_an_answer_that_says_no_after_the_gateway_said_done_changes_nothing():
    refund = due()
    Refund.objects.update(status=RefundStatus.SENDING)
    f.deliver(event(refund, "refund.done"))
    actions._record(refund, RefundStatus.FAILED, why="already refunded")
    assert state(refund) == (RefundStatus.DONE, 50000)


def test_a_refund_told_twice_is_written_once():
    refund = due()
    sweeps.send_refunds()
    refund.refresh_from_db()
    for _ in range(2):
        f.deliver(event(refund, "refund.done"))
    assert [e.kind for e in refund.payment.events.all()].count("refund done") == 1


def at_the_gateway(payment, amount_minor, *, id="demo_re_9", name="refund.done", **facts) -> None:
    """Somebody gives money back on the gateway's own page, and it tells of that."""
    money = {"payment": payment.gateway_payment, "amount": amount_minor, "currency": "INR"}
    f.deliver(f.altered(json.dumps({"type": name, "data": {}}), refund=id, **money, **facts))


def test_a_refund_made_at_the_gateway_is_written_down_once_and_a_person_sees_that_the_place_stands():
    payment = f.paid(f.window()).payments.get()
    for _ in range(3):
        at_the_gateway(payment, 20000)
    refund = Refund.objects.get()
    assert state(refund) == (RefundStatus.DONE, 20000)
    assert (refund.cause, refund.gateway_refund) == ("gateway:demo_re_9", "demo_re_9")
    assert "still stands" in ReviewItem.objects.get().explanation
    assert [e.kind for e in payment.events.all()] == ["captured", "refund made at the gateway"]
    assert violations() == {}
    assert sweeps.send_refunds() == 0


def test_what_was_given_back_at_the_gateway_is_not_given_back_again():
    booking = f.paid(f.window())
    at_the_gateway(booking.payments.get(), 20000)
    places.cancel(booking.pk, reason="the doctor is ill")
    assert sweeps.make_refunds() == 1
    assert sorted(Refund.objects.values_list("cause", "amount_minor")) == [
        ("cancel", 30000),
        ("gateway:demo_re_9", 20000),
    ]
    assert sweeps.make_refunds() == 0


@pytest.mark.parametrize(("given_back", "rest"), [(20000, [30000]), (50000, [])])
def test_of_money_that_bought_nothing_only_the_rest_still_goes_back(given_back, rest):
    booking = f.hold(f.window())
    payment = f.attempt(booking)
    for again in (False, True):
        f.deliver(f.capture_body(payment, again=again))
    surplus = Payment.objects.get(outcome="surplus")
    at_the_gateway(surplus, given_back)
    assert not ReviewItem.objects.exists()
    for _ in range(2):
        sweeps.make_refunds()
    assert list(Refund.objects.filter(cause="surplus").values_list("amount_minor", flat=True)) == rest


@pytest.mark.parametrize("facts", [{"currency": "USD"}, {"amount": 50001}, {"amount": 0}, {"amount": "all"}])
def test_what_cannot_have_been_given_back_is_shown_to_a_person_and_not_written_down(facts):
    payment = f.paid(f.window()).payments.get()
    body = json.dumps({"type": "refund.done", "data": {"amount": 100, "currency": "INR"}})
    body = f.altered(body, payment=payment.gateway_payment, refund="demo_re_9", **facts)
    for _ in range(2):
        f.deliver(body)
    payment.refresh_from_db()
    assert payment.refunded_minor == 0
    assert not Refund.objects.exists()
    assert "not in our books" in ReviewItem.objects.get().explanation
    assert violations() == {}


def test_more_than_is_left_was_given_back_at_the_gateway():
    refund = due()
    at_the_gateway(refund.payment, 50000)
    assert state(refund) == (RefundStatus.DUE, 50000)
    assert "more than was left" in ReviewItem.objects.get().explanation


def test_a_refund_at_the_gateway_that_comes_before_the_news_of_its_money_waits_for_it():
    payment = f.attempt(f.hold(f.window()))
    body = f.capture_body(payment)
    payment.gateway_payment = json.loads(body)["data"]["payment"]
    at_the_gateway(payment, 50000)
    assert not Refund.objects.exists()
    f.deliver(body)
    GatewayEvent.objects.unprocessed().update(next_try_at=timezone.now())
    assert sweeps.process_inbox() == 1
    assert Refund.objects.get().amount_minor == 50000


def test_what_was_paid_in_cash_is_handed_back_at_the_desk():
    reception, window = f.user(), f.window()
    booking = counter.walk_in(
        schedule_id=window.pk, who=f.guest(), method="cash", actor=reception, request_key=uuid4()
    )
    places.cancel(booking.pk, reason="the doctor is ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    refund = Refund.objects.get()
    assert state(refund) == (RefundStatus.BY_HAND, 50000)
    assert ReviewItem.objects.get().key == f"refund:{refund.pk}"
    assert sweeps.send_refunds() == 0
    counter.hand_back(refund.pk, actor=reception)
    assert state(refund) == (RefundStatus.DONE, 50000)
    assert refund.payment.events.last().actor == reception
    assert violations() == {}


@pytest.mark.parametrize("status", [RefundStatus.DUE, RefundStatus.SENDING, RefundStatus.PENDING])
def test_what_the_gateway_sends_back_cannot_be_handed_back_as_well(status):
    refund = due()
    Refund.objects.update(status=status)
    with pytest.raises(Refused):
        counter.hand_back(refund.pk, actor=f.user())
    assert state(refund) == (status, 50000)


def test_a_gateway_that_is_gone_keeps_no_other_refund_waiting():
    gone = due()
    Payment.objects.update(gateway="closed-down")
    booking = f.paid(f.window())
    places.cancel(booking.pk, reason="the doctor is ill")
    sweeps.make_refunds()
    refund = Refund.objects.exclude(pk=gone.pk).get()
    with pytest.raises(ExceptionGroup):  # so that the heartbeat tells
        sweeps.send_refunds()
    assert state(refund)[0] == RefundStatus.DONE
    assert state(gone)[0] == RefundStatus.SENDING


def test_a_third_capture_goes_back_and_the_gateways_word_of_it_finds_its_refund():
    booking = f.hold(f.window())
    payment = f.attempt(booking)
    for again in (False, True, True):
        f.deliver(f.capture_body(payment, again=again))
    sweeps.make_refunds()
    for refund in Refund.objects.order_by("pk"):
        f.deliver(event(refund, "refund.done"))
    assert set(Refund.objects.values_list("status", flat=True)) == {RefundStatus.DONE}


def test_a_failed_refund_that_was_sent_after_all_is_shown_to_a_person(gateway):
    refund = due()
    gateway(NO)
    sweeps.send_refunds()
    for _ in range(2):
        f.deliver(event(refund, "refund.done"))
    assert state(refund) == (RefundStatus.FAILED, 0)
    assert ReviewItem.objects.filter(key=f"refund:{refund.pk}:done").count() == 1
    assert violations() == {}


def test_a_sent_refund_that_the_bank_returns_is_shown_to_a_person():
    """Stripe: a refund may fail after it succeeded (docs.stripe.com/refunds#failed-refunds)."""
    refund = due()
    sweeps.send_refunds()
    with transaction.atomic():
        payment = Payment.objects.locked().get(pk=refund.payment_id)
        locked = Refund.objects.locked().get(pk=refund.pk)
        steps.record_refund(payment, locked, RefundStatus.FAILED, now=timezone.now(), why="bank closed")
    assert state(refund) == (RefundStatus.DONE, 50000)
    assert ReviewItem.objects.get().key == f"refund:{refund.pk}:failed"
    assert refund.payment.events.last().note == "bank closed"
