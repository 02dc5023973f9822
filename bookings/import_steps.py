"""Writing another system's reservations: windows where there are none, and bookings in them. Rows are locked already."""

from datetime import date, datetime

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from bookings.import_rules import ANY, Line
from bookings.models import Booking
from bookings.states import Status
from bookings.steps import Guest, move, new_booking
from clinic.models import Doctor, Patient
from schedules.closure_models import Closure
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.opening_rules import plan_day
from schedules.states import Kind


def open_windows(doctor: Doctor, day: date, lines: list[Line], now: datetime) -> list[Schedule]:
    """Opens what a day's reservations need of a locked doctor, and returns it.

    What the weekly hours open on that day, also far ahead of the worker, which finds it open then. What has
    passed needs no hours: one window from the first start to the last end.
    """
    needed = [window for window in _from_hours(doctor, day, now) if any(line.is_in(window) for line in lines)]
    for window in needed:
        window.save(force_insert=True)
    over = [line for line in lines if line.end <= now and not any(line.is_in(window) for window in needed)]
    if over and (past := _around(doctor, day, over)):
        past.save(force_insert=True)
        needed.append(past)
    return needed


def _from_hours(doctor: Doctor, day: date, now: datetime) -> list[Schedule]:
    hours = list(WeeklyHours.objects.of(doctor).pools())
    for one in hours:
        one.doctor = doctor
    closures = list(Closure.objects.for_doctor(doctor).between(day, day))
    return plan_day(day, hours, closures, list(Schedule.objects.taking_time(doctor, day, day)), now).windows


def _around(doctor: Doctor, day: date, lines: list[Line]) -> Schedule | None:
    """None where the doctor has another window then, or the lines end on another day."""
    starts_at, ends_at = min(line.start for line in lines), max(line.end for line in lines)
    start, end = timezone.localtime(starts_at), timezone.localtime(ends_at)
    if end.date() != day or Schedule.objects.overlapping(doctor, starts_at, ends_at).exists():
        return None
    window = Schedule(
        doctor=doctor, kind=Kind.POOL, date=day, start_time=start.time(), end_time=end.time(),
        starts_at=starts_at, ends_at=ends_at, currency=settings.CLINIC_CURRENCY, opened_from="import",
    )  # fmt: skip
    window.capacity = window.length
    return window


class Patients:
    """Who the reservations are for. The same phone and name is the same person, here and in the file."""

    def __init__(self, lines: list[Line]):
        phones = {line.phone for line in lines if line.phone}
        known = Patient.objects.filter(phone__in=phones).order_by("-pk")
        self._known = {(patient.phone.as_e164, patient.name.casefold()): patient for patient in known}

    def who(self, line: Line) -> Patient | Guest:
        found = self._known.get((line.phone, line.name.casefold()))
        return found or Guest(name=line.name, phone=line.phone, email=line.email)

    def met(self, line: Line, patient: Patient) -> None:
        """Whoever has a phone is known from now on."""
        if line.phone:
            self._known[line.phone, line.name.casefold()] = patient


def bring(line: Line, window: Schedule, who: Patient | Guest, *, now: datetime) -> Booking:
    """Books a line that fits, and tells nobody: the system before has told them.

    What the file says nothing about is paid where it is over, and else owed at the desk. Money that was
    taken elsewhere is in no book here: the booking says so and owes nothing.
    """
    is_over = line.end <= now
    owes = not (is_over if line.paid is None else line.paid) and line.price_minor > 0
    paid = _("paid before, outside this system") if line.price_minor else _("free of charge")
    how = {"pay_at_desk": True, "due_minor": line.price_minor} if owes else {"free_reason": paid}
    booking = new_booking(
        window,
        who,
        now=now,
        channel=line.channel,
        price_minor=line.price_minor,
        service=line.service,
        service_name=line.service.name,
        minutes=line.minutes,
        start_at=line.start,
        end_at=line.end,
        external_id=line.external_id,
    )
    quietly = {"now": now, "cause": "imported", "quietly": True}
    move(booking, Status.CONFIRMED, **quietly, **how)
    if is_over:
        came = Status.COMPLETED if line.status in (ANY, Status.CONFIRMED) else Status(line.status)
        move(booking, came, **quietly, ended_at=line.end)
    return booking
