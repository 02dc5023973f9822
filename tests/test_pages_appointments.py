"""My appointments follow what happens, without a reload and at the same cost for one visit or many."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions, desk
from bookings.models import Booking
from payments import sweeps
from payments.models import Refund
from payments.states import RefundStatus
from tests import factories as f

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def asha(client):
    account = f.user(name="Asha Gurung")
    client.force_login(account)
    return account


def look(client):
    return client.get("/appointments/")


def page(client) -> str:
    return look(client).content.decode()


def seen(client) -> str:
    return look(client).context["diary"].version


def poll(client, version):
    return client.get("/appointments/", {"seen": version}, headers=HTMX)


def test_what_must_be_paid_stands_first_with_the_time_that_is_left(client, asha):
    soon = f.hold(f.window(starts_in=timedelta(days=1)), booked_by=asha)
    f.paid(f.window(), booked_by=asha)
    Booking.objects.filter(pk=soon.pk).update(
        hold_expires_at=timezone.now() + timedelta(minutes=9, seconds=31.5)
    )
    shown = page(client)
    [left] = re.findall(r'data-left="(\d+)" data-word="Pay within {}"', shown)
    assert 500 < int(left) <= 571
    assert shown.index("waits for your payment") < shown.index('id="coming"')
    assert f"/pay/{soon.public_id}/" in shown and f"/b/{soon.public_id}/cancel/" in shown


def test_nothing_new_is_204_and_what_happens_is_shown_without_a_reload(client, asha):
    booking = f.hold(f.window(starts_in=timedelta(minutes=-5)), booked_by=asha)
    before = seen(client)
    assert poll(client, before).status_code == 204
    f.deliver(f.capture_body(f.attempt(booking)))
    answer = poll(client, before)
    part = answer.content.decode()
    assert answer.status_code == 200
    assert "₹500 paid" in part and "A1" in part
    assert "<html" not in part and "<form" not in part
    before = seen(client)
    desk.call_next(booking.schedule_id, actor=f.staff("Reception"))
    assert "With the doctor" in poll(client, before).content.decode().replace("with", "With")


def test_a_declined_payment_shows_there_too(client, asha):
    payment = f.attempt(f.hold(f.window(), booked_by=asha))
    before = seen(client)
    f.deliver(f.demo().decline(str(payment.key)))
    assert "declined" in poll(client, before).content.decode()


def test_money_that_goes_back_is_followed_to_the_day_it_was_sent(client, asha):
    booking = f.paid(f.window(), booked_by=asha)
    actions.cancel(booking.pk, reason="the doctor is ill")
    sweeps.make_refunds()
    before = seen(client)
    assert "₹500 on its way back" in page(client)
    sweeps.send_refunds()
    assert "₹500 sent back on" in poll(client, before).content.decode()
    Refund.objects.update(status=RefundStatus.BY_HAND)
    assert "₹500 waits for you at the desk" in page(client)
    Refund.objects.update(status=RefundStatus.FAILED)
    assert "could not be sent back yet" in page(client)


def test_once_nothing_will_change_it_asks_no_more(client, asha):
    booking = f.paid(f.window(fee_minor=500), booked_by=asha)
    assert "hx-get" in page(client)
    actions.cancel(booking.pk, reason="x", percent=0)
    assert "hx-get" not in page(client)
    assert poll(client, "x").status_code == 286


def test_whose_session_ended_is_sent_to_sign_in_by_the_next_poll(client):
    answer = poll(client, "x")
    assert answer["HX-Refresh"] == "true"
    assert look(client).status_code == 302


def test_what_can_be_done_stands_beside_each(client, asha, settings):
    booking = f.paid(f.window(), booked_by=asha)
    assert f"/b/{booking.public_id}/cancel/" in page(client)
    settings.CANCEL_UNTIL_MINUTES = 120
    Booking.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert f"/b/{booking.public_id}/cancel/" not in page(client)


def test_it_costs_the_same_for_one_visit_or_many(client, asha):
    def fill(n):
        for day in range(n):
            window = f.window(starts_in=timedelta(days=day, hours=1))
            f.hold(window, booked_by=asha)
            f.paid(window, booked_by=asha)
            actions.cancel(f.paid(window, booked_by=asha).pk, reason="x")
        sweeps.make_refunds()

    def cost(**headers) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/appointments/", headers=headers).status_code == 200
        return len([q for q in queries if "django_session" not in q["sql"] and "clinic_user" not in q["sql"]])

    fill(1)
    before = cost(), cost(**HTMX)
    fill(6)
    assert (cost(), cost(**HTMX)) == before == (3, 3)
