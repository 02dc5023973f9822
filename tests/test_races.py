"""Rivals at the same instant, on real connections; and the same race without the lock, which goes wrong.

Both runs meet at the same line: right after the window was read (tests/racing.py). With the lock
only one of them can be there.
"""

from collections import Counter
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from bookings import actions, desk
from bookings.models import Booking
from bookings.states import Status
from clinic.errors import Refused
from payments import actions as money
from payments import counter, due_actions, staff_actions, sweeps
from payments.inbox_models import GatewayEventQuerySet
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, Refund
from payments.override_actions import record_capture
from tests import factories as f
from tests.conftest import locks
from tests.racing import Meeting, at_once, without_locks

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture(params=["with locks", "without locks"])
def fair(request, monkeypatch):
    """True with our locks. False in the negative control, where the race must go wrong."""
    if request.param == "without locks":
        without_locks(monkeypatch)
        request.getfixturevalue("unwatched")
    return request.param == "with locks"


@pytest.fixture
def meeting(fair):
    return Meeting(in_turn=not fair)


@pytest.fixture
def unwatched():
    """The witness of lock order would rightly complain of a race without locks."""
    yield
    locks.wrongs.clear()


def said(results) -> Counter:
    """How often each answer was given: a status, a refusal's code, or an error's name."""
    return Counter(
        r.code if isinstance(r, Refused) else type(r).__name__ if isinstance(r, Exception) else r.status
        for r in results
    )


def healthy() -> bool:
    return violations() == {}


def test_two_patients_want_the_last_place(fair, meeting):
    window = f.window(capacity=1)
    keys = uuid4(), uuid4()
    results = at_once(*(lambda k=k: f.hold(window, request_key=k) for k in keys), meeting=meeting)
    right = said(results) == {"held": 1, "FULL": 1} and healthy()
    assert right is fair


def test_a_walk_in_and_a_patient_online_want_the_last_place(fair, meeting):
    window, reception = f.window(capacity=1), f.user()

    def walk_in():
        return counter.walk_in(
            schedule_id=window.pk, who=f.guest(), method="cash", actor=reception, request_key=uuid4()
        )

    results = at_once(walk_in, lambda: f.hold(window), meeting=meeting)
    right = said(results) in ({"confirmed": 1, "FULL": 1}, {"held": 1, "FULL": 1}) and healthy()
    assert right is fair


def test_the_same_form_arrives_twice_at_once(fair, meeting):
    window, key, who = f.window(), uuid4(), f.guest()
    results = at_once(*[lambda: f.hold(window, who, request_key=key)] * 2, meeting=meeting)
    right = said(results) == {"held": 2} and results[0].pk == results[1].pk and healthy()
    assert right is fair


def test_the_same_patient_books_in_two_tabs(fair, meeting):
    window, patient = f.window(), f.patient()
    results = at_once(*[lambda: f.hold(window, patient)] * 2, meeting=meeting)
    right = said(results) == {"held": 1, "ALREADY_BOOKED": 1} and healthy()
    assert right is fair


def test_money_arrives_while_the_patient_cancels(fair, meeting):
    """Whoever is first: the booking ends cancelled, and all of the money goes back."""
    booking = f.hold(f.window())
    payment = f.attempt(booking)
    body = f.capture_body(payment)
    at_once(
        lambda: f.deliver(body), lambda: actions.cancel(booking.pk, reason="changed my mind"), meeting=meeting
    )
    sweeps.make_refunds()
    booking.refresh_from_db()
    payment.refresh_from_db()
    right = booking.status == Status.CANCELLED and payment.refunded_minor == 50000 and healthy()
    assert right is fair


def test_money_arrives_while_the_sweep_takes_the_place_back(fair, meeting):
    """Whoever is first, there is room, so the money buys the place."""
    window = f.window(capacity=1)
    booking = f.hold(window)
    body = f.capture_body(f.attempt(booking))
    f.lapse(booking)
    at_once(lambda: f.deliver(body), lambda: actions.expire_lapsed_in(window.pk), meeting=meeting)
    booking.refresh_from_db()
    right = (booking.status, booking.queue_number) == (Status.CONFIRMED, 1) and healthy()
    assert right is fair


def test_two_payments_arrive_for_the_last_place(fair, meeting):
    window = f.window(capacity=1, holds_reserve=False)
    bodies = [f.capture_body(f.attempt(f.hold(window))) for _ in range(2)]
    at_once(*(lambda b=body: f.deliver(b) for body in bodies), meeting=meeting)
    statuses = Counter(Booking.objects.values_list("status", flat=True))
    right = statuses == {"confirmed": 1, "overflow": 1} and healthy()
    assert right is fair


def test_two_payments_arrive_for_one_booking(fair, meeting):
    booking = f.hold(f.window())
    payment = f.attempt(booking)
    bodies = [f.capture_body(payment), f.capture_body(payment, again=True)]
    at_once(*(lambda b=body: f.deliver(b) for body in bodies), meeting=meeting)
    outcomes = sorted(booking.payments.values_list("outcome", flat=True))
    right = outcomes == ["bought", "surplus"] and healthy()
    assert right is fair


