"""A payer's bank wants money back: refunds wait for its decision, and what it takes is in the books once."""

import json

import pytest
from django.utils import timezone

from bookings import actions as places
from bookings.states import Status
from clinic.models import ReviewItem
from payments import actions, readiness, sweeps
from payments.dispute_models import Dispute
from payments.ledger_models import LedgerEntry, Receipt
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, Refund
from payments.states import RefundStatus
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment() -> Payment:
    return f.paid(f.window()).payments.get()


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


def worker():
    sweeps.make_refunds()
    sweeps.send_refunds()
    sweeps.book_ledger()


def refunds() -> list:
    return list(Refund.objects.order_by("pk").values_list("amount_minor", "status"))


def book() -> list[str]:
    """What the gateway knows."""
    keys = Payment.objects.values_list("key", flat=True)
    return [json.loads(body)["type"] for key in keys for body in f.demo().bodies(str(key))]


def sent() -> int:
    """Refunds that the gateway was asked for."""
    return book().count("refund.done")


def items() -> list[str]:
    """What a person must still look at."""
    return [item.subject for item in ReviewItem.objects.open().order_by("pk")]


# --- Open ---------------------------------------------------------------------------------


def test_a_dispute_is_a_fact_of_its_payment_and_shown_to_a_person_once(payment):
    for _ in range(2):
        f.dispute(payment)
    payment.refresh_from_db()
    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.amount_minor, payment.disputed_at) == ("open", 50000, dispute.opened_at)
    assert items() == ["The patient's bank disputes a payment of ₹500"]
    assert [event.kind for event in payment.events.all()] == ["captured", "dispute opened"]
    assert payment.refunded_minor == 0
    assert violations() == {}


def test_a_cancelled_bookings_refund_waits_for_the_bank_and_the_patient_reads_why(client, payment):
    f.dispute(payment)
    places.cancel(payment.booking_id, reason="the doctor is ill")
    worker()
    assert refunds() == [(50000, RefundStatus.DUE)]
    assert sent() == 0
    page = client.get(payment.booking.get_absolute_url()).content.decode()
    assert "₹500 is due back to you" in page and "Your bank is looking into your complaint" in page
    assert readiness.warnings()["oldest_unsent_refund"] is None
    assert violations() == {}


def test_a_refund_that_is_due_when_the_bank_complains_is_not_sent_and_the_page_changes(client, payment):
    places.cancel(payment.booking_id, reason="the doctor is ill")
    sweeps.make_refunds()
    before = client.get(payment.booking.get_absolute_url()).context["ticket"].version
    due = Refund.objects.get()
    f.dispute(payment)
    assert actions.send(due) is False
    assert sent() == 0
    assert client.get(payment.booking.get_absolute_url()).context["ticket"].version != before


def test_a_dispute_of_money_that_nobody_knows_yet_waits_for_it():
    payment = f.attempt(f.hold(f.window()))
    body = f.capture_body(payment)
    payment.gateway_payment = json.loads(body)["data"]["payment"]
    f.dispute(payment, amount_minor=50000)
    assert not Dispute.objects.exists()
    f.deliver(body)
    GatewayEvent.objects.unprocessed().update(next_try_at=timezone.now())
    sweeps.process_inbox()
    payment.refresh_from_db()
    assert payment.disputed_at
    assert violations() == {}


# --- Won ----------------------------------------------------------------------------------


def test_once_it_is_won_what_waited_is_sent_and_nobody_need_look(payment):
    places.cancel(payment.booking_id, reason="the doctor is ill")
    for what in ("opened", "won"):
        f.dispute(payment, what)
        worker()
    assert refunds() == [(50000, RefundStatus.DONE)]
    assert sent() == 1
    assert items() == []
    assert violations() == {}


def test_as_long_as_a_second_dispute_is_open_nothing_goes_back(payment):
    places.cancel(payment.booking_id, reason="the doctor is ill")
    f.dispute(payment, name="demo_dp_1")
    f.dispute(payment, name="demo_dp_2")
    f.dispute(payment, "won", name="demo_dp_1")
    worker()
    assert sent() == 0
    f.dispute(payment, "won", name="demo_dp_2")
    worker()
    assert sent() == 1
    assert violations() == {}


