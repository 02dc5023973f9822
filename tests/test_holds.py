"""Taking a place: what it costs others, what is refused, and what a repeated form does."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from bookings import sweeps
from bookings.models import Booking, BookingEvent
from bookings.states import Channel, Status
from clinic.errors import Refused
from clinic.models import Patient
from payments.management.commands.check_invariants import violations
from schedules.models import Schedule
from schedules.states import Status as Window
from tests import factories as f

pytestmark = pytest.mark.django_db


def everything() -> tuple:
    """All that a refused hold must leave as it was."""
    return (
        list(Booking.objects.order_by("pk").values()),
        list(Schedule.objects.order_by("pk").values()),
        BookingEvent.objects.count(),
        Patient.objects.count(),
    )


def refused(schedule, who=None, **fields) -> str:
    """The code of the refusal, after looking that nothing changed."""
    before = everything()
    with pytest.raises(Refused) as refusal:
        f.hold(schedule, who, **fields)
    assert everything() == before
    return refusal.value.code


# --- What a hold does ---------------------------------------------------------------------


def test_a_hold_takes_a_place_for_fifteen_minutes_and_no_number():
    window = f.window(capacity=2)
    booking = f.hold(window)
    window.refresh_from_db()
    assert (booking.status, booking.units, booking.queue_number) == (Status.HELD, 1, None)
    assert booking.hold_expires_at - booking.created_at == timedelta(minutes=15)
    assert (window.taken, window.last_number) == (1, 0)
    [event] = booking.events.all()
    assert (event.from_status, event.to_status, event.at) == ("", Status.HELD, booking.created_at)
    assert violations() == {}


def test_the_price_currency_and_refund_rules_are_those_of_the_moment_of_sale(settings):
    window = f.window(fee_minor=70000, currency="NPR")
    booking = f.hold(window)
    Schedule.objects.update(fee_minor=90000)
    settings.REFUND_RULES = [[1, 1]]
    booking.refresh_from_db()
    assert (booking.price_minor, booking.currency) == (70000, "NPR")
    assert booking.refund_rules == [[24, 100]]


def test_where_holds_do_not_reserve_anyone_may_try_and_payment_decides():
    window = f.window(capacity=1, holds_reserve=False)
    assert [f.hold(window).units for _ in range(3)] == [0, 0, 0]
    window.refresh_from_db()
    assert window.taken == 0
    assert violations() == {}


def test_what_is_free_is_confirmed_at_once_with_its_number():
    window = f.window(fee_minor=0)
    booking = f.hold(window)
    assert (booking.status, booking.queue_number, booking.hold_expires_at) == (Status.CONFIRMED, 1, None)
    assert booking.free_reason
    assert violations() == {}


def test_a_guest_is_a_new_patient_even_with_a_known_phone_number():
    known = f.patient(account=f.user())
    booking = f.hold(f.window(), f.guest(name=known.name, phone=str(known.phone)))
    assert booking.patient != known
    assert booking.patient.account is None


def test_one_phone_number_may_book_for_the_whole_family():
    window = f.window()
    assert len({f.hold(window, f.guest(name=name)).pk for name in ("Ravi", "Asha")}) == 2


# --- What is refused ----------------------------------------------------------------------


def test_a_full_window_is_refused():
    window = f.window(capacity=1)
    f.hold(window)
    assert refused(window) == "FULL"


def test_a_price_that_is_not_the_one_shown_is_refused():
    window = f.window(fee_minor=50000)
    assert refused(window, price_minor=40000) == "PRICE_CHANGED"


def test_zero_is_not_a_price_one_may_choose():
    assert refused(f.window(), price_minor=0) == "PRICE_CHANGED"


@pytest.mark.parametrize("status", [Window.CLOSED, Window.CANCELLED, Window.FINISHED])
def test_a_window_that_is_not_open_is_refused(status):
    assert refused(f.window(status=status)) == "CLOSED"


def test_online_sales_end_half_an_hour_before_the_window():
    running = f.window(starts_in=timedelta(hours=-2), lasts=timedelta(hours=2, minutes=29))
    assert refused(running) == "PAST"
    assert f.hold(f.window(starts_in=timedelta(hours=-2), lasts=timedelta(hours=2, minutes=31)))


def test_a_past_window_is_refused():
    assert refused(f.window(starts_in=timedelta(days=-1))) == "PAST"


def test_a_window_that_is_not_there_is_refused():
    window = f.window()
    Schedule.objects.all().delete()
    assert refused(window) == "NOT_FOUND"


def test_a_patient_has_one_place_in_a_window():
    window, patient = f.window(), f.patient()
    f.hold(window, patient)
    assert refused(window, patient) == "ALREADY_BOOKED"
    assert f.hold(f.window(), patient)


def test_after_a_lapsed_hold_the_patient_may_book_again():
    window, patient = f.window(capacity=1), f.patient()
    first = f.hold(window, patient)
    f.lapse(first)
    assert f.hold(window, patient).status == Status.HELD
    assert violations() == {}


def test_online_leaves_the_desk_what_is_kept_for_it():
    window = f.window(capacity=3, reserved_for_desk=2)
    f.hold(window)
    assert refused(window) == "FULL"


def test_what_the_desk_has_sold_already_is_not_kept_twice():
    window = f.window(capacity=3, reserved_for_desk=1)
    f.hold(window, channel=Channel.PHONE)
    assert f.hold(window) and f.hold(window)
    assert refused(window) == "FULL"
    assert violations() == {}


@pytest.mark.parametrize("fee", [0, 50000])
def test_a_pool_sells_no_place_without_a_service(fee):
    assert refused(f.pool(fee_minor=fee)) == "NOT_OFFERED"


# --- The same form twice ------------------------------------------------------------------


def test_a_form_sent_twice_makes_one_booking():
    window, key, who = f.window(capacity=1), uuid4(), f.guest()
    first, again = (f.hold(window, who, request_key=key) for _ in range(2))
    assert first.pk == again.pk
    assert Patient.objects.count() == 1


def test_an_accounts_form_sent_twice_makes_one_booking():
    account = f.user()
    window, key, who = f.window(capacity=1), uuid4(), f.patient(account=account)
    first, again = (f.hold(window, who, request_key=key, booked_by=account) for _ in range(2))
    assert first.pk == again.pk


def test_a_form_sent_again_after_the_hold_lapsed_says_so_and_takes_nothing():
    window, key, who = f.window(), uuid4(), f.guest()
    first = f.hold(window, who, request_key=key)
    f.lapse(first)
    again = f.hold(window, who, request_key=key)
    assert (again.pk, again.status) == (first.pk, Status.EXPIRED)
    window.refresh_from_db()
    assert window.taken == 0


def test_a_form_sent_again_after_payment_shows_the_paid_booking():
    window, key, who = f.window(), uuid4(), f.guest()
    booking = f.paid(window, who, request_key=key)
    assert f.hold(window, who, request_key=key).status == booking.status == Status.CONFIRMED


def test_a_used_form_with_another_person_is_refused():
    window, key = f.window(), uuid4()
    f.hold(window, request_key=key)
    assert refused(window, f.guest(name="Somebody Else"), request_key=key) == "REQUEST_REUSED"


def test_a_used_form_for_a_namesake_is_refused():
    window, key = f.window(), uuid4()
    f.hold(window, f.patient(name="Meera Joshi"), request_key=key)
    assert refused(window, f.patient(name="Meera Joshi"), request_key=key) == "REQUEST_REUSED"


def test_a_form_sent_twice_is_the_same_although_the_patient_was_renamed_meanwhile():
    window, key, who = f.window(), uuid4(), f.patient()
    first = f.hold(window, who, request_key=key)
    who.name = "Meera Joshi-Rao"
    assert f.hold(window, who, request_key=key).pk == first.pk


def test_a_used_form_for_another_window_is_refused():
    key = uuid4()
    f.hold(f.window(), request_key=key)
    assert refused(f.window(), request_key=key) == "REQUEST_REUSED"


def test_a_form_of_another_account_is_refused():
    window, key, who = f.window(), uuid4(), f.guest()
    f.hold(window, who, request_key=key, booked_by=f.user())
    stranger = f.user()
    assert refused(window, who, request_key=key, booked_by=stranger) == "REQUEST_REUSED"
    assert refused(window, who, request_key=key) == "REQUEST_REUSED"


# --- Holds that nobody paid ---------------------------------------------------------------


def test_a_lapsed_hold_frees_its_place_with_the_worker_dead():
    window = f.window(capacity=1)
    first = f.hold(window)
    f.lapse(first)
    second = f.hold(window)
    first.refresh_from_db()
    window.refresh_from_db()
    assert (first.status, first.units, second.status, window.taken) == (Status.EXPIRED, 0, Status.HELD, 1)
    assert violations() == {}


def test_pages_count_a_lapsed_hold_as_free_before_any_sweep():
    window = f.window(capacity=2)
    f.lapse(f.hold(window))
    seen = Schedule.objects.with_left(timezone.now()).get(pk=window.pk)
    assert (seen.taken, seen.left, seen.online_left) == (1, 2, 2)


def test_pages_keep_the_desks_places_from_online_patients():
    window = f.window(capacity=3, reserved_for_desk=2)
    f.hold(window, channel=Channel.PHONE)
    seen = Schedule.objects.with_left(timezone.now()).get(pk=window.pk)
    assert (seen.left, seen.online_left) == (2, 1)


def test_the_sweep_expires_what_has_lapsed_and_nothing_else():
    window, other = f.window(), f.window()
    lapsed, fresh = f.hold(window), f.hold(other)
    f.lapse(lapsed)
    assert sweeps.expire_lapsed_holds() == 1
    assert sweeps.expire_lapsed_holds() == 0
    lapsed.refresh_from_db()
    fresh.refresh_from_db()
    assert (lapsed.status, fresh.status) == (Status.EXPIRED, Status.HELD)
    assert violations() == {}


def test_only_a_few_statements_are_run_while_the_window_is_locked(django_assert_max_num_queries):
    window, patient = f.window(), f.patient()
    with django_assert_max_num_queries(8):  # with SAVEPOINT and RELEASE
        f.hold(window, patient)
