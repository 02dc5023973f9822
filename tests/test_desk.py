"""The day at the desk: who is called, what the undo buttons undo, and what no button may do."""

from uuid import uuid4

import pytest

from bookings import actions, desk, steps
from bookings.models import Booking
from bookings.states import MOVES, Status
from clinic.errors import Refused
from payments import counter
from payments.management.commands.check_invariants import violations
from schedules.models import Schedule
from tests import factories as f

pytestmark = pytest.mark.django_db

BUTTONS = [desk.check_in, desk.undo_check_in, desk.call_back, desk.complete, desk.no_show]


@pytest.fixture
def reception():
    return f.user()


@pytest.fixture
def window():
    return f.window(capacity=6, fee_minor=0)


def statuses(window) -> list:
    return list(window.bookings.order_by("queue_number").values_list("status", flat=True))


def serving(window) -> int:
    return Schedule.objects.get(pk=window.pk).now_serving


def snapshot(booking) -> tuple:
    rows = Booking.objects.filter(pk=booking.pk).values(), Schedule.objects.values()
    return [list(row) for row in rows], booking.events.count()


def test_whoever_came_is_called_in_the_order_of_numbers(window, reception):
    first, second, third = (f.hold(window) for _ in range(3))
    desk.check_in(third.pk, actor=reception)
    desk.check_in(second.pk, actor=reception)
    assert desk.call_next(window.pk, actor=reception).pk == second.pk
    assert desk.call_next(window.pk, actor=reception).pk == third.pk
    assert desk.call_next(window.pk, actor=reception).pk == first.pk  # nobody is here: the next expected one
    assert statuses(window) == [Status.IN_CONSULTATION, Status.COMPLETED, Status.COMPLETED]
    assert serving(window) == first.queue_number
    assert violations() == {}


def test_an_urgent_patient_is_called_before_lower_numbers(window, reception):
    first, urgent = f.hold(window), f.hold(window)
    Booking.objects.filter(pk=urgent.pk).update(priority=1)
    for booking in (first, urgent):
        desk.check_in(booking.pk, actor=reception)
    assert desk.call_next(window.pk, actor=reception).pk == urgent.pk


def test_when_nobody_waits_the_visit_under_way_goes_on(window, reception):
    booking = f.hold(window)
    desk.call_next(window.pk, actor=reception)
    before = snapshot(booking)
    with pytest.raises(Refused) as refusal:
        desk.call_next(window.pk, actor=reception)
    assert refusal.value.code == "NOBODY_WAITING"
    assert snapshot(booking) == before


def test_unpaid_and_cancelled_bookings_are_not_called(reception):
    window = f.window()
    f.hold(window)
    gone = f.paid(window)
    actions.cancel(gone.pk, reason="ill")
    with pytest.raises(Refused):
        desk.call_next(window.pk, actor=reception)


def test_who_missed_the_call_may_still_come(window, reception):
    booking = f.hold(window)
    desk.no_show(booking.pk, actor=reception)
    assert desk.check_in(booking.pk, actor=reception).status == Status.CHECKED_IN
    assert desk.call_next(window.pk, actor=reception).pk == booking.pk
    assert violations() == {}


def test_a_wrong_check_in_and_a_wrong_call_can_be_undone(window, reception):
    booking = f.hold(window)
    desk.check_in(booking.pk, actor=reception)
    assert desk.undo_check_in(booking.pk, actor=reception).status == Status.CONFIRMED
    desk.call_next(window.pk, actor=reception)
    assert desk.call_back(booking.pk, actor=reception).status == Status.CHECKED_IN
    assert booking.queue_number == Booking.objects.get(pk=booking.pk).queue_number == 1
    assert violations() == {}


def test_a_visit_keeps_its_times_and_who_did_what(window, reception):
    booking = f.hold(window)
    desk.check_in(booking.pk, actor=reception)
    desk.call_next(window.pk, actor=reception)
    booking = desk.complete(booking.pk, actor=reception)
    assert booking.checked_in_at <= booking.called_at <= booking.ended_at
    assert [event.actor for event in booking.events.all()] == [None, *[reception] * 3]


def test_a_finished_visit_still_takes_its_place(window, reception):
    booking = f.hold(window)
    desk.complete(booking.pk, actor=reception)
    window.refresh_from_db()
    assert (booking.units, window.taken) == (1, 1)


