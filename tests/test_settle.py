"""Money that arrived: recorded first, judged once, never lost to an exception."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from bookings.models import BookingEvent
from bookings.states import Status as BookingStatus
from bookings.sweeps import expire_lapsed_holds
from clinic.models import ReviewItem
from payments import actions, sweeps
from payments.gateways.base import BadSignature
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, PaymentEvent, Refund
from payments.states import Outcome, Status
from schedules.actions import change_capacity
from schedules.models import Schedule
from tests import factories as f

pytestmark = pytest.mark.django_db


def attempt(**window):
    """A held booking whose patient is on the gateway's page."""
    booking = f.hold(f.window(**window))
    return booking, f.attempt(booking)


def outcomes(booking) -> list:
    return list(booking.payments.order_by("pk").values_list("outcome", flat=True))


def event_of(payment, name: str, **facts) -> str:
    """The body of another event about an attempt: declined, ended."""
    demo = f.demo()
    return f.altered(demo.decline(str(payment.key)), **facts).replace("payment.failed", name)


# --- Once ---------------------------------------------------------------------------------


def test_a_paid_place_gets_its_number_and_a_history():
    booking, payment = attempt()
    f.deliver(f.capture_body(payment))
    booking.refresh_from_db()
    payment.refresh_from_db()
    assert (booking.status, booking.queue_number, booking.token_label) == ("confirmed", 1, "A1")
    assert (payment.status, payment.outcome, payment.captured_minor) == ("captured", "bought", 50000)
    assert [event.kind for event in payment.events.all()] == ["captured"]
    assert list(booking.events.values_list("from_status", "to_status")) == [
        ("", "held"),
        ("held", "confirmed"),
    ]
    assert GatewayEvent.objects.get().payment == payment
    assert violations() == {}


def test_one_event_delivered_five_times_changes_things_once():
    booking, payment = attempt()
    body = f.capture_body(payment)
    for _ in range(5):
        f.deliver(body)
    inbox = GatewayEvent.objects.get()
    assert (inbox.tries, BookingEvent.objects.filter(booking=booking).count()) == (1, 2)
    assert PaymentEvent.objects.filter(payment=payment).count() == 1


def test_two_events_about_the_same_capture_are_one_payment():
    booking, payment = attempt()
    body = f.capture_body(payment)
    f.deliver(body)
    f.deliver(f.altered(body))
    actions.ask(payment)
    assert outcomes(booking) == [Outcome.BOUGHT]
    assert violations() == {}


def test_a_second_capture_of_the_attempt_is_a_payment_of_its_own():
    booking, payment = attempt()
    f.deliver(f.capture_body(payment))
    f.deliver(f.capture_body(payment, again=True))
    assert outcomes(booking) == [Outcome.BOUGHT, Outcome.SURPLUS]
    assert Payment.objects.filter(status=Status.CAPTURED).values("gateway_payment").distinct().count() == 2
    assert violations() == {}


def test_two_attempts_at_two_gateways_one_buys_and_the_other_goes_back():
    booking, payment = attempt()
    other = Payment.objects.create(
        booking=booking, gateway="demo", for_app=True, amount_minor=50000, currency="INR",
        created_at=timezone.now(), reference="",
    )  # fmt: skip
    f.deliver(f.capture_body(payment))
    f.deliver(f.altered(f.capture_body(payment), order=str(other.key), payment="demo_pay_other"))
    assert outcomes(booking) == [Outcome.BOUGHT, Outcome.SURPLUS]


# --- Not what was asked -------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        {"amount": 1},
        {"amount": 50001},
        {"amount": 0},
        {"currency": "USD"},
        {"amount": "50000"},
        {"currency": ""},
    ],
    ids=str,
)
def test_money_of_another_amount_or_currency_is_kept_and_shown_to_a_person(facts):
    booking, payment = attempt()
    f.deliver(f.altered(f.capture_body(payment), **facts))
    booking.refresh_from_db()
    payment.refresh_from_db()
    assert (booking.status, booking.queue_number) == (BookingStatus.HELD, None)
    assert (payment.status, payment.outcome) == (Status.CAPTURED, Outcome.REVIEW)
    assert ReviewItem.objects.get().key == f"payment:{payment.pk}:wrong"
    sweeps.make_refunds()
    assert not Refund.objects.exists()
    assert violations() == {}


