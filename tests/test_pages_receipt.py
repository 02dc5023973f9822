"""The paper for money: printed by the patient and at the desk, the same for ever."""

import pytest

from bookings import actions as places
from payments import sweeps
from payments.ledger_models import Receipt
from tests import factories as f

pytestmark = pytest.mark.django_db


def page(client, booking) -> str:
    answer = client.get(f"/b/{booking.public_id}/receipt/")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    return answer.content.decode()


def test_a_patient_prints_a_receipt_in_the_clinics_name(client, settings):
    settings.CLINIC_TAX_LINE = "GSTIN 29ABCDE1234F1Z5"
    booking = f.paid(f.window())
    assert f"/b/{booking.public_id}/receipt/" in client.get(booking.get_absolute_url()).content.decode()
    sweeps.book_ledger()
    text = page(client, booking)
    for said in (
        Receipt.objects.get().label,
        settings.CLINIC_NAME,
        "GSTIN 29ABCDE1234F1Z5",
        "Ravi Kumar",
        "₹500",
    ):
        assert said in text


def test_a_second_after_paying_it_is_being_made_and_reading_makes_none(client):
    booking = f.paid(f.window())
    assert "It is being made" in page(client, booking)
    assert not Receipt.objects.exists()


def test_what_was_not_paid_has_none(client):
    booking = f.hold(f.window())
    assert "Nothing was paid" in page(client, booking)
    assert "/receipt/" not in client.get(booking.get_absolute_url()).content.decode()


def test_a_credit_note_stands_below_its_receipt(client):
    booking = f.paid(f.window())
    places.cancel(booking.pk, reason="the doctor is ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    sweeps.book_ledger()
    sweeps.book_ledger()
    receipt, note = Receipt.objects.order_by("pk")
    text = page(client, booking)
    assert f"Credit note {note.label}" in text
    assert f"To receipt {receipt.label}" in text


def test_nobody_reads_the_receipt_of_another_account(client):
    booking = f.paid(f.window(), booked_by=f.user())
    client.force_login(f.user())
    assert client.get(f"/b/{booking.public_id}/receipt/").status_code == 404


def test_reception_finds_a_receipt_by_its_number_and_prints_it(client):
    booking = f.paid(f.window())
    sweeps.book_ledger()
    client.force_login(f.staff("Reception"))
    receipt = Receipt.objects.get()
    for asked in (receipt.label, "1", "000001", "ravi"):
        found = client.get("/admin/payments/receipt/", {"q": asked}).context["cl"].result_list
        assert list(found) == [receipt], asked
    assert not client.get("/admin/payments/receipt/", {"q": "CL/1999-00/1"}).context["cl"].result_list
    change = client.get(f"/admin/payments/receipt/{receipt.pk}/change/").content.decode()
    assert f"/b/{booking.public_id}/receipt/" in change
