"""Reading appointments through the API, cancelling and moving them: whose they are, and what they say."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions, desk
from bookings.models import Booking
from payments import actions as money
from payments.models import Payment, Refund
from payments.staff_actions import refund
from payments.states import RefundStatus
from tests import factories
from tests.api import App

pytestmark = pytest.mark.django_db
NOT_OURS = re.compile(r"^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)|django_session|clinic_user|cacheentry")


@pytest.fixture
def account():
    return factories.user()


@pytest.fixture
def me(account):
    return factories.patient(account=account, relationship="self")


@pytest.fixture
def app(account):
    return App(account)


def mine(me, schedule=None, made=factories.paid, **fields) -> Booking:
    """A paid visit of mine, tomorrow at ten, unless said."""
    schedule = schedule or factories.window(starts_in=factories.at_ten())
    return made(schedule, me, booked_by=me.account, **fields)


def read(app, booking) -> dict:
    answer = app.get(f"appointments/{booking.public_id}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def listed(app, **query) -> list[str]:
    answer = app.get("appointments", query)
    assert answer.status_code == 200, answer.content
    return [found["id"] for found in answer.json()["items"]]


def sent_by(call) -> list[str]:
    with CaptureQueriesContext(connection) as sent:
        call()
    return [query["sql"] for query in sent if not NOT_OURS.search(query["sql"])]


# --- One ----------------------------------------------------------------------------------


def test_an_appointment_says_all_that_its_page_does(app, me):
    schedule = factories.window(starts_in=factories.at_ten())
    factories.paid(schedule)
    booking = mine(me, schedule)
    said = read(app, booking)
    assert (said["id"], said["status"], said["paymentStatus"]) == (booking.public_id, "confirmed", "captured")
    assert (said["queueNumber"], said["tokenLabel"], said["aheadOfYou"]) == (2, "A2", 1)
    assert said["schedule"]["doctorId"] == schedule.doctor_id
    assert said["patient"] == {"id": me.pk, "name": "Meera Joshi"}
    assert (said["price"], said["currency"], said["due"], said["freeReason"]) == (50000, "INR", 0, None)
    assert said["cancellation"] == {"percent": 100, "amount": 50000}
    assert said["holdExpiresAt"] is said["nowServing"] is said["refund"] is said["service"] is None
    assert said["estimatedWait"] % 5 == 0


def test_while_it_is_held_it_says_until_when(app, me):
    said = read(app, mine(me, made=factories.hold))
    assert (said["status"], said["paymentStatus"], said["aheadOfYou"]) == ("held", "created", None)
    assert said["holdExpiresAt"] and said["cancellation"] == {"percent": None, "amount": 0}


def test_when_its_time_is_up_it_has_expired_whatever_its_row_says(app, me):
    booking = mine(me, made=factories.hold)
    factories.lapse(booking)
    said = read(app, booking)
    assert (said["status"], said["holdExpiresAt"], said["cancellation"]) == ("expired", None, None)
    assert listed(app, status="expired") == [booking.public_id]
    assert listed(app, status="held") == []


def test_the_line_moves(app, me):
    schedule = factories.window(starts_in=timedelta(minutes=10))
    first, booking, nurse = factories.paid(schedule), mine(me, schedule), factories.user()
    desk.check_in(first.pk, actor=nurse)
    desk.call_next(schedule.pk, actor=nurse)
    said = read(app, booking)
    assert (said["aheadOfYou"], said["nowServing"]) == (0, "A1")


def declined(booking):
    Payment.objects.filter(pk=factories.attempt(booking).pk).update(status="failed")


def promised(booking):
    Payment.objects.filter(pk=factories.attempt(booking).pk).update(status="authorized")


def tried(booking):
    factories.attempt(booking)


@pytest.mark.parametrize(
    ("happens", "word"), [(tried, "created"), (declined, "failed"), (promised, "authorized")]
)
def test_it_says_how_paying_stands(app, me, happens, word):
    booking = mine(me, made=factories.hold)
    happens(booking)
    assert read(app, booking)["paymentStatus"] == word
    assert listed(app, payment=word) == [booking.public_id]
    assert listed(app, payment="captured") == []


@pytest.mark.parametrize(
    ("made", "fee", "word"),
    [(factories.hold, 0, "free"), (factories.owing, 50000, "due"), (factories.paid, 1, "captured")],
)
def test_it_says_what_was_to_pay(app, me, made, fee, word):
    booking = mine(me, factories.window(fee_minor=fee), made)
    assert read(app, booking)["paymentStatus"] == word
    assert listed(app, payment=word) == [booking.public_id]


def test_what_goes_back_is_told_until_it_is_back(app, me):
    booking = mine(me)
    actions.cancel(booking.pk, reason="The doctor is ill")
    assert read(app, booking)["refund"] == {"amount": 50000, "status": "due"}
    refund = money.owe(booking.payments.get().pk, "cancel", 100)
    assert read(app, booking)["refund"] == {"amount": 50000, "status": "due"}
    Refund.objects.filter(pk=refund.pk).update(status="done", done_at=timezone.now())
    said = read(app, booking)
    assert (said["refund"], said["status"]) == ({"amount": 50000, "status": "done"}, "cancelled")


def test_a_refund_that_failed_is_told_until_another_takes_its_place(app, me):
    booking = mine(me)
    actions.cancel(booking.pk, reason="The doctor is ill")
    payment = booking.payments.get()
    failed = money.owe(payment.pk, "cancel", 100)
    money._record(failed, RefundStatus.SENDING)
    Refund.objects.filter(pk=failed.pk).update(status="sending")
    money._record(failed, RefundStatus.FAILED, why="The card was closed")
    payment.refresh_from_db()
    assert payment.refunded_minor == 0
    assert read(app, booking)["refund"] == {"amount": 50000, "status": "failed"}
    boss = factories.staff("Manager")
    refund(payment.pk, amount_minor=50000, reason="To another card", key=uuid4(), actor=boss)
    assert read(app, booking)["refund"] == {"amount": 50000, "status": "due"}
    Refund.objects.exclude(pk=failed.pk).update(status="done", done_at=timezone.now())
    assert read(app, booking)["refund"] == {"amount": 50000, "status": "done"}
    (found,) = app.get("appointments").json()["items"]
    assert found["refund"] == {"amount": 50000, "status": "done"}


@pytest.mark.parametrize(("made", "most"), [(factories.hold, 2), (factories.paid, 3), (factories.owing, 3)])
def test_asking_for_one_takes_as_few_statements_as_its_page(app, me, made, most):
    booking = mine(me, made=made)
    assert len(sent_by(lambda: read(app, booking))) == most


def test_what_is_free_takes_two(app, me):
    booking = mine(me, factories.window(fee_minor=0), factories.hold)
    assert len(sent_by(lambda: read(app, booking))) == 2


def test_where_money_goes_back_it_takes_three(app, me):
    booking = mine(me)
    actions.cancel(booking.pk, reason="The doctor is ill")
    money.owe(booking.payments.get().pk, "cancel", 100)
    assert len(sent_by(lambda: read(app, booking))) == 3


def test_what_has_not_changed_is_not_sent_again(app, me):
    booking = mine(me)
    first = app.get(f"appointments/{booking.public_id}")
    same = app.get(f"appointments/{booking.public_id}", **{"If-None-Match": first["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    desk.check_in(booking.pk, actor=factories.user())
    changed = app.get(f"appointments/{booking.public_id}", **{"If-None-Match": first["ETag"]})
    assert (changed.status_code, changed.json()["status"]) == (200, "checked_in")


# --- Whose --------------------------------------------------------------------------------


@pytest.fixture
def foreign():
    """Somebody else's."""
    return mine(factories.patient(account=factories.user(), relationship="self"))


