"""Services at the desk: sold to who stands there, worked through by their times, moved with a reason."""

from datetime import UTC, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from bookings.models import Booking
from bookings.states import Status
from clinic.models import Patient
from payments.management.commands.check_invariants import violations
from payments.models import Payment
from schedules import actions as window_actions
from tests import factories

pytestmark = pytest.mark.django_db
WALK_IN = "/admin/walk-in/"


@pytest.fixture
def reception(client):
    account = factories.staff("Reception")
    client.force_login(account)
    return account


@pytest.fixture
def pool():
    """It began a second ago, and a service has room in it until three hours from now."""
    return factories.pool(starts_in=-timedelta(seconds=1))


@pytest.fixture
def ecg(pool):
    return factories.service(pool.doctor, name="ECG")


def at(pool, minutes):
    return pool.starts_at + timedelta(minutes=minutes)


def typed(pool, service, after=5, **fields):
    return {
        "request_key": str(uuid4()), "schedule": f"{pool.pk}-{service.pk}", "start": at(pool, after).isoformat(),
        "minutes": service.minutes, "price": service.price_minor, "phone": "98200 11111", "name": "Gita Thapa",
        "age": "41", "method": "cash",
    } | fields  # fmt: skip


def find(client, form, **headers):
    return client.post(reverse("admin:walk-in-find"), form, headers=headers)


def refused(client, form) -> dict:
    """The form's errors; nothing was stored."""
    before = [list(model.objects.values()) for model in (Booking, Payment, Patient)]
    page = client.post(WALK_IN, form)
    assert page.status_code == 200
    assert [list(model.objects.values()) for model in (Booking, Payment, Patient)] == before
    return page.context["form"].errors


# --- Selling ------------------------------------------------------------------------------


def test_a_service_is_sold_paid_and_confirmed_at_the_time_chosen(client, reception, pool, ecg):
    answer = client.post(WALK_IN, typed(pool, ecg, 20))
    booking = Booking.objects.get()
    assert answer.url == reverse("admin:walk-in-done", args=[booking.public_id])
    assert (booking.status, booking.channel, booking.start_at) == (Status.CONFIRMED, "walk_in", at(pool, 20))
    assert (booking.service_name, booking.minutes, booking.price_minor) == ("ECG", 40, 40000)
    payment = booking.payments.get()
    assert (payment.method, payment.captured_minor, payment.taken_by) == ("cash", 40000, reception)
    assert violations() == {}


def test_the_slip_says_the_service_and_its_time(client, reception, pool, ecg):
    page = client.post(WALK_IN, typed(pool, ecg), follow=True).content.decode()
    booking = Booking.objects.get()
    assert f"{booking.label} for Gita Thapa" in page
    assert 'slip-time">' + booking.label in page
    assert "ECG · 40 minutes" in page


def test_the_next_start_that_fits_is_chosen_already_and_the_best_are_marked(client, reception, pool, ecg):
    factories.reserve(pool, ecg, 60)  # eighty minutes are left after it: twice as long as an ECG takes
    form = find(client, typed(pool, ecg, start="")).context["form"]
    assert [start["at"] for start in form.starts if start["chosen"]] == [at(pool, 5)]
    assert [start["at"] for start in form.starts if start["suggested"]] == [at(pool, 100), at(pool, 140)]
    assert at(pool, 60) not in [start["at"] for start in form.starts]


def test_a_time_that_was_chosen_stays_chosen_while_the_phone_is_typed(client, reception, pool, ecg):
    form = find(client, typed(pool, ecg, 100)).context["form"]
    assert [start["at"] for start in form.starts if start["chosen"]] == [at(pool, 100)]


def test_the_fragment_brings_people_times_and_the_sum(client, reception, pool, ecg):
    factories.patient(name="Asha Gurung", phone="+919820011111")
    page = find(client, typed(pool, ecg, name="", age=""), **{"hx-request": "true"}).content.decode()
    assert "<html" not in page and "Asha Gurung" in page
    assert 'id="when" hx-swap-oob="true"' in page and "Take ₹400 and book" in page


