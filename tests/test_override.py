"""A person records that a payment arrived, or failed; the gateway's own word comes later, or never."""

import logging

import pytest
from django.utils import timezone

from bookings import actions as places
from bookings.states import Status
from clinic.models import ReviewItem
from payments import sweeps
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from payments.states import Outcome
from payments.states import Status as PaymentStatus
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


@pytest.fixture
def payment():
    """Somebody is on the gateway's page."""
    return f.attempt(f.hold(f.window()))


def url(payment) -> str:
    return f"/admin/payments/payment/{payment.pk}/status/"


def arrived(**fields) -> dict:
    seen = {"to": "captured", "method": "gateway", "reference": "demo_pay_seen", "amount": "500"}
    return seen | {"reason": "Seen on its page, the webhook is lost"} | fields


def failed(**fields) -> dict:
    return {"to": "failed", "reason": "The bank called"} | fields


def fresh(row):
    return type(row)._default_manager.get(pk=row.pk)


def the_gateway_says(attempt, **facts) -> str:
    """The webhook that was late, under the gateway's own names."""
    body = f.altered(f.capture_body(attempt), **facts)
    f.deliver(body)
    return body


# --- It arrived ---------------------------------------------------------------------------


def test_what_a_manager_saw_buys_the_place_and_says_who_and_why(client, manager, payment):
    page = client.get(url(payment)).content.decode()
    assert "s own page" in page and "₹500 was asked for" in page
    answer = client.post(url(payment), arrived(), follow=True).content.decode()
    assert "Recorded: ₹500 · paid, bought its place" in answer
    payment, booking = fresh(payment), fresh(payment.booking)
    assert (booking.status, booking.token_label) == (Status.CONFIRMED, "A1")
    assert (payment.status, payment.outcome, payment.captured_minor) == ("captured", "bought", 50000)
    assert (payment.gateway_payment, payment.claimed_as) == ("", "demo_pay_seen")
    told = payment.events.get(kind="recorded by hand")
    assert (told.actor, told.note) == (manager, "Seen on its page, the webhook is lost")
    assert booking.events.last().actor == manager
    assert payment.receipt.snapshot["reference"] == "demo_pay_seen"
    assert violations() == {}


def test_the_patient_sees_it_on_the_live_page_without_a_reload(client, manager, payment):
    address = f"/b/{payment.booking.public_id}/status"
    first = client.get(address).content.decode()
    seen = client.get(payment.booking.get_absolute_url()).context["ticket"].version
    assert client.get(f"{address}?seen={seen}").status_code == 204
    client.post(url(payment), failed())
    told = client.get(f"{address}?seen={seen}")
    assert told.status_code == 200 and "The payment was declined" in told.content.decode()
    assert "declined" not in first
    client.post(url(payment), arrived())
    assert "A1" in client.get(f"{address}?seen={seen}").content.decode()


def test_recorded_twice_it_is_one_payment(client, manager, payment):
    client.post(url(payment), arrived())
    page = client.post(url(payment), arrived(reference="another")).content.decode()
    assert "This payment has arrived, and that stays so" in page
    assert Payment.objects.count() == 1
    assert fresh(payment).claimed_as == "demo_pay_seen"
    assert fresh(payment.booking).events.count() == 2


def test_another_amount_confirms_nothing_and_is_shown_to_a_person(client, manager, payment):
    client.post(url(payment), arrived(amount="700"))
    payment = fresh(payment)
    assert (payment.outcome, payment.captured_minor) == (Outcome.REVIEW, 70000)
    assert fresh(payment.booking).status == Status.HELD
    assert ReviewItem.objects.get().key == f"payment:{payment.pk}:wrong"
    assert violations() == {}


def test_too_late_and_no_place_left_it_goes_back_like_any_overflow(client, manager):
    window = f.window(capacity=1)
    payment = f.attempt(f.hold(window))
    f.lapse(payment.booking)
    f.paid(window)
    client.post(url(payment), arrived())
    assert fresh(payment).outcome == Outcome.NO_PLACE
    assert fresh(payment.booking).status == Status.OVERFLOW
    sweeps.make_refunds()
    assert Refund.objects.get().amount_minor == 50000
    assert violations() == {}


def test_money_for_a_cancelled_booking_is_surplus_and_revives_nothing(client, manager, payment):
    places.cancel(payment.booking_id, reason="ill")
    client.post(url(payment), arrived())
    assert fresh(payment).outcome == Outcome.SURPLUS
    assert fresh(payment.booking).status == Status.CANCELLED
    assert violations() == {}