# --- Lost ---------------------------------------------------------------------------------


def test_a_lost_one_is_booked_as_gone_and_the_place_stands(client, payment):
    sweeps.book_ledger()
    for what in ("opened", "lost", "lost"):
        f.dispute(payment, what)
    worker()
    refund, booking = Refund.objects.get(), payment.booking
    booking.refresh_from_db()
    payment.refresh_from_db()
    assert (refund.amount_minor, refund.status, refund.dispute) == (50000, "done", Dispute.objects.get())
    assert (payment.refunded_minor, payment.disputed_at, booking.status) == (50000, None, Status.CONFIRMED)
    assert Receipt.objects.get(refund=refund).amount_minor == 50000
    assert LedgerEntry.objects.get(refund=refund).amount_minor == -50000
    assert sent() == 0
    assert items() == ["A dispute was lost: the bank took ₹500 back"]
    assert "₹500 went back through your bank on" in client.get(booking.get_absolute_url()).content.decode()
    assert violations() == {}


def test_what_was_due_to_a_patient_whose_bank_takes_it_is_not_sent_as_well(payment):
    places.cancel(payment.booking_id, reason="the doctor is ill")
    sweeps.make_refunds()
    f.dispute(payment)
    f.dispute(payment, "lost")
    worker()
    refund = Refund.objects.get()
    assert (refund.cause, refund.status, refund.dispute_id) == ("cancel", "done", Dispute.objects.get().pk)
    assert sent() == 0
    assert violations() == {}


def test_of_what_the_bank_took_in_part_the_rest_still_goes_back(payment):
    f.dispute(payment, amount_minor=20000)
    f.dispute(payment, "lost", amount_minor=20000)
    places.cancel(payment.booking_id, reason="the doctor is ill")
    worker()
    assert refunds() == [(20000, RefundStatus.DONE), (30000, RefundStatus.DONE)]
    assert sent() == 1
    assert violations() == {}


@pytest.mark.parametrize(
    "order", [("lost", "opened"), ("opened", "lost", "opened"), ("lost", "lost", "opened")]
)
def test_in_whatever_order_its_news_come_it_is_lost_once_and_not_opened_again(payment, order):
    for what in order:
        f.dispute(payment, what)
    payment.refresh_from_db()
    assert (Dispute.objects.get().status, payment.disputed_at) == ("lost", None)
    assert refunds() == [(50000, RefundStatus.DONE)]
    assert violations() == {}


def test_a_won_one_that_is_lost_later_is_booked_then(payment):
    for what in ("opened", "won", "lost"):
        f.dispute(payment, what)
    assert refunds() == [(50000, RefundStatus.DONE)]
    assert violations() == {}


def test_a_lost_one_that_is_said_to_be_won_is_left_to_a_person(payment):
    for what in ("opened", "lost", "won", "won"):
        f.dispute(payment, what)
    assert Dispute.objects.get().status == "lost"
    assert items()[-1] == "A dispute of ₹500 ended in two ways"
    assert refunds() == [(50000, RefundStatus.DONE)]
    assert violations() == {}


def test_money_in_another_currency_is_shown_to_a_person_and_not_written_down(payment):
    body = f.demo().dispute(payment.gateway_payment, "lost", "demo_dp_1", 600)
    f.deliver(f.altered(body, currency="USD"))
    assert refunds() == []
    item = ReviewItem.objects.open().get()
    assert "$6" in item.subject and "not in our books" in item.explanation
    assert violations() == {}


# --- Written down later -------------------------------------------------------------------


def about(name: str) -> ReviewItem:
    return ReviewItem.objects.open().get(key__endswith=name)


def write_down(client, payment, item, reason="Seen on the gateway's page"):
    url = f"/admin/payments/payment/{payment.pk}/write-down/?review={item.pk}"
    return client.post(url, {"reason": reason}, follow=True).content.decode()