def test_a_huge_amount_is_kept_like_any_other_wrong_one():
    _booking, payment = attempt()
    f.deliver(f.altered(f.capture_body(payment), amount=2**40))
    payment.refresh_from_db()
    assert payment.outcome == Outcome.REVIEW
    assert GatewayEvent.objects.get().processed_at


def test_a_live_payment_in_a_test_clinic_is_kept_and_shown_to_a_person():
    booking, payment = attempt()
    actions._settle_fetched("demo", f.capture(payment, live=True))
    booking.refresh_from_db()
    assert (booking.status, outcomes(booking)) == (BookingStatus.HELD, [Outcome.REVIEW])
    assert "another mode" in ReviewItem.objects.get().explanation


def test_after_a_wrong_payment_the_right_one_still_buys_the_place():
    booking, payment = attempt()
    body = f.capture_body(payment)
    f.deliver(f.altered(body, amount=1, payment="demo_pay_wrong"))
    f.deliver(body)
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED
    assert outcomes(booking) == [Outcome.REVIEW, Outcome.BOUGHT]
    assert violations() == {}


def test_nothing_is_stored_of_what_nobody_signed():
    _booking, payment = attempt()
    body = f.capture_body(payment)
    with pytest.raises(BadSignature):
        actions.receive("demo", f.demo().signed(body), f.altered(body, amount=1).encode())
    assert not GatewayEvent.objects.exists()
    payment.refresh_from_db()
    assert payment.status == Status.CREATED


# --- Unknown, or too early ----------------------------------------------------------------


def test_a_payment_nobody_knows_is_parked_and_tried_again():
    _booking, payment = attempt()
    body = f.altered(f.capture_body(payment), order="0b8d7c53-2a59-4e04-8f4d-000000000000")
    f.deliver(body)
    inbox = GatewayEvent.objects.get()
    assert (inbox.processed_at, inbox.tries, inbox.payment) == (None, 1, None)
    assert inbox.error
    assert not ReviewItem.objects.exists()
    assert violations() == {}


def test_an_unknown_payment_is_shown_to_a_person_after_three_days():
    _booking, payment = attempt()
    f.deliver(f.altered(f.capture_body(payment), order="somebody else's"))
    long_ago = timezone.now() - timedelta(hours=73)
    GatewayEvent.objects.update(received_at=long_ago, next_try_at=long_ago)
    sweeps.process_inbox()
    inbox = GatewayEvent.objects.get()
    assert (inbox.processed_at is None, inbox.tries, inbox.error != "") == (False, 2, True)
    assert ReviewItem.objects.get().key == f"inbox:{inbox.pk}"


def test_a_stranger_s_declined_card_is_forgotten_after_three_days_without_a_word():
    _booking, payment = attempt()
    f.deliver(f.altered(f.demo().decline(str(payment.key)), order="somebody else's"))
    long_ago = timezone.now() - timedelta(hours=73)
    GatewayEvent.objects.update(received_at=long_ago, next_try_at=long_ago)
    sweeps.process_inbox()
    assert GatewayEvent.objects.get().processed_at is not None
    assert not ReviewItem.objects.exists()


def test_an_event_that_was_faster_than_our_own_commit_is_settled_by_the_sweep():
    booking, payment = attempt()
    body = f.capture_body(payment)
    key, reference = payment.key, payment.reference
    Payment.objects.filter(pk=payment.pk).update(key="0b8d7c53-2a59-4e04-8f4d-000000000000", reference="")
    f.deliver(body)
    Payment.objects.filter(pk=payment.pk).update(key=key, reference=reference)
    GatewayEvent.objects.update(next_try_at=timezone.now())
    assert sweeps.process_inbox() == 1
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED
    assert GatewayEvent.objects.get().error == ""