def test_what_was_paid_past_the_gateway_is_a_payment_of_its_own(client, manager, payment):
    client.post(url(payment), arrived(method="esewa", reference="0007XY"))
    other = Payment.objects.get(gateway="manual")
    assert (other.outcome, other.method, other.gateway_payment) == (Outcome.BOUGHT, "esewa", "0007XY")
    assert (other.taken_by, other.claimed_as) == (manager, "")
    assert fresh(payment).status == PaymentStatus.CREATED
    the_gateway_says(payment)
    assert fresh(payment).outcome == Outcome.SURPLUS
    assert violations() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"reference": ""}, {"reference": "   "}, {"amount": ""}, {"amount": "0"}, {"amount": "-5"},
        {"amount": "1.005"}, {"reason": ""}, {"to": ""}, {"to": "created"}, {"method": "cash"}, {"method": ""},
        {"reference": "x" * 121},
    ],
    ids=str,
)  # fmt: skip
def test_an_incomplete_form_changes_nothing(client, manager, payment, wrong):
    page = client.post(url(payment), arrived(**wrong))
    assert page.status_code == 200 and "Please look at this again" in page.content.decode()
    assert fresh(payment).status == PaymentStatus.CREATED
    assert not payment.events.exists()


def test_the_number_of_another_payment_is_refused(client, manager, payment):
    other = f.paid(f.window()).payments.get()
    page = client.post(url(payment), arrived(reference=other.gateway_payment)).content.decode()
    assert "stands on another payment here" in page
    assert fresh(payment).status == PaymentStatus.CREATED
    assert fresh(payment.booking).status == Status.HELD


def test_the_same_number_cannot_be_recorded_for_two_bookings(client, manager, payment):
    second = f.attempt(f.hold(f.window()))
    client.post(url(payment), arrived())
    assert "stands on another payment here" in client.post(url(second), arrived()).content.decode()
    assert fresh(second).status == PaymentStatus.CREATED
    assert not second.events.exists()
    assert fresh(second.booking).status == Status.HELD


def test_a_gateway_that_the_clinic_has_given_up_is_no_crash(client, manager, payment, settings):
    settings.PAYMENT_GATEWAYS = []
    assert client.get(url(payment)).status_code == 200
    assert "does not work with demo any more" in client.post(url(payment), arrived()).content.decode()
    assert fresh(payment).status == PaymentStatus.CREATED
    assert fresh(payment.booking).status == Status.HELD


# --- The gateway speaks later -------------------------------------------------------------


def test_the_webhook_that_was_late_confirms_it_and_changes_nothing_else(client, manager, payment):
    body = f.capture_body(payment)
    name = f.demo().parse(body)[0].gateway_payment
    client.post(url(payment), arrived(reference=name))
    f.deliver(body)
    f.deliver(f.altered(body))
    payment = fresh(payment)
    assert (payment.gateway_payment, payment.claimed_as, payment.outcome) == (name, "", "bought")
    assert Payment.objects.count() == 1
    assert payment.events.filter(kind="confirmed by the gateway").count() == 1
    assert fresh(payment.booking).events.count() == 2
    assert violations() == {}


def test_a_mistyped_number_is_put_right_by_the_gateway_and_nothing_goes_back(client, manager, payment):
    client.post(url(payment), arrived(reference="a typing mistake"))
    the_gateway_says(payment, payment="demo_pay_real")
    payment = fresh(payment)
    assert (payment.gateway_payment, payment.claimed_as) == ("demo_pay_real", "")
    sweeps.make_refunds()
    assert Payment.objects.count() == 1 and not Refund.objects.exists()
    assert violations() == {}


def test_what_was_paid_twice_after_all_goes_back_once(client, manager, payment):
    client.post(url(payment), arrived())
    the_gateway_says(payment, payment="demo_pay_one")
    the_gateway_says(payment, payment="demo_pay_two")
    outcomes = Payment.objects.order_by("pk").values_list("gateway_payment", "outcome")
    assert list(outcomes) == [("demo_pay_one", "bought"), ("demo_pay_two", "surplus")]
    assert violations() == {}


@pytest.mark.parametrize("they_came", ["after", "before"])
def test_a_number_that_was_somebody_elses_still_buys_their_place(client, manager, payment, they_came):
    theirs = f.attempt(f.hold(f.window()))
    if they_came == "before":
        payment, theirs = theirs, payment
    body = f.capture_body(theirs)
    name = f.demo().parse(body)[0].gateway_payment
    client.post(url(payment), arrived(reference=name))
    f.deliver(body)
    theirs = fresh(theirs)
    assert (theirs.outcome, theirs.gateway_payment) == (Outcome.BOUGHT, name)
    assert fresh(theirs.booking).status == Status.CONFIRMED
    assert fresh(payment).claimed_as == name
    the_worker_asks(payment)
    assert ReviewItem.objects.get().key == f"payment:{payment.pk}:claim"
    assert violations() == {}