def test_each_service_stands_under_its_doctor_with_minutes_price_and_first_time(client, reception, pool, ecg):
    other = factories.service(pool.doctor, name="Echo", duration=200, price_minor=90000)
    factories.service(name="Nobody's")
    hidden = factories.service(pool.doctor, name="Hidden", visible=False)
    groups = dict(client.get(WALK_IN).context["form"].groups)
    [(pool_words, items)] = [(words, items) for words, items in groups.items() if words]
    assert pool.doctor.name in pool_words and "minutes left" in pool_words
    assert {key for key, _words in items} == {f"{pool.pk}-{s.pk}" for s in (ecg, other)}
    words = dict(items)
    assert words[f"{pool.pk}-{ecg.pk}"].startswith("ECG · 40 minutes · from ")
    assert "no time left · ₹900" in words[f"{pool.pk}-{other.pk}"]
    assert hidden.name not in str(groups)


def test_two_doctors_offer_one_service_each_in_their_own_time(client, reception, pool, ecg):
    second = factories.pool(starts_in=-timedelta(minutes=30))
    ecg.doctors.add(second.doctor)
    keys = [key for _group, items in client.get(WALK_IN).context["form"].groups for key, _words in items]
    assert sorted(keys) == sorted([f"{pool.pk}-{ecg.pk}", f"{second.pk}-{ecg.pk}"])


def test_from_a_pools_line_the_service_is_still_to_be_chosen(client, reception, pool, ecg):
    page = client.get(f"{WALK_IN}?window={pool.pk}")
    assert "choose a service" in page.content.decode() and page.context["form"].focus == "schedule"
    errors = refused(client, typed(pool, ecg, schedule=pool.pk))
    assert errors["schedule"] == ["Choose a doctor's hours, or a service."]


def test_a_window_with_numbers_is_chosen_already_before_a_service(client, reception, pool, ecg):
    window = factories.window(starts_in=timedelta(minutes=2), lasts=timedelta(minutes=1))
    assert client.get(WALK_IN).context["form"].window == window


def test_the_minutes_kept_for_the_desk_are_sold_here(client, reception, pool, ecg):
    pool.reserved_for_desk = pool.capacity
    pool.save(update_fields=["reserved_for_desk"])
    assert client.post(WALK_IN, typed(pool, ecg)).status_code == 303


def test_a_double_click_sells_it_once(client, reception, pool, ecg):
    form = typed(pool, ecg)
    first, second = client.post(WALK_IN, form), client.post(WALK_IN, form)
    assert first.url == second.url
    assert Booking.objects.count() == Payment.objects.count() == Patient.objects.count() == 1


def test_a_free_service_takes_no_money(client, reception, pool):
    free = factories.service(pool.doctor, price_minor=0)
    assert "Free: book" in find(client, typed(pool, free)).content.decode()
    client.post(WALK_IN, typed(pool, free))
    assert Booking.objects.get().status == Status.CONFIRMED and not Payment.objects.exists()


# --- Refusals -----------------------------------------------------------------------------


def test_a_time_that_went_meanwhile_is_refused_and_the_free_ones_are_offered(client, reception, pool, ecg):
    form = typed(pool, ecg, 20)
    factories.reserve(pool, ecg, 20)
    page = client.post(WALK_IN, form)
    shown = page.context["form"]
    assert shown.errors["start"] == ["This time was just taken. Someone was faster."]
    assert at(pool, 20) not in [start["at"] for start in shown.starts]
    assert "Free instead:" in page.content.decode() and "Gita Thapa" in page.content.decode()
    assert Booking.objects.count() == 1 and not Payment.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"start": ""}, "start"),
        ({"start": "at ten"}, "start"),
        ({"schedule": "0-0"}, "schedule"),
        ({"minutes": "39"}, "__all__"),
        ({"price": "1"}, "__all__"),
        ({"name": ""}, "name"),
    ],
)
def test_what_is_missing_or_not_as_shown_is_refused(client, reception, pool, ecg, wrong, field):
    assert field in refused(client, typed(pool, ecg, **wrong))


