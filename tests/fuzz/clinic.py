"""A small clinic with something of everything, and those who call its API."""

from dataclasses import dataclass
from datetime import timedelta

from clinic.api_key_models import Scope
from tests import factories
from tests.api import token_of

ROLES = "anonymous", "patient", "reception", "doctor", "manager", "machine"


@dataclass(frozen=True)
class Clinic:
    """What a caller could know: real ids, by the words of the schema."""

    headers: dict[str, dict[str, str]]
    public: dict[str, list]
    own: dict[str, dict[str, list]]
    elsewhere: dict[str, dict[str, list]]
    """Of operations that mean something else by a word."""

    def known(self, role: str) -> dict[str, list]:
        return self.public | self.own[role]


def opened() -> Clinic:
    """Rows for every operation to meet: windows of each kind, free and not, and bookings in several states."""
    people = {role.lower(): factories.staff(role) for role in ("Reception", "Doctor", "Manager")}
    people["patient"] = factories.user()
    doctor = factories.doctor(user=people["doctor"])
    first = factories.window(doctor=doctor, capacity=500)
    free = factories.window(doctor=doctor, starts_in=timedelta(hours=30), capacity=500, fee_minor=0)
    small = factories.window(doctor=doctor, starts_in=timedelta(hours=54), capacity=1)
    slots = factories.slots(40, starts_in=timedelta(hours=78), doctor=doctor)
    pools = [factories.morning(doctor=doctor, days=days) for days in range(5, 9)]
    services = [
        factories.service(doctor),
        factories.service(doctor, price_minor=0),
        factories.service(doctor),
    ]
    stranger = factories.hold(small)
    own = {}
    for role, account in people.items():
        patients = [
            factories.patient(account=account, relationship=who, name="Meera Joshi")
            for who in ("self", "child", "parent")
        ]
        theirs = {"patient": patients[0], "booked_by": account}
        bookings = [factories.paid(first, **theirs), factories.hold(slots.pop(), **theirs), stranger]
        own[role] = {
            "patientId": [patient.pk for patient in patients],
            "id": [booking.public_id for booking in bookings],
        }
    _machine, words = factories.api_key(
        actor=people["manager"], account=people["manager"], scopes=list(Scope), per_minute=10_000
    )
    return Clinic(
        headers={
            "anonymous": {},
            **{role: {"X-Session-Token": token_of(account)} for role, account in people.items()},
            "machine": {"Authorization": f"Bearer {words}"},
        },
        own=own | {"anonymous": own["patient"], "machine": own["manager"]},
        public={
            "doctorId": [doctor.pk],
            "scheduleId": [window.pk for window in (first, free, small, *slots, *pools)],
            "serviceId": [service.pk for service in services],
            "date": sorted({f"{window.date}" for window in (first, free, small, *slots, *pools)}),
            "startTime": [
                (pool.starts_at + timedelta(minutes=minutes)).isoformat()
                for pool in pools
                for minutes in (0, 40, 80)
            ],
            "minutes": [services[0].minutes],
            "price": [0, first.fee_minor],
            "gateway": ["demo"],
            "percent": [0, 50, 100],
            "phone": ["+919820012345", "9820054321"],
            "relationship": ["child", "parent"],
        },
        elsewhere={
            "open_schedule": {
                "startTime": ["06:00", "07:30", "21:00"],
                "endTime": ["07:30", "09:00", "23:00"],
            },
            "change_service": {"id": [service.pk for service in services]},
            "remove_service": {"id": [services[-1].pk]},
        },
    )
