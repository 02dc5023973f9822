"""Each invariant finds the fault it is there for, and nothing else calls it a fault.

Where the database refuses the fault, its rule is taken away first, inside the test's transaction.
"""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from bookings import actions, desk, invariants
from bookings.models import BookingEvent
from bookings.states import Status
from clinic.models import ReviewItem
from payments import actions as money_actions
from payments import drawer_actions, due_actions, payout_actions, sweeps
from payments import invariants as money_invariants
from payments.ledger_models import LedgerEntry, Receipt
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Refund
from payments.states import Outcome
from payments.states import Status as Paid
from schedules.states import Kind
from tests import factories as f
from tests.test_constraints import captured

pytestmark = pytest.mark.django_db
FAULTS = {}


def fault(name: str):
    """Registers a function that plants one fault and returns the row it is found at."""

    def register(plant):
        FAULTS.setdefault(name, []).append(plant)
        return plant

    return register


def change(row, **fields):
    type(row).objects.filter(pk=row.pk).update(**fields)
    return row


def without(table: str, rule: str) -> None:
    """Takes a rule away that the database has: a constraint, or SQLite's triggers and checks."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {rule}")
        else:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            for event in ("INSERT", "UPDATE"):
                cursor.execute(f"DROP TRIGGER IF EXISTS {rule}_{event}")


@pytest.fixture(autouse=True)
def checks_come_back():
    yield
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def minutes_ago(minutes=6):
    return timezone.now() - timedelta(minutes=minutes)


# --- Places -------------------------------------------------------------------------------

PLACES = "1 taken is the sum of units, within capacity"
MINUTES = "1b a service takes its own minutes, inside its window"
CANCELLED = "1c a cancelled window has given nothing away"
NUMBERS = "2a numbers are unique and none is above last_number"
ORDER = "2b numbers are in the order in which they were given"
VISITS = "3a no two bookings of a window overlap in time"
WINDOWS = "3b no two windows of a doctor overlap"
LAST_EVENT = "8a the last event is the booking's status"
CHAIN = "8b events follow each other and are allowed moves"
PLACED = "8c a place in a token window has units and a number"
LAPSED = "10 no hold outlives its time by more than two sweeps"


@fault(PLACES)
def a_place_is_counted_that_nobody_has():
    return change(f.paid(f.window()).schedule, taken=2)


@fault(PLACES)
def a_place_is_not_counted():
    return change(f.paid(f.window()).schedule, taken=0)


@fault(PLACES)
def a_window_is_oversold():
    booking = f.paid(f.window(capacity=1))
    without("schedules_schedule", "schedule_never_oversold")
    change(booking, units=2)
    return change(booking.schedule, taken=2)


@fault(PLACES)
def a_desk_place_is_not_counted_as_one():
    return change(f.hold(f.window(), channel="phone").schedule, taken_at_desk=0)


def reserved(after=0):
    pool = f.pool()
    return f.reserve(pool, f.service(pool.doctor), after)


@fault(PLACES)
def minutes_are_not_counted():
    return change(reserved().schedule, taken=39)


@fault(MINUTES)
def a_service_takes_other_minutes_than_were_sold():
    return change(reserved(), minutes=30)


@fault(MINUTES)
def a_service_lasts_longer_than_its_window():
    booking = reserved(140)
    return change(booking, end_at=booking.schedule.ends_at + timedelta(minutes=5))


@fault(MINUTES)
def a_service_begins_before_its_window():
    booking = reserved()
    return change(booking, start_at=booking.schedule.starts_at - timedelta(minutes=5))


@fault(MINUTES)
def minutes_are_taken_for_no_service():
    return change(reserved(), service=None)


@fault(MINUTES)
def a_service_is_in_a_window_of_numbers():
    booking = reserved()
    change(booking.schedule, kind=Kind.TOKEN)
    return booking


@fault(CANCELLED)
def minutes_of_a_visit_that_took_place_are_sold_again():
    pool = f.pool()
    visit = f.reserve(pool, f.service(pool.doctor, price_minor=0))
    return change(desk.no_show(visit.pk, actor=f.user()).schedule, status="cancelled")


@fault(VISITS)
def two_services_at_once():
    without("bookings_booking", "booking_no_overlap")
    first = reserved()
    second = f.reserve(first.schedule, first.service, 40)
    change(second, start_at=first.start_at, end_at=first.end_at)
    return first


@fault(NUMBERS)
def a_number_was_given_that_the_window_does_not_know():
    return change(f.paid(f.window()).schedule, last_number=0)


def one_number_for_two():
    """Only on PostgreSQL: SQLite has this rule inside the table and can't be talked out of it."""
    window = f.window()
    first, second = f.paid(window), f.paid(window)
    without("bookings_booking", "booking_number_once")
    change(second, queue_number=first.queue_number)
    return window


