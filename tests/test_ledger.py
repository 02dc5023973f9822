"""The books: every unit of money gets one number, in the order in which it came, and its doctor a part."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from bookings import actions as places
from payments import actions, counter, ledger_actions, ledger_steps, sweeps
from payments.ledger_models import LedgerEntry, Receipt, ReceiptSeries
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from tests import factories as f
from tests.racing import Meeting, at_once, without_locks
from tests.test_races import unwatched  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db


def entries(**of) -> list[tuple[str, int]]:
    return list(LedgerEntry.objects.filter(**of).order_by("pk").values_list("kind", "amount_minor"))


def numbers() -> list[int]:
    return list(Receipt.objects.order_by("pk").values_list("number", flat=True))


def give_back(payment, percent, cause="staff:1"):
    """A part of the money goes back, and the books know."""
    actions.owe(payment.pk, cause, percent)
    sweeps.send_refunds()
    return sweeps.book_ledger()


def walk_in(**fields):
    return counter.walk_in(
        **{
            "schedule_id": f.window().pk,
            "who": f.guest(),
            "method": "cash",
            "actor": fields.pop("actor", None) or f.user(),
            "request_key": uuid4(),
        }
        | fields
    )


# --- Receipts -----------------------------------------------------------------------------


def test_money_that_came_gets_a_receipt_once_however_often_the_sweep_runs():
    payment = f.paid(f.window()).payments.get()
    assert [sweeps.book_ledger() for _ in range(3)] == [1, 0, 0]
    assert payment.receipt.amount_minor == 50000
    assert ledger_actions.book_payment(payment.pk) is False
    assert numbers() == [1]
    assert violations() == {}


def test_receipts_follow_the_order_in_which_money_came():
    first, second, third = (f.paid(f.window()).payments.get() for _ in range(3))
    Payment.objects.filter(pk=third.pk).update(captured_at=first.captured_at - timedelta(minutes=5))
    sweeps.book_ledger()
    assert list(Receipt.objects.order_by("number").values_list("payment", flat=True)) == [
        third.pk, first.pk, second.pk,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "starts", "year"),
    [
        ("2026-03-31", "04-01", "2025-26"),
        ("2026-04-01", "04-01", "2026-27"),
        ("2026-12-31", "01-01", "2026"),
        ("2099-07-16", "07-16", "2099-00"),
    ],
)
def test_a_year_begins_on_the_clinics_day(settings, day, starts, year):
    settings.RECEIPT_YEAR_STARTS = starts
    local_noon = timezone.make_aware(datetime.fromisoformat(f"{day}T12:00"))
    assert ledger_steps.fiscal_year(local_noon) == year


def test_the_last_minute_of_a_year_is_the_clinics_own_minute(settings):
    midnight = timezone.make_aware(datetime.fromisoformat("2026-04-01T00:00"))
    assert ledger_steps.fiscal_year(midnight - timedelta(seconds=1)) == "2025-26"
    assert ledger_steps.fiscal_year(midnight) == "2026-27"


def test_numbers_start_anew_with_the_year_of_the_money():
    old, _new = (f.paid(f.window()).payments.get() for _ in range(2))
    Payment.objects.filter(pk=old.pk).update(captured_at=old.captured_at - timedelta(days=400))
    sweeps.book_ledger()
    assert numbers() == [1, 1]
    assert ReceiptSeries.objects.count() == 2
    assert violations() == {}


def test_a_sale_at_the_counter_has_its_receipt_at_once():
    booking = walk_in()
    receipt = booking.payments.get().receipt
    assert receipt.snapshot["method"] == "Cash"
    assert entries() == [("earning", 50000)]


def test_a_sale_stands_when_its_receipt_fails_and_the_sweep_makes_it(monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(ledger_steps, "fiscal_year", lambda moment: 1 / 0)
        booking = walk_in()
    assert booking.queue_number == 1
    assert numbers() == []
    assert sweeps.book_ledger() == 1


def test_a_free_visit_has_no_receipt():
    f.hold(f.window(fee_minor=0))
    assert sweeps.book_ledger() == 0


def test_money_under_review_waits_for_a_person():
    f.deliver(f.altered(f.capture_body(f.attempt(f.hold(f.window()))), amount=1))
    assert sweeps.book_ledger() == 0
    assert violations() == {}


def test_a_copy_of_a_receipt_says_for_ever_what_was_printed(settings):
    settings.CLINIC_TAX_LINE = "GSTIN 29ABCDE1234F1Z5"
    booking = f.paid(f.window())
    sweeps.book_ledger()
    settings.CLINIC_TAX_LINE = "another"
    booking.patient.name = "Somebody Else"
    booking.patient.save(update_fields=["name"])
    copy = Receipt.objects.get().snapshot
    assert (copy["patient"], copy["tax_line"]) == ("Ravi Kumar", "GSTIN 29ABCDE1234F1Z5")
    assert booking.schedule.doctor.name in copy["lines"][0]["label"]


def test_a_gateway_that_is_gone_keeps_no_receipt_from_being_made():
    f.paid(f.window())
    Payment.objects.update(gateway="closed-down")
    assert sweeps.book_ledger() == 1
    assert Receipt.objects.get().snapshot["method"] == "closed-down"


# --- Money that went back -----------------------------------------------------------------


def test_a_refund_gets_a_credit_note_to_its_receipt_once_it_is_sent():
    booking = f.paid(f.window())
    places.cancel(booking.pk, reason="the doctor is ill")
    sweeps.make_refunds()
    assert sweeps.book_ledger() == 1
    sweeps.send_refunds()
    assert [sweeps.book_ledger() for _ in range(2)] == [1, 0]
    receipt, note = Receipt.objects.order_by("pk")
    assert note.is_credit_note
    assert note.snapshot["credits"] == receipt.label
    assert (note.number, note.amount_minor) == (2, 50000)
    assert violations() == {}


def test_cash_handed_back_has_its_credit_note_at_once():
    booking = walk_in()
    places.cancel(booking.pk, reason="the doctor is ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    refund = booking.payments.get().refunds.get()
    counter.hand_back(refund.pk, actor=f.user())
    assert refund.receipt.number == 2


def test_money_that_bought_nothing_is_receipted_and_credited_and_earns_nobody_anything():
    booking = f.hold(f.window())
    payment = f.attempt(booking)
    f.deliver(f.capture_body(payment))
    f.deliver(f.capture_body(payment, again=True))
    sweeps.make_refunds()
    sweeps.send_refunds()
    assert sweeps.book_ledger() == 3
    assert entries() == [("earning", 50000)]
    assert violations() == {}


# --- What doctors earn --------------------------------------------------------------------


def test_the_doctor_earns_a_paid_visit_less_the_clinics_share(settings):
    settings.COMMISSION_PERCENT = 15
    payment = f.paid(f.window(fee_minor=999)).payments.get()
    sweeps.book_ledger()
    assert entries(payment=payment) == [("earning", 999), ("commission", -149)]
    assert {e.doctor for e in LedgerEntry.objects.all()} == {payment.booking.schedule.doctor}


def test_a_refund_in_parts_leaves_nobody_a_share_of_nothing(settings):
    settings.COMMISSION_PERCENT = 15
    payment = f.paid(f.window(fee_minor=999)).payments.get()
    sweeps.book_ledger()
    settings.COMMISSION_PERCENT = 50  # what is agreed later changes no old visit
    for n, percent in enumerate((33, 33, 100)):
        assert give_back(payment, percent, f"staff:{n}") == 1
        assert not [name for name in violations() if name.startswith("7")]
    assert sum(amount for _kind, amount in entries()) == 0
    assert ("reversal", -329) in entries()


# --- Rivals -------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fair", [True, False], ids=["with locks", "without locks"])
def test_rivals_number_receipts_without_a_gap(fair, monkeypatch, request):
    if not fair:
        without_locks(monkeypatch)
        request.getfixturevalue("unwatched")
    for _ in range(2):
        f.paid(f.window())
    ReceiptSeries.objects.create(name=f"CL/{ledger_steps.fiscal_year(timezone.now())}")
    payments = list(Payment.objects.without_receipt())
    meeting = Meeting('FROM "payments_receiptseries"', in_turn=not fair)
    results = at_once(*(lambda p=p: ledger_actions.book_payment(p.pk) for p in payments), meeting=meeting)
    assert (results == [True, True] and numbers() == [1, 2] and violations() == {}) is fair


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["payment", "refund"])
def test_of_two_workers_with_the_same_sum_in_hand_one_books_it_and_the_other_goes_on(what):
    """Who waits for the row must see that it is marked by now: a subquery would still have the old one."""
    booking = f.paid(f.window())
    payment = booking.payments.get()
    if what == "payment":
        book, pk = ledger_actions.book_payment, payment.pk
    else:
        sweeps.book_ledger()
        places.cancel(booking.pk, reason="ill")
        sweeps.make_refunds()
        sweeps.send_refunds()
        book, pk = ledger_actions.book_refund, Refund.objects.get().pk
    meeting = Meeting(f'UPDATE "payments_{what}"')
    assert sorted(at_once(*[lambda: book(pk)] * 2, meeting=meeting), key=str) == [False, True]
    assert violations() == {}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_four_workers_and_a_counter_number_the_first_receipts_of_a_year():
    """Nobody has made the year's row yet; the sweeps all find the same work."""
    for _ in range(8):
        f.paid(f.window())
    desk, window = f.user(), f.window()
    calls = [sweeps.book_ledger] * 4 + [lambda: walk_in(actor=desk, schedule_id=window.pk)]
    results = at_once(*calls)
    assert not [result for result in results if isinstance(result, Exception)]
    assert sorted(numbers()) == list(range(1, 10))
    assert Receipt.objects.order_by().values("payment").distinct().count() == 9  # whoever made them
    assert violations() == {}
    assert connection.vendor == "postgresql"
