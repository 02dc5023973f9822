"""The cash drawer: what went in and out is what should be in it, and a difference says why."""

from uuid import uuid4

import pytest
from django.utils import timezone

from bookings import actions as places
from clinic.errors import Refused
from payments import counter, sweeps
from payments.drawer_actions import close_drawer, open_drawer
from payments.drawer_models import Drawer
from payments.drawer_queries import daily_close
from payments.management.commands.check_invariants import violations
from payments.models import Refund
from tests import factories as f
from tests.racing import overtaken, without_locks
from tests.test_races import unwatched  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db


def sell(actor, *, method="cash", window=None):
    return counter.walk_in(
        schedule_id=(window or f.window()).pk, who=f.guest(), method=method, actor=actor, request_key=uuid4()
    )


def refusal(call, *args, **kwargs) -> str:
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    return refused.value.code


def hand_back(booking, actor):
    places.cancel(booking.pk, reason="the doctor is ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    counter.hand_back(Refund.objects.get(payment__booking=booking).pk, actor=actor)


def test_a_drawer_should_hold_its_float_and_the_cash_less_what_was_handed_back():
    person = f.user()
    drawer = open_drawer(float_minor=100_00, actor=person)
    for method in ("cash", "cash", "card", "esewa"):
        booking = sell(person, method=method)
    hand_back(sell(person), person)
    hand_back(booking, person)  # by eSewa: it does not come out of the drawer
    closed = close_drawer(drawer.pk, counted_minor=1100_00, note="", actor=person)
    assert (closed.expected_minor, closed.difference_minor) == (1100_00, 0)
    assert violations() == {}


def test_another_persons_money_goes_into_their_own_drawer():
    person, other = f.user(), f.user()
    drawer = open_drawer(float_minor=0, actor=person)
    theirs = open_drawer(float_minor=0, actor=other)
    sell(other)
    assert close_drawer(drawer.pk, counted_minor=0, note="", actor=person).expected_minor == 0
    assert close_drawer(theirs.pk, counted_minor=50000, note="", actor=other).expected_minor == 50000


def test_a_difference_needs_a_word():
    person = f.user()
    drawer = open_drawer(float_minor=0, actor=person)
    sell(person)
    assert refusal(close_drawer, drawer.pk, counted_minor=499_00, note="", actor=person) == "NOTE_NEEDED"
    drawer.refresh_from_db()
    assert drawer.closed_at is None
    closed = close_drawer(drawer.pk, counted_minor=499_00, note="gave ₹1 too much change", actor=person)
    assert closed.difference == "−₹1"


def test_nobody_has_two_drawers_open_or_counts_one_twice():
    person = f.user()
    drawer = open_drawer(float_minor=0, actor=person)
    assert refusal(open_drawer, float_minor=5, actor=person) == "DRAWER_OPEN"
    assert Drawer.objects.get().float_minor == 0
    close_drawer(drawer.pk, counted_minor=0, note="", actor=person)
    assert refusal(close_drawer, drawer.pk, counted_minor=1, note="x", actor=person) == "DRAWER_CLOSED"
    assert Drawer.objects.get().counted_minor == 0


def test_what_is_sold_without_a_drawer_is_in_no_drawer():
    person = f.user()
    assert sell(person).payments.get().drawer is None
    close_drawer(open_drawer(float_minor=0, actor=person).pk, counted_minor=0, note="", actor=person)
    assert sell(person).payments.get().drawer is None


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fair", [True, False], ids=["with locks", "without locks"])
def test_money_taken_while_the_drawer_is_counted_is_in_it_or_not(fair, monkeypatch, request):
    person, window = f.user(), f.window()
    drawer = open_drawer(float_minor=0, actor=person)
    if not fair:
        without_locks(monkeypatch)
        request.getfixturevalue("unwatched")
    overtaken(
        lambda: sell(person, window=window),
        at='FROM "payments_drawer"',
        by=lambda: close_drawer(drawer.pk, counted_minor=0, note="counted", actor=person),
    )
    drawer.refresh_from_db()
    assert drawer.closed_at
    assert (violations() == {}) is fair


# --- The day's close ----------------------------------------------------------------------


def close_of_today():
    return daily_close(timezone.localdate())


def test_the_close_has_a_line_for_each_person_also_where_two_have_one_name():
    for amount in (50000, 30000):
        sell(f.user(name="Sita Rai"), window=f.window(fee_minor=amount))
    lines = close_of_today()["lines"]
    assert [(line.who, line.total[0]) for line in lines] == [
        ("Sita Rai", "₹500"), ("Sita Rai", "₹300"), ("Together", "₹800"),
    ]  # fmt: skip


def test_the_close_says_what_was_handed_back_of_what_was_taken():
    person = f.user(name="Sita Rai")
    open_drawer(float_minor=0, actor=person)
    sell(person)
    hand_back(sell(person), person)
    hand_back(sell(person, method="esewa"), person)
    mine, together = close_of_today()["lines"]
    assert mine.cells == [("₹500", "₹500 handed back"), ("₹0", "₹500 handed back"), ("–", "")]
    assert mine.total == together.total == ("₹500", "₹1,000 handed back")


def test_cash_in_no_drawer_is_named():
    person = f.user()
    sell(person)
    sell(person, method="esewa")
    assert close_of_today()["loose"] == ["₹500"]
    open_drawer(float_minor=0, actor=person)
    sell(person)
    assert close_of_today()["loose"] == ["₹500"]


def test_what_the_drawers_expect_is_what_the_close_has_in_cash():
    people = [f.user(name=name) for name in ("A", "B")]
    drawers = [open_drawer(float_minor=100_00, actor=person) for person in people]
    for person in people:
        sell(person)
        hand_back(sell(person), person)
    closed = [close_drawer(d.pk, counted_minor=600_00, note="", actor=d.opened_by) for d in drawers]
    together = close_of_today()["lines"][-1]
    assert together.sums["cash"] == sum(d.expected_minor - d.float_minor for d in closed) == 1000_00
    assert close_of_today()["loose"] == []


# --- Its pages ----------------------------------------------------------------------------


@pytest.fixture
def reception(client):
    person = f.staff("Reception", name="Prakash Tamang")
    client.force_login(person)
    return person


def test_a_receptionist_opens_a_drawer_sells_and_counts_it(client, reception):
    assert "Open a drawer" in client.get("/admin/cash/").content.decode()
    client.post("/admin/payments/drawer/open/", {"float_minor": "100"})
    sell(reception)
    sell(reception, method="card")
    drawer = Drawer.objects.get()
    text = client.get("/admin/cash/").content.decode()
    assert "Prakash Tamang" in text
    assert "₹1,000" in text
    assert "Count and close" in text
    count = f"/admin/payments/drawer/{drawer.pk}/count/"
    wrong = client.post(count, {"counted_minor": "500", "note": ""})
    assert "₹600 is expected, and you counted ₹500" in wrong.content.decode()
    assert client.post(count, {"counted_minor": "600"}).status_code == 303
    drawer.refresh_from_db()
    assert (drawer.counted_minor, drawer.closed_by) == (600_00, reception)
    assert client.get(count).status_code == 403


def test_the_days_close_is_of_that_day(client, reception):
    sell(reception)
    assert "Prakash" in client.get("/admin/cash/?day=nonsense").content.decode()
    for day in ("1999-01-01", "0001-01-01", "9999-12-31"):
        assert "Nothing was taken" in client.get(f"/admin/cash/?day={day}").content.decode()


def test_only_a_manager_counts_the_drawer_of_somebody_else(client, reception):
    drawer = open_drawer(float_minor=0, actor=f.staff("Reception"))
    count = f"/admin/payments/drawer/{drawer.pk}/count/"
    assert client.post(count, {"counted_minor": "0"}).status_code == 403
    client.force_login(f.staff("Manager"))
    assert client.post(count, {"counted_minor": "0"}).status_code == 303
    drawer.refresh_from_db()
    assert drawer.closed_at


def test_a_doctor_has_no_business_at_the_cash_desk(client):
    client.force_login(f.staff("Doctor"))
    for page in ("/admin/cash/", "/admin/payments/drawer/open/"):
        assert client.get(page).status_code == 403