@pytest.mark.parametrize("number", ["demo_pay_seen", "the same"])
def test_a_webhook_arrives_while_a_manager_records_the_money(number):
    """Whoever is first, it is one payment, and the gateway's name stays."""
    manager, payment = f.staff("Manager"), f.attempt(f.hold(f.window()))
    body = f.capture_body(payment)
    name = f.demo().parse(body)[0].gateway_payment
    seen = {"amount_minor": 50000, "method": "", "reference": number if number != "the same" else name}
    results = at_once(
        lambda: f.deliver(body),
        lambda: record_capture(payment.pk, **seen, reason="seen", actor=manager),
        meeting=Meeting(),
    )
    assert not isinstance(results[0], Exception)
    assert isinstance(results[1], Payment) or results[1].code == "CAPTURED"
    assert list(Payment.objects.values_list("outcome", "gateway_payment", "claimed_as")) == [
        ("bought", name, "")
    ]
    assert Booking.objects.get().events.count() == 2
    assert healthy()


def test_two_receptionists_call_the_next_patient(fair, meeting):
    """Each calls somebody else: the second one finishes the visit that the first one began."""
    window, reception = f.window(fee_minor=0), f.user()
    for _ in range(2):
        f.hold(window)
    results = at_once(*[lambda: desk.call_next(window.pk, actor=reception)] * 2, meeting=meeting)
    called = sorted(r.queue_number for r in results if isinstance(r, Booking))
    right = called == [1, 2] and healthy()
    assert right is fair


def test_two_receptionists_call_the_next_patient_from_the_same_screen():
    """Each saw nobody with the doctor: the slower one is told to look again."""
    window, reception = f.window(fee_minor=0), f.user()
    for _ in range(2):
        f.hold(window)
    call = [lambda: desk.call_next(window.pk, actor=reception, serving=0)] * 2
    assert said(at_once(*call, meeting=Meeting())) == {"in_consultation": 1, "ALREADY_CALLED": 1}


@pytest.mark.parametrize("claiming", [True, False], ids=["claiming", "without claiming"])
def test_twenty_copies_of_one_webhook_arrive_at_once(claiming, monkeypatch):
    """One of them works. In the negative control each copy does, because none asks who did."""
    if not claiming:
        monkeypatch.setattr(GatewayEventQuerySet, "unprocessed", lambda self: self.all())
    booking = f.hold(f.window())
    body = f.capture_body(f.attempt(booking))
    meeting = Meeting('INSERT INTO "payments_gatewayevent"', in_turn=not claiming)
    assert at_once(*[lambda: f.deliver(body)] * 20, meeting=meeting) == [None] * 20
    booking.refresh_from_db()
    assert (booking.status, booking.queue_number, booking.payments.count()) == ("confirmed", 1, 1)
    assert (GatewayEvent.objects.get().tries == 1) is claiming
    assert healthy()


def test_under_serializable_fewer_are_sold_and_never_too_many():
    window = f.window(capacity=5)

    def hold():
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        return f.hold(window)

    answers = said(at_once(*[hold] * 12))
    assert set(answers) <= {"held", "FULL", "OperationalError"}
    assert 1 <= answers["held"] <= 5
    assert healthy()


def test_twenty_payments_arrive_for_five_places():
    window = f.window(capacity=5, holds_reserve=False)
    bodies = [f.capture_body(f.attempt(f.hold(window))) for _ in range(20)]
    assert at_once(*(lambda b=body: f.deliver(b) for body in bodies)) == [None] * 20
    numbers = window.bookings.occupying().order_by("queue_number").values_list("queue_number", flat=True)
    assert list(numbers) == [1, 2, 3, 4, 5]
    assert Payment.objects.owed_back().count() == 15
    assert healthy()


def test_many_workers_send_a_refund_once():
    bookings = [f.paid(f.window()) for _ in range(3)]
    for booking in bookings:
        actions.cancel(booking.pk, reason="ill")
    at_once(*[sweeps.make_refunds] * 6)
    assert sum(at_once(*[sweeps.send_refunds] * 6)) == 3
    for payment in Payment.objects.all():
        assert payment.refunds.count() == 1
        assert [e.kind for e in payment.events.all()].count("refund done") == 1
    assert healthy()


def test_who_waited_while_another_took_a_refund_to_send_does_not_take_it_too():
    """The claim is one UPDATE that must look again at a row it waited for, at more than its key."""
    actions.cancel(f.paid(f.window()).pk, reason="ill")
    sweeps.make_refunds()
    now = timezone.now()

    def claim():
        with transaction.atomic():  # so that the rival waits
            return Refund.objects.to_send(now).update(status="sending", next_try_at=now + money.LEASE)

    results = at_once(claim, claim, meeting=Meeting('UPDATE "payments_refund"'))
    assert sorted(results) == [0, 1]
    Refund.objects.update(status="due")


def test_a_second_click_on_pay_at_the_same_instant_finds_the_same_attempt():
    booking = f.hold(f.window())
    results = at_once(*[lambda: money.start(Booking.objects.get(pk=booking.pk), "demo")] * 6)
    assert {payment.pk for payment in results} == {Payment.objects.get().pk}


