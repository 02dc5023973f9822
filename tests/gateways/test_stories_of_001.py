"""Document 001's testing checklist, item by item and by its words, with the gateway that it names.

Its "VISE" is a plan that is free with a doctor who looks after the patient, its schedule an exact time.
"""

from datetime import time, timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from bookings.models import Booking
from bookings.states import Status
from bookings.sweeps import finish_schedules
from clinic.membership_models import CareRelation
from clinic.notice_models import Notice
from payments import gateways
from payments.models import Customer, Payment
from schedules.models import Schedule
from schedules.sweeps import open_ahead
from tests import factories as f
from tests.gateways.house import StripeHouse
from tests.racing import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(stripe_bench, settings, monkeypatch):
    """A clinic with members only, which takes money by Stripe."""
    settings.CLINIC_REQUIRES_MEMBERSHIP = True
    settings.PAYMENT_GATEWAYS = ["stripe", "demo"]
    monkeypatch.setitem(gateways.TABLE, "stripe", lambda: stripe_bench.gateway)
    gateways.get.cache_clear()
    house = StripeHouse("stripe", stripe_bench)
    yield house
    assert house.healthy()
    gateways.get.cache_clear()


@pytest.fixture
def slot():
    return f.slot(starts_in=timedelta(days=2))


@pytest.fixture
def standard(client):
    """Somebody on a plan that pays, signed in."""
    account = f.member(f.plan(name="Standard"), f.user(name="Meera Joshi"))
    f.patient(account=account, relationship="self", name="Meera Joshi")
    client.force_login(account)
    return account


def book(client, slot):
    """They open the form, and send it as it is shown to them."""
    page = client.get(slot.get_absolute_url())
    person, offer = page.context["form"].people[0], page.context["offer"]
    sent = {"request_key": page.context["request_key"], "patient": person.pk, "consent": "on"}
    sent |= {"price": offer.newcomer.price_minor, f"price-{person.pk}": person.quote.price_minor}
    return client.post(slot.get_absolute_url(), sent)


def go_and_pay(client, booking) -> Payment:
    """They choose Stripe and are on its page."""
    answer = client.post(f"/pay/{booking.public_id}/", {"gateway": "stripe"})
    assert answer.status_code == 303
    return booking.payments.latest("pk")


def fresh(row):
    return type(row)._default_manager.get(pk=row.pk)


def test_vise_user_with_existing_relation(client, house, slot):
    account = f.member(f.vise(), f.user(name="Meera Joshi"))
    patient = f.patient(account=account, relationship="self")
    CareRelation.objects.create(doctor=slot.doctor, patient=patient)
    client.force_login(account)
    answer = book(client, slot)
    booking = Booking.objects.get()
    assert answer["Location"] == booking.get_absolute_url()
    assert (booking.status, booking.price_minor) == (Status.CONFIRMED, 0)
    assert booking.free_reason == "with your plan Care Plus"
    assert fresh(slot).taken == 1
    assert not Payment.objects.exists()
    told = Notice.objects.filter(about=booking.pk).values_list("recipient", flat=True)
    assert {"doctor", "patient"} <= set(told)


def test_vise_user_without_a_relation_pays(client, house, slot):
    account = f.member(f.vise())
    f.patient(account=account, relationship="self")
    client.force_login(account)
    assert book(client, slot)["Location"].startswith("/pay/")


def test_no_subscription_403_subscribe_to_book(client, house, slot):
    account = f.user()
    f.patient(account=account, relationship="self")
    client.force_login(account)
    answer = client.get(slot.get_absolute_url())
    assert answer.status_code == 403
    assert "Subscribe to book" in answer.content.decode()
    assert not Booking.objects.exists()


def test_standard_user_payment_flow(client, house, slot, standard):
    assert book(client, slot)["Location"].startswith("/pay/")
    booking = Booking.objects.get()
    assert (booking.status, booking.price_minor) == (Status.HELD, 50000)
    payment = go_and_pay(client, booking)
    house.tell(*house.pay(payment))
    booking, payment = fresh(booking), fresh(payment)
    assert (booking.status, payment.status, payment.outcome) == (Status.CONFIRMED, "captured", "bought")
    assert fresh(slot).taken == 1
    house.work()
    assert slot.doctor.ledger.get().amount_minor == 50000
    assert "confirmed" in client.get(booking.get_absolute_url()).content.decode().lower()