@pytest.mark.parametrize("button", BUTTONS)
@pytest.mark.parametrize("status", [Status.HELD, Status.EXPIRED, Status.OVERFLOW, Status.CANCELLED])
def test_no_button_at_the_desk_gives_a_place_to_who_has_not_paid(button, status, reception):
    window = f.window(capacity=1, holds_reserve=False)
    booking = f.hold(window)
    if status == Status.EXPIRED:
        f.lapse(booking)
        actions.expire_lapsed_in(window.pk)
    elif status == Status.OVERFLOW:
        f.paid(window)
        f.deliver(f.capture_body(f.attempt(booking)))
    elif status == Status.CANCELLED:
        actions.cancel(booking.pk, reason="ill")
    booking.refresh_from_db()
    assert booking.status == status
    before = snapshot(booking)
    with pytest.raises(Refused) as refusal:
        button(booking.pk, actor=reception)
    assert refusal.value.code == "MOVE"
    assert snapshot(booking) == before


def test_checking_in_again_does_not_take_a_patient_out_of_the_consultation(window, reception):
    booking = f.hold(window)
    desk.call_next(window.pk, actor=reception)
    before = snapshot(booking)
    with pytest.raises(Refused):
        desk.check_in(booking.pk, actor=reception)
    assert snapshot(booking) == before


@pytest.mark.parametrize("button", BUTTONS)
def test_a_finished_visit_stays_finished(button, window, reception):
    booking = f.hold(window)
    desk.complete(booking.pk, actor=reception)
    before = snapshot(booking)
    with pytest.raises(Refused):
        button(booking.pk, actor=reception)
    assert snapshot(booking) == before


def test_a_second_click_is_refused_and_changes_nothing(window, reception):
    booking = f.hold(window)
    desk.check_in(booking.pk, actor=reception)
    before = snapshot(booking)
    with pytest.raises(Refused):
        desk.check_in(booking.pk, actor=reception)
    assert snapshot(booking) == before


def test_a_visit_under_way_cannot_be_cancelled(window, reception):
    booking = f.hold(window)
    desk.call_next(window.pk, actor=reception)
    before = snapshot(booking)
    with pytest.raises(Refused):
        actions.cancel(booking.pk, actor=reception, reason="ill")
    assert snapshot(booking) == before


def test_giving_up_frees_an_unpaid_place_and_never_a_paid_one(reception):
    window = f.window(capacity=1)
    booking = f.hold(window)
    assert actions.give_up(booking.pk).status == actions.give_up(booking.pk).status == Status.CANCELLED
    paid = f.paid(window)
    before = snapshot(paid)
    with pytest.raises(Refused):
        actions.give_up(paid.pk)
    assert snapshot(paid) == before
    assert violations() == {}


def test_every_move_that_the_table_does_not_allow_is_refused(window, reception):
    """All pairs, straight at the one function that moves."""
    for was in Status:
        for to in set(Status) - MOVES[was]:
            booking = Booking(schedule=window, status=was)
            with pytest.raises(Refused) as refusal:
                steps.move(booking, to, now=None, cause="")
            assert refusal.value.code == "MOVE"
            assert not window.bookings.exists()


def test_a_walk_in_joins_the_end_of_the_line(window, reception):
    f.hold(window)
    booking = counter.walk_in(
        schedule_id=window.pk, who=f.guest(), method="cash", actor=reception, request_key=uuid4()
    )
    assert booking.queue_number == 2
    desk.check_in(booking.pk, actor=reception)
    assert desk.call_next(window.pk, actor=reception).pk == booking.pk


def test_who_took_another_place_meanwhile_is_not_checked_in_with_the_missed_one(window, reception):
    patient = f.patient()
    missed = f.hold(window, patient)
    desk.no_show(missed.pk, actor=reception)
    other = f.hold(window, patient)
    before = snapshot(missed)
    with pytest.raises(Refused) as refusal:
        desk.check_in(missed.pk, actor=reception)
    assert refusal.value.code == "ALREADY_BOOKED"
    assert snapshot(missed) == before
    desk.check_in(other.pk, actor=reception)
    assert violations() == {}