def test_a_redelivered_event_that_was_parked_is_processed_at_once():
    booking, payment = attempt()
    body = f.capture_body(payment)
    Payment.objects.filter(pk=payment.pk).update(gateway="elsewhere")
    f.deliver(body)
    Payment.objects.filter(pk=payment.pk).update(gateway="demo")
    f.deliver(body)
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED


def test_the_sweep_leaves_alone_what_is_not_due_yet():
    _booking, payment = attempt()
    f.deliver(f.altered(f.capture_body(payment), order="unknown"))
    assert sweeps.process_inbox() == 0
    assert GatewayEvent.objects.get().tries == 1


# --- Out of order -------------------------------------------------------------------------


def test_a_declined_card_leaves_the_hold_and_the_next_try_buys_the_place():
    booking, payment = attempt()
    f.deliver(f.demo().decline(str(payment.key)))
    payment.refresh_from_db()
    booking.refresh_from_db()
    assert (payment.status, payment.reason, booking.status) == (Status.FAILED, "card_declined", "held")
    f.deliver(f.capture_body(payment))
    booking.refresh_from_db()
    payment.refresh_from_db()
    assert (booking.status, payment.status, payment.reason) == ("confirmed", Status.CAPTURED, "")


@pytest.mark.parametrize("late", ["payment.failed", "order.ended"])
def test_nothing_that_comes_late_makes_a_paid_attempt_unpaid(late):
    booking, payment = attempt()
    f.deliver(f.capture_body(payment))
    f.deliver(event_of(payment, late))
    payment.refresh_from_db()
    booking.refresh_from_db()
    assert (payment.status, payment.outcome, booking.status) == ("captured", "bought", "confirmed")


def test_an_attempt_that_ended_and_was_captured_all_the_same_buys_its_place():
    booking, payment = attempt()
    f.deliver(event_of(payment, "order.ended"))
    payment.refresh_from_db()
    assert payment.status == Status.EXPIRED
    f.deliver(f.capture_body(payment))
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED
    assert violations() == {}


def test_a_declined_try_does_not_reopen_an_attempt_that_has_ended():
    _booking, payment = attempt()
    f.deliver(event_of(payment, "order.ended"))
    f.deliver(f.demo().decline(str(payment.key)))
    payment.refresh_from_db()
    assert payment.status == Status.EXPIRED


def test_an_event_of_no_use_is_kept_and_done_with():
    _booking, payment = attempt()
    f.deliver(event_of(payment, "payment.thought_about"))
    assert GatewayEvent.objects.get().processed_at


# --- When our own code fails --------------------------------------------------------------


class broken:
    """A bug in the middle of settling: writing the booking's history fails."""

    def __enter__(self):
        self._wrapper = connection.execute_wrapper(self._break)
        self._wrapper.__enter__()

    def __exit__(self, *error):
        self._wrapper.__exit__(*error)

    def _break(self, execute, sql, params, many, context):
        if sql.startswith('INSERT INTO "bookings_bookingevent"'):
            raise RuntimeError("a bug")
        return execute(sql, params, many, context)


def test_a_bug_while_settling_keeps_the_capture_and_the_worker_finishes_it():
    booking, payment = attempt()
    with broken():
        f.deliver(f.capture_body(payment))
    payment.refresh_from_db()
    booking.refresh_from_db()
    inbox = GatewayEvent.objects.get()
    assert (payment.status, payment.captured_minor, payment.outcome) == (Status.CAPTURED, 50000, "")
    assert (booking.status, inbox.processed_at, inbox.error) == ("held", None, "RuntimeError")
    GatewayEvent.objects.update(next_try_at=timezone.now())
    assert sweeps.process_inbox() == 1
    payment.refresh_from_db()
    booking.refresh_from_db()
    assert (payment.outcome, booking.status, booking.queue_number) == ("bought", "confirmed", 1)
    assert violations() == {}


def test_a_capture_that_a_bug_met_is_judged_however_often_the_attempt_was_paid_since():
    booking, payment = attempt()
    first = f.capture_body(payment)
    with broken():
        f.deliver(first)
    f.deliver(f.capture_body(payment, again=True))
    f.deliver(f.capture_body(payment, again=True))
    f.deliver(first)
    assert sorted(outcomes(booking)) == [Outcome.BOUGHT, Outcome.SURPLUS, Outcome.SURPLUS]
    assert violations() == {}


