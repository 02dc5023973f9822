"""The desk through the API: walk-ins, who came, and money that a person saw (seeds 000 and 003)."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import desk
from bookings.models import Booking, BookingEvent
from clinic.api_key_models import Scope
from clinic.models import Patient
from payments.models import Payment, PaymentEvent
from schedules.models import Schedule
from tests import factories as f
from tests.api import App, statements

pytestmark = pytest.mark.django_db
RAVI = {"name": "Ravi Kumar", "phone": "9820054321", "age": 41}


def everything() -> list:
    """All that a refusal must leave as it was."""
    models = (Schedule, Booking, BookingEvent, Patient, Payment, PaymentEvent)
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.fixture
def reception():
    return App(f.staff("Reception"))


@pytest.fixture
def manager():
    return App(f.staff("Manager"))


# --- A walk-in ----------------------------------------------------------------------------


def sell(app, window, **wish):
    key = wish.pop("key", None)
    wish = {"scheduleId": window.pk, "guest": RAVI, "method": "cash"} | wish
    return app.post("admin/bookings/manual", wish, key=key)


def test_a_walk_in_is_confirmed_paid_and_numbered_at_once(reception):
    answer = sell(reception, f.window())
    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert (said["status"], said["paymentStatus"], said["queueNumber"]) == ("confirmed", "captured", 1)
    assert (said["tokenLabel"], said["patient"]["name"]) == ("A1", "Ravi Kumar")
    booking, payment = Booking.objects.get(), Payment.objects.get()
    assert (booking.channel, booking.patient.phone.as_e164) == ("walk_in", "+919820054321")
    assert (payment.method, payment.captured_minor, payment.outcome) == ("cash", 50000, "bought")


def test_somebody_who_was_here_before_is_the_same_patient(reception):
    known = f.patient()
    answer = sell(reception, f.window(), guest=None, patientId=known.pk, method="esewa")
    assert answer.json()["patient"]["id"] == known.pk
    assert Patient.objects.get() == known


def test_nothing_is_sold_where_the_account_sees_no_window():
    """A doctor with the desk's rights sells their own places, and those of nobody else."""
    doctor = f.staff("Doctor")
    doctor.user_permissions.set(Permission.objects.filter(codename__in=["take_payment", "view_booking"]))
    theirs, foreign = f.window(doctor=f.doctor(user=doctor)), f.window()
    before = everything()
    answer = sell(App(doctor), foreign)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert everything() == before
    assert sell(App(doctor), theirs).status_code == 201


def test_an_exact_time_is_sold_alike(reception):
    slot = f.slot()
    assert sell(reception, slot).json()["startAt"] == f"{slot.starts_at:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_a_service_is_sold_where_it_fits_first(reception):
    pool = f.pool()
    ecg = f.service(pool.doctor)
    said = sell(reception, pool, serviceId=ecg.pk, price=40000, minutes=40).json()
    assert (said["status"], said["service"]["minutes"], said["price"]) == ("confirmed", 40, 40000)
    pool.refresh_from_db()
    assert pool.taken == 40