CALLS = [
    ("get", "", None),
    ("post", "/pay", {}),
    ("post", "/confirm-payment", {}),
    ("post", "/cancel", {"percent": 100}),
    ("post", "/reschedule", {"scheduleId": 1}),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_what_is_not_yours_is_not_found(app, foreign, method, path, body):
    before = Booking.objects.values().get()
    answer = getattr(app, method)(f"appointments/{foreign.public_id}{path}", body)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert Booking.objects.values().get() == before


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_without_signing_in_nothing_is_told(foreign, method, path, body):
    answer = getattr(App(), method)(f"appointments/{foreign.public_id}{path}", body)
    assert answer.status_code == 401


@pytest.mark.parametrize("number", ["1", "x" * 22, "a" * 500, "null", "é" * 22])
def test_an_id_that_is_none_is_not_found(app, number):
    assert app.get(f"appointments/{number}").status_code == 404


def test_one_reads_what_the_desk_booked_for_ones_people(app, me):
    booking = factories.paid(factories.window(), me)
    assert read(app, booking)["id"] == booking.public_id
    assert listed(app) == [booking.public_id]


def test_guests_of_the_site_are_nobodys(app):
    booking = factories.paid(factories.window())
    assert app.get(f"appointments/{booking.public_id}").status_code == 404


@pytest.mark.parametrize("role", ["Reception", "Manager"])
def test_staff_read_all_of_them(foreign, role):
    desk_app = App(factories.staff(role))
    assert read(desk_app, foreign)["id"] == foreign.public_id
    assert listed(desk_app) == [foreign.public_id]


def test_a_doctor_reads_their_own_patients_and_their_own_visits(foreign):
    doctor = factories.staff("Doctor")
    foreign.schedule.doctor.user = doctor
    foreign.schedule.doctor.save()
    other = factories.paid(factories.window())
    own = mine(factories.patient(account=doctor, relationship="self"))
    assert sorted(listed(App(doctor))) == sorted([foreign.public_id, own.public_id])
    assert other.public_id not in listed(App(doctor))


# --- Many ---------------------------------------------------------------------------------


def test_they_are_found_by_doctor_patient_and_day(app, me):
    child = factories.patient(account=me.account, relationship="child")
    first, second = mine(me), mine(child, factories.window(starts_in=factories.at_ten(3)))
    assert listed(app) == [second.public_id, first.public_id]
    assert listed(app, doctorId=first.schedule.doctor_id) == [first.public_id]
    assert listed(app, patientId=child.pk) == [second.public_id]
    assert listed(app, date=first.schedule.date) == [first.public_id]
    assert listed(app, status="confirmed", patientId=me.pk, payment="captured") == [first.public_id]
    assert listed(app, status="completed") == []


@pytest.mark.parametrize(
    "query",
    [
        {"status": "nonsense"},
        {"payment": "yes"},
        {"date": "soon"},
        {"doctorId": "x"},
        {"limit": 0},
        {"limit": 101},
    ],
)
def test_a_filter_that_means_nothing_is_refused(app, query):
    answer = app.get("appointments", query)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, list(query))


