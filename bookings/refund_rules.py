"""What comes back when a patient cancels: the rules as they were sold, as numbers and as dates."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from bookings.models import Booking
from bookings.states import Status

OWN_TO_CANCEL = (Status.HELD, Status.CONFIRMED)
"""Who is in the waiting room already talks to the desk."""


def grace() -> timedelta:
    return timedelta(minutes=settings.REFUND_GRACE_MINUTES)


def percent_back(booking: Booking, now: datetime) -> int:
    """Percent of what was paid that the patient's own cancellation gives back at `now`.

    The best of the rules as sold that still holds, counted to the patient's own start (a token's is
    its window's); everything in the first minutes after booking. Moving a visit further away wins
    nothing back. What the clinic cancels, and an overflow, give back everything and don't ask here.
    """
    if now < booking.created_at + grace():
        return 100
    return min(_by_rules(booking, now), booking.refund_at_most)


def _by_rules(booking: Booking, now: datetime) -> int:
    left = booking.starts - now
    return max(
        (percent for hours, percent in booking.refund_rules if left >= timedelta(hours=hours)), default=0
    )


def own_until(booking: Booking) -> datetime:
    """Until when patients cancel by themselves: settings.CANCEL_UNTIL_MINUTES before the start, and
    always in the first minutes after booking."""
    last = booking.starts - timedelta(minutes=settings.CANCEL_UNTIL_MINUTES)
    return max(last, booking.created_at + grace())


def why_not_own(booking: Booking, now: datetime) -> str:
    """Why a patient can't cancel this by themselves (any more), or ""."""
    if booking.status not in OWN_TO_CANCEL or booking.hold_lapsed(now):
        return _("This booking is “%(status)s”. Please talk to the desk.") % {
            "status": booking.get_status_display()
        }
    if now >= own_until(booking):
        return _("It is too late to cancel here. Please call the clinic, so that somebody else can be seen.")
    return ""


def words(booking: Booking, now: datetime) -> str:
    """Which rule `percent_back` goes by, as one sentence; that nothing comes back says the page."""
    if now < booking.created_at + grace():
        return _("You booked less than %(minutes)s minutes ago, so everything comes back.") % {
            "minutes": settings.REFUND_GRACE_MINUTES
        }
    if booking.refund_at_most < _by_rules(booking, now):
        return _("You moved this visit when %(percent)s%% would have come back: so it stays.") % {
            "percent": booking.refund_at_most
        }
    left, rules = booking.starts - now, sorted(booking.refund_rules, reverse=True)
    for hours, percent in rules:
        if left >= timedelta(hours=hours):
            said = {"hours": hours, "percent": percent}
            return _("Your visit starts in more than %(hours)s hours: %(percent)s%% comes back.") % said
    if not rules:
        return _("This was sold without a refund.")
    return _("Your visit starts in less than %(hours)s hours.") % {"hours": rules[-1][0]}


def why_not_move_own(booking: Booking, now: datetime) -> str:
    """Why a patient can't move this by themselves (any more), or "". Staff may, with a reason."""
    if booking.status != Status.CONFIRMED:
        return _("This booking is “%(status)s”. Please talk to the desk.") % {
            "status": booking.get_status_display()
        }
    if now >= own_until(booking):
        return _("It is too late to move this here. Please call the clinic.")
    if booking.moved >= settings.MOVES_PER_BOOKING:
        return _("This visit can't be moved here any more. Please call the clinic.")
    return ""


@dataclass(frozen=True)
class Terms:
    """What a price comes back of, and until when, before it is paid."""

    price_minor: int
    currency: str
    deadlines: list[tuple[datetime, int]]
    """Until when, and how much in minor units; those to come, the earliest first."""
    last_hours: int
    """So near to the start nothing comes back any more."""
    grace_minutes: int


def terms(rules: list, *, price_minor: int, currency: str, starts: datetime, now: datetime) -> Terms:
    """`rules` (hours before the start, percent) as amounts and dates."""
    dated = sorted(
        (starts - timedelta(hours=hours), price_minor * percent // 100) for hours, percent in rules
    )
    return Terms(
        price_minor=price_minor,
        currency=currency,
        deadlines=[(until, minor) for until, minor in dated if until > now],
        last_hours=min((hours for hours, _percent in rules), default=0),
        grace_minutes=settings.REFUND_GRACE_MINUTES,
    )
