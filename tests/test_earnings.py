"""What doctors earn: the sum of entries that nobody can change, read by whom it concerns."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import actions as places
from clinic.errors import Refused
from payments import sweeps
from payments.ledger_actions import adjust
from payments.ledger_models import LedgerEntry
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def doctor():
    """A doctor with an account, and one visit paid (₹500) of which the clinic keeps a tenth."""
    return f.doctor(user=f.staff("Doctor"))


@pytest.fixture
def visit(doctor, settings):
    settings.COMMISSION_PERCENT = 10
    booking = f.paid(f.window(doctor=doctor))
    sweeps.book_ledger()
    return booking


def owed(doctor) -> list[int]:
    return [row["balance"] for row in LedgerEntry.objects.of(doctor).balances()]


def test_the_balance_is_the_sum_of_what_was_earned_shared_reversed_and_adjusted(doctor, visit):
    assert owed(doctor) == [45000]
    adjust(doctor, amount_minor=-5000, reason="rent of the room", key=uuid4(), actor=f.user())
    assert owed(doctor) == [40000]
    places.cancel(visit.pk, reason="ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    sweeps.book_ledger()
    assert owed(doctor) == [-5000]
    running = [entry.balance_minor for entry in LedgerEntry.objects.of(doctor).with_running_balance()]
    assert running[0] == -5000
    assert running[-1] == 50000


def test_another_doctors_visits_are_not_in_it(doctor, visit):
    f.paid(f.window())
    sweeps.book_ledger()
    assert owed(doctor) == [45000]


def test_an_adjustment_sent_twice_is_one(doctor):
    key, manager = uuid4(), f.user()
    first, again = (adjust(doctor, amount_minor=100, reason="x", key=key, actor=manager) for _ in range(2))
    assert first == again
    assert owed(doctor) == [100]


def test_an_adjustment_of_nothing_is_refused(doctor):
    with pytest.raises(Refused):
        adjust(doctor, amount_minor=0, reason="x", key=uuid4(), actor=f.user())
    assert owed(doctor) == []


# --- Its pages ----------------------------------------------------------------------------


def test_a_doctor_reads_their_own_earnings_and_nobody_elses(client, doctor, visit):
    client.force_login(doctor.user)
    text = client.get("/admin/earnings/").content.decode()
    for said in ("₹450", "+₹500", "−₹50", "A1"):
        assert said in text
    assert client.get(f"/admin/earnings/{doctor.pk}/").status_code == 200
    assert client.get(f"/admin/earnings/{f.doctor().pk}/").status_code == 403
    assert client.post(f"/admin/payments/ledgerentry/adjust/{doctor.pk}/", {}).status_code == 403
    assert "adjust" not in text


def test_reception_reads_nobodys(client, doctor, visit):
    client.force_login(f.staff("Reception"))
    for page in ("/admin/earnings/", f"/admin/earnings/{doctor.pk}/"):
        assert client.get(page).status_code == 403


def test_a_manager_reads_all_and_adjusts_with_a_reason(client, doctor, visit):
    manager = f.staff("Manager", name="Shabnam Sheikh")
    client.force_login(manager)
    assert "₹450" in client.get("/admin/earnings/").content.decode()
    address = f"/admin/payments/ledgerentry/adjust/{doctor.pk}/"
    form = {"key": str(uuid4()), "amount_minor": "-50"}
    assert "Write why" in client.post(address, form).content.decode()
    assert owed(doctor) == [45000]
    for _ in range(2):
        assert client.post(address, form | {"reason": "rent of the room"}).status_code == 303
    assert owed(doctor) == [40000]
    text = client.get(f"/admin/earnings/{doctor.pk}/").content.decode()
    assert "rent of the room (Shabnam Sheikh)" in text


def test_a_statement_costs_the_same_with_more_entries(client, doctor, visit):
    client.force_login(doctor.user)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/admin/earnings/").status_code == 200
        return len(queries)

    before = cost()
    for _ in range(2):
        f.paid(visit.schedule)
    assert sweeps.book_ledger() == 2
    assert cost() == before
