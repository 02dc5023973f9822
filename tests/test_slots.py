"""Exact times: booked like tokens, by one patient each, and shown as a grid of times."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from bookings import actions
from bookings.models import Booking
from bookings.states import Status
from clinic.errors import Refused
from payments import sweeps
from payments.management.commands.check_invariants import violations
from schedules import queries
from schedules.models import Schedule
from schedules.states import Mode
from tests import factories as f

pytestmark = pytest.mark.django_db


def refused(do) -> str:
    before = list(Booking.objects.order_by("pk").values()), list(Schedule.objects.order_by("pk").values())
    with pytest.raises(Refused) as refusal:
        do()
    after = list(Booking.objects.order_by("pk").values()), list(Schedule.objects.order_by("pk").values())
    assert after == before
    return refusal.value.code


def states(doctor) -> list[str]:
    """What the doctor's page says of each exact time of the day that it opens with."""
    [chosen] = [day for day in queries.calendar(doctor, timezone.now()) if day.selected]
    return [slot.state for times in chosen.times for slot in times.slots]


def test_a_slot_is_held_paid_and_confirmed_at_its_own_time_without_a_number():
    slot = f.slot()
    booking = f.hold(slot)
    assert (booking.status, booking.start_at, booking.end_at) == (Status.HELD, slot.starts_at, slot.ends_at)
    f.deliver(f.capture_body(f.attempt(booking)))
    booking.refresh_from_db()
    assert (booking.status, booking.queue_number) == (Status.CONFIRMED, None)
    assert booking.label == f"{timezone.localtime(slot.starts_at):%H:%M}"
    assert violations() == {}


def test_a_slot_that_somebody_holds_is_nobody_elses():
    slot = f.slot()
    f.hold(slot)
    assert refused(lambda: f.hold(slot)) == "FULL"


def test_a_slot_always_holds_its_place_even_where_the_window_says_otherwise():
    slot = f.slot(holds_reserve=False)
    assert f.hold(slot).units == 1
    assert refused(lambda: f.hold(slot)) == "FULL"


def test_a_held_slot_frees_itself_when_the_hold_lapses_with_no_worker_running():
    slot = f.slot()
    f.lapse(f.hold(slot))
    assert states(slot.doctor) == ["free"]
    assert f.hold(slot).status == Status.HELD
    assert violations() == {}


def test_a_cancelled_slot_is_free_for_the_next_patient():
    slot = f.slot(starts_in=timedelta(days=2))
    booking = f.paid(slot)
    actions.cancel(booking.pk, reason="the patient called")
    assert f.paid(slot).status == Status.CONFIRMED
    assert violations() == {}


def test_a_slot_is_sold_online_until_it_starts_and_at_the_desk_while_it_lasts():
    begun = f.slot(starts_in=timedelta(minutes=-5), fee_minor=0)
    assert refused(lambda: f.hold(begun)) == "PAST"
    assert f.hold(begun, channel="walk_in").status == Status.CONFIRMED
    over = f.slot(starts_in=timedelta(minutes=-30), fee_minor=0)
    assert refused(lambda: f.hold(over, channel="walk_in")) == "PAST"


def test_money_that_comes_after_the_slot_has_started_goes_back():
    slot = f.slot()
    booking = f.hold(slot)
    payment = f.attempt(booking)
    f.lapse(booking)
    f.move_window(slot, timedelta(minutes=-65))
    f.deliver(f.capture_body(payment))
    booking.refresh_from_db()
    assert booking.status == Status.OVERFLOW and booking.refund_percent == 100
    assert sweeps.make_refunds() == 1 and violations() == {}


def test_money_that_comes_late_still_buys_the_slot_if_nobody_else_has_it():
    booking = f.hold(f.slot())
    payment = f.attempt(booking)
    f.lapse(booking)
    f.deliver(f.capture_body(payment))
    booking.refresh_from_db()
    assert booking.status == Status.CONFIRMED and violations() == {}


def test_two_bookings_at_one_time_are_refused_by_the_database_whatever_the_code_does():
    """The exclusion constraint on PostgreSQL, a trigger on SQLite: room for two is made by hand."""
    slot = f.slot()
    first, second = f.paid(slot), f.hold(f.slot(doctor=f.doctor()))
    Schedule.objects.filter(pk=slot.pk).update(capacity=2, taken=2)
    times = {"schedule": slot, "start_at": slot.starts_at, "end_at": slot.ends_at, "units": 1}
    with pytest.raises(DatabaseError) as error, transaction.atomic():
        Booking.objects.filter(pk=second.pk).update(**times)
    assert "booking_no_overlap" in str(error.value)
    assert Booking.objects.get(pk=second.pk).schedule_id != slot.pk and first.schedule_id == slot.pk


# --- The doctor's page --------------------------------------------------------------------


def test_the_grid_says_of_each_time_whether_it_is_free_held_or_taken(client):
    free, held, taken = f.slots(3, starts_in=f.at_ten())
    f.hold(held)
    f.paid(taken)
    assert states(free.doctor) == ["free", "held", "booked"]
    page = client.get(free.doctor.get_absolute_url()).content.decode()
    assert page.count('<a class="slot"') == 1 and f'href="{free.get_absolute_url()}"' in page
    assert ">held<" in page and ">taken<" in page


def test_times_are_grouped_by_part_of_the_day_and_by_how_one_is_seen():
    doctor, ten = f.doctor(), f.at_ten()
    f.slot(doctor=doctor, starts_in=ten)
    f.slot(doctor=doctor, starts_in=ten + timedelta(hours=1), mode=Mode.VIDEO)
    f.slot(doctor=doctor, starts_in=ten + timedelta(hours=8), mode=Mode.VIDEO)
    [chosen] = [day for day in queries.calendar(doctor, timezone.now()) if day.selected]
    assert [(group.label, group.mode, len(group.slots)) for group in chosen.times] == [
        ("Morning", "in_person", 1), ("Morning", "video", 1), ("Evening", "video", 1),
    ]  # fmt: skip


def test_the_home_page_offers_the_next_free_time(client):
    first, second = f.slots(2, starts_in=f.at_ten())
    f.hold(first)
    page = client.get("/").content.decode()
    assert second.get_absolute_url() in page and first.get_absolute_url() not in page


def test_who_lost_a_slot_is_offered_the_next_ones(client):
    first, second = f.slots(2, starts_in=f.at_ten())
    f.hold(first)
    page = client.get(first.get_absolute_url()).content.decode()
    assert second.get_absolute_url() in page


def test_a_fortnight_of_slots_costs_no_more_statements_than_one_day(client, django_assert_max_num_queries):
    doctor = f.doctor()
    for day in range(1, 15):
        for slot in f.slots(24, doctor=doctor, starts_in=f.at_ten(day)):
            if day == 1 and slot.pk % 3 == 0:
                f.hold(slot)
    with django_assert_max_num_queries(5):
        assert client.get(doctor.get_absolute_url()).status_code == 200


def test_a_pool_cannot_be_booked_as_if_it_were_a_slot():
    pool = f.pool()
    assert refused(lambda: f.hold(pool)) == "NOT_OFFERED"