if connection.vendor == "postgresql":
    fault(NUMBERS)(one_number_for_two)


@fault(ORDER)
def a_later_number_was_given_earlier():
    window = f.window()
    _first, second = f.paid(window), f.paid(window)
    return change(second, numbered_at=minutes_ago())


@fault(WINDOWS)
def a_doctor_in_two_rooms():
    without("schedules_schedule", "schedule_no_overlap")
    window = f.window()
    f.window(doctor=window.doctor)
    return window


def event(booking, was, to) -> BookingEvent:
    return BookingEvent.objects.create(
        booking=booking, at=timezone.now(), from_status=was, to_status=to, cause=""
    )


@fault(LAST_EVENT)
def a_status_changed_without_an_event():
    return change(f.hold(f.window(holds_reserve=False)), status=Status.CANCELLED)


@fault(CHAIN)
def an_event_that_follows_nothing():
    booking = f.hold(f.window(holds_reserve=False))
    change(booking, status=Status.EXPIRED)
    return event(booking, Status.CONFIRMED, Status.EXPIRED)


@fault(CHAIN)
def a_move_that_is_not_allowed():
    booking = f.hold(f.window(holds_reserve=False))
    actions.cancel(booking.pk, reason="")
    change(booking, status=Status.HELD)
    return event(booking, Status.CANCELLED, Status.HELD)


@fault(PLACED)
def a_confirmed_booking_that_takes_nothing():
    booking = change(f.paid(f.window()), units=0)
    change(booking.schedule, taken=0)
    return booking


@fault(LAPSED)
def a_hold_that_no_sweep_ended():
    return change(f.hold(f.window()), hold_expires_at=minutes_ago())


# --- Money --------------------------------------------------------------------------------

PAID = "4a a place is paid for, free, let off, owed for at the desk, or under review"
DUE = "4b what is owed at the desk, let off and paid is the price"
LET_OFF = "4c what was let off has a row that says why"
OUTCOME = "5a every captured payment has one outcome"
BOUGHT = "5b what a payment bought was confirmed"
RETURNED = "5c what bought nothing is going back in full"
REVIEWED = "5d a payment under review has its ReviewItem"
CANCELLED = "5e a cancelled booking's money is going back"
SUMS = "6a refunds of a payment sum to what it gives back"
DISPUTED = "6b a payment is disputed as long as a dispute of it is open"
LOST = "6c what a lost dispute took is written down once, or somebody is told"
INBOX = "9 no inbox row waits more than five minutes without a reason"


@fault(PAID)
def a_place_that_nobody_paid():
    return change(f.hold(f.window(fee_minor=0)), free_reason="", price_minor=50000)


@fault(PAID)
def a_place_that_was_paid_in_part():
    booking = f.paid(f.window())
    change(booking.payments.get(), captured_minor=49999)
    return booking


@fault(PAID)
def a_place_that_is_owed_for_no_more_and_was_not_paid():
    return change(f.owing(f.window()), due_minor=0)


@fault(DUE)
def a_place_that_was_paid_and_is_still_owed_for():
    return change(collected(f.owing(f.window())), due_minor=50000)


def collected(booking, collected_minor=50000):
    asked = {"collected_minor": collected_minor, "method": "cash", "reason": "x", "key": uuid4()}
    return due_actions.collect(booking.pk, actor=f.user(), **asked)


@fault(LET_OFF)
def a_discount_that_nobody_gave():
    return change(f.owing(f.window()), due_minor=40000, discount_minor=10000)


@fault(OUTCOME)
def a_capture_that_was_never_judged():
    return captured(f.hold(f.window()))


@fault(BOUGHT)
def a_payment_that_bought_a_place_which_is_not_confirmed():
    return captured(f.hold(f.window()), outcome=Outcome.BOUGHT)


def booked(payment):
    """With the receipt that the worker made meanwhile."""
    assert sweeps.book_ledger() == 1
    return payment


@fault(RETURNED)
def money_that_bought_nothing_and_stays():
    return booked(captured(f.hold(f.window()), outcome=Outcome.SURPLUS, captured_at=minutes_ago()))


@fault(RETURNED)
def money_that_bought_nothing_and_goes_back_in_part():
    payment = booked(captured(f.hold(f.window()), outcome=Outcome.NO_PLACE, captured_at=minutes_ago()))
    refund(payment, 49999)
    return change(payment, refunded_minor=49999)


@fault(REVIEWED)
def a_wrong_payment_that_nobody_is_told_of():
    return captured(f.hold(f.window()), outcome=Outcome.REVIEW)


@fault(CANCELLED)
def a_cancelled_booking_whose_money_stays():
    booking = f.paid(f.window())
    actions.cancel(booking.pk, reason="")
    change(booking, refund_due_at=minutes_ago())
    return booking.payments.get()


