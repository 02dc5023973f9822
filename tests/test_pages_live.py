"""The live page of a booking, in every state, and what it asks for again and again."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from bookings import actions, desk
from payments import sweeps
from schedules.models import Schedule
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def window():
    return factories.window(starts_in=timedelta(minutes=-30), capacity=6)


@pytest.fixture
def nurse():
    return factories.staff("Reception")


def look(client, booking):
    return client.get(booking.get_absolute_url())


def page(client, booking) -> str:
    return look(client, booking).content.decode()


def poll(client, booking, seen=""):
    return client.get(f"/b/{booking.public_id}/status?seen={quote(seen)}", headers={"HX-Request": "true"})


def seen(client, booking) -> str:
    return look(client, booking).context["ticket"].version


# --- Every state --------------------------------------------------------------------------


def test_a_held_place_says_until_when_and_leads_to_paying(client, window):
    booking = factories.hold(window)
    shown = page(client, booking)
    assert "Waiting for payment" in shown
    assert "Held for you until" in shown
    assert f"/pay/{booking.public_id}/" in shown


def test_a_declined_payment_says_try_again(client, window):
    booking = factories.hold(window)
    payment = factories.attempt(booking)
    before = seen(client, booking)
    factories.deliver(factories.demo().decline(str(payment.key)))
    assert "declined" in poll(client, booking, before).content.decode()
    assert "try again" in page(client, booking)


def test_the_second_after_paying_the_number_stands_there(client, window):
    booking = factories.hold(window)
    payment = factories.attempt(booking)
    before = seen(client, booking)
    assert poll(client, booking, before).status_code == 204
    factories.deliver(factories.capture_body(payment))
    answer = poll(client, booking, before)
    assert answer.status_code == 200
    assert "A1" in answer.content.decode()


def test_the_line_moves_as_the_desk_calls(client, window, nurse):
    first, second = factories.paid(window), factories.paid(window)
    shown = page(client, second)
    assert "One person is ahead of you." in shown
    before = seen(client, second)
    desk.call_next(window.pk, actor=nurse)
    moved = poll(client, second, before).content.decode()
    assert "You are next" in moved
    assert "A1" in moved  # now serving
    assert "your turn" in page(client, first)


def test_a_finished_visit_says_so_and_asks_no_more(client, window, nurse):
    booking = factories.paid(window)
    desk.call_next(window.pk, actor=nurse)
    desk.complete(booking.pk, actor=nurse)
    assert "Your visit is finished" in page(client, booking)
    assert "hx-get" not in page(client, booking)
    answer = poll(client, booking)
    assert answer.status_code == 286
    assert "hx-get" not in answer.content.decode()


def test_who_was_called_in_vain_is_told_to_ask_at_the_desk(client, window, nurse):
    booking = factories.paid(window)
    desk.no_show(booking.pk, actor=nurse)
    assert "ask at the desk" in page(client, booking)


def test_a_lapsed_hold_says_so_before_any_worker_has_seen_it(client, window):
    booking = factories.hold(window)
    factories.lapse(booking)
    shown = page(client, booking)
    assert "The time to pay has passed" in shown
    assert "Money that still arrives" in shown
    assert window.get_absolute_url() in shown
    assert f"/pay/{booking.public_id}/" not in shown


def test_an_overflow_says_sorry_and_follows_the_refund(client):
    window = factories.window(capacity=1)
    booking = factories.hold(window)
    payment = factories.attempt(booking)
    factories.lapse(booking)
    factories.paid(window)
    factories.deliver(factories.capture_body(payment))
    shown = page(client, booking)
    assert "We are sorry" in shown
    before = seen(client, booking)
    assert poll(client, booking, before).status_code == 204
    sweeps.make_refunds()
    due = poll(client, booking, before)
    assert due.status_code == 200
    assert "₹500 goes back to you" in due.content.decode()
    sweeps.send_refunds()
    sent = poll(client, booking, before)
    assert "sent back" in sent.content.decode()
    assert sent.status_code == 286


def test_a_cancelled_visit_shows_what_goes_back(client, window, nurse):
    booking = factories.paid(window)
    actions.cancel(booking.pk, actor=nurse, reason="the doctor is ill")
    assert "This booking was cancelled" in page(client, booking)
    assert poll(client, booking).status_code == 200  # the refund is still to come
    sweeps.make_refunds()
    assert "₹500 goes back to you" in page(client, booking)
    sweeps.send_refunds()
    assert "₹500 sent back on" in page(client, booking)
    assert poll(client, booking).status_code == 286


def test_a_second_payment_is_said_to_go_back_while_the_place_stays(client, window):
    booking = factories.paid(window)
    factories.deliver(factories.capture_body(booking.payments.get(), again=True))
    shown = page(client, booking)
    assert "paid twice" in shown
    assert "A1" in shown
    before = seen(client, booking)
    sweeps.make_refunds()
    due = poll(client, booking, before).content.decode()
    assert "₹500 goes back to you" in due
    assert "paid twice" in due
    sweeps.send_refunds()
    shown = page(client, booking)
    assert "₹500 sent back on" in shown
    assert shown.count("paid twice") == 1


def test_a_visit_days_away_shows_no_line_yet(client, window):
    far = factories.paid(factories.window(starts_in=timedelta(days=2)))
    assert "Ahead of you" not in page(client, far)
    assert "Ahead of you" in page(client, factories.paid(window))


# --- What is polled -----------------------------------------------------------------------


def test_what_is_polled_holds_no_form_no_name_and_no_phone(client, window):
    for booking in (factories.hold(window), factories.paid(window)):
        fragment = poll(client, booking).content.decode()
        assert "<form" not in fragment
        assert "csrf" not in fragment
        assert booking.patient.name not in fragment
        assert str(booking.patient.phone) not in fragment
        assert "<html" not in fragment


def test_a_poll_without_news_asks_the_database_twice(client, window, django_assert_max_num_queries):
    for booking in (factories.hold(window), factories.paid(window)):
        version = seen(client, booking)
        with django_assert_max_num_queries(2):
            assert poll(client, booking, version).status_code == 204


def test_the_polling_slows_down_where_it_takes_longer(client):
    near = factories.paid(factories.window(starts_in=timedelta(minutes=10)))
    far = factories.paid(factories.window(starts_in=timedelta(days=3)))
    assert "every 4s" in page(client, near)
    assert "every 30s" in page(client, far)


def test_an_answer_to_a_poll_is_kept_by_no_cache(client, window):
    answer = poll(client, factories.paid(window))
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("public_id", ["nobody", "AAAAAAAAAAAAAAAAAAAAAA", "x" * 500])
def test_a_link_that_was_never_given_out_is_not_found(client, public_id):
    assert client.get(f"/b/{public_id}/").status_code == 404
    assert client.get(f"/b/{public_id}/status").status_code == 404


def test_looking_changes_nothing(client, window):
    booking = factories.hold(window)
    factories.lapse(booking)
    page(client, booking)
    poll(client, booking)
    booking.refresh_from_db()
    assert booking.status == "held"
    assert Schedule.objects.get().taken == 1


# --- Slip and board -----------------------------------------------------------------------


def test_a_slip_is_printed_in_three_sizes(client, window):
    booking = factories.paid(window)
    for size in ("58", "80", "a6"):
        shown = client.get(f"/b/{booking.public_id}/slip/", {"size": size}).content.decode()
        assert f'data-size="{size}"' in shown
        assert "A1" in shown
    assert 'data-size="80"' in client.get(f"/b/{booking.public_id}/slip/?size=huge").content.decode()


def test_without_a_number_there_is_no_slip(client, window):
    booking = factories.hold(window)
    assert client.get(f"/b/{booking.public_id}/slip/").status_code == 404


def test_the_board_shows_numbers_and_nobodys_name(client, window, nurse):
    bookings = [factories.paid(window) for _ in range(4)]
    desk.check_in(bookings[2].pk, actor=nurse)
    desk.call_next(window.pk, actor=nurse)  # the third: the only one here
    desk.check_in(bookings[3].pk, actor=nurse)
    answer = client.get("/board/")
    [line] = answer.context["lines"]
    assert line.now_serving == "A3"
    assert line.next == ["A4", "A1", "A2"]
    assert bookings[0].patient.name not in answer.content.decode()


def test_the_board_drops_a_window_when_nobody_waits_after_its_end(client):
    factories.window(starts_in=timedelta(hours=-3), lasts=timedelta(hours=2))
    assert client.get("/board/").context["lines"] == []


def test_the_board_asks_again_for_its_table_alone(client, window):
    answer = client.get("/board/", headers={"HX-Request": "true"})
    assert "<html" not in answer.content.decode()
    assert "<table" in answer.content.decode()
