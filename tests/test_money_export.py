"""Files for a spreadsheet: whole, in the clinic's time, and never a formula."""

import csv
import io
import logging
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions as places
from payments import export_queries, sweeps
from payments.export_queries import as_csv, cell
from payments.ledger_actions import adjust
from payments.models import Payment
from payments.money_queries import Days
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


@pytest.fixture
def days() -> Days:
    return Days(timezone.localdate() - timedelta(days=1), timezone.localdate())


def fetch(client, what, days) -> list[dict]:
    answer = client.get(f"/admin/money/export/{what}.csv?{days.query}")
    assert answer.status_code == 200 and answer.streaming
    text = b"".join(answer.streaming_content).decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


def test_a_payments_file_says_what_arrived_and_what_did_not(client, manager, days):
    booking = f.paid(f.window())
    open_one = f.attempt(f.hold(f.window()))
    sweeps.book_ledger()
    paid, waiting = fetch(client, "payments", days)
    payment = booking.payments.get()
    assert (paid["asked"], paid["captured"], paid["refunded"], paid["currency"]) == (
        "500.00", "500.00", "0.00", "INR",
    )  # fmt: skip
    assert (paid["gateway_payment"], paid["gateway_order"]) == (payment.gateway_payment, payment.reference)
    assert (paid["token"], paid["outcome"], paid["receipt"]) == ("A1", "bought", payment.receipt.label)
    assert paid["captured_at"].endswith("+05:30")
    assert datetime.fromisoformat(paid["captured_at"]) == payment.captured_at.replace(microsecond=0)
    assert (waiting["payment"], waiting["status"], waiting["captured_at"]) == (
        str(open_one.pk),
        "created",
        "",
    )


def test_refunds_and_the_ledger_have_files_too(client, manager, days, settings):
    settings.COMMISSION_PERCENT = 10
    booking = f.paid(f.window())
    sweeps.book_ledger()
    places.cancel(booking.pk, reason="ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    sweeps.book_ledger()
    (refund,) = fetch(client, "refunds", days)
    assert (refund["amount"], refund["cause"], refund["status"]) == ("500.00", "cancel", "done")
    assert refund["credit_note"] and refund["gateway_refund"]
    amounts = [(entry["kind"], entry["amount"]) for entry in fetch(client, "ledger", days)]
    assert amounts == [
        ("earning", "500.00"), ("commission", "-50.00"), ("reversal", "-500.00"), ("commission", "50.00"),
    ]  # fmt: skip


def test_a_currency_without_decimals_has_none(client, manager, days):
    f.paid(f.window(currency="KRW", fee_minor=50000))
    assert fetch(client, "payments", days)[0]["captured"] == "50000"


def test_the_file_is_of_the_days_that_were_asked_for_and_says_so_in_its_name(client, manager, days):
    payment = f.paid(f.window()).payments.get()
    Payment.objects.filter(pk=payment.pk).update(captured_at=timezone.now() - timedelta(days=30))
    f.paid(f.window())
    answer = client.get(f"/admin/money/export/payments.csv?{days.query}")
    name = f'attachment; filename="payments-{days.first}-to-{days.last}.csv"'
    assert answer["Content-Disposition"] == name
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert len(fetch(client, "payments", days)) == 1


def test_a_file_holds_no_patient(client, manager, days):
    booking = f.paid(f.window())
    sweeps.book_ledger()
    for what in ("payments", "refunds", "ledger"):
        text = "".join(as_csv(what, days))
        for personal in ("Ravi", "54321", booking.public_id):
            assert personal not in text


# --- Nothing that a spreadsheet runs ------------------------------------------------------


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_what_would_run_as_a_formula_is_text(first):
    assert cell(f'{first}cmd|"/c calc"!A0') == f'\'{first}cmd|"/c calc"!A0'


def test_amounts_stay_numbers_and_words_stay_words():
    assert [cell(value) for value in ("Dr. Rao", "A1", 7, None, "")] == ["Dr. Rao", "A1", "7", "", ""]


def test_a_reason_that_is_a_formula_reaches_no_spreadsheet_as_one(client, manager, days):
    doctor = f.doctor(name='=HYPERLINK("http://evil.example","Dr")')
    adjust(doctor, amount_minor=-5000, reason='=1+1,"x"\n@SUM(A1)', key=uuid4(), actor=manager)
    (entry,) = fetch(client, "ledger", days)
    assert entry["amount"] == "-50.00"
    assert entry["doctor"].startswith("'=HYPERLINK")
    assert entry["reason"] == '\'=1+1,"x"\n@SUM(A1)'


def test_a_gateways_ids_are_neutralised_too(client, manager, days):
    payment = f.paid(f.window()).payments.get()
    Payment.objects.filter(pk=payment.pk).update(gateway_payment="@evil", reference="+1")
    (row,) = fetch(client, "payments", days)
    assert (row["gateway_payment"], row["gateway_order"]) == ("'@evil", "'+1")


# --- Large ones ---------------------------------------------------------------------------


def test_a_large_file_comes_in_parts_and_each_row_once(days, monkeypatch):
    monkeypatch.setattr(export_queries, "AT_ONCE", 3)
    window = f.window(capacity=20)
    for _n in range(8):
        f.paid(window)
    same = timezone.now()
    Payment.objects.filter(pk__in=Payment.objects.order_by("pk").values("pk")[:5]).update(captured_at=same)
    with CaptureQueriesContext(connection) as sent:
        lines = list(as_csv("payments", days))
    numbers = [line.split(",")[0] for line in lines[1:]]
    assert sorted(map(int, numbers)) == sorted(Payment.objects.values_list("pk", flat=True))
    assert all("LIMIT 3" in query["sql"] for query in sent) and len(sent) == 5


def test_nothing_is_read_before_somebody_takes_it(days):
    f.paid(f.window())
    with CaptureQueriesContext(connection) as sent:
        next(as_csv("payments", days))
    assert len(sent) == 0


# --- Who ----------------------------------------------------------------------------------


def test_who_took_a_file_is_logged_by_number(client, manager, days, caplog):
    with caplog.at_level(logging.INFO, logger="clinic"):
        fetch(client, "refunds", days)
    (line,) = [record for record in caplog.records if record.message == "money-export"]
    assert (line.what, line.by, line.since, line.until) == (
        "refunds",
        manager.pk,
        str(days.first),
        str(days.last),
    )
    assert manager.email not in caplog.text


def test_seeing_the_money_is_not_yet_taking_it_along(client, days):
    account = f.user(is_staff=True)
    account.user_permissions.set(
        f.Group.objects.get(name="Manager").permissions.filter(codename="view_money")
    )
    client.force_login(account)
    f.paid(f.window())
    page = client.get(f"/admin/money/?{days.query}").content.decode()
    assert "₹500" in page and "/export/" not in page
    assert client.get(f"/admin/money/export/payments.csv?{days.query}").status_code == 403


def test_there_is_no_file_of_anything_else(client, manager, days):
    assert client.get(f"/admin/money/export/patients.csv?{days.query}").status_code == 404
