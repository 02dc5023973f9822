"""Work that is due by itself: rows in a state, not jobs in a queue."""

from django.db.models.functions import Now
from django.utils import timezone

from bookings import desk
from bookings.actions import expire_lapsed_in
from bookings.desk_queries import to_finish
from bookings.models import Booking
from clinic.sweeping import each


def expire_lapsed_holds() -> int:
    """Gives back the places of holds whose time is up; returns how many there were."""
    due = (
        Booking.objects.lapsed(Now()).order_by("schedule_id").values_list("schedule_id", flat=True).distinct()
    )
    return each(expire_lapsed_in, due)


def finish_schedules() -> int:
    """Ends the windows that nobody ended."""
    due = to_finish(timezone.now()).order_by("ends_at", "pk").values_list("pk", flat=True)
    return each(lambda pk: bool(desk.finish(pk)), due)