def test_payment_timeout_15_min(client, house, slot, standard):
    book(client, slot)
    booking = Booking.objects.get()
    assert booking.hold_expires_at - booking.created_at == timedelta(minutes=15)
    go_and_pay(client, booking)
    house.wait(minutes=14)
    house.work()
    assert (fresh(booking).status, fresh(slot).taken) == (Status.HELD, 1)
    house.wait(minutes=1)
    house.work()
    assert (fresh(booking).status, fresh(slot).taken) == (Status.EXPIRED, 0)
    assert book(client, slot)["Location"].startswith("/pay/")


def test_webhook_success_after_the_timeout_takes_the_slot_only_if_it_is_free(client, house, slot, standard):
    book(client, slot)
    late = go_and_pay(client, Booking.objects.get())
    paid = house.pay(late)
    house.wait(minutes=15)
    f.paid(slot, f.patient(account=standard), booked_by=standard)
    house.tell(*paid)
    assert fresh(late).outcome == "no_place"
    assert fresh(late).booking.status == Status.OVERFLOW
    house.work()
    assert house.refunds(fresh(late)) == [50000]


def test_webhook_failure_keeps_the_slot_until_the_hold_ends_and_frees_it_then(client, house, slot, standard):
    """001 cancels at once; a retry may still pay, so the hold lives on (DESIGN §10)."""
    book(client, slot)
    booking = Booking.objects.get()
    payment = go_and_pay(client, booking)
    house.tell(*house.decline(payment))
    assert (fresh(booking).status, fresh(slot).taken) == (Status.HELD, 1)
    assert "declined" in client.get(f"/pay/{booking.public_id}/").content.decode()
    house.wait(minutes=15)
    house.work()
    assert (fresh(booking).status, fresh(slot).taken) == (Status.EXPIRED, 0)


def test_schedule_auto_creation_next_day():
    """001 makes the next day's schedule when one ends; here the hours of a week do, ahead of time."""
    doctor, today = f.doctor(), timezone.localdate()
    days = [today, today + timedelta(days=1)]
    for day in days:
        f.hours(
            doctor=doctor, weekday=day.weekday(), kind="slot", slot_minutes=20, capacity=1,
            start_time=time(0, 10), end_time=time(0, 30),
        )  # fmt: skip
    open_ahead()
    tomorrow = Schedule.objects.get(doctor=doctor, date=days[1])
    assert (tomorrow.hours, tomorrow.status, tomorrow.taken) == ("00:10–00:30", "open", 0)
    seen = f.hold(f.slot(fee_minor=0))  # of another doctor, wherever on the clock we are
    f.move_window(seen.schedule, -timedelta(hours=9))
    finish_schedules()
    assert (fresh(seen).status, fresh(seen.schedule).status) == (Status.COMPLETED, "finished")
    assert fresh(tomorrow).status == "open"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_concurrent_booking_attempts(settings):
    settings.CLINIC_REQUIRES_MEMBERSHIP = True
    slot, plan = f.slot(starts_in=timedelta(days=2)), f.plan()

    def somebody():
        account = f.member(plan)
        return account, f.patient(account=account, relationship="self")

    def attempt(account, person):
        client = Client()
        client.force_login(account)
        sent = {"request_key": uuid4(), "patient": person.pk, "price": 50000, "consent": "on"}
        return lambda: client.post(slot.get_absolute_url(), sent)

    answers = at_once(*(attempt(*somebody()) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * 7
    assert Booking.objects.get().status == Status.HELD
    assert Schedule.objects.get().taken == 1


def test_stripe_customer_creation_and_reuse(client, house, slot, standard):
    for window in (slot, f.slot(starts_in=timedelta(days=3))):
        book(client, window)
        payment = go_and_pay(client, Booking.objects.latest("pk"))
        house.tell(*house.pay(payment))
    [customer] = house.bench.book._all("customer")
    assert Customer.objects.get().reference == customer["id"]
    assert {session["customer"] for session in house.bench.book._all("checkout.session")} == {customer["id"]}
    assert Booking.objects.occupying().count() == 2