@pytest.mark.parametrize("after", [-5, 7, 150, 600])
def test_no_made_up_start_is_sold(client, reception, pool, ecg, after):
    assert "start" in refused(client, typed(pool, ecg, after))


def test_a_service_of_another_doctor_is_refused(client, reception, pool, ecg):
    assert "schedule" in refused(client, typed(pool, factories.service(factories.doctor())))


def test_where_nothing_fits_any_more_no_button_takes_money(client, reception, pool, ecg):
    factories.reserve(pool, factories.service(pool.doctor, duration=150, buffer=0), 10)
    page = find(client, typed(pool, ecg)).content.decode()
    assert "Only 25 minutes are left, and this takes 40." in page
    assert 'id="sell"' not in page
    assert "start" in refused(client, typed(pool, ecg))


def test_a_closed_pool_sells_nothing(client, reception, pool, ecg):
    window_actions.close(pool.pk, actor=reception)
    assert set(refused(client, typed(pool, ecg))) & {"schedule", "start"}


def test_the_page_costs_the_same_however_many_services_there_are(
    client, reception, pool, django_assert_max_num_queries
):
    for _n in range(4):
        window = factories.pool(starts_in=-timedelta(seconds=1))
        for _m in range(3):
            factories.reserve(window, factories.service(window.doctor), None)
    with django_assert_max_num_queries(11):
        client.get(WALK_IN)


# --- The day's line -----------------------------------------------------------------------

DESK = "/admin/desk/"


def visit(pool, service, after, name="Asha Gurung"):
    return factories.paid(pool, factories.guest(name=name), **factories.asking(pool, service, after))


def press(client, booking, name):
    client.post(f"{DESK}{booking.public_id}/{name}/")
    booking.refresh_from_db()
    return booking.status


def test_a_pool_is_one_line_by_time_with_service_and_length(client, reception, pool, ecg):
    later, sooner = visit(pool, ecg, 80, "Later"), visit(pool, ecg, 40, "Sooner")
    page = client.get(f"{DESK}?window={pool.pk}")
    assert [row.booking for row in page.context["rows"]] == [sooner, later]
    text = page.content.decode()
    assert text.count("ECG · 40 minutes") == 2 and sooner.label in text
    assert "100 of 180 minutes left" in text and "places" not in text


def test_who_comes_for_a_service_is_checked_in_called_and_completed(client, reception, pool, ecg):
    booking = visit(pool, ecg, 40)
    assert press(client, booking, "check-in") == Status.CHECKED_IN
    client.post(f"{DESK}{pool.pk}/call-next/", {"serving": "0"})
    booking.refresh_from_db()
    assert booking.status == Status.IN_CONSULTATION
    assert press(client, booking, "complete") == Status.COMPLETED
    assert violations() == {}


def test_who_did_not_come_for_a_service_may_come_after_all(client, reception, pool, ecg):
    booking = visit(pool, ecg, 40)
    assert press(client, booking, "no-show") == Status.NO_SHOW
    assert press(client, booking, "check-in") == Status.CHECKED_IN
    assert violations() == {}


def test_a_cancelled_service_gives_its_minutes_back(client, reception, pool, ecg):
    booking = visit(pool, ecg, 40)
    url = reverse("admin:bookings_booking_cancel", query={"booking": booking.pk})
    client.post(url, {"whose": "clinic", "reason": "The machine is broken"})
    booking.refresh_from_db()
    pool.refresh_from_db()
    assert (booking.status, booking.refund_percent, pool.taken) == (Status.CANCELLED, 100, 0)
    assert violations() == {}


def test_the_end_of_the_session_names_each_service(client, reception, pool, ecg):
    booking = visit(pool, ecg, 40)
    asked = client.get(f"{DESK}{pool.pk}/end/").content.decode()
    assert f"{booking.label}, Asha Gurung, ECG:" in asked
    client.post(f"{DESK}{pool.pk}/end/")
    booking.refresh_from_db()
    assert booking.status == Status.COMPLETED and violations() == {}