def test_pages_follow_one_another_and_lose_nothing(app, me):
    schedules = [factories.window(starts_in=factories.at_ten(n // 2 + 1), fee_minor=0) for n in range(5)]
    made = [mine(me, schedule, factories.hold) for schedule in schedules]
    seen, cursor = [], None
    for expected in (2, 2, 1):
        said = app.get("appointments", {"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [found["id"] for found in said["items"]]
        assert len(said["items"]) == expected
        cursor = said["nextCursor"]
        mine(
            me, factories.window(starts_in=factories.at_ten(20), fee_minor=0), factories.hold
        )  # moves no page
    assert cursor is None
    assert sorted(seen) == sorted(booking.public_id for booking in made)


@pytest.mark.parametrize("cursor", ["x", "W10", "1:2:3", "é", "a" * 200])
def test_a_cursor_that_is_none_of_ours_is_refused(app, cursor):
    answer = app.get("appointments", {"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "BAD_CURSOR")


def test_a_list_takes_three_statements_however_many(app, me):
    for days in range(1, 6):
        booking = mine(me, factories.window(starts_in=factories.at_ten(days)))
        actions.cancel(booking.pk, reason="The doctor is ill")
        money.owe(booking.payments.get().pk, "cancel", 100)
    assert len(sent_by(lambda: listed(app))) == 3


# --- Cancelling and moving ----------------------------------------------------------------


def cancel(app, booking, **wish):
    return app.post(f"appointments/{booking.public_id}/cancel", wish)


def test_one_cancels_for_what_was_shown(app, me):
    booking = mine(me)
    answer = cancel(app, booking, percent=read(app, booking)["cancellation"]["percent"])
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert (said["status"], said["cancellation"]) == ("cancelled", None)
    assert said["refund"] == {"amount": 50000, "status": "due"}
    assert cancel(app, booking, percent=100).status_code == 200


@pytest.mark.parametrize("wish", [{}, {"percent": None}, {"percent": 0}, {"percent": 99}])
def test_where_another_sum_comes_back_nothing_is_cancelled(app, me, wish):
    booking = mine(me)
    answer = cancel(app, booking, **wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "REFUND_CHANGED")
    booking.refresh_from_db()
    assert booking.status == "confirmed"


@pytest.mark.parametrize("percent", [-1, 101, "100", 1.5, True, [], 10**18])
def test_a_percent_that_is_none_is_refused(app, me, percent):
    booking = mine(me)
    assert cancel(app, booking, percent=percent).status_code == 422
    booking.refresh_from_db()
    assert booking.status == "confirmed"


def test_the_desk_cancels_for_a_reason(foreign):
    desk_app = App(factories.staff("Reception"))
    answer = cancel(desk_app, foreign)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["reason"])
    answer = cancel(desk_app, foreign, reason="The doctor is ill", fullRefund=True)
    assert answer.json()["status"] == "cancelled"
    foreign.refresh_from_db()
    assert (foreign.cancel_reason, foreign.refund_percent) == ("The doctor is ill", 100)


def test_who_may_only_read_changes_nothing(foreign):
    reader = factories.user(is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__in=["view_booking", "add_schedule"]))
    for path, body in (("cancel", {"reason": "x"}), ("reschedule", {"scheduleId": 1, "reason": "x"})):
        answer = App(reader).post(f"appointments/{foreign.public_id}/{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    foreign.refresh_from_db()
    assert foreign.status == "confirmed"


def move(app, booking, to, **wish):
    return app.post(f"appointments/{booking.public_id}/reschedule", {"scheduleId": to.pk, **wish})


def test_one_moves_to_another_time_of_the_same_doctor(app, me):
    booking = mine(me)
    to = factories.window(doctor=booking.schedule.doctor, starts_in=factories.at_ten(2))
    answer = move(app, booking, to)
    assert answer.status_code == 200, answer.content
    said = answer.json()
    assert (said["id"], said["schedule"]["id"], said["paymentStatus"]) == (
        booking.public_id,
        to.pk,
        "captured",
    )


def test_not_to_another_doctor_nor_where_it_is_full(app, me):
    booking = mine(me)
    full = factories.window(doctor=booking.schedule.doctor, starts_in=factories.at_ten(2), capacity=1)
    factories.hold(full)
    for to, code in ((factories.window(), "OTHER_DOCTOR"), (full, "FULL")):
        answer = move(app, booking, to)
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    booking.refresh_from_db()
    assert (booking.schedule_id, booking.moved) != (full.pk, 1)
    assert app.post(f"appointments/{booking.public_id}/reschedule", {"scheduleId": 2**60}).status_code == 404


def test_the_desk_moves_for_a_reason(foreign):
    to = factories.window(doctor=foreign.schedule.doctor, starts_in=factories.at_ten(2))
    desk_app = App(factories.staff("Reception"))
    assert move(desk_app, foreign, to).status_code == 422
    assert move(desk_app, foreign, to, reason="The doctor comes later").json()["schedule"]["id"] == to.pk


# --- Paying later -------------------------------------------------------------------------


def test_while_it_is_held_it_can_be_paid_once_more(app, me):
    booking = mine(me, made=factories.hold)
    first = app.post(f"appointments/{booking.public_id}/pay")
    assert first.status_code == 200
    assert first.json()["redirectUrl"]
    assert app.post(f"appointments/{booking.public_id}/pay").json() == first.json()
    assert Payment.objects.count() == 1


@pytest.mark.parametrize("made", [factories.paid])
def test_what_is_not_waiting_for_money_is_not_paid(app, me, made):
    booking = mine(me, made=made)
    answer = app.post(f"appointments/{booking.public_id}/pay")
    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_PAYABLE")
    assert Payment.objects.count() == 1


def test_a_hint_that_it_was_paid_asks_the_gateway(app, me):
    booking = mine(me, made=factories.hold)
    factories.capture_body(factories.attempt(booking))  # whose webhook does not arrive
    answer = app.post(f"appointments/{booking.public_id}/confirm-payment")
    assert (answer.status_code, answer.json()["status"]) == (200, "confirmed")


@pytest.mark.parametrize("gateway", ["demo", "stripe", "nobody", "manual"])
def test_a_receipt_that_nobody_signed_changes_nothing(app, me, gateway):
    booking = mine(me, made=factories.hold)
    factories.attempt(booking)
    answer = app.post(
        f"appointments/{booking.public_id}/confirm-payment",
        {"gateway": gateway, "paymentId": "pay_1", "signature": "0" * 64},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "BAD_SIGNATURE")
    booking.refresh_from_db()
    assert booking.status == "held"


@pytest.mark.parametrize("wish", [{}, {"payAtDesk": True}], ids=str)
def test_while_odd_money_is_looked_at_nobody_pays_again(app, me, settings, wish):
    settings.PAY_AT_DESK = True
    booking = mine(me, made=factories.hold)
    factories.deliver(factories.altered(factories.capture_body(factories.attempt(booking)), amount=40000))
    before = list(Payment.objects.values())
    answer = app.post(f"appointments/{booking.public_id}/pay", wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "UNDER_REVIEW")
    assert list(Payment.objects.values()) == before
    booking.refresh_from_db()
    assert (booking.status, booking.due_minor) == ("held", 0)


@pytest.mark.parametrize("fee", [50000, 0])
def test_at_the_desk_nobody_is_asked_for_what_they_do_not_owe(app, me, settings, fee):
    settings.PAY_AT_DESK = True
    booking = mine(me, factories.window(fee_minor=fee), factories.paid if fee else factories.hold)
    answer = app.post(f"appointments/{booking.public_id}/pay", {"payAtDesk": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_PAYABLE")


def test_who_chose_the_desk_may_say_so_again(app, me):
    booking = mine(me, made=factories.owing)
    answer = app.post(f"appointments/{booking.public_id}/pay", {"payAtDesk": True})
    assert (answer.status_code, answer.json()["amount"]) == (200, 50000)
