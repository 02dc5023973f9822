"""Rows for tests: plain functions with keyword arguments and believable defaults."""

import json
from datetime import time, timedelta
from itertools import count
from uuid import uuid4

from django.contrib.auth.models import Group
from django.db.models import F
from django.test import override_settings
from django.utils import timezone

from bookings import actions, desk
from bookings.models import Booking
from bookings.steps import Guest
from clinic.api_key_actions import make_key
from clinic.api_key_models import ApiKey, Scope
from clinic.hook_models import EVENTS, Hook
from clinic.membership_models import Plan, Rule
from clinic.models import Doctor, Heartbeat, Patient, Service, User
from payments import actions as money
from payments import gateways
from payments.gateways.base import Event
from payments.models import Payment
from schedules.closure_models import Closure
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.states import Kind

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


def plan(**fields) -> Plan:
    """A plan on which everybody pays, unless said."""
    n = next(numbers)
    return Plan.objects.create(
        **{"name": f"Standard {n}", "words": "₹200 a month. Ask at the desk."} | fields
    )


def trial(visits=None, days=None, **fields) -> Plan:
    return plan(**{"rule": Rule.TRIAL, "free_visits": visits, "free_days": days} | fields)


def vise(**fields) -> Plan:
    """Free with a doctor who looks after the patient: what seed 001 calls VISE."""
    return plan(**{"name": "Care Plus", "rule": Rule.FREE_WITH_RELATION} | fields)


def member(on: Plan, account=None, *, since=0, until=None, **fields) -> User:
    """An account on a plan: from so many days ago, to so many days from today (None: no end)."""
    account, today = account or user(), timezone.localdate()
    ends_on = None if until is None else today + timedelta(days=until)
    on.memberships.create(
        **{"account": account, "starts_on": today - timedelta(days=since), "ends_on": ends_on} | fields
    )
    return account


def seen(schedule, who=None, **fields) -> Booking:
    """A visit that was paid and took place."""
    booking, nurse = paid(schedule, who, **fields), user()
    desk.check_in(booking.pk, actor=nurse)
    desk.call_next(schedule.pk, actor=nurse)
    return desk.complete(booking.pk, actor=nurse)


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


def slot(*, lasts=timedelta(minutes=20), **fields) -> Schedule:
    """An open exact time for one patient: in an hour, for 20 minutes, unless said."""
    return window(**{"kind": Kind.SLOT, "capacity": 1, "prefix": "", "lasts": lasts} | fields)


def pool(**fields) -> Schedule:
    """An open morning of 180 minutes for services: it starts in an hour, unless said."""
    return window(**{"kind": Kind.POOL, "capacity": 180, "prefix": "", "fee_minor": 0} | fields)


def morning(*, days=1, **fields) -> Schedule:
    """A pool from ten to one so many days from today, to the minute, as an address can say it."""
    ten = timezone.localtime().replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=days)
    exact = {"starts_at": ten, "ends_at": ten + timedelta(hours=3), "starts_in": at_ten(days)}
    return pool(**exact | fields)


def service(*by: Doctor, **fields) -> Service:
    """Thirty minutes and ten kept free after it, for ₹400, offered by these doctors."""
    n = next(numbers)
    made = Service.objects.create(
        **{"code": f"ecg-{n}", "name": f"ECG {n}", "duration": 30, "buffer": 10, "price_minor": 40000}
        | fields
    )
    made.doctors.set(by)
    return made


def at_ten(days=1) -> timedelta:
    """How long it is until ten o'clock at the clinic so many days from today."""
    ten = timezone.localtime().replace(hour=10, minute=0, second=0, microsecond=0)
    return ten + timedelta(days=days) - timezone.now()


def slots(how_many: int, *, starts_in=timedelta(hours=1), **fields) -> list[Schedule]:
    """Exact times of one doctor, one after the other."""
    fields = {"doctor": doctor()} | fields
    each = timedelta(minutes=20)
    return [slot(starts_in=starts_in + n * each, lasts=each, **fields) for n in range(how_many)]


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


def asking(pool, service, after=0) -> dict:
    """What a page asks for: a service so many minutes after the pool's start (None: where it fits first)."""
    start = None if after is None else pool.starts_at + timedelta(minutes=after)
    asked = {"service_id": service.pk, "start_at": start, "minutes": service.minutes}
    return asked | {"price_minor": service.price_minor}


def reserve(pool, service, after=0, who=None, **fields) -> Booking:
    """A service that is held in a pool; `paid(pool, **asking(…))` is one that is paid."""
    return hold(pool, who, **asking(pool, service, after) | fields)


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


def api_key(**fields) -> tuple[ApiKey, str]:
    """A kiosk's key that books, and its words."""
    fields = {"name": "Kiosk in the hall", "scopes": [Scope.BOOK]} | fields
    maker = fields.pop("actor", None) or staff("Manager")
    return make_key(actor=maker, **{"account": maker} | fields)


def hook(url="https://lab.example/hooks", **fields) -> Hook:
    """A system that is told of everything."""
    return Hook.objects.create(**{"name": "Laboratory", "url": url, "events": [*EVENTS.values()]} | fields)


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


def dispute(payment, what="opened", *, name="demo_dp_1", amount_minor=0) -> None:
    """The payer's bank complains to the demo gateway, or has decided ("won", "lost"), and it tells us."""
    deliver(demo().dispute(payment.gateway_payment, what, name, amount_minor or payment.captured_minor))


def paid(schedule, who=None, **fields) -> Booking:
    """A booking that was held, paid and settled: confirmed if there was room."""
    booking = hold(schedule, who, **fields)
    deliver(capture_body(attempt(booking)))
    booking.refresh_from_db()
    return booking


def owing(schedule, who=None, **fields) -> Booking:
    """A booking whose patient chose to pay at the desk, in a clinic that offers that."""
    with override_settings(PAY_AT_DESK=True):
        return actions.pay_at_desk(hold(schedule, who, **fields).pk)


def lapse(booking) -> None:
    """The patient's time to pay ran out, and no sweep has seen it yet."""
    past = timezone.now() - timedelta(seconds=1)
    Booking.objects.filter(pk=booking.pk).update(hold_expires_at=past)


def move_window(schedule, by: timedelta) -> None:
    """As if it were earlier or later in the day."""
    schedule.starts_at += by
    schedule.ends_at += by
    schedule.save(update_fields=["starts_at", "ends_at"])
    timed = schedule.bookings.filter(start_at__isnull=False)
    timed.update(start_at=F("start_at") + by, end_at=F("end_at") + by)
