"""What the database refuses by itself, whatever the code above it does."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from bookings.models import Booking, BookingEvent
from bookings.states import Status
from payments import sweeps
from payments.ledger_models import LedgerEntry, Receipt
from payments.models import GatewayEvent, Payment, PaymentEvent, Refund
from payments.states import Outcome
from payments.states import Status as Paid
from schedules.models import Schedule
from schedules.states import Kind
from schedules.states import Status as Window
from tests import factories as f

pytestmark = pytest.mark.django_db


def refused(rule: str, write) -> None:
    """The write fails by that rule; what was there before is there afterwards."""
    tables = [Schedule, Booking, BookingEvent, Payment, PaymentEvent, Refund, GatewayEvent]
    before = [list(table.objects.order_by("pk").values()) for table in tables]
    with pytest.raises(DatabaseError) as error, transaction.atomic():
        write()
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert rule in str(error.value)
    assert [list(table.objects.order_by("pk").values()) for table in tables] == before


def unique(name: str, columns: str) -> str:
    """SQLite names a unique rule by its columns."""
    return name if connection.vendor == "postgresql" else f"UNIQUE constraint failed: {columns}"


def change(row, **fields):
    return lambda: type(row).objects.filter(pk=row.pk).update(**fields)


def captured(booking, **fields) -> Payment:
    n = next(f.numbers)
    return Payment.objects.create(
        **{
            "booking": booking, "gateway": "demo", "amount_minor": 50000, "currency": "INR",
            "status": Paid.CAPTURED, "captured_minor": 50000, "gateway_payment": f"p{n}",
            "created_at": timezone.now(), "captured_at": timezone.now(),
        } | fields
    )  # fmt: skip


# --- Windows ------------------------------------------------------------------------------


def test_more_places_taken_than_there_are():
    window = f.window(capacity=2)
    refused("schedule_never_oversold", change(window, taken=3))


def test_a_capacity_below_what_is_taken():
    window = f.window(capacity=2)
    f.hold(window)
    refused("schedule_never_oversold", change(window, capacity=0))


def test_fewer_than_no_places_taken():
    with pytest.raises(IntegrityError), transaction.atomic():
        change(f.window(), taken=-1)()


def test_more_taken_at_the_desk_than_taken():
    refused("schedule_desk_within_taken", change(f.window(), taken_at_desk=1))


def test_a_window_that_ends_before_it_starts():
    window = f.window()
    refused("schedule_ends_after_start", change(window, ends_at=window.starts_at))


@pytest.mark.parametrize(
    ("field", "rule"), [("kind", "schedule_known_kind"), ("status", "schedule_known_status")]
)
def test_a_window_of_a_kind_or_status_nobody_knows(field, rule):
    refused(rule, change(f.window(), **{field: "other"}))


def test_two_windows_of_a_doctor_at_once():
    window = f.window()
    refused("schedule_no_overlap", lambda: f.window(doctor=window.doctor, starts_in=timedelta(hours=3)))


def test_a_window_moved_into_another():
    window = f.window()
    other = f.window(doctor=window.doctor, starts_in=timedelta(days=2))
    moved = change(other, starts_at=window.starts_at, ends_at=window.ends_at)
    refused("schedule_no_overlap", moved)


def test_a_cancelled_window_that_is_opened_again_over_another():
    cancelled = f.window(status=Window.CANCELLED)
    f.window(doctor=cancelled.doctor)  # cancelled ones take no time
    refused("schedule_no_overlap", change(cancelled, status=Window.OPEN))


def test_windows_may_touch_and_another_doctor_may_receive_at_the_same_time():
    window = f.window()
    f.window()
    f.window(doctor=window.doctor, starts_in=window.ends_at - timezone.now())
    after = Schedule.objects.order_by("pk").last()
    Schedule.objects.filter(pk=after.pk).update(starts_at=window.ends_at)
    assert Schedule.objects.count() == 3


# --- Bookings -----------------------------------------------------------------------------


def test_one_number_for_two():
    window = f.window()
    first, second = f.paid(window), f.paid(window)
    rule = unique("booking_number_once", "bookings_booking.schedule_id, bookings_booking.queue_number")
    refused(rule, change(second, queue_number=first.queue_number))


def test_two_places_in_a_window_for_one_patient():
    window, patient = f.window(), f.patient()
    first, second = f.hold(window, patient), f.hold(window)
    rule = unique("booking_patient_once", "bookings_booking.schedule_id, bookings_booking.patient_id")
    refused(rule, change(second, patient=first.patient))


def test_a_hold_without_an_end():
    refused("booking_hold_expires", change(f.hold(f.window()), hold_expires_at=None))


def test_a_place_in_the_queue_without_a_number():
    refused("booking_token_has_number", change(f.paid(f.window()), queue_number=None))


def test_a_booking_in_a_status_nobody_knows():
    refused("booking_known_status", change(f.hold(f.window()), status="maybe", units=0))


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.EXPIRED, Status.OVERFLOW])
def test_a_booking_that_is_gone_and_still_takes_a_place(status):
    refused("booking_gone_takes_nothing", change(f.hold(f.window()), status=status))


def test_a_visit_that_ends_before_it_starts():
    now = timezone.now()
    refused("booking_ends_after_start", change(f.hold(f.window()), start_at=now, end_at=now))
    refused("booking_ends_after_start", change(f.hold(f.window()), start_at=now, end_at=None))


def test_more_than_all_given_back():
    refused("booking_refund_at_most_all", change(f.hold(f.window()), refund_percent=101))


def slots(*minutes) -> list[Booking]:
    """Bookings of 20 minutes each with a place, starting so many minutes into one pool window."""
    window = f.window(kind=Kind.POOL, capacity=180)
    return [slot(window, at) for at in minutes]


def slot(window, at: int, units: int = 20) -> Booking:
    start = window.starts_at + timedelta(minutes=at)
    return Booking.objects.create(
        schedule=window, patient=f.patient(), price_minor=0, currency="INR", status=Status.CONFIRMED if units else
        Status.CANCELLED, units=units, start_at=start, end_at=start + timedelta(minutes=20), created_at=timezone.now(),
    )  # fmt: skip


def test_two_visits_at_the_same_time_in_one_window():
    first, _second = slots(0, 20)  # touching is fine
    refused("booking_no_overlap", lambda: slot(first.schedule, 10))


def test_a_visit_moved_into_another():
    first, second = slots(0, 40)
    moved = change(second, start_at=first.start_at, end_at=first.end_at)
    refused("booking_no_overlap", moved)


def test_a_visit_that_is_gone_takes_no_time():
    [first] = slots(0)
    gone = slot(first.schedule, 10, units=0)
    refused("booking_no_overlap", change(gone, status=Status.CONFIRMED, units=20))


def test_a_form_used_twice():
    first, second = f.hold(f.window()), f.hold(f.window())
    rule = unique("request_key", "bookings_booking.request_key")
    refused(rule, change(second, request_key=first.request_key))


# --- History ------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [BookingEvent, PaymentEvent, LedgerEntry, Receipt])
def test_a_changed_history(rows):
    f.paid(f.window())
    sweeps.book_ledger()
    table = rows._meta.db_table
    refused(f"{table} is append-only", lambda: rows.objects.update(id=0))
    refused(f"{table} is append-only", lambda: rows.objects.all()._raw_delete("default"))


# --- Money --------------------------------------------------------------------------------


def test_more_given_back_than_came():
    payment = f.paid(f.window()).payments.get()
    refused("payment_refunded_within_captured", change(payment, refunded_minor=50001))


def test_a_place_bought_twice():
    booking = f.paid(f.window())
    other = captured(booking)
    rule = unique("payment_buys_once", "payments_payment.booking_id")
    refused(rule, change(other, outcome=Outcome.BOUGHT))


def test_one_capture_written_twice():
    booking = f.paid(f.window())
    name = booking.payments.get().gateway_payment
    rule = unique("payment_captured_once", "payments_payment.gateway, payments_payment.gateway_payment")
    refused(rule, lambda: captured(booking, gateway_payment=name))


def test_two_open_attempts_at_one_gateway():
    booking = f.hold(f.window())
    f.attempt(booking)
    columns = "payments_payment.booking_id, payments_payment.gateway, payments_payment.for_app"
    attempt = {"status": Paid.CREATED, "captured_minor": 0, "gateway_payment": ""}
    refused(unique("payment_one_open_attempt", columns), lambda: captured(booking, **attempt))


def test_an_outcome_of_money_that_never_came():
    payment = f.attempt(f.hold(f.window()))
    refused("payment_outcome_of_captured", change(payment, outcome=Outcome.BOUGHT))


def test_an_attempt_in_a_status_nobody_knows():
    refused("payment_known_status", change(f.attempt(f.hold(f.window())), status="maybe"))


def refund(payment, **fields) -> Refund:
    now = timezone.now()
    return Refund.objects.create(
        **{"payment": payment, "cause": "cancel", "amount_minor": 1, "created_at": now, "next_try_at": now}
        | fields
    )


def test_two_refunds_for_one_cause():
    payment = f.paid(f.window()).payments.get()
    refund(payment)
    rule = unique("refund_once_per_cause", "payments_refund.payment_id, payments_refund.cause")
    refused(rule, lambda: refund(payment))


def test_a_refund_of_nothing():
    payment = f.paid(f.window()).payments.get()
    refused("refund_of_something", lambda: refund(payment, amount_minor=0))


def test_one_message_kept_twice():
    f.paid(f.window())
    kept = GatewayEvent.objects.get()
    rule = unique("gateway_event_once", "payments_gatewayevent.gateway, payments_gatewayevent.dedupe_key")
    kept.pk = None
    refused(rule, lambda: kept.save(force_insert=True))
