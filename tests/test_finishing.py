"""The end of a session: by the desk, or by itself three hours after its end."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from bookings import desk, sweeps
from bookings.models import Booking
from bookings.states import Status
from payments import sweeps as money
from payments.management.commands.check_invariants import violations
from schedules.models import Schedule
from tests import factories as f

pytestmark = pytest.mark.django_db

LONG_OVER = {"starts_in": timedelta(hours=-8), "lasts": timedelta(hours=3)}


@pytest.fixture
def reception():
    return f.staff("Reception")


def confirmed(window):
    return f.hold(window, channel="walk_in")


def statuses(*windows) -> list:
    found = Booking.objects.filter(schedule__in=windows).order_by("start_at", "queue_number", "pk")
    return list(found.values_list("status", flat=True))


def ended(window) -> bool:
    return Schedule.objects.get(pk=window.pk).status == "finished"


@pytest.fixture
def window():
    """It runs now; free of charge, so that a hold is a place at once."""
    return f.window(starts_in=timedelta(hours=-2), fee_minor=0, capacity=9, date=timezone.localdate())


def test_whoever_is_there_counts_as_seen_and_whoever_was_called_in_vain_did_not_come(window, reception):
    inside, here, expected = (confirmed(window) for _n in range(3))
    desk.check_in(inside.pk, actor=reception)
    desk.call_next(window.pk, actor=reception)
    desk.check_in(here.pk, actor=reception)
    desk.finish(window.pk, actor=reception)
    assert statuses(window) == [Status.COMPLETED, Status.COMPLETED, Status.NO_SHOW]
    assert ended(window) and violations() == {}
    assert expected.events.last().cause == "session ended"


def test_where_nobody_uses_the_buttons_everybody_counts_as_seen(window, reception):
    confirmed(window)
    desk.finish(window.pk, actor=reception)
    assert statuses(window) == [Status.COMPLETED]


def test_one_called_slot_of_the_day_makes_the_others_no_shows(reception):
    first, second = f.slots(2, starts_in=timedelta(minutes=-10), fee_minor=0, date=timezone.localdate())
    seen = confirmed(first)
    f.hold(second)
    desk.check_in(seen.pk, actor=reception)
    desk.call_next(first.pk, actor=reception)
    for slot in (first, second):
        desk.finish(slot.pk, actor=reception)
    assert statuses(first, second) == [Status.COMPLETED, Status.NO_SHOW]


def test_an_unpaid_hold_lapses_and_its_money_goes_back(reception):
    window = f.window(starts_in=timedelta(hours=-1))
    booking = f.hold(window)
    payment = f.attempt(booking)
    desk.finish(window.pk, actor=reception)
    assert statuses(window) == [Status.EXPIRED]
    f.deliver(f.capture_body(payment))
    assert statuses(window) == [Status.OVERFLOW] and money.make_refunds() == 1
    assert violations() == {}


def test_ending_twice_is_ending_once(window, reception):
    confirmed(window)
    desk.finish(window.pk, actor=reception)
    before = Booking.objects.get().events.count()
    desk.finish(window.pk, actor=reception)
    assert Booking.objects.get().events.count() == before


def test_the_worker_ends_what_nobody_ended():
    window = f.window(fee_minor=0, **LONG_OVER)
    assert sweeps.finish_schedules() == 1 and ended(window)
    assert sweeps.finish_schedules() == 0


def test_the_worker_leaves_a_session_alone_while_its_line_still_moves(reception):
    window = f.window(starts_in=timedelta(hours=-5), lasts=timedelta(hours=3), fee_minor=0)
    booking = confirmed(window)
    f.move_window(window, timedelta(hours=-2))
    desk.check_in(booking.pk, actor=reception)
    assert sweeps.finish_schedules() == 0 and not ended(window)
    Booking.objects.update(checked_in_at=timezone.now() - timedelta(hours=4))
    assert sweeps.finish_schedules() == 1 and statuses(window) == [Status.COMPLETED]


def test_a_session_is_left_alone_until_three_hours_after_its_end():
    window = f.window(starts_in=timedelta(hours=-5), lasts=timedelta(hours=3), fee_minor=0)
    assert sweeps.finish_schedules() == 0 and not ended(window)


def test_the_desk_is_told_who_is_still_expected_before_it_ends_the_session(client, window, reception):
    confirmed(window)
    client.force_login(reception)
    page = reverse("admin:end-session", args=[window.pk])
    assert page in client.get(reverse("admin:desk"), {"window": window.pk}).content.decode()
    asked = client.get(page).content.decode()
    assert "A1, Ravi Kumar" in asked and not ended(window)
    client.post(page)
    assert ended(window)
    assert page not in client.get(reverse("admin:desk"), {"window": window.pk}).content.decode()


def test_a_day_of_slots_is_one_line_at_the_desk_and_ends_at_once(client, reception):
    slots = f.slots(3, starts_in=timedelta(minutes=-5), fee_minor=0, date=timezone.localdate())
    for slot in slots:
        confirmed(slot)
    client.force_login(reception)
    page = client.get(reverse("admin:desk"))
    assert len(page.context["sessions"]) == 1 and len(page.context["rows"]) == 3
    client.post(reverse("admin:call-next", args=[slots[0].pk]), {"serving": "0"})
    assert statuses(*slots) == [Status.IN_CONSULTATION, Status.CONFIRMED, Status.CONFIRMED]
    client.post(reverse("admin:end-session", args=[slots[0].pk]))
    assert all(ended(slot) for slot in slots)
    assert statuses(*slots) == [Status.COMPLETED, Status.NO_SHOW, Status.NO_SHOW]
    assert violations() == {}


def test_a_session_of_another_day_or_doctor_is_not_there(client, window):
    client.force_login(f.staff("Doctor"))
    assert client.post(reverse("admin:end-session", args=[window.pk])).status_code == 404
    assert not ended(window)