@fault(CANCELLED)
def a_cancelled_booking_of_whose_money_only_a_part_went_back_before():
    payment = a_cancelled_booking_whose_money_stays()
    refund(payment, 10000)
    return change(payment, refunded_minor=10000)


def refund(payment, amount_minor: int) -> Refund:
    now = timezone.now()
    return Refund.objects.create(
        payment=payment, cause="staff:1", amount_minor=amount_minor, created_at=now, next_try_at=now
    )


@fault(SUMS)
def a_refund_that_the_payment_does_not_know():
    payment = captured(f.hold(f.window()), outcome=Outcome.SURPLUS)
    refund(payment, 1)
    return payment


@fault(SUMS)
def more_given_back_than_came():
    without("payments_payment", "payment_refunded_within_captured")
    payment = captured(f.hold(f.window()), outcome=Outcome.SURPLUS)
    refund(payment, 50001)
    return change(payment, refunded_minor=50001)


def disputed(what="opened"):
    payment = f.paid(f.window()).payments.get()
    f.dispute(payment, what)
    return payment


@fault(DISPUTED)
def a_dispute_that_its_payment_forgot():
    return change(disputed(), disputed_at=None)


@fault(DISPUTED)
def a_payment_that_is_disputed_by_nobody():
    return change(disputed("won"), disputed_at=minutes_ago())


@fault(LOST)
def money_that_a_bank_took_and_nobody_wrote_down():
    dispute = disputed("lost").disputes.get()
    change(dispute, amount_minor=50001)
    ReviewItem.objects.filter(key__endswith=":lost").delete()
    return dispute


@fault(LOST)
def a_dispute_that_took_more_than_it_was_about():
    return change(disputed("lost").disputes.get(), amount_minor=49999)


@fault(LOST)
def a_won_dispute_that_took_money():
    return change(disputed("lost").disputes.get(), status="won")


@fault(INBOX)
def a_message_that_nobody_looked_at():
    f.deliver(f.capture_body(f.attempt(f.hold(f.window()))))
    return change(GatewayEvent.objects.get(), processed_at=None, received_at=minutes_ago())


# --- The books ----------------------------------------------------------------------------

CAME = "7a money that came has a receipt, and its doctor an earning"
WENT = "7b money that went back has a credit note, and its doctor a reversal"
MOVED = "7c nothing is booked of money that did not move"
SHARE = "7d of a payment the clinic keeps a share of what it kept of the money"
GAPLESS = "7e receipts are numbered from one without a gap"


def paid_and_booked():
    return booked(f.paid(f.window()).payments.get())


