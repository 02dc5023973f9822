"""The books as an accountant reads them: exact to the unit, in order, and each year by itself."""

import random
from datetime import datetime

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions as places
from clinic.errors import Refused
from payments import actions, ledger_steps, sweeps
from payments.earnings_queries import share_of, standing
from payments.ledger_models import LedgerEntry, Payout, Receipt, ReceiptSeries
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from payments.payout_actions import move_payout
from tests import factories as f
from tests.test_ledger import walk_in
from tests.test_payouts import ask

pytestmark = pytest.mark.django_db


def at(typed: str) -> datetime:
    """A minute on the clinic's own clock."""
    return timezone.make_aware(datetime.fromisoformat(typed))


def paid(minor=50000, **fields) -> Payment:
    payment = f.paid(f.window(fee_minor=minor, **fields)).payments.get()
    sweeps.book_ledger()
    return payment


def refund(payment, minor, n=1) -> None:
    """So many minor units go back, and the books know."""
    payment = Payment.objects.get(pk=payment.pk)
    payment.refunds.create(
        cause=f"staff:{n}", amount_minor=minor, created_at=timezone.now(), next_try_at=timezone.now()
    )
    Payment.objects.filter(pk=payment.pk).update(refunded_minor=payment.refunded_minor + minor)
    sweeps.send_refunds()
    assert sweeps.book_ledger() == 1


def of(payment) -> dict[str, int]:
    """What the ledger has of a payment, by kind."""
    sums = {}
    for entry in LedgerEntry.objects.of_payment(payment):
        sums[entry.kind] = sums.get(entry.kind, 0) + entry.amount_minor
    return sums


def labels() -> list[str]:
    return [receipt.label for receipt in Receipt.objects.order_by("pk").select_related("series")]


# --- Exact to the unit --------------------------------------------------------------------


