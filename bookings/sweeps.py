"""Work that is due by itself: rows in a state, not jobs in a queue."""

from django.db.models.functions import Now

from bookings.actions import expire_lapsed_in
from bookings.models import Booking
from clinic.sweeping import each


def expire_lapsed_holds() -> int:
    """Gives back the places of holds whose time is up; returns how many there were."""
    due = (
        Booking.objects.lapsed(Now()).order_by("schedule_id").values_list("schedule_id", flat=True).distinct()
    )
    return each(expire_lapsed_in, due)
