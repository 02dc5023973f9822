"""Work that is due by itself: rows in a state, not jobs in a queue."""

from django.db.models.functions import Now

from bookings.actions import expire_lapsed_in
from bookings.closing import carry_out
from bookings.models import Booking
from clinic.sweeping import each
from schedules.closure_models import Closure


def expire_lapsed_holds() -> int:
    """Gives back the places of holds whose time is up; returns how many there were."""
    due = (
        Booking.objects.lapsed(Now()).order_by("schedule_id").values_list("schedule_id", flat=True).distinct()
    )
    return each(expire_lapsed_in, due)


def carry_out_closures() -> int:
    """Finishes closures whose windows still stand; returns how many bookings that cancelled."""
    return each(carry_out, Closure.objects.to_carry_out().select_related("created_by"))
