"""`manage.py smoke`: a free and a paid visit through a running site, and nothing left that counts."""

from threading import Event, Thread

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import close_old_connections, connection

from bookings.models import Booking
from clinic.management.commands.worker import run_pass
from clinic.models import Doctor
from payments import actions
from payments.management.commands import smoke
from payments.management.commands.check_invariants import violations
from payments.models import Payment
from payments.states import RefundStatus
from schedules.models import Schedule
from tests import factories


@pytest.fixture
def site(live_server, settings):
    settings.DEBUG = True
    settings.SITE_URL = live_server.url
    settings.ALLOWED_HOSTS = ["*"]
    settings.PAYMENT_GATEWAYS = ["demo"]
    return live_server.url


@pytest.fixture
def worker(site):
    """A thread that does what is due, as the worker's process would."""
    enough = Event()

    def work():
        while not enough.is_set():
            run_pass()
            close_old_connections()
            enough.wait(0.1)
        connection.close()

    run_pass()
    thread = Thread(target=work)
    thread.start()
    yield
    enough.set()
    thread.join()


def nothing_is_left() -> bool:
    """No place taken, no money kept, nothing that patients see."""
    assert not Booking.objects.live().exists()
    assert not any(Schedule.objects.values_list("taken", flat=True))
    assert not Doctor.objects.active().filter(slug=smoke.SLUG).exists()
    assert not Payment.objects.with_rest().exists()
    return violations() == {}


def test_a_walk_says_every_step_and_leaves_nothing_that_counts(site, worker, capsys):
    for _again in range(2):
        call_command("smoke", base_url=site)
        said = capsys.readouterr().out
        assert "All of it works." in said
        for step in ("free: the page shows number T", "demo has an order", "paid: the page shows number T",
                     "the webhook came", "receipt CL/", "refund of ₹100: sent back", "0 bookings were still"):  # fmt: skip
            assert step in said
        assert nothing_is_left()
    assert Schedule.objects.filter(doctor__slug=smoke.SLUG).count() == 2


def test_a_walk_that_fails_says_where_and_cleans_up_all_the_same(site, worker, settings, capsys):
    """The gateway's own book is gone, so nobody can pay."""
    settings.DEMO_GATEWAY_BOOK = settings.BASE_DIR / "manage.py" / "book.sqlite3"
    with pytest.raises(CommandError, match="not fit"):
        call_command("smoke", base_url=site)
    said = capsys.readouterr()
    assert "FAILED" in said.err
    assert "1 bookings were still to be cancelled" in said.out
    assert "All of it works" not in said.out
    assert nothing_is_left()


def test_without_a_worker_it_stops_before_it_books(site, capsys):
    with pytest.raises(CommandError):
        call_command("smoke", base_url=site)
    assert "no worker runs" in capsys.readouterr().err
    assert not Booking.objects.exists()


def test_another_site_than_the_one_of_these_settings_is_noticed(site, worker):
    with pytest.raises(CommandError):
        call_command("smoke", base_url="http://127.0.0.1:9")
    assert nothing_is_left()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "live",
    [
        {"PAYMENT_GATEWAYS": ["stripe"], "STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_WEBHOOK_SECRET": "w"},
        {"PAYMENT_GATEWAYS": ["demo", "razorpay"], "RAZORPAY_KEY_ID": "rzp_live_1", "RAZORPAY_KEY_SECRET": "s"},
    ],
)  # fmt: skip
def test_where_real_money_moves_it_does_nothing(settings, live):
    for name, value in live.items():
        setattr(settings, name, value)
    with pytest.raises(CommandError, match="Live keys"):
        call_command("smoke")
    assert not Doctor.objects.exists() and not Schedule.objects.exists()


@pytest.mark.django_db
def test_where_only_members_book_it_says_so_before_it_begins(settings):
    settings.CLINIC_REQUIRES_MEMBERSHIP = True
    with pytest.raises(CommandError, match="as a guest"):
        call_command("smoke", base_url="http://127.0.0.1:9")
    assert not Doctor.objects.exists()


def test_what_a_killed_walk_left_is_cleaned_up_by_the_next(site, worker, capsys):
    doctor = factories.doctor(slug=smoke.SLUG, prefix="T")
    left = factories.paid(factories.window(doctor=doctor))
    held = factories.hold(left.schedule)
    actions.start(held, "demo")
    call_command("smoke", base_url=site)
    left.refresh_from_db()
    held.refresh_from_db()
    assert (left.status, left.refund_percent, held.status) == ("cancelled", 100, "cancelled")
    refund = left.payments.get().refunds.get()
    assert refund.status == RefundStatus.DONE
    assert nothing_is_left()
