"""Document 000, told from the outside: who gets which number, and who gets their money back."""

from datetime import timedelta

import pytest

from bookings import actions, desk, sweeps
from bookings.models import Booking
from bookings.states import Status
from clinic.models import ReviewItem
from payments import sweeps as money_sweeps
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from payments.states import Outcome, RefundStatus
from schedules.states import Status as Window
from tests import factories as f

pytestmark = pytest.mark.django_db


def money_goes_back():
    """The worker's two passes: what is due becomes refunds, and they are sent."""
    money_sweeps.make_refunds()
    money_sweeps.send_refunds()


def outcome(booking) -> tuple:
    """Status, number, and for each of its payments what it bought and how much came back."""
    booking.refresh_from_db()
    payments = booking.payments.order_by("pk").values_list("outcome", "refunded_minor")
    return booking.status, booking.queue_number, list(payments)


def test_who_pays_first_is_number_one_and_who_comes_too_late_gets_the_money_back():
    window = f.window(capacity=1, holds_reserve=False)
    slow, quick = f.hold(window), f.hold(window)
    slow_pays, quick_pays = f.attempt(slow), f.attempt(quick)
    f.deliver(f.capture_body(quick_pays))
    f.deliver(f.capture_body(slow_pays))
    money_goes_back()
    assert outcome(quick) == (Status.CONFIRMED, 1, [(Outcome.BOUGHT, 0)])
    assert outcome(slow) == (Status.OVERFLOW, None, [(Outcome.NO_PLACE, 50000)])
    assert slow.refund_percent == 100
    assert Refund.objects.get().status == RefundStatus.DONE
    assert violations() == {}


def test_numbers_are_never_used_twice_when_the_second_of_five_is_cancelled():
    window = f.window(capacity=6)
    five = [f.paid(window) for _ in range(5)]
    actions.cancel(five[1].pk, reason="ill")
    assert f.paid(window).queue_number == 6
    assert f.paid(window).queue_number == 7  # the place came back, its number did not
    numbers = Booking.objects.filter(schedule=window).order_by("pk").values_list("queue_number", flat=True)
    assert list(numbers) == [1, 2, 3, 4, 5, 6, 7]
    assert violations() == {}


def test_the_last_number_is_not_given_again_after_its_cancellation():
    window = f.window()
    first = f.paid(window)
    actions.cancel(first.pk, reason="ill")
    assert f.paid(window).queue_number == 2


def test_a_payment_after_the_hold_lapsed_still_buys_a_free_place():
    window = f.window(capacity=1)
    booking = f.hold(window)
    payment = f.attempt(booking)
    f.lapse(booking)
    sweeps.expire_lapsed_holds()
    f.deliver(f.capture_body(payment))
    assert outcome(booking) == (Status.CONFIRMED, 1, [(Outcome.BOUGHT, 0)])
    assert violations() == {}


def test_a_payment_after_the_hold_lapsed_buys_its_place_though_no_sweep_ran():
    window = f.window(capacity=1)
    booking = f.hold(window)
    payment = f.attempt(booking)
    f.lapse(booking)
    f.deliver(f.capture_body(payment))
    assert outcome(booking) == (Status.CONFIRMED, 1, [(Outcome.BOUGHT, 0)])
    assert violations() == {}


def test_a_payment_after_the_hold_lapsed_is_refunded_when_somebody_took_the_place():
    window = f.window(capacity=1)
    late = f.hold(window)
    payment = f.attempt(late)
    f.lapse(late)
    quick = f.paid(window)
    f.deliver(f.capture_body(payment))
    money_goes_back()
    assert outcome(quick)[:2] == (Status.CONFIRMED, 1)
    assert outcome(late) == (Status.OVERFLOW, None, [(Outcome.NO_PLACE, 50000)])
    assert violations() == {}


def test_a_late_payment_does_not_take_the_place_that_somebody_else_holds_now():
    window = f.window(capacity=1)
    late = f.hold(window)
    payment = f.attempt(late)
    f.lapse(late)
    holder = f.hold(window)
    f.deliver(f.capture_body(payment))
    assert outcome(late)[0] == Status.OVERFLOW
    assert outcome(holder)[0] == Status.HELD
    assert violations() == {}