@pytest.fixture
def refunded_twice(payment):
    """Cancelled here, and given back on the gateway's own page before the worker came: ours fails."""
    places.cancel(payment.booking_id, reason="the doctor is ill")
    sweeps.make_refunds()
    f.deliver(f.demo().give_back(payment.gateway_payment, 50000))
    return payment


def state(payment) -> tuple:
    payment.refresh_from_db()
    return payment.refunded_minor, sorted(payment.refunds.values_list("status", flat=True))


def test_what_went_back_at_the_gateway_is_written_down_once_ours_has_failed(client, manager, refunded_twice):
    item = ReviewItem.objects.open().get()
    page = client.get(f"/admin/clinic/reviewitem/{item.pk}/change/").content.decode()
    assert "Write it down" in page
    assert "only ₹0 is left of this payment" in write_down(client, refunded_twice, item)
    assert state(refunded_twice) == (50000, ["due"])
    sweeps.send_refunds()
    assert state(refunded_twice) == (0, ["failed"])
    asked = client.get(f"/admin/payments/payment/{refunded_twice.pk}/write-down/?review={item.pk}")
    assert "₹500 went back at demo and is not in our books" in asked.content.decode()
    assert "It is written down." in write_down(client, refunded_twice, item)
    assert state(refunded_twice) == (50000, ["done", "failed"])
    worker()
    item.refresh_from_db()
    assert (item.resolved_by, item.note) == (manager, "Written down, ₹500: Seen on the gateway's page")
    assert refunded_twice.events.last().actor == manager
    assert sent() == 1
    assert violations() == {}


def test_it_is_written_down_once(client, manager, refunded_twice):
    item = ReviewItem.objects.open().get()
    sweeps.send_refunds()
    write_down(client, refunded_twice, item)
    assert "in the books already" in write_down(client, refunded_twice, item)
    assert state(refunded_twice) == (50000, ["done", "failed"])


def test_what_a_lost_dispute_took_beyond_what_was_left_is_written_down_when_there_is_room(client, manager):
    payment = f.paid(f.window()).payments.get()
    places.cancel(payment.booking_id, reason="the doctor is ill")
    sweeps.make_refunds()
    Refund.objects.update(tries=1)  # nobody knows whether the gateway heard of it
    f.dispute(payment)
    f.dispute(payment, "lost")
    item = about(":lost")
    assert "₹500 of it is more than was left here" in item.explanation
    assert state(payment) == (50000, ["due"])
    assert "only ₹0 is left" in write_down(client, payment, item)
    f.demo().give_back(payment.gateway_payment, 50000)  # so that ours is refused, as after a chargeback
    sweeps.send_refunds()
    assert "It is written down." in write_down(client, payment, item)
    worker()
    assert state(payment) == (50000, ["done", "failed"])
    assert violations() == {}


def test_only_what_the_item_tells_of_is_written_down(client, manager, payment):
    other = ReviewItem.objects.create(key=f"payment:{payment.pk}:wrong", subject="Another")
    page = client.get(f"/admin/clinic/reviewitem/{other.pk}/change/").content.decode()
    assert "Write it down" not in page
    for item in (other, ReviewItem(pk=10**9)):
        assert "in the books already" in write_down(client, payment, item)
    assert state(payment) == (0, [])


def test_reception_writes_nothing_down(client, refunded_twice):
    client.force_login(f.staff("Reception"))
    item = ReviewItem.objects.open().get()
    url = f"/admin/payments/payment/{refunded_twice.pk}/write-down/?review={item.pk}"
    assert client.post(url, {"reason": "x"}).status_code == 403
    page = client.get(f"/admin/clinic/reviewitem/{item.pk}/change/").content.decode()
    assert "Write it down" not in page
    assert state(refunded_twice) == (50000, ["due"])


def test_a_payments_page_shows_its_disputes_and_the_list_finds_them(client, manager, payment):
    f.dispute(payment)
    page = client.get(f"/admin/payments/payment/{payment.pk}/change/").content.decode()
    assert "the bank is looking into it" in page and "dispute opened" in page
    f.paid(f.window())
    found = client.get("/admin/payments/payment/?disputed_at__isempty=0").context["cl"].queryset
    assert list(found) == [payment]
