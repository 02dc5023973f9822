"""Bringing another system's reservations here. A file is written whole, or not at all."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from bookings import import_steps, steps
from bookings.import_rules import Line, Room, understood
from bookings.models import Booking
from bookings.states import Status
from clinic.import_actions import OnlyTried, find_doctors
from clinic.import_rules import Row, Wrong
from clinic.models import Doctor, Service
from clinic.transactions import StartOver, action
from schedules.models import Schedule
from schedules.states import Status as Window


@dataclass
class Brought:
    """What an import did, or with a dry run would do. All but `opened` are rows and add up to the file's."""

    added: int = 0
    here: int = 0
    cancelled: int = 0
    past: int = 0
    opened: int = 0


def import_reservations(
    rows: list[Row], *, dry_run: bool, open_windows: bool, skip_past: bool, watch: Callable = iter
) -> Brought:
    """Books every line in the window for services at its time; nobody is told of it.

    A line whose id is here already changes nothing, so the same file may come again. Cancelled ones are left
    out, with `skip_past` those that are over too. `open_windows` opens what is missing (import_steps). `watch`
    wraps the lines to show progress. Raises Wrong with the problems of all lines, and nothing is written then.
    """
    try:
        return _import(rows, dry_run, open_windows, skip_past, watch)
    except OnlyTried as tried:
        return tried.done


@action
def _import(rows, dry_run, open_windows, skip_past, watch) -> Brought:
    done = Brought()
    coming = _coming([understood(row) for row in rows], done, skip_past=skip_past)
    if open_windows:
        done.opened = _open_windows(coming)
    places = _places(coming, told_to_open=open_windows)
    windows = now = None
    if places:
        windows, now, taken = steps.lock_windows({*places.values()}, Q(units__gt=0))
        if {booking.external_id for booking in taken} & {line.external_id for line in places}:
            raise StartOver  # somebody else has brought the same file meanwhile
        _seat(places, windows, taken)
    if problems := [problem for row in rows for problem in row.problems]:
        raise Wrong(problems)
    patients = import_steps.Patients(coming)
    for line in watch(coming):
        booking = import_steps.bring(line, windows[places[line]], patients.who(line), now=now)
        patients.met(line, booking.patient)
    done.added = len(coming)
    if dry_run:
        raise OnlyTried(done)
    return done


def _coming(lines: list[Line], done: Brought, *, skip_past: bool) -> list[Line]:
    """The lines to book, with their doctor and service; counts the others. What is wrong stands in its row."""
    now, find_doctor = timezone.now(), find_doctors()
    services = {service.code.lower(): service for service in Service.objects.all()}
    ids = [line.external_id for line in lines]
    here = {*Booking.objects.filter(external_id__in=ids).values_list("external_id", flat=True)}
    first, coming = {}, []
    for line in lines:
        if line.external_id in here:
            line.row.wrong.clear()  # what was taken once is not judged again
            done.here += 1
        elif line.status == Status.CANCELLED:
            line.row.wrong.clear()
            done.cancelled += 1
        else:
            _name(line, find_doctor, services, first)
            if line.row.wrong:
                continue
            if skip_past and line.end <= now:
                done.past += 1
            elif line.end > now and line.status in (Status.COMPLETED, Status.NO_SHOW):
                line.wrong(_("It is still to come, so its status is confirmed or cancelled."))
            else:
                coming.append(line)
    return coming


def _name(line: Line, find_doctor: Callable, services: dict[str, Service], first: dict[str, int]) -> None:
    """Finds who and what the line names. A removed service is known too: it may have been booked before."""
    doctor, code = line.row.cells["doctor"].strip(), line.row.cells["service"].strip()
    line.doctor, line.service = find_doctor(doctor), services.get(code.lower())
    if line.doctor is None:
        line.wrong(_("No doctor is called “%(typed)s”, or several are."), typed=doctor[:80])
    if line.service is None:
        line.wrong(_("No service has the code “%(code)s”. Import services first."), code=code[:80])
    before = first.setdefault(line.external_id, line.row.line)
    if line.external_id and before != line.row.line:
        line.wrong(_("Its id stands in line %(line)s already."), line=before)


def _open_windows(coming: list[Line]) -> int:
    """Opens what is missing, day by day, under the doctors' locks; returns how many windows."""
    doctors = {
        doctor.pk: doctor for doctor in Doctor.objects.locked().filter(pk__in={c.doctor.pk for c in coming})
    }
    now, found, days = timezone.now(), _windows_at(coming), {}
    for line in (line for line in coming if line not in found):
        day = timezone.localtime(line.start).date()
        days.setdefault((line.doctor.pk, day), []).append(line)
    return sum(
        len(import_steps.open_windows(doctors[doctor_id], day, lines, now))
        for (doctor_id, day), lines in sorted(days.items(), key=lambda item: item[0])
    )


def _places(coming: list[Line], *, told_to_open: bool) -> dict[Line, int]:
    """In which window each line is, by its id. Where there is none, the line says what to do."""
    found = _windows_at(coming)
    for line in coming:
        if line not in found:
            line.wrong(
                _(
                    "%(doctor)s has no weekly hours for services then, or something else stands there, or it is closed."
                )
                if told_to_open
                else _(
                    "%(doctor)s has no window for services then. Set weekly hours and use --open-windows."
                ),
                doctor=line.doctor,
            )
    return found


def _windows_at(coming: list[Line]) -> dict[Line, int]:
    """One query, whatever the number of lines."""
    if not coming:
        return {}
    first, last = min(line.start for line in coming), max(line.end for line in coming)
    pools = Schedule.objects.pools().standing().filter(starts_at__lte=last, ends_at__gte=first)
    by_doctor = {}
    for window in pools.filter(doctor__in={line.doctor.pk for line in coming}):
        by_doctor.setdefault((window.doctor_id, window.date), []).append(window)
    found = {}
    for line in coming:
        day = timezone.localtime(line.start).date()
        for window in by_doctor.get((line.doctor.pk, day), []):
            if line.is_in(window):
                found[line] = window.pk
    return found


def _seat(places: dict[Line, int], windows: dict[int, Schedule], taken: list[Booking]) -> None:
    """Gives each line its time under the lock, in order; one that finds none says why."""
    rooms = {pk: Room(window.capacity, window.taken) for pk, window in windows.items()}
    for booking in taken:
        if not booking.units:
            continue  # a hold that has just lapsed
        rooms[booking.schedule_id].times.append((booking.start_at, booking.end_at, 0))
    for line, pk in sorted(places.items(), key=lambda item: (item[0].start, item[0].row.line)):
        if windows[pk].status == Window.CANCELLED:
            line.wrong(_("Its window was cancelled at this moment. Try again."))
        else:
            rooms[pk].seat(line)
