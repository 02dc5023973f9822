"""Paying doctors: never more than they earned, never twice, and every rupee of it in the ledger once."""

from uuid import uuid4

import pytest

from clinic.errors import Refused
from payments import sweeps
from payments.ledger_models import LedgerEntry, Payout
from payments.management.commands.check_invariants import violations
from payments.payout_actions import ask_for, available, move_payout
from tests import factories as f
from tests.racing import Meeting, at_once, without_locks
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
    assert available(doctor) == 30000
    move_payout(payout.pk, "completed", reference="UTR 1", actor=manager)
    entry = LedgerEntry.objects.get(payout=payout)
    assert (entry.amount_minor, entry.reason, entry.actor) == (-20000, "UTR 1", manager)
    assert available(doctor) == 30000
    assert violations() == {}


def test_what_was_not_paid_can_be_asked_for_again():
    doctor = earner()
    payout = ask(doctor)
    move_payout(payout.pk, "failed", reason="account closed", actor=f.user())
    assert available(doctor) == 50000
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
    meeting = Meeting(2, at='SUM("payments_payout"."amount_minor")', patience=0.3 if fair else 20)
    at_once(*[lambda: ask(doctor, actor=person)] * 2, meeting=meeting)
    assert (Payout.objects.count() == 1) is fair


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
    assert "<b>₹500</b> paid out" in text


def test_nobody_asks_for_the_money_of_another_doctor(client):
    doctor = earner(user=f.staff("Doctor"))
    for stranger in (f.doctor(user=f.staff("Doctor")).user, f.staff("Reception")):
        client.force_login(stranger)
        address = f"/admin/payments/payout/ask/{doctor.pk}/"
        assert client.post(address, {"key": str(uuid4()), "amount_minor": "1"}).status_code == 403
    assert not Payout.objects.exists()
