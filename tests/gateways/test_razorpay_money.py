"""Razorpay's money in the clinic: taken, late, given back and disputed."""

import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from clinic.models import ReviewItem
from payments import actions, sweeps
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, Refund
from payments.override_actions import record_capture
from payments.states import Outcome, Status
from tests import factories as f
from tests.gateways.conftest import SECRET, RazorpayBench

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt(razorpay):
    return actions.start(f.hold(f.window()), "razorpay")


def tell(book, *names) -> list[int]:
    """Razorpay posts its newest event of each name; gives the answers' statuses."""
    bodies = [book.bodies(name)[-1] for name in names]
    headers = [{"X-Razorpay-Signature": RazorpayBench.sign(body, SECRET)} for body in bodies]
    client = Client(enforce_csrf_checks=True)
    return [
        client.post("/api/v1/webhooks/razorpay", body, "application/json", headers=signed).status_code
        for body, signed in zip(bodies, headers, strict=True)
    ]


def seen(payment) -> tuple:
    payment.refresh_from_db()
    payment.booking.refresh_from_db()
    return payment.status, payment.outcome, payment.booking.status


BOUGHT = (Status.CAPTURED, Outcome.BOUGHT, "confirmed")


def later(payment, by=timedelta(0)):
    """Its time to be asked about has come, `by` after it began."""
    past = {"created_at": timezone.now() - by} if by else {}
    Payment.objects.filter(pk=payment.pk).update(next_check_at=timezone.now(), **past)


# --- Authorised, then taken -----------------------------------------------------------------------


def test_what_a_bank_authorised_is_taken_while_the_webhook_waits_and_buys_the_place(razorpay, attempt):
    razorpay.authorize(attempt.reference)
    assert tell(razorpay, "payment.authorized") == [200]
    assert seen(attempt) == BOUGHT
    assert len(razorpay.bodies("payment.captured")) == 1
    assert tell(razorpay, "payment.captured", "order.paid", "payment.authorized") == [200] * 3
    assert seen(attempt) == BOUGHT
    assert (Payment.objects.count(), violations()) == (1, {})


@pytest.mark.parametrize(
    "fault", ["500", "html", "busy", "drop", '400 {"error": {"code": "BAD_REQUEST_ERROR"}}']
)
def test_where_taking_it_fails_the_webhook_is_answered_and_the_worker_takes_it(razorpay, attempt, fault):
    razorpay.authorize(attempt.reference)
    razorpay.faults += [fault, fault]
    assert tell(razorpay, "payment.authorized") == [200]
    assert seen(attempt) == (Status.AUTHORIZED, "", "held")
    assert sweeps.close_open_payments() == 0
    razorpay.faults.clear()
    later(attempt)
    assert sweeps.close_open_payments() == 1
    assert seen(attempt) == BOUGHT


def test_razorpay_has_its_answer_in_five_seconds_though_its_own_api_hangs(razorpay, attempt):
    """After a day without answers it switches the webhook off: razorpay.com/docs/webhooks."""
    razorpay.authorize(attempt.reference)
    razorpay.faults += ["hang"]
    began = time.monotonic()
    assert tell(razorpay, "payment.authorized") == [200]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("slowness", "seen_at_once"), [(0.4, True), (3, False)])
def test_a_razorpay_that_is_slow_twice_has_its_answer_in_time_too(razorpay, attempt, slowness, seen_at_once):
    """It captures by itself meanwhile, so that ours is refused late, and looking is slow as well."""
    payment = razorpay.authorize(attempt.reference)
    razorpay._captured(payment)
    razorpay.slowness = slowness
    razorpay.faults += ["slow", "slow"]
    began = time.monotonic()
    assert tell(razorpay, "payment.authorized") == [200]
    assert time.monotonic() - began < 4
    assert (seen(attempt) == BOUGHT) == seen_at_once
    later(attempt)
    sweeps.close_open_payments()
    assert seen(attempt) == BOUGHT


