"""What is measured: the rows it needs, and each request once for the product and once for the bare view."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from uuid import uuid4

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from bookings.models import Booking, BookingEvent
from bookings.states import Status
from clinic.models import Doctor, Patient
from payments.gateways.signing import sign
from payments.models import Payment
from payments.queries import live, with_refund_mark
from schedules.models import Schedule
from schedules.states import Kind
from tests.storms import wire

FEE = 50_000
QUEUE = 15
"""How many patients stand in the line that is polled."""
numbers = count(1)


@dataclass(frozen=True)
class Subject:
    """`ours` and `bare` make `n` requests; `target` is the least share of bare's rate that will do."""

    name: str
    target: float
    status: int
    requests: int
    ours: Callable[[int], list[bytes]]
    bare: Callable[[int], list[bytes]]


def all_subjects(port: int) -> list[Subject]:
    """Each with rows of its own, so that none slows another down."""
    from bench import api, pools

    read = [poll_unchanged(), poll_changed(), doctors_page(), page_of_exact_times()]
    return [*read, *holds(port), settle(), *pools.subjects(port), *api.subjects(port)]


def settle_down() -> None:
    """Tidies the tables up between two runs, so that neither pays for the other's rows."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


# --- Reading ------------------------------------------------------------------------------


def poll_unchanged() -> Subject:
    """The live page asks and nothing has happened: nearly every poll."""
    booking = with_refund_mark(Booking.objects.for_page()).get(pk=queue()[QUEUE - 1].pk)
    path = f"/b/{booking.public_id}/status?seen="
    bare = f"{booking.status}-{booking.queue_number}-0-{QUEUE - 1}"

    def ours(n: int) -> list[bytes]:
        seen = live(booking, timezone.now()).version  # the estimate in it follows the clock
        return [wire.request("GET", path + seen, HX_Request="true")] * n

    return Subject("status poll, unchanged (204)", 0.6, 204, 3000, ours, repeated(f"/bare{path}{bare}"))


def poll_changed() -> Subject:
    """The same after somebody was called."""
    path = f"/b/{queue()[QUEUE - 1].public_id}/status?seen=before"
    ours, bare = repeated(path, HX_Request="true"), repeated("/bare" + path)
    return Subject("status poll, changed (200)", 0.6, 200, 1500, ours, bare)


def doctors_page() -> Subject:
    """Fourteen days with a morning and an evening, of which one day is shown."""
    path = f"/doctors/{doctor(windows=28).slug}/"
    return Subject("doctor's page", 0.5, 200, 800, repeated(path), repeated("/bare" + path))


def page_of_exact_times() -> Subject:
    """Fourteen days of twenty-four exact times each, in a clinic of fifty such doctors."""
    doctors = [doctor(windows=0) for _ in range(50)]
    for one in doctors:
        exact_times(one)
    slug = doctors[-1].slug
    ours, bare = repeated(f"/doctors/{slug}/"), repeated(f"/bare/times/{slug}/")
    return Subject("doctor's page, exact times", 0.5, 200, 800, ours, bare)


def repeated(path: str, **headers: str) -> Callable[[int], list[bytes]]:
    return lambda n: [wire.request("GET", path, **headers)] * n


# --- Writing ------------------------------------------------------------------------------


def holds(port: int) -> list[Subject]:
    """Patients of many windows, and patients who all want the same one."""
    many, one = list(doctor(windows=28).schedules.all()), list(doctor(windows=1).schedules.all())
    cookie, token = wire.open_form(port, one[0].get_absolute_url())

    def posts(windows: list[Schedule], prefix: str) -> Callable[[int], list[bytes]]:
        return lambda n: [post(f"{prefix}/book/{windows[i % len(windows)].pk}/") for i in range(n)]

    def post(path: str) -> bytes:
        n = next(numbers)
        fields = {
            "csrfmiddlewaretoken": token, "request_key": uuid4(), "price": FEE, "name": f"Patient {n}",
            "phone": f"+9198200{n % 100_000:05}", "email": f"patient{n}@example.org", "age": 40, "consent": "on",
        }  # fmt: skip
        return wire.form(path, fields, cookie, close=False)

    return [
        Subject("hold, 28 windows", 0.6, 303, 1200, posts(many, ""), posts(many, "/bare")),
        Subject("hold, one window", 0.6, 303, 1200, posts(one, ""), posts(one, "/bare")),
    ]


def settle() -> Subject:
    """Webhooks of payments for held places in many windows, each payment once."""
    windows = list(doctor(windows=28).schedules.all())

    def webhooks(path: str):
        return lambda n: [signed(path, payment) for payment in paid_holds(windows, n)]

    return Subject(
        "settle (webhook)",
        0.6,
        200,
        1200,
        webhooks("/api/v1/webhooks/stripe"),
        webhooks("/bare/webhooks/stripe"),
    )


def signed(path: str, payment: Payment) -> bytes:
    """`payment_intent.succeeded` as Stripe posts it, as large as a real one."""
    intent = {
        "id": f"pi_{uuid4().hex}", "object": "payment_intent", "amount": FEE, "amount_received": FEE,
        "currency": "inr", "livemode": True, "status": "succeeded", "metadata": {"payment": str(payment.key)},
        "description": "Appointment " + "x" * 1500,
    }  # fmt: skip
    event = {
        "id": f"evt_{uuid4().hex}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "livemode": True,
    }
    body = json.dumps(event | {"data": {"object": intent}}, indent=2).encode()
    signature = sign(body, settings.STRIPE_WEBHOOK_SECRET, at=int(time.time()))
    return wire.request("POST", path, body, kind="application/json", Stripe_Signature=signature)


# --- Rows ---------------------------------------------------------------------------------


def doctor(windows: int) -> Doctor:
    """A doctor with a morning and an evening window on each of the coming days, and places for everyone."""
    n = next(numbers)
    made = Doctor.objects.create(
        name=f"Dr Asha Rao {n}", slug=f"asha-rao-{n}", specialty="General medicine", room="4", prefix="A"
    )
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    Schedule.objects.bulk_create(
        window(made, midnight + timedelta(days=1 + i // 2, hours=17 if i % 2 else 9)) for i in range(windows)
    )
    return made


def window(doctor: Doctor, start: datetime) -> Schedule:
    end = start + timedelta(hours=3)
    return Schedule(
        doctor=doctor, date=start.date(), start_time=start.time(), end_time=end.time(), starts_at=start,
        ends_at=end, capacity=1_000_000, prefix=doctor.prefix, fee_minor=FEE, currency="INR",
    )  # fmt: skip


def exact_times(doctor: Doctor) -> None:
    """Twenty minutes for one patient each, from nine to five, today and thirteen days more; every third is taken."""
    nine = timezone.localtime().replace(hour=9, minute=0, second=0, microsecond=0)
    twenty = timedelta(minutes=20)
    starts = [nine + timedelta(days=day) + n * twenty for day in range(14) for n in range(24)]
    Schedule.objects.bulk_create(
        Schedule(
            doctor=doctor, kind=Kind.SLOT, date=start.date(), start_time=start.time(),
            end_time=(start + twenty).time(), starts_at=start, ends_at=start + twenty,
            capacity=1, taken=n % 3 == 0, fee_minor=FEE, currency="INR",
        )
        for n, start in enumerate(starts)
    )  # fmt: skip


def queue(schedule: Schedule | None = None) -> list[Booking]:
    """A window (one of its own, unless said) with its line of patients, none called yet."""
    now = timezone.now()
    if schedule is None:
        [schedule] = doctor(windows=1).schedules.all()
    people = Patient.objects.bulk_create(Patient(name="Meera Joshi") for _ in range(QUEUE))
    Schedule.objects.filter(pk=schedule.pk).update(taken=QUEUE, last_number=QUEUE)
    schedule.refresh_from_db()
    return Booking.objects.bulk_create(
        Booking(
            schedule=schedule, patient=person, status=Status.CONFIRMED, units=1, queue_number=number,
            numbered_at=now, price_minor=FEE, currency="INR", created_at=now,
        )
        for number, person in enumerate(people, 1)
    )  # fmt: skip


def paid_holds(windows: list[Schedule], n: int) -> list[Payment]:
    """`n` held places, dealt out to the windows, each with an attempt whose payment is now under way."""
    now = timezone.now()
    people = Patient.objects.bulk_create(Patient(name="Meera Joshi") for _ in range(n))
    held = Booking.objects.bulk_create(
        Booking(
            schedule=windows[i % len(windows)], patient=person, status=Status.HELD, units=1,
            hold_expires_at=now + timedelta(hours=1), price_minor=FEE, currency="INR", created_at=now,
        )
        for i, person in enumerate(people)
    )  # fmt: skip
    for schedule_id, places in Counter(booking.schedule_id for booking in held).items():
        Schedule.objects.filter(pk=schedule_id).update(taken=F("taken") + places)
    BookingEvent.objects.bulk_create(
        BookingEvent(booking=booking, at=now, to_status=Status.HELD, cause="held") for booking in held
    )
    return Payment.objects.bulk_create(
        Payment(
            booking=booking, gateway="stripe", amount_minor=FEE, currency="INR", created_at=now,
            reference=f"cs_{uuid4().hex}", next_check_at=booking.hold_expires_at,
        )
        for booking in held
    )  # fmt: skip