def refunded_and_booked():
    """A visit whose money went back, and all of it is in the books."""
    booking = f.paid(f.window())
    actions.cancel(booking.pk, reason="ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    assert sweeps.book_ledger() == 2
    return Refund.objects.get()


def may_be_changed(rows) -> None:
    """Takes the rule away that the books are append-only."""
    table = rows._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only")
        else:
            for event in ("UPDATE", "DELETE"):
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{event}")


@fault(CAME)
def money_that_no_receipt_was_made_for():
    return change(f.paid(f.window()).payments.get(), captured_at=minutes_ago())


@fault(CAME)
def a_receipt_of_another_amount():
    payment = paid_and_booked()
    may_be_changed(Receipt)
    change(payment.receipt, amount_minor=49999)
    return payment


@fault(CAME)
def a_visit_that_its_doctor_did_not_earn():
    payment = paid_and_booked()
    may_be_changed(LedgerEntry)
    payment.ledger.all().delete()
    return payment


@fault(WENT)
def money_that_went_back_without_a_credit_note():
    booking = f.paid(f.window())
    actions.cancel(booking.pk, reason="ill")
    sweeps.make_refunds()
    booked(booking.payments.get())
    sweeps.send_refunds()
    return change(Refund.objects.get(), done_at=minutes_ago())


@fault(WENT)
def a_refund_that_its_doctor_still_earns_by():
    refund = refunded_and_booked()
    may_be_changed(LedgerEntry)
    refund.ledger.all().delete()
    return refund


@fault(MOVED)
def a_credit_note_of_a_refund_that_was_not_sent():
    refund = change(refunded_and_booked(), status="due")
    return refund.receipt


@fault(SHARE)
def a_share_of_money_that_went_back():
    refund = refunded_and_booked()
    entry = refund.payment.ledger.get()
    LedgerEntry.objects.create(
        doctor=entry.doctor, kind="commission", amount_minor=-1, currency="INR", payment=refund.payment,
        at=entry.at,
    )  # fmt: skip
    return refund.payment


@fault(SHARE)
def a_share_that_is_one_unit_too_small():
    payment = paid_and_booked()
    LedgerEntry.objects.create(
        doctor=payment.ledger.get().doctor, kind="commission", amount_minor=-5000, currency="INR",
        payment=payment, at=payment.captured_at,
    )  # fmt: skip
    refund = money_actions.owe(payment.pk, "staff:1", 33)
    sweeps.send_refunds()
    sweeps.book_ledger()
    assert violations() == {}
    may_be_changed(LedgerEntry)
    share = LedgerEntry.objects.get(refund=refund, kind="commission")
    change(share, amount_minor=share.amount_minor + 1)
    return payment


@fault(SHARE)
def a_refund_that_another_doctor_pays_for():
    refund = refunded_and_booked()
    may_be_changed(LedgerEntry)
    change(refund.ledger.get(), doctor=f.doctor())
    return refund.payment


@fault(GAPLESS)
def a_number_that_was_given_to_nothing():
    series = paid_and_booked().receipt.series
    return change(series, last_number=2)


DRAWER = "7f a counted drawer was expected to hold its float and the cash that moved"


@fault(DRAWER)
def cash_that_went_into_a_drawer_after_it_was_counted():
    drawer = drawer_actions.open_drawer(float_minor=0, actor=f.user())
    drawer_actions.close_drawer(drawer.pk, counted_minor=0, note="", actor=drawer.opened_by)
    change(f.paid(f.window()).payments.get(), drawer=drawer, method="cash")
    return drawer


MARKED = "7h what is marked as booked has its paper, and only that"


@fault(MARKED)
def a_payment_marked_as_booked_without_a_receipt():
    payment = f.paid(f.window()).payments.get()
    return change(payment, in_books=True)


@fault(MARKED)
def a_refund_with_a_credit_note_that_would_get_another():
    return change(refunded_and_booked(), in_books=False)


PAID_OUT = "7g a payout is in the ledger once it is paid, and not before"


def a_payout(**fields):
    doctor = paid_and_booked().booking.schedule.doctor
    return payout_actions.ask_for(doctor, amount_minor=50000, key=uuid4(), actor=f.user())


@fault(PAID_OUT)
def a_payout_that_was_paid_and_is_not_in_the_ledger():
    return change(a_payout(), status="completed", reference="x")


@fault(PAID_OUT)
def a_payout_in_the_ledger_that_failed():
    payout, manager = a_payout(), f.user()
    for to in ("processing", "completed"):
        payout_actions.move_payout(payout.pk, to, reference="x", actor=manager)
    return change(payout, status="failed", reason="x")


PLANTS = [(name, plant) for name, plants in FAULTS.items() for plant in plants]


@pytest.mark.parametrize(("name", "plant"), PLANTS, ids=[plant.__name__ for _name, plant in PLANTS])
def test_a_planted_fault_is_found(name, plant):
    row = plant()
    found = violations()
    assert row.pk in found.pop(name, [])
    assert found == {}


def test_every_invariant_has_a_fault_that_proves_it():
    assert set(FAULTS) == {*invariants.QUERIES, *money_invariants.QUERIES}


def test_a_busy_healthy_clinic_breaks_nothing():
    window = f.window(capacity=1)
    late = f.hold(window)
    late_attempt = f.attempt(late)
    f.lapse(late)
    f.paid(window)
    f.deliver(f.capture_body(late_attempt))
    actions.cancel(f.paid(f.window()).pk, reason="ill", percent=50)
    f.deliver(f.altered(f.capture_body(f.attempt(f.hold(f.window()))), amount=1))
    sweeps.make_refunds()
    sweeps.send_refunds()
    assert violations() == {}
    call_command("check_invariants")


def test_a_place_under_review_is_no_fault():
    booking = a_place_that_was_paid_in_part()
    payment = booking.payments.get()
    ReviewItem.objects.create(key=f"payment:{payment.pk}:wrong", subject="", explanation="")
    assert violations() == {}


def test_the_command_fails_and_names_what_is_broken(capsys):
    window = a_place_is_not_counted()
    with pytest.raises(CommandError):
        call_command("check_invariants")
    assert f"{PLACES}: 1 rows, ids [{window.pk}]" in capsys.readouterr().err


def test_a_parked_message_excuses_only_its_own_payment():
    """An old message about something else must not hide a capture that was never judged."""
    f.deliver(f.altered(f.capture_body(f.attempt(f.hold(f.window()))), order="unknown", payment="unknown"))
    payment = a_capture_that_was_never_judged()
    assert violations() == {OUTCOME: [payment.pk]}


def test_a_capture_whose_message_will_be_tried_again_is_no_fault():
    payment = f.attempt(f.hold(f.window()))
    f.deliver(f.capture_body(payment))
    kept = GatewayEvent.objects.get()
    change(payment, outcome="", status=Paid.CAPTURED)
    change(kept, processed_at=None, error="RuntimeError")
    assert OUTCOME not in violations()
