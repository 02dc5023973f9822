"""Moving a visit: the new place is taken before the old is left, and the money goes along."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from bookings import actions, desk
from bookings.models import Booking
from bookings.refund_rules import percent_back, words
from bookings.states import Status
from clinic.errors import Refused
from payments import sweeps
from payments.management.commands.check_invariants import violations
from schedules.models import Schedule
from schedules.states import Mode
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def doctor():
    return f.doctor()


@pytest.fixture
def window(doctor):
    return f.window(doctor=doctor, starts_in=timedelta(days=2))


@pytest.fixture
def later(doctor):
    return f.window(doctor=doctor, starts_in=timedelta(days=4), prefix="L")


def everything():
    return list(Booking.objects.order_by("pk").values()), list(Schedule.objects.order_by("pk").values())


def refused(booking, to, **how) -> str:
    before = everything()
    with pytest.raises(Refused) as refusal:
        actions.reschedule(booking.pk, to.pk, **{"own": True} | how)
    assert everything() == before and violations() == {}
    return refusal.value.code


def taken(*windows) -> list[int]:
    return [Schedule.objects.get(pk=window.pk).taken for window in windows]


def test_a_moved_visit_has_a_new_number_the_same_link_and_the_same_money(window, later):
    booking = f.paid(window)
    moved = actions.reschedule(booking.pk, later.pk, own=True)
    assert (moved.pk, moved.public_id, moved.status) == (booking.pk, booking.public_id, Status.CONFIRMED)
    assert (moved.schedule, moved.token_label, moved.price_minor) == (later, "L1", 50000)
    assert taken(window, later) == [0, 1]
    assert sweeps.make_refunds() == 0 and violations() == {}


def test_the_price_is_the_one_that_was_sold(window, later):
    Schedule.objects.filter(pk=later.pk).update(fee_minor=90000)
    assert actions.reschedule(f.paid(window).pk, later.pk, own=True).price_minor == 50000
    assert violations() == {}


def test_a_number_that_was_left_is_never_given_again(window, later):
    booking = f.paid(window)
    actions.reschedule(booking.pk, later.pk, own=True)
    assert f.paid(window).queue_number == 2
    actions.reschedule(booking.pk, window.pk, own=True)
    booking.refresh_from_db()
    assert booking.queue_number == 3 and violations() == {}


def test_a_visit_moves_from_a_token_window_into_an_exact_time_and_back(window, doctor):
    slot = f.slot(doctor=doctor, starts_in=timedelta(days=3))
    booking = f.paid(window)
    moved = actions.reschedule(booking.pk, slot.pk, own=True)
    assert (moved.queue_number, moved.start_at) == (None, slot.starts_at)
    back = actions.reschedule(booking.pk, window.pk, own=True)
    assert (back.queue_number, back.start_at, back.end_at) == (2, None, None)
    assert taken(window, slot) == [1, 0] and violations() == {}


def test_moving_to_where_one_is_changes_nothing(window):
    booking = f.paid(window)
    before = everything()
    actions.reschedule(booking.pk, window.pk, own=True)
    assert everything() == before


def test_a_full_window_is_refused_and_the_old_place_stays(window, later):
    booking = f.paid(window)
    for _n in range(3):
        f.paid(later)
    assert refused(booking, later) == "FULL"
    assert taken(window, later) == [1, 3]


def test_nobody_gets_a_second_place_in_a_window_by_moving_into_it(window, later):
    somebody = f.patient()
    booking = f.paid(window, somebody)
    f.paid(later, somebody)
    assert refused(booking, later) == "ALREADY_BOOKED"


def test_an_unpaid_a_cancelled_and_a_finished_visit_do_not_move(window, later):
    assert refused(f.hold(window), later) == "TOO_LATE"
    cancelled = f.paid(window)
    actions.cancel(cancelled.pk, reason="called")
    assert refused(cancelled, later) == "TOO_LATE"
    assert refused(cancelled, later, own=False) == "MOVE"
    seen = f.paid(window)
    desk.check_in(seen.pk, actor=f.user())
    assert refused(seen, later, own=False) == "MOVE"


def test_a_patient_moves_so_often_and_staff_always(window, later, settings):
    settings.MOVES_PER_BOOKING = 1
    booking = f.paid(window)
    actions.reschedule(booking.pk, later.pk, own=True)
    assert refused(booking, window) == "TOO_LATE"
    manager = f.staff("Reception")
    moved = actions.reschedule(booking.pk, window.pk, actor=manager, reason="the doctor is away")
    assert moved.schedule == window and moved.moved == 1
    event = moved.events.last()
    assert (event.actor, event.from_status, event.to_status) == (manager, "confirmed", "confirmed")
    assert "the doctor is away" in event.cause and violations() == {}


def test_after_the_cut_off_a_patient_calls(window, later, settings):
    settings.CANCEL_UNTIL_MINUTES = 3 * 24 * 60
    booking = f.paid(window)
    Booking.objects.filter(pk=booking.pk).update(created_at=timezone.now() - timedelta(hours=1))
    assert refused(booking, later) == "TOO_LATE"


def test_it_moves_within_one_doctor_and_one_way_of_being_seen(window, doctor):
    booking = f.paid(window)
    assert refused(booking, f.window(starts_in=timedelta(days=3))) == "OTHER_DOCTOR"
    by_video = f.slot(doctor=doctor, starts_in=timedelta(days=3), mode=Mode.VIDEO)
    assert refused(booking, by_video) == "OTHER_MODE"
    assert actions.reschedule(booking.pk, by_video.pk, reason="rain").mode == Mode.VIDEO


def test_a_window_that_is_closed_or_over_takes_nobody_in(window, later, doctor):
    booking = f.paid(window)
    Schedule.objects.filter(pk=later.pk).update(status="closed")
    assert refused(booking, later) == "CLOSED"
    assert refused(booking, f.slot(doctor=doctor, starts_in=timedelta(minutes=-5))) == "PAST"


def test_moving_away_wins_no_refund_back(doctor, later):
    """Sold: everything until 24 hours before. So near, nothing comes back, and moving does not change that."""
    soon = f.window(doctor=doctor, starts_in=timedelta(hours=5))
    booking = f.paid(soon)
    Booking.objects.filter(pk=booking.pk).update(created_at=timezone.now() - timedelta(hours=2))
    moved = actions.reschedule(booking.pk, later.pk, own=True)
    assert percent_back(moved, timezone.now()) == 0
    assert "0%" in words(moved, timezone.now())
    cancelled = actions.cancel_own(booking.pk, shown=0)
    assert cancelled.refund_percent == 0 and violations() == {}


def test_staff_who_move_a_visit_take_no_refund_away(doctor, later):
    soon = f.window(doctor=doctor, starts_in=timedelta(hours=5))
    booking = f.paid(soon)
    Booking.objects.filter(pk=booking.pk).update(created_at=timezone.now() - timedelta(hours=2))
    moved = actions.reschedule(booking.pk, later.pk, reason="the doctor is away")
    assert percent_back(moved, timezone.now()) == 100


# --- Pages --------------------------------------------------------------------------------


def page_of(booking) -> str:
    return reverse("move", args=[booking.public_id])


def test_a_patient_chooses_a_day_a_time_and_confirms_it(client, window, later):
    booking = f.paid(window)
    assert page_of(booking) in client.get(booking.get_absolute_url()).content.decode()
    day = {"date": later.date.isoformat()}
    choice = f"{page_of(booking)}?date={later.date}&amp;to={later.pk}"
    assert choice in client.get(page_of(booking), day).content.decode()
    asked = client.get(page_of(booking), day | {"to": later.pk}).content.decode()
    assert "Move my visit" in asked and "A1" in asked
    assert Booking.objects.get(pk=booking.pk).schedule == window  # looking changes nothing
    answer = client.post(page_of(booking), {"to": later.pk}, follow=True)
    assert "L1" in answer.content.decode()


@pytest.mark.parametrize("to", ["", "nonsense", "-1", "9" * 400, "0"])
def test_a_made_up_window_is_refused_in_words(client, window, to):
    booking = f.paid(window)
    answer = client.post(page_of(booking), {"to": to})
    assert answer.status_code == 404 and "There is no such window." in answer.content.decode()
    assert Booking.objects.get(pk=booking.pk).schedule == window


def test_a_number_is_offered_only_windows_into_which_it_moves(client, window, later, doctor):
    pool = f.pool(doctor=doctor, starts_in=timedelta(days=4, hours=4))
    video = f.slot(doctor=doctor, starts_in=timedelta(days=4, hours=8), mode=Mode.VIDEO)
    page = f"{f.paid(window).get_absolute_url()}move/"
    found = client.get(page, {"date": later.date}).context["chosen"].windows
    assert {pool.pk, video.pk}.isdisjoint(offered.pk for offered in found)
    assert client.get(page, {"date": later.date, "to": later.pk}).context["target"].pk == later.pk
    for other in (pool, video):
        assert client.get(page, {"date": other.date, "to": other.pk}).context["target"] is None


def test_somebody_elses_visit_is_not_there(client, window):
    booking = f.paid(window, booked_by=f.user())
    assert client.get(page_of(booking)).status_code == 404
    assert client.post(page_of(booking), {"to": window.pk}).status_code == 404


def test_the_desk_moves_a_visit_for_a_reason(client, window, later):
    booking = f.paid(window)
    client.force_login(f.staff("Reception"))
    page = f"{reverse('admin:bookings_booking_move')}?booking={booking.pk}"
    refusal = client.post(page, {"to": later.pk, "reason": ""})
    assert "Write why" in refusal.content.decode()
    assert Booking.objects.get(pk=booking.pk).schedule == window
    client.post(page, {"to": later.pk, "reason": "asked by phone"})
    assert Booking.objects.get(pk=booking.pk).schedule == later


def test_a_doctor_moves_nobody_elses_patient(client, window, later):
    booking = f.paid(window)
    client.force_login(f.staff("Doctor"))
    page = f"{reverse('admin:bookings_booking_move')}?booking={booking.pk}"
    assert client.post(page, {"to": later.pk, "reason": "no"}).status_code == 404
