"""Minutes: a day with forty bookings and thirty services, reservations, and the clinic that a crowd of users books at."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from uuid import uuid4

from django.utils import timezone

from bench.subjects import Subject, repeated
from bench.subjects import doctor as new_doctor
from bookings.models import Booking
from bookings.states import Status
from clinic.models import Doctor, Patient, Service
from schedules.models import Schedule
from schedules.states import Kind
from tests.storms import wire

MORNING, AFTERNOON = (9, 180), (13, 300)
"""Hours and minutes of seed 002's two pools."""
SHORT = 5
"""Minutes of the service that is reserved here again and again."""
numbers = count(1)


def subjects(port: int) -> list[Subject]:
    return [availability(), reservation(port)]


def availability() -> Subject:
    """Tomorrow as a kiosk asks for it: what is left of the afternoon, and which of thirty services still fit."""
    busy = _doctor(days=1)
    [morning, afternoon] = busy.schedules.order_by("starts_at")
    _book(morning, 15)
    _book(afternoon, 25)
    for n in range(30):
        _service(10 + n, busy)
    path = f"/api/v1/availability/pool?date={afternoon.date}&period=afternoon&doctorId={busy.pk}"
    bare = f"/bare/pool/{busy.pk}/{afternoon.date}/"
    return Subject("minutes of a day, 30 services", 0.5, 200, 1500, repeated(path), repeated(bare))


def reservation(port: int) -> Subject:
    """Services of five minutes, one after the other through the days of as many doctors as it takes."""
    service = _service(SHORT)
    doctor = _doctor(days=1)
    service.doctors.add(doctor)
    [first, _second] = doctor.schedules.order_by("starts_at")
    cookie, token = wire.open_form(port, _page(first, service, first.starts_at))

    def posts(prefix: str):
        def make(n: int) -> list[bytes]:
            return [post(prefix + _page(pool, service, start)) for pool, start in _starts(service, n)]

        return make

    def post(path: str) -> bytes:
        return wire.form(path, _form(service, token), cookie, close=False)

    return Subject("reservation of minutes", 0.6, 303, 1200, posts(""), posts("/bare"))


@dataclass(frozen=True)
class Offer:
    """A service on a day: what users ask about it, and what they send to book it."""

    service: Service
    day: date
    cookie: str
    token: str

    def times(self) -> str:
        return f"/api/v1/availability/pool?date={self.day}&serviceId={self.service.pk}"

    def page(self, start: dict) -> str:
        local = timezone.localtime(datetime.fromisoformat(start["start"]))
        return f"/book/{start['scheduleId']}/?service={self.service.code}&start={local:%Y-%m-%dT%H:%M}"

    def form(self) -> dict:
        return _form(self.service, self.token)


def clinic(port: int) -> list[Offer]:
    """Four services of a quarter of an hour, each with five doctors, on each of the next days."""
    offers, tomorrow = [], timezone.localdate() + timedelta(days=1)
    for _n in range(4):
        service = _service(15, *(_doctor(days=13) for _n in range(5)))
        pool = Schedule.objects.filter(doctor__services=service).earliest("starts_at")
        shown = wire.open_form(port, _page(pool, service, pool.starts_at))
        offers += [Offer(service, tomorrow + timedelta(days=n), *shown) for n in range(13)]
    return offers


def _form(service: Service, token: str) -> dict:
    n = next(numbers)
    return {
        "csrfmiddlewaretoken": token, "request_key": uuid4(), "price": service.price_minor,
        "minutes": service.minutes, "name": f"Patient {n}", "phone": f"+9198200{n % 100_000:05}", "email": "",
        "age": 40, "consent": "on",
    }  # fmt: skip


# --- Rows ---------------------------------------------------------------------------------


def _doctor(days: int) -> Doctor:
    """With a morning and an afternoon on each of the coming days."""
    made = new_doctor(windows=0)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    Schedule.objects.bulk_create(
        _pool(made, midnight + timedelta(days=1 + day, hours=hour), minutes)
        for day in range(days)
        for hour, minutes in (MORNING, AFTERNOON)
    )
    return made


def _pool(doctor: Doctor, start: datetime, minutes: int) -> Schedule:
    end = start + timedelta(minutes=minutes)
    return Schedule(
        doctor=doctor, kind=Kind.POOL, date=start.date(), start_time=start.time(), end_time=end.time(),
        starts_at=start, ends_at=end, capacity=minutes, currency="INR",
    )  # fmt: skip


def _service(minutes: int, *doctors: Doctor) -> Service:
    n = next(numbers)
    made = Service.objects.create(
        code=f"bench-{n}", name=f"Treatment {n}", duration=minutes, buffer=0, price_minor=50_000
    )
    made.doctors.add(*doctors)
    return made


def _book(pool: Schedule, bookings: int) -> None:
    """So many services of ten minutes, from the start on."""
    ten, now = timedelta(minutes=10), timezone.now()
    people = Patient.objects.bulk_create(Patient(name="Meera Joshi") for _ in range(bookings))
    service = _service(10)
    Booking.objects.bulk_create(
        Booking(
            schedule=pool, patient=person, status=Status.CONFIRMED, units=10, service=service, minutes=10,
            service_name=service.name, start_at=pool.starts_at + n * ten, end_at=pool.starts_at + (n + 1) * ten,
            price_minor=50_000, currency="INR", created_at=now,
        )
        for n, person in enumerate(people)
    )  # fmt: skip
    Schedule.objects.filter(pk=pool.pk).update(taken=10 * bookings)


def _starts(service: Service, n: int):
    """`n` starts that are free, in fresh pools; neighbours are in different pools, as patients are."""
    each = AFTERNOON[1] // SHORT
    doctors = [_doctor(days=7) for _ in range(-(-n // (7 * each)))]
    service.doctors.add(*doctors)
    pools = list(Schedule.objects.filter(doctor__in=doctors, capacity=AFTERNOON[1]))
    found = [(pool, pool.starts_at + k * timedelta(minutes=SHORT)) for k in range(each) for pool in pools]
    return found[:n]


def _page(pool: Schedule, service: Service, start: datetime) -> str:
    local = timezone.localtime(start)
    return f"/book/{pool.pk}/?service={service.code}&start={local:%Y-%m-%dT%H:%M}"
