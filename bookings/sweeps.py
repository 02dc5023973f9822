"""Work that is due by itself: rows in a state, not jobs in a queue."""

from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from bookings import desk
from bookings.actions import expire_lapsed_in
from bookings.closing import carry_out
from bookings.desk_queries import to_finish
from bookings.models import Booking
from clinic.notice_models import Notice, Recipient
from clinic.notice_steps import notices, tell
from clinic.sweeping import each
from schedules.closure_models import Closure

WARNING = timedelta(minutes=5)
"""How long before its end patients are warned of a hold that they have not paid."""


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


def warn_of_lapsing_holds() -> int:
    """Tells patients who have not paid yet that their hold is about to lapse, once for each hold."""
    now = timezone.now()
    told = Notice.objects.filter(kind="visit-lapsing", about=OuterRef("pk"))
    soon = Booking.objects.paying(now).filter(hold_expires_at__lt=now + WARNING).exclude(Exists(told))
    found = [
        notice
        for pk in soon.values_list("pk", flat=True)
        for notice in notices("visit-lapsing", pk, fact=str(pk), to=Recipient.PATIENT, now=now)
    ]
    tell(found)
    return len(found)


def carry_out_closures() -> int:
    """Finishes closures whose windows still stand; returns how many bookings that cancelled."""
    return each(carry_out, Closure.objects.to_carry_out().select_related("created_by"))