def test_the_worker_asks_soon_about_an_authorised_payment_and_does_not_end_it(razorpay, attempt):
    payment = razorpay.authorize(attempt.reference)
    razorpay.faults += ["500"]
    tell(razorpay, "payment.authorized")
    attempt.refresh_from_db()
    assert attempt.next_check_at < timezone.now() + timedelta(minutes=1)
    razorpay.lapse(payment["id"])
    later(attempt)
    sweeps.close_open_payments()
    assert seen(attempt) == (Status.AUTHORIZED, "", "held")
    attempt.refresh_from_db()
    assert attempt.next_check_at == attempt.booking.hold_expires_at


def test_who_comes_back_finds_what_was_only_authorised_taken(client, razorpay, attempt):
    razorpay.authorize(attempt.reference)
    client.get(f"/b/{attempt.booking.public_id}/return/")
    assert seen(attempt) == BOUGHT


def test_of_two_authorised_tries_one_is_taken_and_the_other_is_left_to_its_bank(razorpay, attempt):
    first, second = razorpay.authorize(attempt.reference), razorpay.authorize(attempt.reference)
    tell(razorpay, "payment.authorized")
    assert (first["captured"], second["captured"]) == (False, True)
    actions.ask(attempt)
    assert not first["captured"]
    assert (Payment.objects.count(), violations()) == (1, {})


@pytest.mark.parametrize("told_by", ["webhook", "worker"])
def test_what_was_only_authorised_is_taken_although_a_person_recorded_it_as_arrived(
    razorpay, attempt, told_by
):
    """They saw it on Razorpay's page and took it for money: left alone, it would go back to the bank."""
    name = razorpay.authorize(attempt.reference)["id"]
    said = {"method": "", "reference": name, "reason": "seen", "actor": f.staff("Manager")}
    record_capture(attempt.pk, amount_minor=attempt.amount_minor, **said)
    assert seen(attempt) == BOUGHT and attempt.claimed_as == name
    if told_by == "webhook":
        tell(razorpay, "payment.authorized")
    else:
        later(attempt)
        assert sweeps.close_open_payments() == 1
    assert len(razorpay.bodies("payment.captured")) == 1
    assert seen(attempt) == BOUGHT
    assert (attempt.gateway_payment, attempt.claimed_as) == (name, "")
    assert (Payment.objects.count(), violations()) == (1, {})


def test_money_authorised_for_a_place_that_was_given_up_is_taken_and_goes_back(client, razorpay, attempt):
    client.post(f"/b/{attempt.booking.public_id}/give-up/")
    razorpay.authorize(attempt.reference)
    tell(razorpay, "payment.authorized")
    assert seen(attempt) == (Status.CAPTURED, Outcome.SURPLUS, "cancelled")
    sweeps.make_refunds()
    sweeps.send_refunds()
    assert Refund.objects.get().status == "done"


# --- Late -----------------------------------------------------------------------------------------


def ended(attempt, by=timedelta(minutes=16)):
    """The hold ran out, and the worker has asked."""
    f.lapse(attempt.booking)
    later(attempt, by)
    assert sweeps.close_open_payments() == 1
    assert seen(attempt)[0] == Status.EXPIRED


def test_an_order_paid_after_its_hold_still_buys_where_there_is_room(razorpay, attempt):
    ended(attempt)
    razorpay.pay(attempt.reference)
    tell(razorpay, "order.paid")
    assert seen(attempt) == BOUGHT


@pytest.mark.parametrize("how", ["pay", "authorize"])
def test_late_money_that_no_webhook_told_is_found_by_asking_again(razorpay, attempt, how):
    ended(attempt)
    assert attempt.next_check_at > timezone.now() + timedelta(minutes=14)
    getattr(razorpay, how)(attempt.reference)
    assert sweeps.close_open_payments() == 0
    later(attempt)
    assert sweeps.close_open_payments() == 1
    assert seen(attempt) == BOUGHT


