"""What doctors earn: the sum of entries that nobody can change, read by whom it concerns."""

from datetime import date, datetime
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format

from bookings import actions as places
from clinic.errors import Refused
from payments import sweeps
from payments.earnings_queries import months
from payments.ledger_actions import adjust
from payments.ledger_models import LedgerEntry
from payments.payout_actions import ask_for, move_payout
from tests import factories as f

pytestmark = pytest.mark.django_db


def this_month() -> date:
    return timezone.localdate().replace(day=1)


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
    (month,) = months(doctor, this_month())
    assert [row.balance_minor for row in month.rows] == [45000, 40000, -5000]
    assert (month.before_minor, month.after_minor) == (0, -5000)


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


# --- Month by month -----------------------------------------------------------------------


def at(typed: str):
    return timezone.make_aware(datetime.fromisoformat(typed))


def earned(doctor, typed: str, minor=50000):
    """An entry of another day, as the books of an older clinic have it."""
    return LedgerEntry.objects.create(
        doctor=doctor,
        kind="adjustment",
        amount_minor=minor,
        currency="INR",
        at=at(typed),
        reason="x",
        actor=f.user(),
    )


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York", "Pacific/Auckland"])
def test_a_month_is_the_clinics_own_from_its_first_minute_to_its_last(settings, doctor, zone):
    settings.TIME_ZONE = settings.CLINIC_TIME_ZONE = zone
    for minor, typed in enumerate(
        ["2026-09-30T23:59", "2026-10-01T00:00", "2026-10-31T23:59", "2026-11-01T00:00"], 1
    ):
        earned(doctor, typed, 10**minor)
    (month,) = months(doctor, date(2026, 10, 1))
    assert (month.before_minor, [row.entry.amount_minor for row in month.rows]) == (10, [100, 1000])
    assert month.after_minor == 1110


def test_each_month_begins_where_the_one_before_ended(doctor):
    for typed in ("2026-01-31T12:00", "2026-02-28T12:00", "2026-03-01T12:00", "2026-12-31T12:00"):
        earned(doctor, typed)
    after = 0
    for first in (date(2026, n, 1) for n in range(1, 13)):
        (month,) = months(doctor, first)
        assert month.before_minor == after
        after = month.after_minor
    assert after == 200000


def test_an_earning_and_the_clinics_share_of_it_are_one_line(doctor, visit):
    (month,) = months(doctor, this_month())
    (row,) = month.rows
    assert (row.entry.amount_minor, row.share_minor, row.balance_minor) == (50000, -5000, 45000)
    assert month.sums == [("visit paid", "+₹500"), ("the clinic's share", "−₹50")]


def test_money_of_another_currency_has_a_statement_of_its_own(doctor):
    earned(doctor, "2026-10-05T12:00")
    LedgerEntry.objects.create(
        doctor=doctor,
        kind="adjustment",
        amount_minor=7,
        currency="USD",
        at=at("2026-10-05T12:00"),
        reason="x",
        actor=f.user(),
    )
    assert [(month.currency, month.after_minor) for month in months(doctor, date(2026, 10, 1))] == [
        ("INR", 50000),
        ("USD", 7),
    ]


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
    assert "Owed before" in text


@pytest.mark.parametrize("typed", ["", "nonsense", "0001-01", "9999-12", "2026-13", "1999-12"])
def test_a_month_that_is_none_is_this_one(client, doctor, visit, typed):
    client.force_login(doctor.user)
    text = client.get("/admin/earnings/", {"month": typed}).content.decode()
    assert date_format(timezone.localdate(), "F Y") in text
    assert "₹450" in text


def test_an_older_month_is_one_click_away(client, doctor, visit):
    earned(doctor, "2020-02-29T12:00", 12300)
    client.force_login(doctor.user)
    text = client.get(f"/admin/earnings/{doctor.pk}/?month=2020-02").content.decode()
    assert "February 2020" in text
    assert "+₹123" in text
    assert "?month=2020-01" in text
    assert "?month=2020-03" in text


def test_managers_see_what_is_owed_asked_for_and_paid_by_doctor(client, doctor, visit):
    manager = f.staff("Manager")
    payout = ask_for(doctor, amount_minor=10000, key=uuid4(), actor=manager)
    move_payout(payout.pk, "processing", actor=manager)
    move_payout(payout.pk, "completed", reference="UTR 1", actor=manager)
    ask_for(doctor, amount_minor=7700, key=uuid4(), actor=manager)
    client.force_login(manager)
    text = client.get("/admin/earnings/").content.decode()
    for said in ("₹350", "₹77", "₹100"):
        assert said in text
    client.force_login(doctor.user)
    mine = client.get("/admin/earnings/").content.decode()
    for said in ("₹350", "₹77", "₹273", "₹100", "Can be asked for"):
        assert said in mine


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
