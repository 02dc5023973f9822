"""Opening, widening and closing windows in admin."""

from datetime import date, time, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from bookings import desk
from bookings.states import Status as BookingStatus
from clinic.errors import Refused
from payments.management.commands.check_invariants import violations
from schedules import actions
from schedules.models import Schedule
from schedules.states import Status
from tests import factories

pytestmark = pytest.mark.django_db
ADD = "/admin/schedules/schedule/add/"


@pytest.fixture
def manager(client):
    account = factories.staff("Manager")
    client.force_login(account)
    return account


@pytest.fixture
def reception(client):
    account = factories.staff("Reception")
    client.force_login(account)
    return account


def next_week():
    return timezone.localdate() + timedelta(days=7)


def typed(doctor, **fields):
    return {
        "doctor": doctor.pk, "date": next_week().isoformat(), "start_time": "09:00", "end_time": "12:00",
        "capacity": "15", "fee_minor": "", "prefix": "", "reserved_for_desk": "", "holds_reserve": "on",
    } | fields  # fmt: skip


def test_reception_opens_a_window_with_the_doctors_usual_fee_and_letter(client, reception):
    doctor = factories.doctor(fee_minor=60000, prefix="B")
    answer = client.post(ADD, typed(doctor))
    window = Schedule.objects.get()
    assert answer.url == f"/admin/schedules/schedule/{window.pk}/change/"
    assert (window.capacity, window.fee_minor, window.currency, window.prefix) == (15, 60000, "INR", "B")
    assert (window.start_time, window.end_time, window.holds_reserve) == (time(9), time(12), True)
    assert timezone.localtime(window.starts_at).time() == time(9)
    assert LogEntry.objects.get().user == reception


def test_a_fee_is_typed_in_major_units(client, reception):
    client.post(ADD, typed(factories.doctor(), fee_minor="499.50"))
    assert Schedule.objects.get().fee_minor == 49950


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"fee_minor": "499.505"}, "finer than the smallest coin"),
        ({"fee_minor": "-1"}, "greater than or equal to 0"),
        ({"fee_minor": "1e30"}, "less than or equal"),
        ({"end_time": "09:00"}, "ends after it starts"),
        ({"end_time": "08:00"}, "ends after it starts"),
        ({"date": "2020-01-01"}, "has passed already"),
        ({"capacity": "0"}, "greater than or equal to 1"),
        ({"reserved_for_desk": "16"}, "No more than there are places"),
        ({"doctor": "0"}, "Select a valid choice"),
    ],
)
def test_what_means_nothing_is_said_and_opens_nothing(client, reception, wrong, words):
    page = client.post(ADD, typed(factories.doctor()) | wrong).content.decode()
    assert words in page
    assert not Schedule.objects.exists()


def test_an_overlap_names_the_other_window(client, reception):
    doctor = factories.doctor(name="Dr. Anjali Rao")
    client.post(ADD, typed(doctor))
    page = client.post(ADD, typed(doctor, start_time="11:30", end_time="14:00")).content.decode()
    assert "Dr. Anjali Rao already has a window on" in page and "from 09:00 to 12:00" in page
    assert Schedule.objects.count() == 1


def test_windows_may_touch_and_other_doctors_may_overlap(client, reception):
    doctor = factories.doctor()
    for form in (
        typed(doctor),
        typed(doctor, start_time="12:00", end_time="14:00"),
        typed(factories.doctor()),
    ):
        assert client.post(ADD, form).status_code == 302
    assert Schedule.objects.count() == 3


