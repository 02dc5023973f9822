"""What is left of a day's minutes: the three shapes of seed 002, the days of a service, and their cost."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings import actions
from bookings.menu_queries import Item
from bookings.minutes_queries import (
    Start,
    day_availability,
    nearest,
    period_availability,
    pools,
    service_availability,
    service_days,
)
from bookings.move_forms import MoveServiceForm
from bookings.service_queries import Day
from clinic.models import Doctor
from schedules.states import Status as Window
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def doctor():
    return f.doctor()


@pytest.fixture
def ecg(doctor):
    return f.service(doctor, name="ECG", duration=30, buffer=10)


@pytest.fixture
def day():
    """The day after tomorrow, at the clinic."""
    return timezone.localdate() + timedelta(days=2)


def opened(hour: int, *, hours=3, days=2, **fields):
    """A pool that starts at this hour of the clinic's day."""
    starts_in = f.at_ten(days) + timedelta(hours=hour - 10)
    return f.pool(starts_in=starts_in, lasts=timedelta(hours=hours), capacity=hours * 60, **fields)


@pytest.fixture
def morning(doctor):
    return opened(9, doctor=doctor)


@pytest.fixture
def afternoon(doctor):
    return opened(13, hours=5, doctor=doctor)


def minutes_after(pool, found) -> list[int]:
    return [(start - pool.starts_at) // timedelta(minutes=1) for start in found]


def part(total=0, consumed=0, remaining=0) -> dict:
    return {
        "total_minutes": total,
        "consumed_minutes": consumed,
        "remaining_minutes": remaining,
        "is_available": remaining > 0,
    }


# --- The three shapes ---------------------------------------------------------------------


def test_a_day_says_its_minutes_and_those_of_its_parts(day, morning, afternoon, ecg):
    for start in (0, 40, 80):
        f.reserve(morning, ecg, start)
    assert day_availability(day, timezone.now()) == {
        "daily": {
            "total_capacity": 480,
            "total_remaining": 360,
            "morning": part(180, 120, 60),
            "afternoon": part(300, 0, 300),
            "evening": part(),
        }
    }


def test_a_day_without_pools_has_nothing(day, doctor):
    f.window(doctor=doctor, starts_in=f.at_ten(2))
    assert day_availability(day, timezone.now())["daily"]["total_capacity"] == 0


def test_a_part_of_a_day_says_which_services_still_fit(day, morning, afternoon, ecg, doctor):
    skin = f.service(doctor, name="Skin", duration=60, buffer=10)
    f.service(doctor, visible=False)
    f.service(f.doctor())
    for start in (0, 40, 80):
        f.reserve(morning, ecg, start)
    found = period_availability(day, "morning", timezone.now())
    assert found["time_slot"] == part(180, 120, 60) | {"current_reservations": 3}
    services = {one["id"]: (one["required_minutes"], one["available"]) for one in found["services"]}
    assert services == {ecg.pk: (40, True), skin.pk: (70, False)}
    assert all(one["available"] for one in period_availability(day, "afternoon", timezone.now())["services"])
    assert period_availability(day, "evening", timezone.now())["services"] == []


def test_a_service_says_when_it_may_start_and_why_not(day, morning, ecg, doctor):
    skin = f.service(doctor, duration=60, buffer=10)
    for start in (0, 40, 80):
        f.reserve(morning, ecg, start)
    found = service_availability(ecg, day, timezone.now())
    assert (found["available"], found["required_minutes"], found["remaining_minutes"]) == (True, 40, 60)
    assert minutes_after(morning, [one.start for one in found["start_times"]]) == [120, 125, 130, 135, 140]
    assert {(one.schedule_id, one.doctor_id) for one in found["start_times"]} == {(morning.pk, doctor.pk)}
    assert service_availability(skin, day, timezone.now()) == {
        "available": False,
        "required_minutes": 70,
        "remaining_minutes": 60,
        "start_times": [],
        "message": "Only 60 minutes are left, and this takes 70.",
    }


def test_a_service_asks_only_those_who_offer_it_and_only_the_part_of_the_day(day, morning, afternoon, ecg):
    opened(9, doctor=f.doctor())

    def windows(**narrowed):
        found = service_availability(ecg, day, timezone.now(), **narrowed)
        return {one.schedule_id for one in found["start_times"]}

    assert windows() == {morning.pk, afternoon.pk}
    assert windows(period="afternoon") == {afternoon.pk}
    assert windows(doctor=f.doctor()) == set()


def test_two_doctors_minutes_are_not_one_piece(day, ecg, morning):
    other = opened(9, doctor=f.doctor(), hours=1)
    ecg.doctors.add(other.doctor)
    long = f.service(morning.doctor, other.doctor, duration=170, buffer=10)
    f.reserve(morning, ecg, 60)
    found = service_availability(long, day, timezone.now())
    assert found["remaining_minutes"] == 200
    assert found["message"] == "200 minutes are left, but not 180 in one piece."


def test_each_shape_costs_at_most_four_statements(day, ecg, doctor, django_assert_max_num_queries):
    pool = opened(9, doctor=doctor, hours=9)
    short = f.service(doctor, duration=10, buffer=0)
    for n in range(10):
        f.reserve(pool, short, n * 20)
        f.service(doctor)
    for _ in range(5):
        opened(9, doctor=f.doctor())
    with django_assert_max_num_queries(2):
        day_availability(day, timezone.now())
    with django_assert_max_num_queries(4):
        period_availability(day, "morning", timezone.now())
    with django_assert_max_num_queries(2):
        service_availability(ecg, day, timezone.now())
    with django_assert_max_num_queries(2):
        service_days(ecg, timezone.now())
    with django_assert_max_num_queries(2):
        nearest(40, doctor, pool.starts_at, timezone.now())


# --- What counts --------------------------------------------------------------------------


def only(pool):
    [found] = pools(timezone.now(), pool.date, pool.date, doctor=pool.doctor)
    return found


def test_a_lapsed_hold_and_a_cancelled_visit_take_nothing(morning, ecg):
    f.lapse(f.reserve(morning, ecg, 0))
    actions.cancel(f.paid(morning, **f.asking(morning, ecg, 40)).pk, reason="ill")
    f.reserve(morning, ecg, 80)
    assert (only(morning).consumed, only(morning).remaining) == (40, 140)


@pytest.mark.parametrize("status", [Window.CLOSED, Window.FINISHED])
def test_a_window_that_is_shut_has_its_minutes_and_sells_none(doctor, ecg, status):
    shut = opened(9, doctor=doctor, status=status)
    assert (only(shut).total, only(shut).remaining, only(shut).starts(40)) == (180, 0, [])


def test_a_cancelled_window_is_no_window(doctor, day):
    opened(9, doctor=doctor, status=Window.CANCELLED)
    assert pools(timezone.now(), day, day) == []


def test_a_doctor_who_has_left_sells_nothing(morning, day):
    Doctor.objects.filter(pk=morning.doctor_id).update(is_active=False)
    assert pools(timezone.now(), day, day) == []


def test_what_is_past_of_a_running_window_cannot_be_sold_any_more(ecg, doctor):
    running = f.pool(doctor=doctor, starts_in=-timedelta(minutes=118))
    f.reserve(running, ecg, 140)
    found = only(running)
    assert (found.total, found.consumed, found.remaining) == (180, 40, 20)  # from 120 to 140
    assert not found.fits(21) and minutes_after(running, found.starts(20)) == [120]


def test_a_window_that_is_over_stands_in_its_day_and_in_no_choice(ecg, doctor):
    over = f.pool(doctor=doctor, starts_in=-timedelta(hours=4))
    [found] = pools(timezone.now(), over.date, over.date, doctor=doctor)
    assert (found.total, found.remaining) == (180, 0)
    assert all(not one.pools for one in service_days(ecg, timezone.now()))


def test_the_desk_may_sell_what_is_kept_for_it(doctor, ecg):
    kept = opened(9, doctor=doctor, reserved_for_desk=160)
    [at_desk] = pools(timezone.now(), kept.date, kept.date, doctor=doctor, at_desk=True)
    assert (only(kept).remaining, only(kept).fits(40)) == (20, False)
    assert (at_desk.remaining, at_desk.fits(40)) == (180, True)


def test_a_service_of_no_or_less_than_no_minutes_fits_nowhere(morning):
    assert not only(morning).fits(0) and only(morning).starts(-5) == []


# --- The days of a service ----------------------------------------------------------------


def test_the_first_day_with_room_is_chosen_and_says_when(doctor, ecg):
    full, free = (opened(9, days=n, doctor=doctor) for n in (2, 3))
    f.reserve(full, f.service(doctor, duration=150, buffer=0), 0)
    days = service_days(ecg, timezone.now())
    chosen = next(one for one in days if one.selected)
    assert len(days) == 14 and days[0].is_today and not days[0].pools
    assert (chosen.date, chosen.remaining, chosen.first) == (
        free.date,
        180,
        Start(free.pk, doctor.pk, free.starts_at),
    )
    assert (days[2].remaining, days[2].first) == (30, None)


@pytest.mark.parametrize("wanted", ["", "nonsense", "2001-01-01", "9999-99-99"])
def test_a_day_that_is_none_of_the_next_is_not_chosen(morning, ecg, wanted):
    days = service_days(ecg, timezone.now(), wanted=wanted)
    assert [one.date for one in days if one.selected] == [morning.date]


def test_a_day_that_was_asked_for_is_chosen_also_when_it_has_nothing(morning, ecg):
    asked = morning.date + timedelta(days=1)
    days = service_days(ecg, timezone.now(), wanted=asked.isoformat())
    assert [one.date for one in days if one.selected] == [asked]


def test_of_several_doctors_the_earliest_start_is_named(morning, ecg):
    early = opened(8, doctor=f.doctor())
    ecg.doctors.add(early.doctor)
    first = next(one.first for one in service_days(ecg, timezone.now()) if one.selected)
    assert first.schedule_id == early.pk
    narrowed = service_days(ecg, timezone.now(), doctor=morning.doctor)
    assert next(one.first for one in narrowed if one.selected).schedule_id == morning.pk


# --- What is suggested --------------------------------------------------------------------


def test_suggested_starts_waste_nothing_that_the_doctors_shortest_service_could_use(morning, ecg, doctor):
    """Forty minutes are wanted in an empty morning, and twenty is the shortest that is offered."""
    f.service(doctor, duration=20, buffer=0)
    f.service(doctor, duration=5, buffer=0, visible=False)
    found = only(morning)
    assert found.useful == 20
    assert minutes_after(morning, found.suggested(40))[:4] == [0, 140, 20, 25]
    assert sorted(minutes_after(morning, found.suggested(40))[-6:]) == [5, 10, 15, 125, 130, 135]


def marked_everywhere(pool, service) -> list[list[int]]:
    """What the service's page, the desk and the form for moving mark, as minutes of the pool."""
    found = only(pool)
    [day] = [day for day in service_days(service, timezone.now()) if day.pools]
    slots = [slot for part in Day(day, service.minutes, "").parts(lambda *_: "") for slot in part.slots]
    form = MoveServiceForm(day=day, minutes=service.minutes, but=pool.ends_at)
    choices = dict(form.fields["to"].choices)
    shown = [
        [slot.starts_at for slot in slots if slot.mark],
        Item(service, found).suggested,
        [start for start in found.starts(service.minutes)
         if choices[f"{pool.pk} {start.isoformat()}"].endswith("suggested")],
    ]  # fmt: skip
    return [sorted(minutes_after(pool, starts)) for starts in shown]


def test_pages_the_desk_and_who_moves_a_visit_mark_the_same_three_starts(morning, ecg, doctor):
    """From twenty minutes on nothing is wasted either, but two pieces are left rather than one."""
    f.service(doctor, duration=20, buffer=0)
    assert marked_everywhere(morning, ecg) == [[0, 20, 140]] * 3


def test_where_no_start_wastes_more_than_another_none_is_marked(morning, ecg, doctor):
    f.service(doctor, duration=5, buffer=0)
    assert marked_everywhere(morning, ecg) == [[], [], []]


def test_the_nearest_starts_are_of_the_same_doctor_and_ahead_of_now(ecg, doctor, morning):
    running = f.pool(doctor=doctor, starts_in=-timedelta(minutes=58))
    found = nearest(40, doctor, running.starts_at, timezone.now())
    assert found and all(one.start > timezone.now() and one.doctor_id == doctor.pk for one in found)
    assert found[0].schedule_id == running.pk


def test_nothing_is_nearest_where_nothing_fits(morning, doctor):
    assert nearest(181, doctor, morning.starts_at, timezone.now()) == []
