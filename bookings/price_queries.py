"""What the clinic knows of the people whom a page shows a price, and what that price is."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Subquery

from bookings.models import Booking
from bookings.price_rules import Quote, Standing, quote
from clinic.membership_models import CareRelation, Membership
from clinic.models import Doctor, Patient, Service
from schedules.models import Schedule


def facts(schedule: Schedule, patients):
    """For `patients` (a queryset) what `Standing` needs, in one statement: (pk, membership's pk or
    None, has_relation, paid_on, follow_up_days)."""
    related = CareRelation.objects.filter(doctor=schedule.doctor_id, patient=OuterRef("pk"))
    visits = Booking.objects.paid_visits().filter(patient=OuterRef("pk"), schedule__doctor=schedule.doctor_id)
    member = Membership.objects.in_force(schedule.date).filter(account=OuterRef("account"))
    return (
        patients.order_by()
        .annotate(
            member=Subquery(member.values("pk")[:1]),
            related=Exists(related),
            paid_on=Subquery(visits.order_by("-schedule__date").values("schedule__date")[:1]),
            days=Subquery(Doctor.objects.filter(pk=schedule.doctor_id).order_by().values("follow_up_days")),
        )
        .values_list("pk", "member", "related", "paid_on", "days")
    )


def _members():
    return Membership.objects.select_related("plan").with_used()


def _standing(member: Membership | None, **known) -> Standing:
    return Standing(membership=member, free_visits_used=member.used if member else 0, **known)


def standings(schedule: Schedule, people: list[Patient]) -> dict[int, Standing]:
    """Of each of these patients, by pk: at most two statements."""
    found = list(facts(schedule, Patient.objects.filter(pk__in=[person.pk for person in people])))
    members = {row[1] for row in found if row[1]}
    by_pk = {member.pk: member for member in _members().filter(pk__in=members)} if members else {}
    return {
        pk: _standing(by_pk.get(member), has_relation=related, paid_on=paid_on, follow_up_days=days)
        for pk, member, related, paid_on, days in found
    }


def standing_of_newcomer(schedule: Schedule, account_id: int | None) -> Standing:
    """Of somebody whom an account books for the first time; of a guest nothing is known, and nothing read."""
    if account_id is None:
        return Standing()
    return _standing(_members().in_force(schedule.date).of(account_id).first())


@dataclass(frozen=True)
class Offer:
    """What one visit costs each of an account's people, and somebody new."""

    newcomer: Quote
    by_person: dict[int, Quote]
    standing: Standing

    @property
    def most_minor(self) -> int:
        return max(quote.price_minor for quote in (self.newcomer, *self.by_person.values()))

    @property
    def differs(self) -> bool:
        return self.common is None

    @property
    def common(self) -> Quote | None:
        """The one price, where it is the same for everybody and for the same reason."""
        quotes = {self.newcomer, *self.by_person.values()}
        return self.newcomer if len(quotes) == 1 else None


def offer(schedule: Schedule, account, people: list[Patient], service: Service | None = None) -> Offer:
    """For the page that books, a `service` if it is one: at most three statements, none for a guest.
    Each of the people gets their `quote`."""
    newcomer = standing_of_newcomer(schedule, account.pk if account else None)
    known = standings(schedule, people) if people else {}
    for person in people:
        person.quote = quote(schedule, known[person.pk], service)
    return Offer(quote(schedule, newcomer, service), {person.pk: person.quote for person in people}, newcomer)
