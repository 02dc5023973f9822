"""What a visit costs whom: one rule, for the page that shows the price and for the lock that decides it."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from bookings.states import DESK_CHANNELS, Channel
from clinic.errors import Refused
from clinic.membership_models import Membership, Rule
from clinic.models import Service
from schedules.models import Schedule


@dataclass(frozen=True)
class Standing:
    """What the clinic knows of a patient when it prices a visit to one doctor on one day."""

    membership: Membership | None = None
    """The account's, in force on the day of the visit, with its plan."""
    free_visits_used: int = 0
    has_relation: bool = False
    """This doctor looks after the patient."""
    paid_on: date | None = None
    """The day of the patient's last paid visit to this doctor."""
    follow_up_days: int = 0


@dataclass(frozen=True)
class Quote:
    """A price in minor units; where a rule made it nothing, which one, and what it saved."""

    price_minor: int
    currency: str
    saved_minor: int = 0
    free_reason: str = ""
    membership_id: int | None = None
    """The plan that made it free."""


def quote(schedule: Schedule, known: Standing, service: Service | None = None) -> Quote:
    """What a visit in this window costs this patient, or a service in it.

    A service costs its own price, whoever comes: plans and follow-ups are about consultations, and a
    package is a service with its own price.

    Nothing where the window is free, the visit follows a paid one within the doctor's days, the
    plan is free with a doctor who looks after the patient, or a trial has free visits left; a
    trial's are spent last. Else the window's fee (seed 001: who has no such plan pays).
    """
    if service:
        free = "" if service.price_minor else _("free of charge")
        return Quote(service.price_minor, schedule.currency, free_reason=free)
    if not schedule.fee_minor:
        return Quote(0, schedule.currency, free_reason=_("free of charge"))
    if (until := follow_up_until(known)) and schedule.date <= until:
        return _free(schedule, _("follow-up until %(day)s") % {"day": date_format(until, "j F")})
    member, plan = known.membership, known.membership and known.membership.plan
    if plan and plan.rule == Rule.FREE_WITH_RELATION and known.has_relation:
        return _free(schedule, _("with your plan %(plan)s") % {"plan": plan}, member)
    if plan and plan.rule == Rule.TRIAL and (words := _trial(schedule.date, known)):
        return _free(schedule, words, member)
    return Quote(schedule.fee_minor, schedule.currency)


def _free(schedule: Schedule, reason: str, membership: Membership | None = None) -> Quote:
    return Quote(
        0, schedule.currency, schedule.fee_minor, reason[:120], membership.pk if membership else None
    )


def follow_up_until(known: Standing) -> date | None:
    """The last day of the free follow-up. None: there is none."""
    if known.paid_on is None or not known.follow_up_days:
        return None
    return known.paid_on + timedelta(days=known.follow_up_days)


def _trial(day: date, known: Standing) -> str:
    """Why a visit on that day is free in this trial, in words; "" when its visits or days are over."""
    plan, until = known.membership.plan, known.membership.free_until
    if until and day > until:
        return ""
    if plan.free_visits is None:
        return _("%(plan)s until %(day)s") % {"plan": plan, "day": date_format(until, "j F")}
    if known.free_visits_used >= plan.free_visits:
        return ""
    said = {"plan": plan, "number": known.free_visits_used + 1, "of": plan.free_visits}
    return _("%(plan)s, free visit %(number)s of %(of)s") % said


def check_member(known: Standing, channel: Channel) -> None:
    """Raises Refused (SUBSCRIBE_TO_BOOK, 403) where settings.CLINIC_REQUIRES_MEMBERSHIP wants one that covers
    the day of the visit. The desk seats anybody: it is where one joins."""
    if settings.CLINIC_REQUIRES_MEMBERSHIP and not known.membership and channel not in DESK_CHANNELS:
        raise Refused("SUBSCRIBE_TO_BOOK", _("Subscribe to book"), status=403)
