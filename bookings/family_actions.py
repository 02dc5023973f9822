"""The people whom an account books for: added, changed, taken off the list."""

from django.db import IntegrityError
from django.utils.translation import gettext as _

from bookings.models import Booking
from clinic.errors import Refused
from clinic.models import Patient
from clinic.transactions import action

MOST_PEOPLE = 20
"""More are no family, and a stranger could fill the table."""


def save_person(person: Patient, *, account) -> Patient:
    """Keeps a person of this account as typed. Raises Refused: TOO_MANY, ALREADY_THERE (a second
    “myself”, from another tab)."""
    if person.pk is None and Patient.objects.of(account).count() >= MOST_PEOPLE:
        raise Refused("TOO_MANY", _("More people can't be added here. Please ask at the desk."))
    person.account = account
    try:
        _save(person)
    except IntegrityError as error:
        raise Refused("ALREADY_THERE", _("You are on your list already.")) from error
    return person


@action
def _save(person: Patient) -> None:
    person.save()


def remove_person(person_id: int, *, account) -> None:
    """Takes somebody off the account's list. Who was never booked is deleted; who was stays a patient
    of the clinic's without an account, and the visits stay where they were.

    Raises Refused: STILL_BOOKED while a visit is ahead, NOT_FOUND for somebody of another account.
    """
    try:
        _remove(person_id, account)
    except IntegrityError as error:  # booked in another tab at this moment
        raise _still_booked() from error


@action
def _remove(person_id: int, account) -> None:
    person = Patient.objects.locked().of(account).filter(pk=person_id).first()
    if person is None:
        raise Refused("NOT_FOUND", _("This person is not on your list."), status=404)
    bookings = Booking.objects.filter(patient=person)
    if bookings.live().exists():
        raise _still_booked()
    if bookings.exists():
        person.account, person.relationship = None, ""
        person.save(update_fields=["account", "relationship"])
    else:
        person.delete()


def _still_booked() -> Refused:
    said = _("This person has a visit ahead. Cancel it first, or wait until it is over.")
    return Refused("STILL_BOOKED", said)