def test_a_second_payment_for_a_confirmed_booking_is_refunded_alone():
    window = f.window()
    booking = f.hold(window)
    payment = f.attempt(booking)
    f.deliver(f.capture_body(payment))
    f.deliver(f.capture_body(payment, again=True))
    money_goes_back()
    bought_and_not = [(Outcome.BOUGHT, 0), (Outcome.SURPLUS, 50000)]
    assert outcome(booking) == (Status.CONFIRMED, 1, bought_and_not)
    assert violations() == {}


def test_paying_three_times_sends_two_payments_back_each_once():
    booking = f.hold(f.window())
    payment = f.attempt(booking)
    for again in (False, True, True):
        f.deliver(f.capture_body(payment, again=again))
    for _ in range(2):
        money_goes_back()
    assert [refunded for _what, refunded in outcome(booking)[2]] == [0, 50000, 50000]
    assert Refund.objects.count() == 2
    assert violations() == {}


def test_a_payment_for_yesterdays_window_is_refunded():
    window = f.window()
    booking = f.hold(window)
    payment = f.attempt(booking)
    f.move_window(window, timedelta(days=-1))
    f.deliver(f.capture_body(payment))
    money_goes_back()
    assert outcome(booking) == (Status.OVERFLOW, None, [(Outcome.NO_PLACE, 50000)])
    assert violations() == {}


@pytest.mark.parametrize("status", [Window.CANCELLED, Window.FINISHED])
def test_a_payment_for_a_window_that_will_not_take_place_is_refunded(status):
    window = f.window()
    booking = f.hold(window)
    payment = f.attempt(booking)
    window.status = status
    window.save(update_fields=["status"])
    f.deliver(f.capture_body(payment))
    assert outcome(booking)[0] == Status.OVERFLOW


def test_a_held_place_in_a_window_that_closed_meanwhile_can_still_be_paid():
    window = f.window()
    booking = f.hold(window)
    payment = f.attempt(booking)
    window.status = Window.CLOSED
    window.save(update_fields=["status"])
    f.deliver(f.capture_body(payment))
    assert outcome(booking)[:2] == (Status.CONFIRMED, 1)


def test_a_cancelled_booking_that_is_paid_late_gets_it_all_back_and_stays_cancelled():
    booking = f.hold(f.window())
    payment = f.attempt(booking)
    actions.cancel(booking.pk, reason="changed my mind")
    f.deliver(f.capture_body(payment))
    money_goes_back()
    assert outcome(booking) == (Status.CANCELLED, None, [(Outcome.SURPLUS, 50000)])
    assert violations() == {}


def test_a_paid_booking_that_is_cancelled_by_the_clinic_gets_it_all_back_once():
    window = f.window(capacity=1)
    booking = f.paid(window)
    for _ in range(2):
        actions.cancel(booking.pk, reason="the doctor is ill")
        money_goes_back()
    assert outcome(booking) == (Status.CANCELLED, 1, [(Outcome.BOUGHT, 50000)])
    window.refresh_from_db()
    assert window.taken == 0
    assert violations() == {}


def test_what_is_kept_on_cancellation_is_kept():
    booking = f.paid(f.window())
    actions.cancel(booking.pk, reason="late", percent=40)
    money_goes_back()
    assert outcome(booking)[2] == [(Outcome.BOUGHT, 20000)]
    assert violations() == {}


def test_no_show_keeps_number_place_and_money():
    window, reception = f.window(capacity=1), f.user()
    booking = f.paid(window)
    desk.no_show(booking.pk, actor=reception)
    money_goes_back()
    assert outcome(booking) == (Status.NO_SHOW, 1, [(Outcome.BOUGHT, 0)])
    window.refresh_from_db()
    assert window.taken == 1
    assert not Refund.objects.exists()


def test_an_overflow_and_its_refund_leave_nothing_for_a_person_to_do():
    window = f.window(capacity=1, holds_reserve=False)
    late = f.hold(window)
    f.paid(window)
    f.deliver(f.capture_body(f.attempt(late)))
    money_goes_back()
    assert not ReviewItem.objects.exists()
    assert Payment.objects.owed_back().count() == Refund.objects.filter(status=RefundStatus.DONE).count() == 1