def test_after_ten_failures_the_money_is_under_review_and_a_person_is_asked():
    booking, payment = attempt()
    with broken():
        f.deliver(f.capture_body(payment))
        for _ in range(9):
            assert not ReviewItem.objects.exists()
            GatewayEvent.objects.update(next_try_at=timezone.now())
            sweeps.process_inbox()
    assert ReviewItem.objects.get().key == f"payment:{payment.pk}:stuck"
    payment.refresh_from_db()
    booking.refresh_from_db()
    assert (payment.outcome, payment.captured_minor) == ("review", booking.price_minor)
    assert booking.status == BookingStatus.HELD
    assert sweeps.process_inbox() == 0


def test_a_message_of_a_gateway_that_is_gone_does_not_keep_the_others_waiting(settings):
    booking, payment = attempt()
    with broken():
        f.deliver(f.capture_body(payment))
    mine = GatewayEvent.objects.get()
    GatewayEvent.objects.create(
        pk=mine.pk - 1, gateway="closed-down", dedupe_key="x", body="{}", received_at=timezone.now(),
        next_try_at=timezone.now(),
    )  # fmt: skip
    GatewayEvent.objects.update(next_try_at=timezone.now())
    assert sweeps.process_inbox() == 1
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED


# --- The same patient ---------------------------------------------------------------------


def test_a_place_that_the_patient_only_held_is_given_up_for_the_one_that_was_paid():
    window, patient = f.window(capacity=1), f.patient()
    first = f.hold(window, patient)
    payment = f.attempt(first)
    f.lapse(first)
    second = f.hold(window, patient)
    f.deliver(f.capture_body(payment))
    first.refresh_from_db()
    second.refresh_from_db()
    window.refresh_from_db()
    assert (first.status, second.status, window.taken) == ("confirmed", "expired", 1)
    assert violations() == {}


def test_money_for_an_older_hold_goes_back_when_the_patient_has_paid_for_a_newer_one():
    window, patient = f.window(), f.patient()
    first = f.hold(window, patient)
    payment = f.attempt(first)
    f.lapse(first)
    second = f.paid(window, patient)
    f.deliver(f.capture_body(payment))
    first.refresh_from_db()
    assert (first.status, second.status) == (BookingStatus.OVERFLOW, BookingStatus.CONFIRMED)
    assert outcomes(first) == [Outcome.NO_PLACE]
    assert violations() == {}


def test_late_money_leaves_the_desk_what_is_kept_for_it():
    window = f.window(capacity=2, reserved_for_desk=1)
    booking = f.hold(window)
    payment = f.attempt(booking)
    f.lapse(booking)
    f.paid(window)
    f.deliver(f.capture_body(payment))
    booking.refresh_from_db()
    assert booking.status == BookingStatus.OVERFLOW


@pytest.mark.parametrize("swept", [False, True], ids=["worker dead", "worker alive"])
def test_late_money_fares_the_same_whether_or_not_the_worker_was_there(swept):
    window = f.window(capacity=2, reserved_for_desk=1)
    booking = f.hold(window)
    payment = f.attempt(booking)
    change_capacity(window.pk, 1, actor=None)
    f.lapse(booking)
    if swept:
        expire_lapsed_holds()
    f.deliver(f.capture_body(payment))
    booking.refresh_from_db()
    assert (booking.status, outcomes(booking)) == (BookingStatus.OVERFLOW, [Outcome.NO_PLACE])
    assert violations() == {}


def test_a_hold_keeps_its_place_when_the_desk_is_promised_more_meanwhile():
    window = f.window(capacity=1)
    booking = f.hold(window)
    payment = f.attempt(booking)
    Schedule.objects.update(reserved_for_desk=1)
    f.deliver(f.capture_body(payment))
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED


def test_a_payment_is_settled_in_eleven_statements(django_assert_max_num_queries):
    _booking, payment = attempt()
    body = f.capture_body(payment)
    with django_assert_max_num_queries(11 + 4):  # with two SAVEPOINT and RELEASE
        f.deliver(body)
