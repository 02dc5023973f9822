"""The people whom an account books for (DESIGN §8)."""

from datetime import date
from typing import Annotated

from django.utils import timezone
from ninja import Body, Router
from ninja.responses import Status
from pydantic import Field

from bookings.family_actions import save_person
from bookings.family_forms import PersonForm
from clinic.api_again import IdempotencyKey, once
from clinic.api_auth import signed_in
from clinic.api_key_models import Scope
from clinic.api_schemas import WRITES, Answer, Day, Wish, answers, invalid, one_of
from clinic.models import Patient

router = Router(by_alias=True, auth=signed_in(Scope.BOOK))


class PatientOut(Answer):
    id: int
    relationship: str
    name: str
    phone: str
    date_of_birth: date | None
    age: int | None
    sex: str


class Patients(Answer):
    items: list[PatientOut]


class PatientWish(Wish):
    name: Annotated[str, Field(min_length=1, max_length=120)]
    relationship: one_of(Patient.Relationship)
    phone: Annotated[str, Field(max_length=40, description="With its country, or as it is dialled here.")]
    date_of_birth: Day | None = None
    sex: one_of(Patient.Sex) | None = None


@router.get("patients", response=answers(200, Patients, 401, 403, 429), tags=["patients"])
def patients(request):
    """The account itself and its family."""
    today = timezone.localdate()
    return Patients(items=[_patient(person, today) for person in _people(request)])


@router.post("patients", response=answers(201, PatientOut, *WRITES), tags=["patients"])
@once
def add_patient(request, wish: Annotated[PatientWish, Body()], idempotency_key: IdempotencyKey):
    """Adds one of the family."""
    form = PersonForm(wish.model_dump(), people=_people(request))
    if not form.is_valid():
        raise invalid(form.errors)
    person = save_person(form.instance, account=request.auth.account)
    return Status(201, _patient(person, timezone.localdate()))


def _people(request) -> list[Patient]:
    return list(Patient.objects.of(request.auth.account).order_by("pk"))


def _patient(person: Patient, today: date) -> PatientOut:
    return PatientOut(
        id=person.pk,
        relationship=person.relationship,
        name=person.name,
        phone=str(person.phone),
        date_of_birth=person.date_of_birth,
        age=person.age_on(today),
        sex=person.sex,
    )
