"""Our books beside the gateway's own, in both directions, as an operator runs it."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings.states import Status as BookingStatus
from clinic.models import ReviewItem
from payments import sweeps
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from payments.states import Outcome, RefundStatus, Status
from tests import factories as f

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def reconcile(*options, gateway="demo"):
    """What the command prints, and the status it ends with."""
    said, now = StringIO(), timezone.now()
    span = {"since": now - DAY, "until": now + DAY}
    try:
        call_command("reconcile", *options, gateway=[gateway] if gateway else None, stdout=said, **span)
    except CommandError as error:
        return said.getvalue() + str(error), error.returncode
    return said.getvalue(), 0


def paid(**fields):
    booking = f.paid(f.window(), **fields)
    return booking, booking.payments.get()


def given_back(payment, amount_minor=20_000):
    """Somebody refunds on the gateway's own page, and no webhook tells."""
    return f.demo().refund(
        key="00000000-0000-4000-8000-000000000001",
        gateway_payment=payment.gateway_payment,
        amount_minor=amount_minor,
        currency="INR",
    )


def test_books_that_agree_end_well_and_say_how_much_was_kept():
    paid()
    _booking, payment = paid()
    Payment.objects.filter(pk=payment.pk).update(outcome=Outcome.SURPLUS)
    sweeps.make_refunds()
    sweeps.send_refunds()
    said, status = reconcile()
    assert status == 0
    assert "Kept: ₹500 there, ₹500 here, difference ₹0" in said
    assert "2 payments and 1 refunds compared, 0 differences" in said


def test_money_that_no_webhook_told_of_is_found_and_nothing_is_changed():
    payment = f.attempt(f.hold(f.window()))
    f.capture_body(payment)
    said, status = reconcile()
    assert status == 1
    assert "came there, not settled here" in said
    assert "Kept: ₹500 there, ₹0 here, difference +₹500" in said
    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor) == (Status.CREATED, 0)
    assert not ReviewItem.objects.exists()


def test_and_settled_where_asked_for():
    booking = f.hold(f.window())
    f.capture_body(f.attempt(booking))
    said, status = reconcile("--settle")
    assert (status, "1 payments and 0 refunds compared, 0 differences" in said) == (0, True)
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CONFIRMED
    assert not ReviewItem.objects.exists()
    assert violations() == {}


def test_money_there_of_which_we_know_nothing_goes_to_a_person_once():
    _booking, payment = paid()
    stranger = f.attempt(f.hold(f.window()))
    f.capture_body(stranger)
    Payment.objects.filter(pk=stranger.pk).delete()
    said, status = reconcile()
    assert status == 1
    assert "came there, unknown here" in said
    assert said.count("no\n") == 1
    for _ in range(2):
        said, status = reconcile("--settle")
        assert status == 1
    assert "yes\n" in reconcile()[0]
    item = ReviewItem.objects.get()
    assert item.key.startswith("reconcile:demo:came-unknown:demo_pay_")
    payment.refresh_from_db()
    assert payment.captured_minor == 50_000


def test_money_here_that_the_gateway_never_had_is_found():
    booking, payment = paid()
    ours = {"status": Status.CAPTURED, "outcome": Outcome.SURPLUS, "captured_minor": 50_000}
    Payment.objects.create(
        booking=booking, gateway="demo", amount_minor=50_000, currency="INR", created_at=timezone.now(),
        captured_at=timezone.now(), gateway_payment="demo_pay_invented", reference=payment.reference, **ours,
    )  # fmt: skip
    said, status = reconcile()
    assert status == 1
    assert "paid here, unknown there" in said
    assert "demo_pay_invented" in said
    assert "Kept: ₹500 there, ₹1,000 here, difference −₹500" in said


@pytest.mark.parametrize("column", ["captured_minor", "currency"])
def test_another_amount_or_currency_is_found(column):
    _booking, payment = paid()
    Payment.objects.filter(pk=payment.pk).update(
        **{column: {"captured_minor": 40_000, "currency": "NPR"}[column]}
    )
    said, status = reconcile()
    assert status == 1
    assert "another amount came" in said


