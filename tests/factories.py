"""Rows for tests: plain functions with keyword arguments and believable defaults."""

import json
from datetime import time, timedelta
from itertools import count
from uuid import uuid4

from django.contrib.auth.models import Group
from django.utils import timezone

from bookings import actions
from bookings.models import Booking
from bookings.steps import Guest
from clinic.models import Doctor, Heartbeat, Patient, User
from payments import actions as money
from payments import gateways
from payments.gateways.base import Event
from payments.models import Payment
from schedules.closure_models import Closure
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule

numbers = count(1)


def doctor(**fields) -> Doctor:
    n = next(numbers)
    return Doctor.objects.create(
        **{"name": f"Dr. Asha Rao {n}", "slug": f"asha-rao-{n}", "specialty": "General medicine"} | fields
    )


def user(**fields) -> User:
    n = next(numbers)
    account = User.objects.create_user(
        **{"email": f"person{n}@example.org", "password": "correct horse"} | fields
    )
    account.emailaddress_set.create(email=account.email, verified=True, primary=True)
    return account


def staff(role: str, **fields) -> User:
    """Somebody at the clinic: "Reception", "Doctor" or "Manager"."""
    account = user(**{"is_staff": True} | fields)
    account.groups.add(Group.objects.get(name=role))
    return account


def patient(**fields) -> Patient:
    return Patient.objects.create(**{"name": "Meera Joshi", "phone": "+919820012345"} | fields)


def guest(**fields) -> Guest:
    return Guest(**{"name": "Ravi Kumar", "phone": "+919820054321"} | fields)


def window(*, starts_in=timedelta(hours=1), lasts=timedelta(hours=3), **fields) -> Schedule:
    """An open token window; it starts in an hour and takes three patients at ₹500 unless said."""
    starts_at = timezone.now() + starts_in
    local, end = timezone.localtime(starts_at), timezone.localtime(starts_at + lasts)
    return Schedule.objects.create(
        **{
            "doctor": fields.pop("doctor", None) or doctor(),
            "date": local.date(),
            "start_time": local.time(),
            "end_time": end.time(),
            "starts_at": starts_at,
            "ends_at": starts_at + lasts,
            "capacity": 3,
            "prefix": "A",
            "fee_minor": 50000,
            "currency": "INR",
        }
        | fields
    )


def hours(**fields) -> WeeklyHours:
    """A doctor's mornings, today's weekday unless said: nine to twelve, three numbers. Nothing is opened yet."""
    today = timezone.localdate()
    return WeeklyHours.objects.create(
        **{
            "doctor": fields.pop("doctor", None) or doctor(),
            "weekday": today.weekday(),
            "start_time": time(9),
            "end_time": time(12),
            "capacity": 3,
            "fee_minor": 50000,
            "effective_from": today - timedelta(days=30),
        }
        | fields
    )


def closure(day, **fields) -> Closure:
    """A day of the whole clinic, written but not carried out."""
    return Closure.objects.create(**{"first_day": day, "last_day": day, "reason": "Diwali"} | fields)


def hold(schedule, who=None, **fields):
    return actions.hold(
        **{
            "schedule_id": schedule.pk,
            "patient": who or guest(),
            "price_minor": schedule.fee_minor,
            "request_key": uuid4(),
        }
        | fields
    )


def capture(payment, **fields) -> Event:
    """What a gateway says when `payment` was paid."""
    n = next(numbers)
    return Event(
        **{
            "kind": "captured",
            "dedupe_key": f"evt_{n}",
            "name": "payment.captured",
            "payment_key": str(payment.key),
            "reference": payment.reference,
            "gateway_payment": f"pay_{n}",
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "live": False,
        }
        | fields
    )


def heartbeat(sweep: str, **fields) -> Heartbeat:
    """What a worker left behind after this sweep, just now unless said."""
    return Heartbeat.objects.create(**{"sweep": sweep, "finished_at": timezone.now()} | fields)


# --- The demo gateway, as a stranger ------------------------------------------------------


def attempt(booking) -> Payment:
    """The patient was sent to the demo gateway's page."""
    return money.start(booking, "demo")


def demo():
    return gateways.get("demo")


def capture_body(payment, *, again=False) -> str:
    """The patient pays there, or pays once more: the event's body, not yet delivered."""
    key = str(payment.key)
    return demo().pay_again(key) if again else demo().pay(key, late=True)


def altered(body: str, **facts) -> str:
    """Another event with other facts: an amount, a currency, a payment's name."""
    event = json.loads(body)
    event["id"] = f"demo_evt_{uuid4().hex}"
    event["data"] |= facts
    return json.dumps(event)


def deliver(body: str) -> None:
    """The gateway's webhook arrives, signed."""
    money.receive("demo", demo().signed(body), body.encode())


def paid(schedule, who=None, **fields) -> Booking:
    """A booking that was held, paid and settled: confirmed if there was room."""
    booking = hold(schedule, who, **fields)
    deliver(capture_body(attempt(booking)))
    booking.refresh_from_db()
    return booking


def lapse(booking) -> None:
    """The patient's time to pay ran out, and no sweep has seen it yet."""
    past = timezone.now() - timedelta(seconds=1)
    Booking.objects.filter(pk=booking.pk).update(hold_expires_at=past)


def move_window(schedule, by: timedelta) -> None:
    """As if it were earlier or later in the day."""
    schedule.starts_at += by
    schedule.ends_at += by
    schedule.save(update_fields=["starts_at", "ends_at"])