def test_a_time_that_clocks_skip_is_refused(client, reception, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    day = date(next_week().year + 1, 3, 31)
    day -= timedelta(days=(day.weekday() + 1) % 7)  # the last Sunday of March
    form = typed(factories.doctor(), date=day.isoformat(), start_time="02:30", end_time="05:00")
    assert "does not exist" in client.post(ADD, form).content.decode()
    assert not Schedule.objects.exists()


def test_a_manager_changes_the_places(client, manager):
    window = factories.window(capacity=3)
    client.post(f"/admin/schedules/schedule/{window.pk}/places/", {"capacity": "5"})
    window.refresh_from_db()
    assert window.capacity == 5
    assert "from 3 to 5" in LogEntry.objects.get().get_change_message()


def test_fewer_places_than_are_taken_are_refused_and_closing_is_offered(client, manager):
    window = factories.window(capacity=3)
    factories.hold(window)
    factories.hold(window)
    page = client.post(f"/admin/schedules/schedule/{window.pk}/places/", {"capacity": "1"}).content.decode()
    assert "2 places are taken already. You can close the window instead" in page
    window.refresh_from_db()
    assert window.capacity == 3 and not LogEntry.objects.exists()


def test_a_window_is_closed_and_opened_again(client, manager):
    window = factories.window()
    client.post(f"/admin/schedules/schedule/{window.pk}/close/")
    window.refresh_from_db()
    assert window.status == Status.CLOSED
    with pytest.raises(Refused):
        factories.hold(window)
    chosen = {"action": "reopen_windows", "_selected_action": [window.pk]}
    client.post("/admin/schedules/schedule/", chosen)
    window.refresh_from_db()
    assert window.status == Status.OPEN


def test_a_window_opened_by_mistake_is_withdrawn_and_its_time_is_free(client, manager):
    doctor = factories.doctor()
    client.post(ADD, typed(doctor))
    window = Schedule.objects.get()
    client.post(f"/admin/schedules/schedule/{window.pk}/withdraw/")
    window.refresh_from_db()
    assert window.status == Status.CANCELLED
    assert client.post(ADD, typed(doctor, start_time="10:00")).status_code == 302


def test_a_window_with_bookings_is_not_withdrawn(client, manager):
    window = factories.window()
    factories.hold(window)
    page = client.post(f"/admin/schedules/schedule/{window.pk}/withdraw/", follow=True).content.decode()
    assert "There are bookings in this window" in page
    window.refresh_from_db()
    assert window.status == Status.OPEN


@pytest.mark.parametrize("ended", [desk.complete, desk.no_show])
def test_minutes_of_a_visit_that_is_over_are_not_sold_twice(manager, ended):
    pool = factories.pool()
    visit = factories.reserve(pool, factories.service(pool.doctor, price_minor=0))
    ended(visit.pk, actor=manager)
    with pytest.raises(Refused) as refusal:
        actions.withdraw(pool.pk, actor=manager)
    pool.refresh_from_db()
    assert (refusal.value.code, pool.status, pool.taken) == ("BOOKED", Status.OPEN, 40)
    assert violations() == {}


def test_a_hold_that_lapsed_unseen_by_a_worker_keeps_no_window_from_being_withdrawn(manager):
    """Late money for it goes back: there is no place to buy any more."""
    window = factories.window()
    booking = factories.hold(window)
    body = factories.capture_body(factories.attempt(booking))
    factories.lapse(booking)
    actions.withdraw(window.pk, actor=manager)
    window.refresh_from_db()
    booking.refresh_from_db()
    assert (window.status, window.taken, booking.status) == (Status.CANCELLED, 0, BookingStatus.EXPIRED)
    factories.deliver(body)
    booking.refresh_from_db()
    assert (booking.status, booking.refund_percent) == (BookingStatus.OVERFLOW, 100)
    assert violations() == {}


@pytest.mark.parametrize("lapsed", [False, True], ids=["paying", "lapsed"])
def test_places_that_lapsed_holds_took_can_be_taken_off_a_window_and_others_cannot(manager, lapsed):
    window = factories.window(capacity=3)
    for booking in [factories.hold(window) for _ in range(3)][:2]:
        if lapsed:
            factories.lapse(booking)
    if lapsed:
        actions.change_capacity(window.pk, 1, actor=manager)
    else:
        with pytest.raises(Refused) as refused:
            actions.change_capacity(window.pk, 1, actor=manager)
        assert refused.value.code == "TAKEN"
    window.refresh_from_db()
    assert (window.capacity, window.taken) == ((1, 1) if lapsed else (3, 3))
    assert LogEntry.objects.filter(object_id=window.pk).exists() is lapsed
    assert violations() == {}


def test_a_window_that_is_over_stays_as_it_is(client, manager):
    window = factories.window(status=Status.FINISHED)
    for what in ("close", "reopen", "withdraw"):
        client.post(f"/admin/schedules/schedule/{window.pk}/{what}/")
    window.refresh_from_db()
    assert window.status == Status.FINISHED
    with pytest.raises(Refused):
        actions.change_capacity(window.pk, 9, actor=manager)


def test_reception_opens_windows_but_does_not_change_them(client, reception):
    window = factories.window()
    assert client.post(f"/admin/schedules/schedule/{window.pk}/places/", {"capacity": "9"}).status_code == 403
    assert client.post(f"/admin/schedules/schedule/{window.pk}/close/").status_code == 403
    chosen = {"action": "close_windows", "_selected_action": [window.pk]}
    client.post("/admin/schedules/schedule/", chosen)
    window.refresh_from_db()
    assert (window.capacity, window.status) == (3, Status.OPEN)


def test_djangos_own_form_writes_nothing(client, manager):
    window = factories.window()
    answer = client.post(f"/admin/schedules/schedule/{window.pk}/change/", {"taken": "3", "status": "closed"})
    window.refresh_from_db()
    assert answer.status_code == 403
    assert (window.taken, window.status) == (0, Status.OPEN)


def test_a_doctor_opens_nothing_and_sees_their_own(client):
    account = factories.staff("Doctor")
    mine = factories.window(doctor=factories.doctor(user=account))
    other = factories.window()
    client.force_login(account)
    assert client.get(ADD).status_code == 403
    page = client.get("/admin/schedules/schedule/")
    assert list(page.context["cl"].result_list) == [mine]
    assert client.get(f"/admin/schedules/schedule/{other.pk}/change/").status_code == 302


# --- Minutes for services -----------------------------------------------------------------


def test_a_pools_minutes_are_lowered_for_one_day(client, manager):
    pool = factories.pool()
    assert "0 of 180 minutes" in client.get(f"/admin/schedules/schedule/{pool.pk}/change/").content.decode()
    url = f"/admin/schedules/schedule/{pool.pk}/places/"
    page = client.get(url).content.decode()
    assert "Change minutes" in page and "Minutes for services" in page and "Places" not in page
    client.post(url, {"capacity": "90"})
    pool.refresh_from_db()
    assert pool.capacity == 90
    assert LogEntry.objects.get().get_change_message() == "Minutes changed from 180 to 90"


def test_a_pool_has_no_more_minutes_than_its_hours(client, manager):
    pool = factories.pool()
    page = client.post(f"/admin/schedules/schedule/{pool.pk}/places/", {"capacity": "181"})
    assert "These hours have only 180 minutes." in page.content.decode()
    pool.refresh_from_db()
    assert pool.capacity == 180 and not LogEntry.objects.exists()


def test_below_what_is_taken_a_pool_says_minutes(client, manager):
    pool = factories.pool(taken=40)
    page = client.post(f"/admin/schedules/schedule/{pool.pk}/places/", {"capacity": "30"})
    assert "40 minutes are taken already" in page.content.decode()
    pool.refresh_from_db()
    assert pool.capacity == 180
