"""Paying doctors: never more than they earned, never twice, and every rupee of it in the ledger once."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from bookings import actions as places
from clinic.errors import Refused
from payments import actions, ledger_actions, sweeps
from payments.earnings_queries import standing
from payments.ledger_models import LedgerEntry, Payout
from payments.management.commands.check_invariants import violations
from payments.models import Refund
from payments.payout_actions import ask_for, move_payout
from payments.states import RefundStatus
from tests import factories as f
from tests.racing import Meeting, at_once, overtaken, without_locks
from tests.test_races import unwatched  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db


def earner(**fields):
    """A doctor who has earned ₹500."""
    doctor = f.doctor(**fields)
    f.paid(f.window(doctor=doctor))
    assert sweeps.book_ledger() == 1
    return doctor


def ask(doctor, amount_minor=50000, **fields):
    return ask_for(doctor, **{"amount_minor": amount_minor, "key": uuid4(), "actor": f.user()} | fields)


def refusal(call, *args, **kwargs) -> str:
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    return refused.value.code


def test_a_payout_is_in_the_ledger_once_it_is_paid_and_not_before():
    doctor, manager = earner(), f.user()
    payout = ask(doctor, 20000)
    move_payout(payout.pk, "processing", actor=manager)
    assert not LedgerEntry.objects.filter(payout=payout).exists()
    assert standing(doctor).free_minor == 30000
    move_payout(payout.pk, "completed", reference="UTR 1", actor=manager)
    entry = LedgerEntry.objects.get(payout=payout)
    assert (entry.amount_minor, entry.reason, entry.actor) == (-20000, "UTR 1", manager)
    assert standing(doctor).free_minor == 30000
    assert violations() == {}


def test_what_was_not_paid_can_be_asked_for_again():
    doctor = earner()
    payout = ask(doctor)
    move_payout(payout.pk, "failed", reason="account closed", actor=f.user())
    assert standing(doctor).free_minor == 50000
    assert LedgerEntry.objects.count() == 1
    assert violations() == {}


def test_nobody_is_promised_more_than_they_earned():
    doctor = earner()
    ask(doctor, 30000)
    for amount in (20001, 0, -1):
        assert refusal(ask, doctor, amount) == "TOO_MUCH"
    assert Payout.objects.count() == 1


def test_asking_twice_with_one_form_is_asking_once():
    doctor, key = earner(), uuid4()
    assert ask(doctor, key=key) == ask(doctor, key=key)


@pytest.mark.parametrize(
    ("before", "to"),
    [
        ([], "completed"),
        (["processing"], "processing"),
        (["processing", "completed"], "completed"),
        (["processing", "completed"], "failed"),
        (["failed"], "processing"),
        (["failed"], "completed"),
    ],
)
def test_a_payout_takes_no_step_twice_and_none_back(before, to):
    payout, manager = ask(earner()), f.user()
    words = {"completed": {"reference": "x"}, "failed": {"reason": "x"}}
    for state in before:
        move_payout(payout.pk, state, **words.get(state, {}), actor=manager)
    entries = LedgerEntry.objects.count()
    assert refusal(move_payout, payout.pk, to, **words.get(to, {}), actor=manager) == "MOVE"
    payout.refresh_from_db()
    assert payout.status == (before or ["requested"])[-1]
    assert LedgerEntry.objects.count() == entries


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fair", [True, False], ids=["with locks", "without locks"])
def test_two_requests_at_once_promise_the_balance_once(fair, monkeypatch, request):
    doctor, person = earner(), f.user()
    if not fair:
        without_locks(monkeypatch)
        request.getfixturevalue("unwatched")
    meeting = Meeting('SUM("payments_payout"."amount_minor")', in_turn=not fair)
    at_once(*[lambda: ask(doctor, actor=person)] * 2, meeting=meeting)
    assert (Payout.objects.count() == 1) is fair


# --- What is about to go back -------------------------------------------------------------


@pytest.fixture
def share(settings):
    """The clinic keeps 15 %, which no part of ₹500.01 is a whole number of."""
    settings.COMMISSION_PERCENT = 15


def visit_of(doctor):
    booking = f.paid(f.window(doctor=doctor, fee_minor=50001))
    sweeps.book_ledger()
    return booking


def owed(doctor) -> int:
    return LedgerEntry.objects.of(doctor).total()


def test_what_is_about_to_go_back_is_not_promised(share):
    doctor = f.doctor()
    booking = visit_of(doctor)
    assert standing(doctor).free_minor == 42501
    actions.owe(booking.payments.get().pk, "staff:1", 33)
    assert owed(doctor) == 42501
    free = standing(doctor).free_minor
    assert refusal(ask, doctor, free + 1) == "TOO_MUCH"
    sweeps.send_refunds()
    assert standing(doctor).free_minor == free  # done, and not in the ledger yet
    sweeps.book_ledger()
    assert owed(doctor) == standing(doctor).free_minor == free
    assert Payout.objects.count() == 0


def test_a_cancelled_visit_is_not_promised_before_its_refund_is_made():
    doctor = f.doctor()
    booking = visit_of(doctor)
    places.cancel(booking.pk, reason="ill")
    assert not Refund.objects.exists()
    assert refusal(ask, doctor, 1) == "TOO_MUCH"
    for sweep in (sweeps.make_refunds, sweeps.send_refunds, sweeps.book_ledger):
        sweep()
        assert standing(doctor).free_minor == 0
    assert owed(doctor) == 0


def test_a_refund_that_failed_keeps_nothing_from_being_promised():
    doctor = f.doctor()
    payment = visit_of(doctor).payments.get()
    refund = actions.owe(payment.pk, "staff:1", 100)
    assert standing(doctor).free_minor == 0
    Refund.objects.update(status="sending")
    actions._record(refund, RefundStatus.FAILED, why="no")
    assert standing(doctor).free_minor == 50001


def test_what_goes_back_to_another_doctors_patient_is_theirs():
    doctor, other = f.doctor(), f.doctor()
    visit_of(doctor)
    actions.owe(visit_of(other).payments.get().pk, "staff:1", 100)
    assert (standing(doctor).free_minor, standing(other).free_minor) == (50001, 0)


def test_a_refund_after_the_payout_leaves_less_than_nothing_owed_and_nothing_free():
    doctor = f.doctor()
    booking = visit_of(doctor)
    payout = ask(doctor, 50001)
    for state, words in (("processing", {}), ("completed", {"reference": "UTR 9"})):
        move_payout(payout.pk, state, **words, actor=f.user())
    actions.owe(booking.payments.get().pk, "staff:1", 100)
    assert standing(doctor).free_minor == 0
    sweeps.send_refunds()
    sweeps.book_ledger()
    assert (owed(doctor), standing(doctor).free_minor) == (-50001, 0)
    assert violations() == {}


def test_one_transfer_pays_one_payout():
    manager = f.user()
    first, other = ask(earner()), ask(earner())
    for payout in (first, other):
        move_payout(payout.pk, "processing", actor=manager)
    move_payout(first.pk, "completed", reference="UTR 1", actor=manager)
    assert refusal(move_payout, other.pk, "completed", reference="UTR 1", actor=manager) == "REFERENCE_USED"
    other.refresh_from_db()
    assert (other.status, LedgerEntry.objects.filter(payout=other).count()) == ("processing", 0)
    with pytest.raises(IntegrityError), transaction.atomic():
        Payout.objects.filter(pk=other.pk).update(status="completed", reference="UTR 1")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fair", [True, False], ids=["with locks", "without locks"])
def test_a_refund_booked_while_a_payout_is_asked_for_is_not_missed(fair, monkeypatch, request):
    """Between two sums the refund leaves one and enters the other: without the doctor's lock, neither has it."""
    doctor, person = f.doctor(), f.user()
    payment = visit_of(doctor).payments.get()
    refund = actions.owe(payment.pk, "staff:1", 100)
    sweeps.send_refunds()
    if not fair:
        without_locks(monkeypatch)
        request.getfixturevalue("unwatched")
    asked, _none = overtaken(
        lambda: ask(doctor, 50001, actor=person),
        at='SUM("payments_ledgerentry"."amount_minor")',
        by=lambda: ledger_actions.book_refund(refund.pk),
    )
    assert isinstance(asked, Refused) is fair
    assert owed(doctor) == 0
    assert (not Payout.objects.exists()) is fair


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fair", [True, False], ids=["with locks", "without locks"])
def test_a_payout_ticked_off_while_another_is_asked_for_is_counted_once(fair, monkeypatch, request):
    doctor, person = earner(), f.user()
    f.paid(doctor.schedules.get())
    sweeps.book_ledger()
    payout = ask(doctor)
    move_payout(payout.pk, "processing", actor=person)
    if not fair:
        without_locks(monkeypatch)
        request.getfixturevalue("unwatched")
    asked, _none = overtaken(
        lambda: ask(doctor, actor=person),
        at='SUM("payments_payout"."amount_minor")',
        by=lambda: move_payout(payout.pk, "completed", reference="UTR 1", actor=person),
    )
    assert isinstance(asked, Payout) is fair


