"""The counter takes what is owed, or what buys a place that was held: once, and every rupee explained."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction

from bookings import actions, desk
from bookings.models import Booking, BookingEvent
from bookings.states import Status
from clinic.errors import Refused
from payments import due_actions, sweeps
from payments.drawer_actions import close_drawer, open_drawer
from payments.due_models import Concession
from payments.ledger_models import LedgerEntry, Receipt
from payments.management.commands.check_invariants import violations
from payments.models import Payment
from schedules.models import Schedule
from schedules.states import Status as Window
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def window():
    return f.window(starts_in=-timedelta(minutes=1))


@pytest.fixture
def booking(window):
    return f.owing(window)


@pytest.fixture
def reception(client):
    account = f.staff("Reception", name="Sita")
    client.force_login(account)
    return account


@pytest.fixture
def manager(client):
    account = f.staff("Manager", name="Maya")
    client.force_login(account)
    return account


def collect(booking, **fields):
    asked = {"method": "cash", "key": uuid4(), "actor": fields.pop("actor", None) or f.user()} | fields
    return due_actions.collect(booking.pk, **asked)


def rows() -> list:
    tables = (Booking, BookingEvent, Schedule, Payment, Concession, Receipt)
    return [list(row.objects.order_by("pk").values()) for row in tables]


def refused(call, *args, **fields) -> str:
    before = rows()
    with pytest.raises(Refused) as refusal:
        call(*args, **fields)
    assert rows() == before
    return refusal.value.code


# --- What is owed -------------------------------------------------------------------------


def test_what_is_owed_is_taken_with_its_receipt_and_the_doctors_earning(booking):
    reception = f.user()
    drawer = open_drawer(float_minor=10000, actor=reception)
    collect(booking, actor=reception)
    booking.refresh_from_db()
    payment = booking.payments.get()
    assert (booking.status, booking.queue_number, booking.due_minor) == (Status.CONFIRMED, 1, 0)
    assert (payment.gateway, payment.method, payment.captured_minor) == ("manual", "cash", 50000)
    assert (payment.outcome, payment.taken_by, payment.drawer) == ("bought", reception, drawer)
    assert payment.receipt.amount_minor == LedgerEntry.objects.get().amount_minor == 50000
    closed = close_drawer(drawer.pk, counted_minor=60000, note="", actor=reception)
    assert closed.expected_minor == 60000
    assert violations() == {}


def test_a_discount_is_a_row_of_its_own_and_the_price_stays(booking):
    manager = f.user()
    collect(booking, collected_minor=40000, reason="A student", actor=manager)
    booking.refresh_from_db()
    given = booking.concession
    assert (booking.price_minor, booking.discount_minor, booking.due_minor) == (50000, 10000, 0)
    assert (given.amount_minor, given.reason, given.by) == (10000, "A student", manager)
    payment = booking.payments.get()
    assert payment.captured_minor == LedgerEntry.objects.get().amount_minor == 40000
    assert [line["minor"] for line in payment.receipt.snapshot["lines"]] == [50000, -10000]
    assert payment.receipt.amount_minor == 40000
    said = payment.events.get(kind="discount")
    assert (said.amount_minor, said.note, said.actor) == (10000, "A student", manager)
    assert violations() == {}


def test_what_is_let_off_altogether_moves_no_money(client, booking):
    collect(booking, collected_minor=0, reason="The clinic's own staff")
    booking.refresh_from_db()
    assert (booking.discount_minor, booking.due_minor) == (50000, 0)
    assert booking.concession.is_waiver
    assert not Payment.objects.exists()
    assert not LedgerEntry.objects.exists()
    page = client.get(booking.get_absolute_url()).content.decode()
    assert "to pay at the desk" not in page
    assert "Receipt" not in page
    cancelled = actions.cancel(booking.pk, reason="ill")
    assert cancelled.refund_percent is None
    assert violations() == {}


def test_of_a_discounted_visit_comes_back_what_was_paid(booking):
    collect(booking, collected_minor=40000, reason="A student")
    actions.cancel(booking.pk, reason="The doctor is ill")
    sweeps.make_refunds()
    payment = booking.payments.get()
    assert (payment.refunded_minor, payment.left_minor) == (40000, 0)
    assert violations() == {}


def test_the_same_form_twice_takes_the_money_once(booking):
    key, reception = uuid4(), f.user()
    collect(booking, key=key, actor=reception, collected_minor=40000, reason="x")
    before = rows()
    collect(booking, key=key, actor=reception, collected_minor=40000, reason="x")
    assert rows() == before


def test_a_form_is_good_for_one_booking(window, booking):
    key = uuid4()
    collect(booking, key=key)
    assert refused(collect, f.owing(window), key=key) == "REQUEST_REUSED"


def test_what_is_paid_is_not_taken_again(booking):
    collect(booking)
    assert refused(collect, booking) == "NOTHING_DUE"


@pytest.mark.parametrize(("fields", "code"), [
    ({"collected_minor": 50001}, "TOO_MUCH"),
    ({"collected_minor": 20000}, "REASON_NEEDED"),
    ({"collected_minor": 0}, "REASON_NEEDED"),
])  # fmt: skip
def test_too_much_and_less_without_a_reason_are_refused(booking, fields, code):
    assert refused(collect, booking, **fields) == code


def test_what_is_paid_at_the_desk_meanwhile_comes_back_when_it_arrives_online(booking):
    attempt = f.attempt(booking)
    collect(booking)
    f.deliver(f.capture_body(attempt))
    sweeps.make_refunds()
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.refunded_minor) == ("surplus", 50000)
    assert violations() == {}


def test_who_is_seen_already_can_still_pay(booking):
    reception = f.user()
    desk.check_in(booking.pk, actor=reception)
    desk.complete(booking.pk, actor=reception)
    assert collect(booking).status == Status.COMPLETED
    assert violations() == {}


@pytest.mark.parametrize("end", [desk.no_show, actions.cancel])
def test_who_did_not_come_or_cancelled_owes_nothing(booking, end):
    end(booking.pk, actor=f.user(), **({"reason": "ill"} if end is actions.cancel else {}))
    assert refused(collect, booking) == "NOTHING_DUE"


def test_a_discount_is_never_changed_afterwards(booking):
    collect(booking, collected_minor=0, reason="x")
    for change in (Concession.objects.all().delete, lambda: Concession.objects.update(reason="y")):
        with pytest.raises((DatabaseError, ValidationError)), transaction.atomic():
            change()
    assert Concession.objects.get().reason == "x"


# --- What was held ------------------------------------------------------------------------


def test_whose_card_failed_online_pays_at_the_desk_also_where_that_is_not_offered(window):
    held = f.hold(window)
    f.deliver(f.demo().decline(str(f.attempt(held).key)))
    collect(held, method="esewa")
    held.refresh_from_db()
    assert (held.status, held.queue_number, held.pay_at_desk) == (Status.CONFIRMED, 1, False)
    assert held.payments.get(gateway="manual").method == "esewa"
    assert violations() == {}


def test_a_declined_payment_that_arrives_after_all_goes_back(window):
    held = f.hold(window)
    attempt = f.attempt(held)
    f.deliver(f.demo().decline(str(attempt.key)))
    collect(held)
    f.deliver(f.capture_body(attempt))
    sweeps.make_refunds()
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.refunded_minor) == ("surplus", 50000)
    assert violations() == {}


@pytest.mark.parametrize("swept", [False, True])
def test_a_place_whose_time_was_up_is_theirs_if_there_is_room(window, swept):
    held = f.hold(window)
    f.lapse(held)
    if swept:
        actions.expire_lapsed_in(window.pk)
    assert collect(held).queue_number == 1
    assert violations() == {}


def test_a_place_whose_time_was_up_is_refused_when_somebody_else_has_it():
    window = f.window(capacity=1)
    held = f.hold(window)
    f.lapse(held)
    f.paid(window)
    assert refused(collect, held) == "FULL"


def test_who_took_another_place_meanwhile_is_not_sold_two(window):
    patient = f.patient()
    held = f.hold(window, patient)
    f.lapse(held)
    actions.expire_lapsed_in(window.pk)
    f.paid(window, patient)
    assert refused(collect, held) == "ALREADY_BOOKED"


def test_the_desk_still_sells_after_the_end_and_what_is_kept_for_it():
    kept = f.window(capacity=1, reserved_for_desk=1)
    late = f.hold(kept, channel="walk_in")
    f.lapse(late)
    actions.expire_lapsed_in(kept.pk)
    kept.refresh_from_db()
    f.move_window(kept, -timedelta(hours=5))
    assert collect(late).queue_number == 1
    assert violations() == {}


@pytest.mark.parametrize(("status", "hours", "code"), [
    (Window.CANCELLED, 0, "CLOSED"), (Window.FINISHED, 0, "CLOSED"), (Window.OPEN, 8, "PAST"),
])  # fmt: skip
def test_a_window_that_is_over_or_cancelled_sells_nothing(window, status, hours, code):
    held = f.hold(window)
    window.status = status
    window.save(update_fields=["status"])
    f.move_window(window, -timedelta(hours=hours))
    assert refused(collect, held) == code


def test_a_held_place_can_be_sold_for_less_or_nothing(window):
    cheap, free = f.hold(window), f.hold(window)
    collect(cheap, collected_minor=10000, reason="A neighbour")
    collect(free, collected_minor=0, reason="The clinic's own staff")
    free.refresh_from_db()
    assert (free.status, free.queue_number, free.is_paid) == (Status.CONFIRMED, 2, False)
    assert violations() == {}


# --- The page -----------------------------------------------------------------------------


def page_of(booking) -> str:
    return f"/admin/take-payment/{booking.public_id}/"


def typed(**fields):
    return {"request_key": uuid4(), "method": "cash"} | fields


def test_reception_takes_the_payment_with_one_key(client, reception, booking):
    page = client.get(page_of(booking)).content.decode()
    assert "Take ₹500" in page
    assert "Take less" not in page
    answer = client.post(page_of(booking), typed(method="card"), follow=True)
    assert "₹500 paid: Card terminal." in answer.content.decode()
    assert booking.payments.get().taken_by == reception
    assert "Nothing is to be paid" in client.get(page_of(booking)).content.decode()


@pytest.mark.parametrize("less", [{"collected_minor": "400"}, {"let-off": "1"}])
def test_reception_cannot_take_less(client, reception, booking, less):
    before = rows()
    page = client.post(page_of(booking), typed(reason="x", **less)).content.decode()
    assert "Only a manager can take less" in page
    assert rows() == before


def test_a_manager_gives_a_discount(client, manager, booking):
    answer = client.post(page_of(booking), typed(collected_minor="400", reason="A student"), follow=True)
    assert "₹400 paid: Cash." in answer.content.decode()
    assert "₹100 let off: A student." in answer.content.decode()
    assert Concession.objects.get().by == manager
    assert "₹100 let off" in client.get(booking.get_absolute_url()).content.decode()


def test_a_manager_lets_all_of_it_off(client, manager, booking):
    form = typed(collected_minor="500", reason="Our own nurse", **{"let-off": "1"})
    answer = client.post(page_of(booking), form, follow=True)
    assert "₹500 let off: Our own nurse." in answer.content.decode()
    assert not Payment.objects.exists()


@pytest.mark.parametrize(("fields", "said"), [
    ({"collected_minor": "400"}, "Write why less is taken"),
    ({"collected_minor": "600"}, "At most ₹500 is to be paid."),
    ({"collected_minor": "many"}, "Enter a number."),
    ({"collected_minor": "-1", "reason": "x"}, "greater than or equal to 0"),
    ({"let-off": "1"}, "Write why less is taken"),
    ({"method": "gold"}, "Select a valid choice"),
])  # fmt: skip
def test_what_was_typed_wrongly_is_said_beside_it_and_nothing_is_taken(
    client, manager, booking, fields, said
):
    before = rows()
    assert said in client.post(page_of(booking), typed(**fields)).content.decode()
    assert rows() == before


def test_whoever_may_not_take_money_is_turned_away(client, booking):
    client.force_login(f.staff("Doctor"))
    before = rows()
    assert client.get(page_of(booking)).status_code == 403
    assert client.post(page_of(booking), typed()).status_code == 403
    assert rows() == before


def test_looking_at_the_page_changes_nothing(client, reception, window):
    held = f.hold(window)
    f.lapse(held)
    before = rows()
    assert client.get(page_of(held)).status_code == 200
    assert rows() == before


def test_the_page_warns_of_money_that_is_looked_at(client, reception, window):
    held = f.hold(window)
    f.deliver(f.altered(f.capture_body(f.attempt(held)), amount=100))
    assert "Ask a manager before you take more." in client.get(page_of(held)).content.decode()


# --- The day's list -----------------------------------------------------------------------


def test_the_line_shows_who_owes_how_much_and_together(client, reception, window):
    f.paid(window, f.guest(name="Paid"))
    f.owing(window, f.guest(name="Owing"))
    f.owing(f.window(starts_in=-timedelta(minutes=1)), f.guest(name="Elsewhere"))
    page = client.get(f"/admin/desk/?window={window.pk}")
    assert [row.booking.patient.name for row in page.context["rows"] if row.booking.owes] == ["Owing"]
    text = page.content.decode()
    assert "owes ₹500" in text
    assert "Owed today" in text
    assert "<b>₹1,000</b> · 2 patients" in text


@pytest.mark.parametrize("swept", [False, True])
def test_a_place_that_was_not_paid_in_time_can_still_be_paid_in_the_line(client, reception, window, swept):
    held = f.hold(window)
    f.lapse(held)
    if swept:
        actions.expire_lapsed_in(window.pk)
    page = client.get(f"/admin/desk/?window={window.pk}")
    assert [next(button.url for button in row.buttons) for row in page.context["gone"]] == [page_of(held)]


def test_who_may_not_take_money_sees_no_button_for_it(client, window, booking):
    doctor = f.staff("Doctor")
    window.doctor.user = doctor
    window.doctor.save(update_fields=["user"])
    client.force_login(doctor)
    page = client.get(f"/admin/desk/?window={window.pk}").content.decode()
    assert "owes ₹500" in page
    assert "Take payment" not in page


def test_a_walk_in_who_owes_is_led_to_paying(client, reception, window, booking):
    page = client.get(f"/admin/walk-in/{booking.public_id}/").content.decode()
    assert "owes ₹500" in page
    assert page_of(booking) in page


def test_nobody_owes_nothing_is_said(client, reception, window):
    f.paid(window)
    assert "Owed today" not in client.get(f"/admin/desk/?window={window.pk}").content.decode()


def test_who_leaves_unpaid_is_let_go_said_and_stays_in_the_line(client, reception, booking):
    client.post(f"/admin/desk/{booking.public_id}/check-in/")
    client.post(f"/admin/desk/{booking.schedule_id}/call-next/", {"serving": "0"})
    page = client.post(f"/admin/desk/{booking.public_id}/complete/", follow=True)
    assert "A1 still owes ₹500." in page.content.decode()
    [row] = page.context["rows"]
    assert (row.booking.status, [str(b.label) for b in row.buttons]) == ("completed", ["Take payment"])
    collect(booking)
    assert client.get(f"/admin/desk/?window={booking.schedule_id}").context["rows"] == []


def test_a_desk_that_looks_again_sees_that_somebody_has_paid(client, reception, booking):
    url = f"/admin/desk/?window={booking.schedule_id}"
    seen = client.get(url).context["version"]
    asked = {"headers": {"HX-Request": "true"}}
    assert client.get(f"{url}&seen={seen}", **asked).status_code == 204
    collect(booking)
    assert client.get(f"{url}&seen={seen}", **asked).status_code == 200


def test_the_line_costs_the_same_however_many_owe(client, reception, django_assert_max_num_queries):
    window = f.window(starts_in=-timedelta(minutes=1), capacity=20)
    url = f"/admin/desk/?window={window.pk}"
    f.owing(window)
    with django_assert_max_num_queries(50) as one:
        client.get(url)
    for _ in range(9):
        f.owing(window)
    with django_assert_max_num_queries(len(one)):
        client.get(url)


def test_the_days_close_lists_what_is_owed_and_what_was_let_off(client, manager, window):
    f.owing(window)
    collect(f.owing(window, f.guest(name="Rosa")), collected_minor=30000, reason="A student", actor=manager)
    text = client.get("/admin/cash/").content.decode()
    assert "Still owed for this day" in text
    assert "A student" in text
    assert "₹200" in text