def test_what_is_owed_for_a_service_is_taken_at_the_desk(client, reception, pool, ecg):
    booking = factories.owing(pool, **factories.asking(pool, ecg, 40))
    page = client.get(f"{DESK}?window={pool.pk}").content.decode()
    assert "owes ₹400" in page
    assert reverse("admin:take-payment", args=[booking.public_id]) in page


def test_minutes_are_not_counted_as_places_left_today(client, reception, pool):
    factories.window(starts_in=-timedelta(seconds=1), capacity=4)
    counts = {str(tile.label): count for tile, count, _word in client.get("/admin/").context["counted"]}
    assert counts["Walk-in"] == "4"


# --- Moving -------------------------------------------------------------------------------


def move_page(booking, **query):
    return reverse("admin:bookings_booking_move", query={"booking": booking.pk, **query})


def to(pool, minutes):
    return f"{pool.pk} {at(pool, minutes).astimezone(UTC).isoformat()}"


def test_a_service_moves_to_another_start_of_its_pool_for_a_reason(client, reception, pool, ecg):
    booking = visit(pool, ecg, 40)
    desk = client.get(f"{DESK}?window={pool.pk}").content.decode()
    assert f"{reverse('admin:bookings_booking_move')}?booking={booking.pk}" in desk
    client.post(move_page(booking), {"to": to(pool, 60), "reason": "The nurse is late"})
    booking.refresh_from_db()
    assert (booking.start_at, booking.status) == (at(pool, 60), Status.CONFIRMED)
    assert "The nurse is late" in booking.events.last().cause
    assert violations() == {}


def test_a_service_moves_to_another_day_and_keeps_its_money(client, reception, pool, ecg):
    booking, other = visit(pool, ecg, 40), factories.morning(days=2, doctor=pool.doctor)
    page = client.get(move_page(booking, date=other.date))
    assert [day.date for day in page.context["days"]] == [pool.date, other.date]
    assert {key for key, _words in page.context["form"].fields["to"].choices} >= {
        to(other, 0),
        to(other, 140),
    }
    client.post(move_page(booking, date=other.date), {"to": to(other, 0), "reason": "She asked for it"})
    booking.refresh_from_db()
    pool.refresh_from_db()
    assert (booking.schedule, booking.start_at, booking.minutes) == (other, other.starts_at, 40)
    assert (pool.taken, booking.price_minor) == (0, 40000) and violations() == {}


def test_the_time_that_it_has_is_not_offered(client, reception, pool, ecg):
    booking = visit(pool, ecg, 40)
    keys = {key for key, _words in client.get(move_page(booking)).context["form"].fields["to"].choices}
    assert to(pool, 40) not in keys and to(pool, 45) in keys


@pytest.mark.parametrize("change", [{"reason": ""}, {"to": "1 yesterday"}, {"to": ""}])
def test_without_a_reason_or_to_no_such_time_nothing_moves(client, reception, pool, ecg, change):
    booking = visit(pool, ecg, 40)
    events = booking.events.count()
    page = client.post(move_page(booking), {"to": to(pool, 60), "reason": "Late"} | change)
    booking.refresh_from_db()
    assert page.context["form"].errors and booking.start_at == at(pool, 40)
    assert booking.events.count() == events


def test_to_a_time_that_somebody_took_it_does_not_move(client, reception, pool, ecg):
    booking = visit(pool, ecg, 40)
    factories.reserve(pool, ecg, 100)
    page = client.post(move_page(booking), {"to": to(pool, 100), "reason": "Late"})
    assert page.context["form"].errors["to"] == ["This time is taken by now. Choose another one."]
    booking.refresh_from_db()
    assert booking.start_at == at(pool, 40)


def test_the_list_of_bookings_says_service_and_hours_of_each(client, reception, pool, ecg):
    booking = visit(pool, ecg, 40)
    page = client.get(reverse("admin:bookings_booking_changelist")).content.decode()
    assert "ECG · 40 minutes" in page and f"{booking.label}–" in page