def test_the_same_key_sells_once(reception):
    window = f.window()
    first, again = (sell(reception, window, key="till-1-0001") for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert Booking.objects.count() == Payment.objects.count() == 1


def full(window):
    for name in "abc":
        f.hold(window, f.guest(name=name))


def closed(window):
    window.status = "closed"
    window.save()


def dearer(window):
    window.fee_minor = 70000
    window.save()


@pytest.mark.parametrize(("happens", "code"), [(full, "FULL"), (closed, "CLOSED"), (dearer, "PRICE_CHANGED")])
def test_what_can_not_be_sold_leaves_everything_as_it_was(reception, happens, code):
    window = f.window()
    happens(window)
    before = everything()
    answer = sell(reception, window, price=50000)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert everything() == before


WRONG = {
    "nobody": ({"guest": None}, "body"),
    "two": ({"patientId": 1}, "body"),
    "no method of the counter": ({"method": "cheque"}, "method"),
    "a phone that is none": ({"guest": RAVI | {"phone": "call me"}}, "guest.phone"),
    "older than anybody": ({"guest": RAVI | {"age": 131}}, "guest.age"),
    "no such patient": ({"guest": None, "patientId": 2**62}, "patientId"),
    "a start without a service": ({"startTime": "2026-11-21T10:20:00Z"}, "body"),
}


@pytest.mark.parametrize(("wish", "field"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_walk_in_is_named(reception, wish, field):
    window = f.window()
    before = everything()
    answer = sell(reception, window, **wish)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field])
    assert everything() == before


def test_a_window_that_there_is_not_is_not_found(reception):
    assert sell(reception, Schedule(pk=2**62)).status_code == 404


def test_one_more_place_is_for_who_may_add_it(reception, manager):
    window = f.window(capacity=1)
    f.paid(window)
    before = everything()
    assert sell(reception, window, extraPlace="a child with fever").status_code == 403
    assert everything() == before
    assert sell(manager, window, extraPlace="a child with fever").status_code == 201
    window.refresh_from_db()
    assert window.capacity == 2


@pytest.mark.parametrize("role", ["Doctor", None])
def test_who_may_take_no_money_sells_nothing(role):
    app = App(f.staff(role) if role else f.user())
    window = f.window()
    before = everything()
    assert sell(app, window).status_code == 403
    assert everything() == before


def test_a_walk_in_takes_few_statements(reception):
    window = f.window()
    with CaptureQueriesContext(connection) as sent:
        assert sell(reception, window, price=50000).status_code == 201
    assert len(statements(sent)) <= 29, "\n".join(statements(sent))


# --- Who came -----------------------------------------------------------------------------


def put(app, booking, status):
    return app.patch(f"appointments/{booking.public_id}/status", {"status": status})


def test_a_visit_goes_its_way(reception):
    booking = f.paid(f.window())
    assert put(reception, booking, "checked_in").json()["status"] == "checked_in"
    assert put(reception, booking, "confirmed").json()["status"] == "confirmed"
    assert put(reception, booking, "no_show").json()["status"] == "no_show"
    assert put(reception, booking, "checked_in").json()["status"] == "checked_in"
    assert put(reception, booking, "completed").json()["status"] == "completed"


def test_who_was_called_by_mistake_goes_back_to_the_waiting_room(reception):
    booking = f.paid(f.window())
    desk.call_next(booking.schedule_id, actor=f.user())
    assert put(reception, booking, "checked_in").json()["status"] == "checked_in"


def test_what_already_is_so_stays(reception):
    booking = f.paid(f.window())
    put(reception, booking, "checked_in")
    before = everything()
    assert put(reception, booking, "checked_in").status_code == 200
    assert everything() == before


@pytest.mark.parametrize("status", ["confirmed", "checked_in", "completed", "no_show"])
def test_no_button_of_the_desk_confirms_what_is_not_paid(reception, status):
    booking = f.hold(f.window())
    before = everything()
    answer = put(reception, booking, status)
    assert (answer.status_code, answer.json()["code"]) == (409, "MOVE")
    assert everything() == before


@pytest.mark.parametrize("status", ["held", "in_consultation", "cancelled", "CONFIRMED", 1, None])
def test_a_status_that_nobody_says_here_is_refused(reception, status):
    booking = f.paid(f.window())
    before = everything()
    answer = put(reception, booking, status)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["status"])
    assert everything() == before


def test_doctors_move_their_own_patients_only():
    mine, other = f.paid(f.window(doctor=f.doctor(user=f.staff("Doctor")))), f.paid(f.window())
    app = App(mine.schedule.doctor.user)
    before = everything()
    assert put(app, other, "checked_in").status_code == 404
    assert everything() == before
    assert put(app, mine, "checked_in").status_code == 200


def test_patients_do_not_check_themselves_in():
    account = f.user()
    booking = f.paid(f.window(), f.patient(account=account), booked_by=account)
    assert put(App(account), booking, "checked_in").status_code == 403
    booking.refresh_from_db()
    assert booking.status == "confirmed"


def test_a_move_takes_few_statements(reception):
    booking = f.paid(f.window())
    with CaptureQueriesContext(connection) as sent:
        assert put(reception, booking, "checked_in").status_code == 200
    assert len(statements(sent)) <= 10, "\n".join(statements(sent))


# --- What became of the money -------------------------------------------------------------

SEEN = {"status": "captured", "reason": "on the terminal's slip", "method": "card", "reference": "T-77", "amount": 50000}  # fmt: skip