def test_a_late_authorisation_that_could_not_be_taken_at_once_is_taken_by_the_worker(razorpay, attempt):
    ended(attempt, by=timedelta(days=2))
    razorpay.authorize(attempt.reference)
    razorpay.faults += ["500"]
    tell(razorpay, "payment.authorized")
    assert seen(attempt)[0] == Status.EXPIRED
    later(attempt)
    assert sweeps.close_open_payments() == 1
    assert seen(attempt) == BOUGHT


def test_an_ended_order_is_asked_about_twice_as_late_each_time_and_for_two_weeks(razorpay, attempt):
    ended(attempt, by=timedelta(hours=5))
    wait = attempt.next_check_at - timezone.now()
    assert timedelta(hours=4.9) < wait < timedelta(hours=5.1)
    later(attempt, by=timedelta(days=13))
    sweeps.close_open_payments()
    attempt.refresh_from_db()
    assert timedelta(hours=23) < attempt.next_check_at - timezone.now() < timedelta(hours=25)
    later(attempt, by=timedelta(days=14))
    sweeps.close_open_payments()
    attempt.refresh_from_db()
    assert attempt.next_check_at is None
    before = len(razorpay.requests)
    assert sweeps.close_open_payments() == 0
    assert len(razorpay.requests) == before


def test_what_a_gateway_could_end_is_not_asked_about_again(razorpay):
    payment = f.attempt(f.hold(f.window()))
    f.lapse(payment.booking)
    later(payment)
    assert sweeps.close_open_payments() == 1
    payment.refresh_from_db()
    assert (payment.status, payment.next_check_at) == (Status.EXPIRED, None)


def test_a_declined_card_leaves_the_hold_and_the_second_try_buys_the_place(razorpay, attempt):
    razorpay.decline(attempt.reference)
    tell(razorpay, "payment.failed")
    assert seen(attempt) == (Status.FAILED, "", "held")
    razorpay.pay(attempt.reference)
    tell(razorpay, "order.paid", "payment.failed")
    assert seen(attempt) == BOUGHT


# --- In Razorpay's dashboard ------------------------------------------------------------------------


@pytest.fixture
def paid(razorpay, attempt):
    razorpay.pay(attempt.reference)
    tell(razorpay, "order.paid")
    attempt.refresh_from_db()
    return attempt


def test_a_refund_from_the_dashboard_is_written_down(razorpay, paid):
    refund = razorpay.create_refund({"id": paid.gateway_payment, "amount": 20_000})
    assert tell(razorpay, "refund.processed", "refund.processed") == [200, 200]
    row = Refund.objects.get()
    assert (row.cause, row.amount_minor, row.status) == (f"gateway:{refund['id']}", 20_000, "done")
    assert ReviewItem.objects.count() == 1
    assert violations() == {}


def test_a_refund_from_the_dashboard_that_failed_was_none(razorpay, paid):
    razorpay.slow_refunds = True
    refund = razorpay.create_refund({"id": paid.gateway_payment})
    razorpay.fail_refund(refund["id"])
    assert tell(razorpay, "refund.failed") == [200]
    assert not Refund.objects.exists()
    assert not GatewayEvent.objects.unprocessed().exists()


def test_our_own_refund_is_not_taken_for_one_of_the_dashboard(razorpay, paid):
    f.actions.cancel(paid.booking_id, reason="the doctor is ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    tell(razorpay, "refund.processed")
    assert list(Refund.objects.values_list("cause", "status")) == [("cancel", "done")]
    assert violations() == {}


def test_a_dispute_is_shown_to_a_person_once(razorpay, paid):
    razorpay.dispute(paid.gateway_payment)
    assert tell(razorpay, "payment.dispute.created", "payment.dispute.created") == [200, 200]
    item = ReviewItem.objects.get()
    assert "₹500" in item.subject
    assert "goods_or_services_not_received" in item.explanation
    assert seen(paid) == BOUGHT
    assert violations() == {}


def test_a_dispute_of_somebody_elses_payment_is_not_our_clinics(razorpay, paid):
    Payment.objects.update(gateway_payment="pay_of_another_shop")
    razorpay.dispute(paid.gateway_payment)
    assert tell(razorpay, "payment.dispute.created") == [200]
    assert not ReviewItem.objects.exists()
