"""The price is decided under the window's lock, by the same rule that the page showed it by."""

from dataclasses import replace

from django.utils.translation import gettext as _

from bookings.models import Booking
from bookings.price_queries import facts
from bookings.price_rules import Quote, Standing, check_member, quote
from bookings.states import Channel
from bookings.steps import Guest
from clinic.errors import Refused
from clinic.membership_models import Membership
from clinic.models import Patient, Service
from schedules.models import Schedule


def price_of(
    schedule: Schedule,
    who: Patient | Guest,
    channel: Channel,
    *,
    but: Booking | None = None,
    service: Service | None = None,
) -> Quote:
    """What a place in this locked window, or a service in it, costs `who`, not counting the booking `but`.

    Nothing is read for a guest, one statement for an account without a membership. A membership is
    locked before a trial's free visits are counted, so that two windows cannot both sell the last one.
    Raises Refused: SUBSCRIBE_TO_BOOK (403), NOT_FOUND for a patient who is not there any more.
    """
    known = _standing(schedule, who)
    check_member(known, channel)
    if not service and known.membership and known.membership.plan.free_visits is not None:
        Membership.objects.locked().get(pk=known.membership.pk)
        used = Booking.objects.occupying().filter(membership=known.membership)
        used = used.exclude(pk=but.pk) if but else used
        known = replace(known, free_visits_used=used.count())
    return quote(schedule, known, service)


def gone() -> Refused:
    """The account took this person off its list in another tab."""
    return Refused("NOT_FOUND", _("This person is not on your list any more."), status=404)


def _standing(schedule: Schedule, who: Patient | Guest) -> Standing:
    if isinstance(who, Patient):
        found = facts(schedule, Patient.objects.filter(pk=who.pk)).first()
        if found is None:
            raise gone()
        _pk, member, related, paid_on, days = found
        member = Membership.objects.select_related("plan").get(pk=member) if member else None
        return Standing(member, has_relation=related, paid_on=paid_on, follow_up_days=days)
    if who.account_id is None:
        return Standing()
    members = Membership.objects.in_force(schedule.date).of(who.account_id)
    return Standing(members.select_related("plan").first())