def test_another_sum_at_the_gateway_is_shown_to_a_person(client, manager, payment):
    client.post(url(payment), arrived())
    the_gateway_says(payment, amount=100)
    item = ReviewItem.objects.get()
    assert item.key == f"payment:{payment.pk}:claim" and "₹500 was recorded, ₹1 is" in item.explanation


def test_a_decline_that_comes_later_takes_nothing_away(client, manager, payment):
    client.post(url(payment), arrived())
    f.deliver(f.demo().decline(str(payment.key)))
    assert fresh(payment).status == PaymentStatus.CAPTURED
    assert fresh(payment.booking).status == Status.CONFIRMED


def the_worker_asks(payment) -> None:
    Payment.objects.filter(pk=payment.pk).update(next_check_at=timezone.now())
    sweeps.close_open_payments()


def test_the_worker_asks_the_gateway_and_finds_the_money(client, manager, payment):
    f.demo().pay(str(payment.key))
    client.post(url(payment), arrived())
    assert fresh(payment).next_check_at is not None
    the_worker_asks(payment)
    assert fresh(payment).claimed_as == ""
    assert not Payment.objects.in_question().exists()
    assert not ReviewItem.objects.exists()
    assert violations() == {}


def test_a_gateway_that_knows_of_no_money_is_shown_to_a_person_once(client, manager, payment):
    client.post(url(payment), arrived())
    the_worker_asks(payment)
    the_worker_asks(payment)
    assert "knows nothing of a payment" in ReviewItem.objects.get().subject
    assert fresh(payment.booking).status == Status.CONFIRMED


def test_what_was_recorded_and_not_confirmed_is_refunded_under_the_number_that_was_typed(
    client, manager, payment
):
    body = f.capture_body(payment)
    client.post(url(payment), arrived(reference=f.demo().parse(body)[0].gateway_payment))
    places.cancel(payment.booking_id, reason="ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    assert Refund.objects.get().status == "done"


# --- It failed ----------------------------------------------------------------------------


def test_a_recorded_failure_keeps_the_place_and_money_may_still_come(client, manager, payment):
    client.post(url(payment), failed())
    payment = fresh(payment)
    assert (payment.status, fresh(payment.booking).status) == (PaymentStatus.FAILED, Status.HELD)
    told = payment.events.get()
    assert (told.kind, told.actor, told.note) == ("failed", manager, "recorded by hand: The bank called")
    the_gateway_says(payment)
    assert fresh(payment).outcome == Outcome.BOUGHT
    assert violations() == {}


def test_a_captured_payment_is_never_downgraded(client, manager):
    payment = f.paid(f.window()).payments.get()
    page = client.post(url(payment), failed()).content.decode()
    assert "This payment has arrived, and that stays so" in page
    assert fresh(payment).status == PaymentStatus.CAPTURED
    assert payment.events.count() == 1
    assert "Set status" not in client.get(f"/admin/payments/payment/{payment.pk}/change/").content.decode()


def test_an_attempt_that_has_ended_does_not_fail_once_more(client, manager, payment):
    client.post(url(payment), failed())
    assert "failed or ended already" in client.post(url(payment), failed()).content.decode()
    assert payment.events.count() == 1


# --- Not everybody ------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["Reception", "Doctor"])
def test_who_may_not_is_told_so_and_it_is_logged_without_a_name(client, payment, caplog, role):
    account = f.staff(role)
    client.force_login(account)
    with caplog.at_level(logging.INFO, logger="clinic"):
        assert client.post(url(payment), arrived()).status_code == 403
    denied = [record for record in caplog.records if record.message == "override-denied"]
    assert [(record.payment, record.by) for record in denied] == [(payment.pk, account.pk)]
    assert account.email not in caplog.text
    assert fresh(payment).status == PaymentStatus.CREATED
    assert fresh(payment.booking).status == Status.HELD


def test_whoever_is_not_staff_does_not_get_there(client, payment):
    client.force_login(f.user())
    assert client.post(url(payment), arrived()).status_code == 302
    assert fresh(payment).status == PaymentStatus.CREATED


def test_a_payments_page_offers_what_can_be_decided(client, manager, payment):
    address = f"/admin/payments/payment/{payment.pk}/change/"
    assert url(payment) in client.get(address).content.decode()
    f.deliver(f.capture_body(payment))
    page = client.get(address).content.decode()
    assert url(payment) not in page and "/refund/" in page and "/receipt/" in page