def test_two_managers_give_the_same_money_back(fair):
    """One of them is told that nothing is left. Without the lock both refunds are sent."""
    payment, manager = f.paid(f.window()).payments.get(), f.user()

    def refund():
        return staff_actions.refund(
            payment.pk, amount_minor=40000, reason="sorry", key=uuid4(), actor=manager
        )

    meeting = Meeting('FROM "payments_payment"', in_turn=not fair)
    results = at_once(refund, refund, meeting=meeting)
    sweeps.send_refunds()
    right = said(results) == {"due": 1, "TOO_MUCH": 1} and payment.refunds.count() == 1 and healthy()
    assert right is fair


def test_a_patient_cancels_while_a_manager_gives_the_money_back(fair):
    """Whoever is first: no more goes back than came."""
    booking, manager = f.paid(f.window()), f.user()
    payment = booking.payments.get()
    actions.cancel_own(booking.pk, shown=100)
    meeting = Meeting('FROM "payments_payment"', in_turn=not fair)
    at_once(
        lambda: money.owe(payment.pk, "cancel", 100),
        lambda: staff_actions.refund(
            payment.pk, amount_minor=40000, reason="sorry", key=uuid4(), actor=manager
        ),
        meeting=meeting,
    )
    assert healthy() is fair


def test_a_patient_cancels_in_two_tabs():
    booking = f.paid(f.window())
    results = at_once(*[lambda: actions.cancel_own(booking.pk, shown=100)] * 2, meeting=Meeting())
    sweeps.make_refunds()
    assert said(results) == {"cancelled": 2}
    assert [e.to_status for e in booking.events.all()].count("cancelled") == 1
    assert healthy()


def collect(booking, key=None):
    asked = {"method": "cash", "key": key or uuid4(), "actor": f.user()}
    return lambda: due_actions.collect(booking.pk, **asked)


def test_two_receptionists_take_what_is_owed(fair, meeting):
    """One of them is told that it is paid. Without the lock both take the money."""
    booking = f.owing(f.window())
    results = at_once(collect(booking), collect(booking), meeting=meeting)
    right = (
        said(results) == {"confirmed": 1, "NOTHING_DUE": 1} and booking.payments.count() == 1 and healthy()
    )
    assert right is fair


def test_two_receptionists_sell_the_place_of_a_card_that_failed(fair, meeting):
    booking = f.hold(f.window())
    results = at_once(collect(booking), collect(booking), meeting=meeting)
    right = (
        said(results) == {"confirmed": 1, "NOTHING_DUE": 1} and booking.payments.count() == 1 and healthy()
    )
    assert right is fair


@pytest.mark.parametrize("begin", [f.owing, f.hold])
def test_money_arrives_online_while_reception_takes_it(begin, fair, meeting):
    """Whoever is first: the place is paid once. What came online too goes back, or the desk takes nothing.
    Without the lock the database still refuses the second money, and one of them has an error."""
    booking = begin(f.window())
    body = f.capture_body(f.attempt(booking))
    _told, taken = at_once(lambda: f.deliver(body), collect(booking), meeting=meeting)
    sweeps.make_refunds()
    booking.refresh_from_db()
    kept = sum(payment.left_minor for payment in booking.payments.all())
    told_at_once = GatewayEvent.objects.get().error == ""
    right = (booking.queue_number, booking.due_minor, kept) == (1, 0, 50000) and healthy()
    right = right and told_at_once and set(said([taken])) <= {"confirmed", "NOTHING_DUE"}
    assert right is fair


def test_a_patient_chooses_the_desk_while_their_money_arrives(fair, meeting):
    """Whoever is first: paid, and nothing is owed."""
    booking = f.hold(f.window())
    body = f.capture_body(f.attempt(booking))
    with override_settings(PAY_AT_DESK=True):
        at_once(lambda: f.deliver(body), lambda: actions.pay_at_desk(booking.pk), meeting=meeting)
    booking.refresh_from_db()
    right = (booking.queue_number, booking.due_minor) == (1, 0) and healthy()
    assert right is fair


def test_a_form_that_arrives_twice_at_once_takes_the_money_once():
    booking, key = f.owing(f.window()), uuid4()
    results = at_once(*[collect(booking, key)] * 4)
    assert said(results) == {"confirmed": 4}
    assert booking.payments.count() == 1
    assert healthy()


def test_the_last_free_visit_of_a_trial_is_booked_in_two_windows_at_once(fair):
    """Two locks on two windows; the membership's is the one they share."""
    account = f.member(f.trial(visits=1))
    who, windows = f.patient(account=account), (f.window(), f.window())
    free = [lambda w=w: f.hold(w, who, price_minor=0, booked_by=account) for w in windows]
    counted = Meeting("COUNT(*)", in_turn=not fair)
    results = at_once(*free, meeting=counted)
    right = said(results) == {"confirmed": 1, "PRICE_CHANGED": 1} and healthy()
    assert right is fair