# --- Its pages ----------------------------------------------------------------------------


def test_a_doctor_asks_and_a_manager_pays(client):
    doctor = earner(user=f.staff("Doctor"))
    client.force_login(doctor.user)
    address = f"/admin/payments/payout/ask/{doctor.pk}/"
    assert "₹500 can be paid out" in client.get(address).content.decode()
    form = {"key": str(uuid4()), "amount_minor": "501"}
    assert "₹500 can be paid out at most" in client.post(address, form).content.decode()
    assert client.post(address, form | {"amount_minor": "500"}).status_code == 303
    payout = Payout.objects.get()
    move = f"/admin/payments/payout/{payout.pk}/move"
    assert client.post(f"{move}/processing/").status_code == 403
    client.force_login(f.staff("Manager"))
    change = f"/admin/payments/payout/{payout.pk}/change/"
    assert "Start paying" in client.get(change).content.decode()
    assert client.get(f"{move}/processing/").status_code == 200
    assert client.post(f"{move}/processing/").status_code == 303
    assert "Write the reference" in client.post(f"{move}/completed/").content.decode()
    assert client.post(f"{move}/completed/", {"reference": "UTR 77"}).status_code == 303
    assert client.get(f"{move}/nonsense/").status_code == 404
    client.force_login(doctor.user)
    text = client.get("/admin/earnings/").content.decode()
    assert "Paid out: UTR 77" in text
    assert f'Paid out: UTR 77 <span class="cash-code">({payout.code})' in text


def test_nobody_asks_for_the_money_of_another_doctor(client):
    doctor = earner(user=f.staff("Doctor"))
    for stranger in (f.doctor(user=f.staff("Doctor")).user, f.staff("Reception")):
        client.force_login(stranger)
        address = f"/admin/payments/payout/ask/{doctor.pk}/"
        assert client.post(address, {"key": str(uuid4()), "amount_minor": "1"}).status_code == 403
    assert not Payout.objects.exists()
