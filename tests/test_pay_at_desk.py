"""A patient chooses to pay when they come: the number at once, the money later, once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings import actions, desk
from bookings.models import Booking, BookingEvent
from bookings.queries import owed
from bookings.states import Status
from clinic.errors import Refused
from clinic.models import ReviewItem, Service
from payments import actions as money
from payments import staff_actions, sweeps
from payments.management.commands.check_invariants import violations
from payments.models import Payment
from schedules.models import Schedule
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def offered(settings):
    settings.PAY_AT_DESK = True


@pytest.fixture
def booking():
    return f.owing(f.window())


def rows() -> list:
    return [list(row.objects.order_by("pk").values()) for row in (Booking, BookingEvent, Schedule, Payment)]


def refused(call, *args, **fields) -> str:
    before = rows()
    with pytest.raises(Refused) as refusal:
        call(*args, **fields)
    assert rows() == before
    return refusal.value.code


def choose(client, booking, **options):
    return client.post(f"/b/{booking.public_id}/pay-at-desk/", **options)


# --- Choosing -----------------------------------------------------------------------------


def test_the_number_comes_at_once_and_the_price_is_owed(client):
    held = f.hold(f.window())
    page = client.get(f"/pay/{held.public_id}/").content.decode()
    assert "How will you pay ₹500?" in page
    assert "Pay ₹500 at the desk" in page
    answer = choose(client, held, follow=True)
    held.refresh_from_db()
    assert (held.status, held.queue_number) == (Status.CONFIRMED, 1)
    assert (held.pay_at_desk, held.due_minor, held.price_minor) == (True, 50000, 50000)
    assert "₹500 to pay at the desk" in answer.content.decode()
    assert "Receipt" not in answer.content.decode()
    assert violations() == {}


def test_choosing_it_twice_is_once(client):
    held = f.hold(f.window())
    choose(client, held)
    before = rows()
    assert choose(client, held).status_code == 303
    assert rows() == before


def test_without_the_clinics_word_nobody_can_choose_it(client, settings):
    settings.PAY_AT_DESK = False
    held = f.hold(f.window())
    assert "at the desk" not in client.get(f"/pay/{held.public_id}/").content.decode()
    assert refused(actions.pay_at_desk, held.pk) == "DESK_NOT_OFFERED"
    assert "can&#x27;t be paid at the desk" in choose(client, held, follow=True).content.decode()


@pytest.mark.parametrize(("clinics", "services", "may"), [
    (True, None, True), (True, False, False), (False, None, False), (False, True, True),
])  # fmt: skip
def test_a_service_has_its_own_word_or_the_clinics(settings, clinics, services, may):
    settings.PAY_AT_DESK = clinics
    service = Service.objects.create(
        code="ecg", name="ECG", duration=20, price_minor=50000, pay_at_desk=services
    )
    held = f.hold(f.window())
    held.service = service
    held.save(update_fields=["service"])
    if may:
        assert actions.pay_at_desk(held.pk).status == Status.CONFIRMED
    else:
        assert refused(actions.pay_at_desk, held.pk) == "DESK_NOT_OFFERED"


def test_a_place_whose_time_is_up_must_be_taken_again():
    held = f.hold(f.window())
    f.lapse(held)
    assert refused(actions.pay_at_desk, held.pk) == "NOT_PAYABLE"


def test_a_place_that_reserved_nothing_needs_one_that_is_left():
    window = f.window(capacity=1, holds_reserve=False)
    late = f.hold(window)
    f.owing(window)
    assert refused(actions.pay_at_desk, late.pk) == "FULL"
    assert violations() == {}


def test_somebody_elses_place_is_not_found(client):
    theirs = f.hold(f.window(), booked_by=f.user())
    assert choose(client, theirs).status_code == 404
    theirs.refresh_from_db()
    assert theirs.status == Status.HELD


def test_a_clinic_without_a_gateway_can_be_booked(client, settings):
    window = f.window()
    settings.PAYMENT_GATEWAYS = []
    assert "can be paid at the desk" in client.get(f"/book/{window.pk}/").content.decode()
    page = client.get(f"/pay/{f.hold(window).public_id}/").content.decode()
    assert "Pay ₹500 at the desk" in page
    settings.PAY_AT_DESK = False
    assert "paid online yet" in client.get(f"/book/{window.pk}/").content.decode()


def test_slip_and_appointments_say_what_is_owed(client):
    account = f.user()
    booking = f.owing(f.window(), f.patient(account=account), booked_by=account)
    client.force_login(account)
    assert "₹500 to pay at the desk" in client.get("/appointments/").content.decode()
    slip = client.get(f"/b/{booking.public_id}/slip/").content.decode()
    assert "pay at the desk" in slip
    assert "paid" not in slip


def test_the_live_page_changes_when_the_desk_has_taken_the_money(client, booking):
    page = client.get(booking.get_absolute_url())
    url = f"/b/{booking.public_id}/status?seen={page.context['ticket'].version}"
    assert client.get(url).status_code == 204
    Booking.objects.filter(pk=booking.pk).update(due_minor=0)
    assert client.get(url).status_code == 200


# --- Not coming, not paying ---------------------------------------------------------------


def test_who_cancels_unpaid_gets_nothing_back_and_owes_nothing(client, booking):
    page = client.get(f"/b/{booking.public_id}/cancel/").content.decode()
    assert "You have paid nothing, so nothing comes back." in page
    answer = client.post(f"/b/{booking.public_id}/cancel/", {"percent": ""}, follow=True)
    booking.refresh_from_db()
    assert (booking.status, booking.refund_due_at) == (Status.CANCELLED, None)
    assert "Your booking is cancelled." in answer.content.decode()
    assert answer.context["ticket"].is_over
    assert sweeps.make_refunds() == 0
    assert owed(Booking.objects.all()) == []
    assert violations() == {}


def test_the_clinics_own_cancellation_sends_nothing_back_either(booking):
    cancelled = actions.cancel(booking.pk, reason="The doctor is ill")
    assert cancelled.refund_percent is None
    assert sweeps.make_refunds() == 0
    assert violations() == {}


def test_who_did_not_come_owes_nothing_until_they_come_after_all(booking):
    reception = f.user()
    desk.no_show(booking.pk, actor=reception)
    assert owed(Booking.objects.all()) == []
    desk.check_in(booking.pk, actor=reception)
    [sum_] = owed(Booking.objects.all())
    assert (sum_.count, sum_.amount) == (1, "₹500")


# --- Money that comes online all the same -------------------------------------------------


def test_what_was_begun_online_and_arrives_late_pays_what_is_owed():
    held = f.hold(f.window())
    attempt = f.attempt(held)
    actions.pay_at_desk(held.pk)
    f.deliver(f.capture_body(attempt))
    held.refresh_from_db()
    attempt.refresh_from_db()
    assert (held.status, held.queue_number, held.due_minor) == (Status.CONFIRMED, 1, 0)
    assert (attempt.outcome, attempt.refunded_minor) == ("bought", 0)
    assert held.events.count() == 2
    assert violations() == {}


def test_paying_twice_online_gives_the_second_back(booking):
    body, again = (f.capture_body(f.attempt(booking), again=again) for again in (False, True))
    f.deliver(body)
    f.deliver(again)
    sweeps.make_refunds()
    assert sorted(booking.payments.values_list("outcome", "refunded_minor")) == [
        ("bought", 0), ("surplus", 50000),
    ]  # fmt: skip
    assert violations() == {}


def test_pay_now_instead_leads_to_the_gateway_and_back_to_paid(client, booking):
    page = client.get(booking.get_absolute_url()).content.decode()
    assert "Pay ₹500 now instead" in page
    assert "Give up this place" not in client.get(f"/pay/{booking.public_id}/").content.decode()
    answer = client.post(f"/pay/{booking.public_id}/", {"gateway": "demo"})
    attempt = booking.payments.get()
    assert answer["Location"] == attempt.redirect_url
    f.deliver(f.capture_body(attempt))
    page = client.get(booking.get_absolute_url()).content.decode()
    assert "to pay at the desk" not in page
    assert "Receipt" in page
    assert violations() == {}


def test_who_paid_already_is_sent_to_their_page(client, booking):
    f.deliver(f.capture_body(f.attempt(booking)))
    answer = client.get(f"/pay/{booking.public_id}/")
    assert (answer.status_code, answer["Location"]) == (303, booking.get_absolute_url())


def test_without_a_gateway_the_live_page_offers_only_the_desk(client, booking, settings):
    settings.PAYMENT_GATEWAYS = []
    assert "now instead" not in client.get(booking.get_absolute_url()).content.decode()
    assert client.get(f"/pay/{booking.public_id}/").status_code == 303


def test_an_attempt_to_pay_what_is_owed_is_left_open_for_as_long_as_a_hold_and_then_ended(booking):
    Booking.objects.filter(pk=booking.pk).update(hold_expires_at=timezone.now() - timedelta(hours=2))
    booking.refresh_from_db()
    attempt = f.attempt(booking)
    minutes = (attempt.next_check_at - attempt.created_at) / timedelta(minutes=1)
    assert round(minutes) == 15
    attempt.next_check_at = timezone.now()
    attempt.save(update_fields=["next_check_at"])
    sweeps.close_open_payments()
    attempt.refresh_from_db()
    assert attempt.status == "created"
    earlier = {"created_at": timezone.now() - timedelta(minutes=16), "next_check_at": timezone.now()}
    Payment.objects.update(**earlier)
    sweeps.close_open_payments()
    attempt.refresh_from_db()
    assert attempt.status == "expired"


def test_a_wrong_amount_is_looked_at_and_the_price_stays_owed(client, booking):
    f.deliver(f.altered(f.capture_body(f.attempt(booking)), amount=100))
    booking.refresh_from_db()
    assert booking.due_minor == 50000
    page = client.get(booking.get_absolute_url()).content.decode()
    assert "Please do not pay again" in page
    assert "now instead" not in page
    item, payment = ReviewItem.objects.get(), booking.payments.get()
    staff_actions.accept(payment.pk, reason="they paid the rest", actor=f.user(), review_id=item.pk)
    booking.refresh_from_db()
    assert (booking.due_minor, booking.queue_number) == (0, 1)
    assert violations() == {}


def test_what_was_refused_online_is_still_owed(client, booking):
    f.deliver(f.demo().decline(str(f.attempt(booking).key)))
    booking.refresh_from_db()
    assert booking.due_minor == 50000
    assert "your place is yours" in client.get(f"/pay/{booking.public_id}/").content.decode()


def test_a_cancelled_place_that_was_owed_for_gives_late_money_back(booking):
    attempt = f.attempt(booking)
    actions.cancel(booking.pk, reason="ill")
    f.deliver(f.capture_body(attempt))
    sweeps.make_refunds()
    attempt.refresh_from_db()
    assert (attempt.outcome, attempt.refunded_minor) == ("surplus", 50000)
    assert violations() == {}


def test_nobody_can_start_to_pay_what_is_not_owed():
    booking = f.paid(f.window())
    assert refused(money.start, booking, "demo") == "NOT_PAYABLE"