@pytest.mark.parametrize("percent", [1, 7, 33, 99, 100])
@pytest.mark.parametrize("minor", [1, 99, 1001])
def test_refunds_in_odd_parts_leave_the_share_of_what_is_left_to_the_unit(settings, percent, minor):
    settings.COMMISSION_PERCENT = percent
    payment, dice, rest, n = paid(minor), random.Random(percent * minor), minor, 0
    share = minor * percent // 100
    while rest:
        n += 1
        part = dice.randint(1, max(1, rest // 2)) if n < 4 else rest
        refund(payment, part, n)
        rest -= part
        sums = of(payment)
        assert sums["earning"] + sums.get("reversal", 0) == rest
        assert -sums.get("commission", 0) == share * rest // minor
        assert LedgerEntry.objects.of(payment.booking.schedule.doctor).total() >= 0
    assert sum(of(payment).values()) == 0
    assert violations() == {}


def test_a_share_of_what_is_left_is_never_more_than_what_is_left():
    for whole in range(1, 60):
        for share in range(whole + 1):
            kept = [share_of(share, whole, rest) for rest in range(whole + 1)]
            assert kept[0] == 0
            assert kept[-1] == share
            assert kept == sorted(kept)
            assert all(0 <= kept[rest] <= rest for rest in range(whole + 1))


def test_a_share_of_very_much_money_is_exact(settings):
    settings.COMMISSION_PERCENT = 99
    payment = paid(2**31 - 1)
    actions.owe(payment.pk, "staff:1", 50)
    free = standing(payment.booking.schedule.doctor).free_minor
    sweeps.send_refunds()
    sweeps.book_ledger()
    assert LedgerEntry.objects.total() == free
    assert violations() == {}


def test_another_share_counts_from_the_next_payment_on(settings):
    settings.COMMISSION_PERCENT = 10
    old = paid()
    settings.COMMISSION_PERCENT = 50
    new = paid()
    assert (of(old)["commission"], of(new)["commission"]) == (-5000, -25000)
    refund(old, 25000)
    assert of(old)["commission"] == -2500


def test_a_reversal_goes_to_whoever_earned_also_when_the_visit_was_moved_since():
    payment = paid()
    earner, other = payment.booking.schedule.doctor, f.doctor()
    payment.booking.schedule.doctor = other
    payment.booking.schedule.save(update_fields=["doctor"])
    refund(payment, 50000)
    assert LedgerEntry.objects.of(earner).total() == 0
    assert not LedgerEntry.objects.of(other).exists()


# --- In order, and each year by itself ----------------------------------------------------


def test_money_of_the_years_last_minute_and_its_refund_of_the_next_year_are_in_two_series(settings):
    """Also where the clinic's midnight is another day in UTC."""
    for zone in ("Asia/Kathmandu", "America/New_York"):
        settings.TIME_ZONE = settings.CLINIC_TIME_ZONE = zone
        payment = f.paid(f.window()).payments.get()
        Payment.objects.filter(pk=payment.pk).update(captured_at=at("2026-03-31T23:59:59"))
        sweeps.book_ledger()
        actions.owe(payment.pk, "staff:1", 100)
        sweeps.send_refunds()
        Refund.objects.filter(payment=payment).update(done_at=at("2026-04-01T00:00:00"))
        sweeps.book_ledger()
        note = Receipt.objects.get(refund__payment=payment)
        payment.refresh_from_db()
        assert payment.receipt.series.name == "CL/2025-26"
        assert note.series.name == "CL/2026-27"
        assert note.snapshot["credits"] == payment.receipt.label
    assert labels() == ["CL/2025-26/000001", "CL/2026-27/000001", "CL/2025-26/000002", "CL/2026-27/000002"]
    assert violations() == {}


def test_a_receipt_that_could_not_be_made_burns_no_number(monkeypatch):
    payment = f.paid(f.window()).payments.get()
    with monkeypatch.context() as broken:
        broken.setattr(ledger_steps, "_enter", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ExceptionGroup):
            sweeps.book_ledger()
    assert not Receipt.objects.exists()
    assert sum(ReceiptSeries.objects.values_list("last_number", flat=True)) == 0
    sweeps.book_ledger()
    assert Receipt.objects.get(payment=payment).number == 1


def test_who_paid_online_before_has_the_number_before_a_sale_at_the_counter():
    online = [f.paid(f.window()).payments.get() for _ in range(3)]
    sold = walk_in().payments.get()
    order = list(Receipt.objects.order_by("number").values_list("payment", flat=True))
    assert order == [*(payment.pk for payment in online), sold.pk]


def test_who_paid_before_and_cannot_be_booked_keeps_no_sale_from_its_receipt(monkeypatch):
    stuck = f.paid(f.window()).payments.get()
    book = ledger_steps.book_capture
    with monkeypatch.context() as broken:
        broken.setattr(
            ledger_steps, "book_capture", lambda p, *a, **k: 1 / 0 if p.pk == stuck.pk else book(p, *a, **k)
        )
        assert walk_in().payments.get().receipt.number == 1
    assert sweeps.book_ledger() == 1


def test_nothing_in_the_books_can_be_changed_or_deleted():
    payment = paid()
    for rows in (Receipt.objects.filter(payment=payment), LedgerEntry.objects.filter(payment=payment)):
        for change in (
            lambda rows=rows: rows.update(amount_minor=1),
            lambda rows=rows: rows._raw_delete(rows.db),
        ):
            with pytest.raises(Exception, match="append-only"), transaction.atomic():
                change()
        assert rows.get().amount_minor == 50000


# --- Paying out what is covered -----------------------------------------------------------


def test_a_payout_is_not_started_when_money_went_back_since_it_was_asked_for():
    payment = paid()
    doctor = payment.booking.schedule.doctor
    payout = ask(doctor, 50000)
    actions.owe(payment.pk, "staff:1", 10)
    for sweep in (lambda: 0, sweeps.send_refunds, sweeps.book_ledger):
        sweep()
        with pytest.raises(Refused, match="Only ₹450 of it is covered") as refused:
            move_payout(payout.pk, "processing", actor=f.user())
        assert refused.value.code == "TOO_MUCH"
    payout.refresh_from_db()
    assert payout.status == "requested"
    move_payout(payout.pk, "failed", reason="asked for too much", actor=f.user())
    move_payout(ask(doctor, 45000).pk, "processing", actor=f.user())


def test_one_payouts_money_does_not_cover_another():
    doctor = paid().booking.schedule.doctor
    first, second = ask(doctor, 30000), ask(doctor, 20000)
    refund(Payment.objects.get(), 20000)
    move_payout(first.pk, "processing", actor=f.user())
    with pytest.raises(Refused, match="Only ₹0 of it"):
        move_payout(second.pk, "processing", actor=f.user())
    assert Payout.objects.open().count() == 2


def test_how_a_doctor_stands_costs_the_same_with_more_visits_going_back():
    window, costs = f.window(capacity=9), []
    for _ in range(3):
        payment = f.paid(window).payments.get()
        sweeps.book_ledger()
        actions.owe(payment.pk, "staff:1", 50)
        with CaptureQueriesContext(connection) as queries:
            standing(window.doctor)
        costs.append(len(queries))
    assert costs == costs[:1] * 3


def test_a_day_of_cancellations_ends_with_books_that_balance(settings):
    settings.COMMISSION_PERCENT = 13
    doctor = f.doctor()
    window = f.window(doctor=doctor, capacity=8, fee_minor=77701)
    visits = [f.paid(window) for _ in range(8)]
    sweeps.book_ledger()
    for n, visit in enumerate(visits[:6]):
        places.cancel(visit.pk, reason="ill", percent=[0, 1, 33, 50, 99, 100][n])
    promised = standing(doctor).free_minor
    for sweep in (sweeps.make_refunds, sweeps.send_refunds, sweeps.book_ledger):
        sweep()
        assert standing(doctor).free_minor == promised
    assert LedgerEntry.objects.of(doctor).total() == promised
    assert violations() == {}
