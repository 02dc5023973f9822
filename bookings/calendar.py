"""A visit as a calendar file (RFC 5545), for mails and for the patient's page."""

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from icalendar import Calendar, Event

from bookings.models import Booking
from bookings.states import Status


def method_of(booking: Booking) -> str:
    return "CANCEL" if booking.status == Status.CANCELLED else "REQUEST"


def ics(booking: Booking, now: datetime) -> bytes:
    """One event that a calendar keeps, moves and takes away: its UID stays the same for ever, and
    SEQUENCE grows with every change of the booking. A token's time is its window's."""
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    event = Event()
    event.add("uid", f"{booking.public_id}@{host}")
    event.add("sequence", booking.events.count())
    event.add("dtstamp", now)
    event.add("dtstart", booking.starts)
    event.add("dtend", booking.ends)
    event.add("summary", summary(booking))
    event.add("location", settings.CLINIC_NAME)
    event.add("url", settings.SITE_URL + booking.get_absolute_url())
    event.add("status", "CANCELLED" if booking.status == Status.CANCELLED else "CONFIRMED")
    calendar = Calendar()
    calendar.add("prodid", "-//Clinic booking//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method_of(booking))
    calendar.add_component(event)
    return calendar.to_ical()


def summary(booking: Booking) -> str:
    doctor = booking.schedule.doctor.name
    if booking.token_label:
        return _("%(doctor)s, number %(token)s") % {"doctor": doctor, "token": booking.token_label}
    return f"{booking.service_name}, {doctor}" if booking.service_name else doctor