def say(app, booking, **wish):
    return app.patch(f"appointments/{booking.public_id}/payment", SEEN | wish)


@pytest.fixture
def attempt():
    """Somebody is on the gateway's page."""
    return f.attempt(f.hold(f.window()))


def test_money_that_a_person_saw_confirms_the_place(manager, attempt):
    said = say(manager, attempt.booking).json()
    assert (said["status"], said["paymentStatus"], said["queueNumber"]) == ("confirmed", "captured", 1)
    assert Payment.objects.get(method="card").gateway_payment == "T-77"
    assert PaymentEvent.objects.filter(kind="recorded by hand").exists()


def test_at_the_gateway_it_is_that_attempts(manager, attempt):
    assert say(manager, attempt.booking, method=None, reference="demo_pay_9").status_code == 200
    attempt.refresh_from_db()
    assert (attempt.status, attempt.claimed_as) == ("captured", "demo_pay_9")


def test_an_attempt_that_failed_is_said_to_have(manager, attempt):
    answer = say(manager, attempt.booking, status="failed", reason="the bank says so")
    assert (answer.json()["status"], answer.json()["paymentStatus"]) == ("held", "failed")


def test_another_sum_is_recorded_and_confirms_nothing(manager, attempt):
    answer = say(manager, attempt.booking, amount=49900)
    assert (answer.json()["status"], answer.json()["paymentStatus"]) == ("held", "captured")
    assert Payment.objects.get(method="card").outcome == "review"


@pytest.mark.parametrize("to", ["failed", "captured"])
def test_what_arrived_stays_so(manager, to):
    booking = f.paid(f.window())
    before = everything()
    answer = say(manager, booking, status=to)
    assert (answer.status_code, answer.json()["code"]) == (409, "CAPTURED")
    assert everything() == before


def test_where_nobody_began_to_pay_there_is_nothing_to_record(manager):
    booking = f.hold(f.window())
    answer = say(manager, booking)
    assert (answer.status_code, answer.json()["code"]) == (409, "NO_ATTEMPT")


def test_a_number_stands_on_one_payment(manager, attempt):
    say(manager, attempt.booking)
    other = f.attempt(f.hold(f.window()))
    before = everything()
    answer = say(manager, other.booking)
    assert (answer.status_code, answer.json()["code"]) == (409, "REFERENCE_USED")
    assert everything() == before


UNSAID = {
    "why": ({"reason": " "}, "reason"),
    "how much": ({"amount": None}, "amount"),
    "nothing": ({"amount": 0}, "amount"),
    "a downgrade": ({"status": "created"}, "status"),
    "another": ({"status": "authorized"}, "status"),
    "cash, which goes into a drawer": ({"method": "cash"}, "method"),
}


@pytest.mark.parametrize(("wish", "field"), UNSAID.values(), ids=UNSAID)
def test_what_is_not_said_of_the_money_is_asked_for(manager, attempt, wish, field):
    before = everything()
    answer = say(manager, attempt.booking, **wish)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field])
    assert everything() == before


def test_without_its_number_nothing_is_recorded(manager, attempt):
    before = everything()
    answer = say(manager, attempt.booking, reference=" ")
    assert (answer.status_code, answer.json()["code"]) == (409, "REFERENCE")
    assert everything() == before


@pytest.mark.parametrize("role", ["Reception", "Doctor"])
def test_only_who_may_override_does(role, attempt):
    before = everything()
    assert say(App(f.staff(role)), attempt.booking).status_code == 403
    assert everything() == before


# --- Machines -----------------------------------------------------------------------------


def test_a_key_runs_the_desk_where_it_is_for_that_and_its_account_may():
    nurse, booking = f.staff("Reception"), f.paid(f.window())

    def machine(account, scope):
        return App(Authorization=f"Bearer {f.api_key(account=account, scopes=[scope])[1]}")

    assert put(machine(nurse, Scope.BOOK), booking, "checked_in").json()["code"] == "SCOPE"
    assert put(machine(f.user(), Scope.DESK), booking, "checked_in").json()["code"] == "FORBIDDEN"
    booking.refresh_from_db()
    assert booking.status == "confirmed"
    assert put(machine(nurse, Scope.DESK), booking, "checked_in").status_code == 200
    assert booking.events.latest("pk").actor == nurse