def test_a_refund_that_no_webhook_told_of_is_found_and_written_down_where_asked_for():
    _booking, payment = paid()
    given_back(payment)
    said, status = reconcile()
    assert (status, "went back there, unknown here" in said) == (1, True)
    assert not Refund.objects.exists()
    _said, status = reconcile("--settle")
    assert status == 0
    assert Refund.objects.get().status == RefundStatus.DONE
    payment.refresh_from_db()
    assert payment.refunded_minor == 20_000


def test_a_refund_that_stands_here_alone_is_found():
    _booking, payment = paid()
    Payment.objects.filter(pk=payment.pk).update(refunded_minor=10_000)
    payment.refunds.create(
        cause="staff:x", amount_minor=10_000, status=RefundStatus.DONE, gateway_refund="demo_re_invented",
        created_at=timezone.now(), next_try_at=timezone.now(), done_at=timezone.now(),
    )  # fmt: skip
    said, status = reconcile()
    assert status == 1
    assert "went back here, unknown there" in said


def test_another_amount_that_went_back_is_found():
    _booking, payment = paid()
    given_back(payment)
    reconcile("--settle")
    Refund.objects.update(amount_minor=10_000)
    said, status = reconcile()
    assert (status, "another amount went back" in said) == (1, True)


def test_a_sum_at_the_edge_of_the_time_makes_no_difference():
    """Captured here inside of it, and begun there before it."""
    _booking, payment = paid()
    given_back(payment)
    reconcile("--settle")
    later = timezone.now() + 2 * DAY
    Payment.objects.filter(pk=payment.pk).update(captured_at=later)
    Refund.objects.update(done_at=later)
    said = StringIO()
    call_command("reconcile", since=later - DAY, until=later + DAY, gateway=["demo"], stdout=said)
    assert "1 payments and 1 refunds compared, 0 differences" in said.getvalue()


def test_a_gateway_that_does_not_answer_is_not_taken_for_an_empty_book(settings, tmp_path):
    paid()
    (tmp_path / "a-file").touch()
    settings.DEMO_GATEWAY_BOOK = tmp_path / "a-file" / "book.sqlite3"
    said, status = reconcile()
    assert status == 2
    assert "demo did not answer" in said


def test_every_gateway_in_use_is_compared_and_the_counter_keeps_no_list():
    paid()
    said, status = reconcile(gateway=None)
    assert status == 0
    assert said.count("compared") == 1
    said, status = reconcile(gateway="manual")
    assert (status, "No gateway with a list of its own here: manual" in said) == (1, True)


def test_days_are_the_clinics(settings):
    settings.TIME_ZONE = "Asia/Kolkata"
    said = StringIO()
    call_command("reconcile", "--since", "2026-11-01", "--until", "2026-11-02T09:30", stdout=said)
    assert "2026-11-01 00:00 – 2026-11-02 09:30" in said.getvalue()
    with pytest.raises(CommandError):
        call_command("reconcile", "--since", "yesterday")
    with pytest.raises(CommandError, match="no time between"):
        call_command("reconcile", "--since", "2026-11-02", "--until", "2026-11-01")


def test_a_nightly_run_names_no_date():
    f.capture_body(f.attempt(f.hold(f.window())))
    said = StringIO()
    call_command("reconcile", "--days", "3", stdout=said)
    assert "0 payments and 0 refunds compared" in said.getvalue()  # it is younger than a quarter of an hour
    with pytest.raises(CommandError, match="not allowed with"):
        call_command("reconcile", "--days", "3", "--since", "2026-11-01")
    with pytest.raises(CommandError, match="required"):
        call_command("reconcile")


def test_more_payments_ask_the_database_no_more_often():
    window = f.window(capacity=9)

    def queries():
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert reconcile()[1] == 0
        return len(asked)

    f.paid(window)
    few = queries()
    for _ in range(5):
        f.paid(window, f.guest(phone="+919820011111"))
    assert queries() == few


def test_what_a_bank_took_is_no_refund_at_the_gateway_and_no_difference():
    _booking, payment = paid()
    f.dispute(payment)
    f.dispute(payment, "lost")
    assert Refund.objects.get().status == RefundStatus.DONE
    said, status = reconcile()
    assert (status, "0 differences" in said) == (0, True)
