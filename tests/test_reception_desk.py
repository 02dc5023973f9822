"""The desk: who is here, who is next, who did not come, and a button for each."""

from datetime import timedelta
from uuid import uuid4

import pytest

from bookings import desk
from bookings.models import Booking
from bookings.states import Status
from payments.counter import walk_in
from payments.management.commands.check_invariants import violations
from tests import factories

pytestmark = pytest.mark.django_db
DESK = "/admin/desk/"


@pytest.fixture
def reception(client):
    account = factories.staff("Reception")
    client.force_login(account)
    return account


@pytest.fixture
def window():
    return running()


def running(**fields):
    return factories.window(**{"starts_in": -timedelta(seconds=1), "capacity": 10} | fields)


def sell(window, actor, name="Gita Thapa"):
    guest = factories.guest(name=name)
    return walk_in(schedule_id=window.pk, who=guest, method="cash", actor=actor, request_key=uuid4())


def press(client, booking, name, **options):
    return client.post(f"{DESK}{booking.public_id}/{name}/", **options)


def status(booking):
    booking.refresh_from_db()
    return booking.status


def names(page):
    return [row.booking.patient.name for row in page.context["rows"]]


def test_the_line_stands_in_the_order_in_which_it_is_called(client, reception, window):
    _first, second, third = (sell(window, reception, name) for name in ("First", "Second", "Third"))
    factories.hold(window, factories.guest(name="Paying"))
    desk.check_in(second.pk, actor=reception)
    desk.check_in(third.pk, actor=reception)
    Booking.objects.filter(pk=third.pk).update(priority=1)
    page = client.get(DESK)
    assert names(page) == ["Third", "Second", "First", "Paying"]
    assert "Call next <span>A3</span>" in page.content.decode()


def test_the_desk_says_who_has_not_paid(client, reception, window):
    held = factories.hold(window)
    page = client.get(DESK).content.decode()
    assert "paying, until" in page
    assert f"/admin/take-payment/{held.public_id}/" in page


def test_a_patient_arrives_is_called_and_leaves(client, reception, window):
    booking = sell(window, reception)
    answer = press(client, booking, "check-in")
    assert answer.status_code == 303 and answer.url == f"{DESK}?window={window.pk}"
    assert status(booking) == Status.CHECKED_IN
    client.post(f"{DESK}{window.pk}/call-next/", {"serving": 0})
    assert status(booking) == Status.IN_CONSULTATION
    assert "Now serving <b>A1</b>" in client.get(DESK).content.decode()
    press(client, booking, "complete")
    assert status(booking) == Status.COMPLETED
    assert booking.events.last().actor == reception
    assert violations() == {}


def test_what_was_pressed_by_mistake_is_undone(client, reception, window):
    booking = sell(window, reception)
    press(client, booking, "check-in")
    press(client, booking, "undo-check-in")
    assert status(booking) == Status.CONFIRMED
    client.post(f"{DESK}{window.pk}/call-next/", {"serving": 0})
    press(client, booking, "call-back")
    assert status(booking) == Status.CHECKED_IN


def test_somebody_called_in_vain_did_not_come_and_may_come_after_all(client, reception, window):
    booking = sell(window, reception)
    client.post(f"{DESK}{window.pk}/call-next/", {"serving": 0})
    press(client, booking, "no-show")
    assert status(booking) == Status.NO_SHOW
    press(client, booking, "check-in")
    assert status(booking) == Status.CHECKED_IN
    assert violations() == {}


def test_a_double_click_on_call_next_calls_one_patient(client, reception, window):
    first, second = sell(window, reception), sell(window, reception)
    for _click in range(2):
        page = client.post(f"{DESK}{window.pk}/call-next/", {"serving": 0}, follow=True)
    assert (status(first), status(second)) == (Status.IN_CONSULTATION, Status.CONFIRMED)
    assert "moved on meanwhile" in page.content.decode()
    client.post(f"{DESK}{window.pk}/call-next/", {"serving": first.pk})
    assert (status(first), status(second)) == (Status.COMPLETED, Status.IN_CONSULTATION)


def test_calling_when_nobody_waits_is_refused(client, reception, window):
    page = client.post(f"{DESK}{window.pk}/call-next/", {"serving": 0}, follow=True)
    assert "Nobody is waiting in this window." in page.content.decode()


def test_a_button_that_came_too_late_changes_nothing(client, reception, window):
    booking = sell(window, reception)
    press(client, booking, "check-in")
    desk.no_show(booking.pk, actor=reception)
    events = booking.events.count()
    page = press(client, booking, "undo-check-in", follow=True)
    assert "cannot be changed that way" in page.content.decode()
    assert (status(booking), booking.events.count()) == (Status.NO_SHOW, events)


def test_htmx_gets_the_line_alone_and_nothing_while_it_stands_still(client, reception, window):
    booking = sell(window, reception)
    version = client.get(DESK).context["version"]
    poll = {"window": window.pk, "seen": version}
    assert client.get(DESK, poll, headers={"hx-request": "true"}).status_code == 204
    desk.check_in(booking.pk, actor=reception)
    answer = client.get(DESK, poll, headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.content.decode() and 'id="queue"' in answer.content.decode()


def test_a_lapsed_hold_is_gone_from_the_line_before_any_sweep(client, reception, window):
    held = factories.hold(window)
    version = client.get(DESK).context["version"]
    factories.lapse(held)
    page = client.get(DESK)
    assert names(page) == [] and page.context["version"] != version
    assert page.context["line"].left == 10


def test_a_doctor_sees_and_moves_their_own_line_only(client, window):
    account = factories.staff("Doctor")
    mine = running(doctor=factories.doctor(user=account))
    reception = factories.staff("Reception")
    theirs, own = sell(window, reception), sell(mine, reception)
    client.force_login(account)
    page = client.get(f"{DESK}?window={window.pk}")
    assert [s.pk for s in page.context["sessions"]] == [mine.pk] and page.context["chosen"].pk == mine.pk
    assert press(client, theirs, "check-in").status_code == 404
    assert client.post(f"{DESK}{window.pk}/call-next/").status_code == 404
    assert status(theirs) == Status.CONFIRMED
    assert press(client, own, "check-in").status_code == 303
    assert status(own) == Status.CHECKED_IN


def test_an_unknown_button_is_not_found(client, reception, window):
    booking = sell(window, reception)
    assert press(client, booking, "promote").status_code == 404
    assert client.get(f"{DESK}{booking.public_id}/check-in/").status_code == 405
    assert status(booking) == Status.CONFIRMED


def test_patients_and_strangers_stay_outside(client, window):
    assert "/login/" in client.get(DESK).url
    client.force_login(factories.user())
    assert client.get(DESK, follow=True).status_code == 403


def test_an_ended_session_reloads_the_page_instead_of_breaking_it(client):
    answer = client.get(DESK, headers={"hx-request": "true"})
    assert answer.headers["HX-Refresh"] == "true"


def test_an_empty_day_has_words(client, reception):
    assert "No windows today" in client.get(DESK).content.decode()


def test_a_long_line_costs_no_more_queries(client, reception, window, django_assert_num_queries):
    client.get(DESK)

    def costs():
        with django_assert_num_queries(
            8
        ):  # session, user, permissions twice, inbox, items to look at, windows, line
            client.get(DESK)

    sell(window, reception)
    costs()
    for _n in range(5):
        sell(window, reception)
        factories.hold(running())
    costs()
