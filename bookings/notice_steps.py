"""Who is told what of a booking that has just moved, written in the same transaction."""

from datetime import datetime, timedelta

from bookings.models import Booking, BookingEvent
from bookings.states import DESK_CHANNELS, NEW, Status
from clinic.notice_models import Notice, Recipient
from clinic.notice_steps import notices

PATIENT, DOCTOR, FRONT_OFFICE = Recipient.PATIENT, Recipient.DOCTOR, Recipient.FRONT_OFFICE
PARTNER = Recipient.PARTNER
REMINDERS = (timedelta(hours=24), timedelta(hours=2))
"""How long before their start patients are reminded, if they booked earlier than that."""

SOLD = (NEW, Status.HELD, Status.EXPIRED, Status.OVERFLOW)
"""From here, confirmed is news; from the waiting room it is a corrected mistake."""


def of_move(booking: Booking, event: BookingEvent, now: datetime) -> list[Notice]:
    """The notices of one move, not stored yet. They read no row: others wait for this lock."""
    kind, recipients = _news(booking, event)
    fact = {
        "fact": str(event.pk),
        "now": now,
        "as_of": booking.starts,
        "doctor_id": booking.schedule.doctor_id,
    }
    found = [notice for to in recipients for notice in notices(kind, booking.pk, to=to, **fact)]
    if kind in ("visit-confirmed", "visit-moved"):
        for before in REMINDERS:
            due_at = booking.starts - before
            if due_at > now:
                named = f"visit-reminder{before // timedelta(hours=1)}"
                found += notices(named, booking.pk, to=PATIENT, due_at=due_at, **fact)
    return found


def _news(booking: Booking, event: BookingEvent) -> tuple[str, list[Recipient]]:
    was, to = event.from_status, event.to_status
    if to == was == Status.CONFIRMED:
        return "visit-moved", [PATIENT, DOCTOR, PARTNER]
    if to == Status.CONFIRMED and was in SOLD:
        staff = [DOCTOR] if booking.channel in DESK_CHANNELS else [DOCTOR, FRONT_OFFICE]
        return "visit-confirmed", [PATIENT, *staff, PARTNER]
    if to == Status.CANCELLED and was != Status.HELD:
        return "visit-cancelled", [PATIENT, DOCTOR, PARTNER]
    if to == Status.EXPIRED:
        return "visit-lapsed", [PATIENT]
    if to == Status.OVERFLOW:
        return "visit-overflow", [PATIENT, FRONT_OFFICE, PARTNER]
    if to == Status.IN_CONSULTATION:
        return "visit-called", [PARTNER]
    return "", []
