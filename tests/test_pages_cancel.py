"""A patient cancels on the page, and follows the money."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings import actions, desk
from bookings.models import Booking
from bookings.states import Status
from payments import sweeps
from payments.management.commands.check_invariants import violations
from payments.models import Refund
from tests import factories as f

pytestmark = pytest.mark.django_db
FAR = timedelta(days=2)


def url(booking):
    return f"/b/{booking.public_id}/cancel/"


def long_ago(booking):
    """As if it had been booked an hour before: no grace any more."""
    Booking.objects.filter(pk=booking.pk).update(created_at=timezone.now() - timedelta(hours=1))
    return booking


def page(client, booking) -> str:
    return client.get(url(booking)).content.decode()


def state(booking) -> tuple:
    booking.refresh_from_db()
    return booking.status, booking.refund_percent


def money_goes_back():
    sweeps.make_refunds()
    sweeps.send_refunds()


def test_the_exact_sum_and_its_rule_stand_there_before_the_click(client):
    shown = page(client, long_ago(f.paid(f.window(starts_in=FAR))))
    assert "You get ₹500 back" in shown
    assert "more than 24 hours" in shown
    assert 'name="percent" value="100"' in shown


def test_looking_cancels_nothing(client):
    booking = f.paid(f.window())
    page(client, booking)
    assert state(booking) == (Status.CONFIRMED, None)


def test_cancelling_gives_the_sum_back_and_the_page_follows_it(client):
    booking = long_ago(f.paid(f.window(starts_in=FAR)))
    answer = client.post(url(booking), {"percent": "100"}, follow=True)
    assert answer.redirect_chain == [(booking.get_absolute_url(), 303)]
    assert "You get ₹500 back." in answer.content.decode()
    assert state(booking) == (Status.CANCELLED, 100)
    # Also before the worker has seen it, and once the message above has gone.
    shown = client.get(booking.get_absolute_url()).content.decode()
    assert "₹500 goes back to you" in shown and "every 4s" in shown
    sweeps.make_refunds()
    assert "It is on its way" in client.get(booking.get_absolute_url()).content.decode()
    sweeps.send_refunds()
    assert "₹500 sent back on" in client.get(booking.get_absolute_url()).content.decode()
    booking.schedule.refresh_from_db()
    assert booking.schedule.taken == 0
    assert violations() == {}


def test_late_nothing_comes_back_and_the_button_says_so(client):
    booking = long_ago(f.paid(f.window()))
    shown = page(client, booking)
    assert "Nothing comes back" in shown
    assert "Cancel, with nothing back" in shown
    client.post(url(booking), {"percent": "0"})
    money_goes_back()
    assert state(booking) == (Status.CANCELLED, 0)
    assert not Refund.objects.exists()
    shown = client.get(booking.get_absolute_url()).content.decode()
    assert "By the rules it was sold with, nothing comes back." in shown
    assert violations() == {}


def test_a_part_comes_back_by_the_rules_as_sold_not_by_todays(client, settings):
    settings.REFUND_RULES = [[1, 33]]
    booking = long_ago(f.paid(f.window(starts_in=FAR, fee_minor=999)))
    settings.REFUND_RULES = [[1, 100]]
    assert "You get ₹3.29 back" in page(client, booking)
    client.post(url(booking), {"percent": "33"})
    money_goes_back()
    assert Refund.objects.get().amount_minor == 329


def test_when_another_sum_comes_back_by_now_nothing_is_cancelled(client):
    booking = long_ago(f.paid(f.window(starts_in=FAR)))
    f.move_window(booking.schedule, -timedelta(hours=30))
    answer = client.post(url(booking), {"percent": "100"})
    assert answer.status_code == 409
    shown = answer.content.decode()
    assert "has changed since you opened this page" in shown
    assert 'name="percent" value="0"' in shown
    assert state(booking) == (Status.CONFIRMED, None)


@pytest.mark.parametrize(
    "sent", [{}, {"percent": "x"}, {"percent": "101"}, {"percent": "-1"}, {"percent": ""}]
)
def test_what_nobody_was_shown_cancels_nothing(client, sent):
    booking = f.paid(f.window())
    assert client.post(url(booking), sent).status_code == 409
    assert state(booking) == (Status.CONFIRMED, None)


def test_twice_is_once(client):
    booking = f.paid(f.window())
    for _ in range(2):
        assert client.post(url(booking), {"percent": "100"}).status_code == 303
        money_goes_back()
    assert [e.to_status for e in booking.events.all()].count(Status.CANCELLED) == 1
    assert Refund.objects.count() == 1
    assert client.get(url(booking))["Location"] == booking.get_absolute_url()


def test_past_the_cut_off_the_page_says_to_call(client, settings):
    settings.CANCEL_UNTIL_MINUTES = 120
    booking = long_ago(f.paid(f.window()))
    shown = page(client, booking)
    assert "Please call the clinic" in shown
    assert 'name="percent"' not in shown
    assert client.post(url(booking), {"percent": "0"}).status_code == 409
    assert state(booking) == (Status.CONFIRMED, None)
    assert url(booking) not in client.get(booking.get_absolute_url()).content.decode()


def test_whoever_is_in_the_waiting_room_talks_to_the_desk(client):
    booking = f.paid(f.window())
    desk.check_in(booking.pk, actor=f.staff("Reception"))
    assert "talk to the desk" in page(client, booking)
    assert client.post(url(booking), {"percent": "100"}).status_code == 409
    assert state(booking)[0] == Status.CHECKED_IN


def test_an_unpaid_place_is_given_up_and_late_money_goes_back(client):
    booking = f.hold(f.window())
    payment = f.attempt(booking)
    assert "You have paid nothing" in page(client, booking)
    assert client.post(url(booking), {"percent": ""}).status_code == 303
    f.deliver(f.capture_body(payment))
    money_goes_back()
    assert Refund.objects.get().cause == "surplus"
    assert violations() == {}


def test_money_that_came_meanwhile_is_not_cancelled_away_for_nothing(client):
    booking = f.hold(f.window())
    page(client, booking)
    f.deliver(f.capture_body(f.attempt(booking)))
    assert client.post(url(booking), {"percent": ""}).status_code == 409
    assert state(booking)[0] == Status.CONFIRMED


def test_a_free_visit_is_cancelled_without_a_word_of_money(client):
    booking = f.hold(f.window(fee_minor=0))
    assert "You have paid nothing" in page(client, booking)
    client.post(url(booking), {"percent": ""})
    assert state(booking) == (Status.CANCELLED, None)


def test_an_accounts_booking_is_cancelled_by_that_account_alone(client):
    asha = f.user()
    booking = f.paid(f.window(), booked_by=asha)
    for stranger in (None, f.user(), f.staff("Manager")):
        if stranger:
            client.force_login(stranger)
        assert client.get(url(booking)).status_code == 404
        assert client.post(url(booking), {"percent": "100"}).status_code == 404
    assert state(booking)[0] == Status.CONFIRMED
    client.force_login(asha)
    client.post(url(booking), {"percent": "100"})
    assert state(booking)[0] == Status.CANCELLED
    assert booking.events.last().actor == asha


def test_staff_who_look_at_an_accounts_page_are_not_offered_to_cancel_it(client):
    booking = f.paid(f.window(), booked_by=f.user())
    client.force_login(f.staff("Reception"))
    assert url(booking) not in client.get(booking.get_absolute_url()).content.decode()


def test_what_the_clinic_cancels_gives_everything_back_however_late(client):
    booking = long_ago(f.paid(f.window()))
    actions.cancel(booking.pk, reason="the doctor is ill")
    assert state(booking) == (Status.CANCELLED, 100)


def test_the_rules_stand_on_the_page_before_anything_is_paid(client):
    window = f.window(starts_in=FAR)
    for address in (window.get_absolute_url(), f"/pay/{f.hold(window).public_id}/"):
        shown = client.get(address).content.decode()
        assert "you get ₹500 back" in shown
        assert "In the first 30 minutes" in shown
    near = client.get(f.window().get_absolute_url()).content.decode()
    assert "less than 24 hours away" in near
