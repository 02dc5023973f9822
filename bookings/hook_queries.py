"""What webhooks say of a visit: ids, times and its number. Nothing of the patient."""

from django.utils import timezone

from bookings.models import Booking


def facts(booking_id: int) -> dict | None:
    """A booking as it stands now; None where it is gone. `appointmentId` is its id in the API. One query."""
    booking = Booking.objects.select_related("schedule").filter(pk=booking_id).first()
    return booking and of(booking)


def of(booking: Booking) -> dict:
    """The same of a booking that was read with its window."""
    return {
        "appointmentId": booking.public_id,
        "status": booking.status,
        "doctorId": booking.schedule.doctor_id,
        "scheduleId": booking.schedule_id,
        "startAt": booking.starts.astimezone(timezone.get_default_timezone()).isoformat(),
        "tokenLabel": booking.token_label,
    }
