"""A doctor's days as a calendar that phones ask for (RFC 5545). No patient is named in it."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from icalendar import Calendar, Event

from bookings.models import Booking
from clinic.models import Doctor
from schedules.models import Schedule
from schedules.states import Kind, Mode

PAST, AHEAD = timedelta(days=7), timedelta(days=60)
ASK_EVERY = timedelta(minutes=15)


def doctors_calendar(doctor: Doctor, now: datetime) -> bytes:
    """The week behind and sixty days ahead: windows of numbers and of services, and every booked time.
    Two queries.

    A visit's UID is not its page's address, as in the patient's own file: this calendar goes to
    others' servers, and the address would open the booking.
    """
    today = timezone.localdate(now)
    standing = Schedule.objects.standing().between(today - PAST, today + AHEAD)
    windows = {row.pk: row for row in standing.filter(doctor=doctor).order_by("starts_at", "pk")}
    bookings = {pk: [] for pk in windows}
    for booking in (
        Booking.objects.occupying().filter(schedule__in=windows).order_by("queue_number", "start_at")
    ):
        booking.schedule = windows[booking.schedule_id]
        bookings[booking.schedule_id].append(booking)
    calendar = Calendar()
    calendar.add("prodid", "-//Clinic booking//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"{doctor.name} · {settings.CLINIC_NAME}")
    calendar.add("refresh-interval", ASK_EVERY, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", ASK_EVERY)
    for window in windows.values():
        if window.kind != Kind.SLOT:
            calendar.add_component(_of_window(window, bookings[window.pk], now))
        for booking in bookings[window.pk]:
            if booking.start_at:
                calendar.add_component(_of_visit(booking, now))
    return calendar.to_ical()


def _of_window(window: Schedule, bookings: list[Booking], now: datetime) -> Event:
    """Numbers have no time of their own: they stand in their window."""
    many = ngettext("%(n)s visit", "%(n)s visits", len(bookings)) % {"n": len(bookings)}
    event = _event(f"window-{window.pk}", window, now, window.starts_at, window.ends_at)
    event.add("summary", _("Consultations: %(many)s") % {"many": many})
    tokens = [_("Token %(label)s") % {"label": one.token_label} for one in bookings if one.token_label]
    if tokens:
        event.add("description", "\n".join(tokens))
    event.add("transp", "OPAQUE" if window.kind == Kind.TOKEN else "TRANSPARENT")
    return event


def _of_visit(booking: Booking, now: datetime) -> Event:
    event = _event(f"visit-{booking.pk}", booking.schedule, now, booking.start_at, booking.end_at)
    what = booking.service_name or _("Consultation")
    event.add("summary", _("%(what)s, by video") % {"what": what} if booking.mode == Mode.VIDEO else what)
    return event


def _event(name: str, window: Schedule, now: datetime, start: datetime, end: datetime) -> Event:
    event = Event()
    event.add("uid", f"{name}@{urlsplit(settings.SITE_URL).hostname or 'localhost'}")
    event.add("dtstamp", now)
    event.add("dtstart", start)
    event.add("dtend", end)
    if window.mode != Mode.VIDEO:
        event.add("location", settings.CLINIC_NAME)
    return event
