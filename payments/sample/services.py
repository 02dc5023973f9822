"""What the sample clinic sells by the minute."""

from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from clinic import money
from clinic.models import Doctor, Service, ServiceCategory

BOTH = "sushila-maharjan", "vikram-kulkarni"
SUSHILA, VIKRAM = BOTH


@dataclass(frozen=True)
class Offer:
    """One line of the clinic's list. Minutes, and `price` in major units."""

    category: str
    code: str
    name: str
    description: str
    duration: int
    buffer: int
    price: int
    doctors: tuple[str, ...] = BOTH


OFFERS = [
    Offer(
        "Physiotherapy", "physio-first", "First visit",
        "What hurts, since when, and what you want to do again. Ends with a plan and the first exercises.",
        40, 5, 900,
    ),
    Offer(
        "Physiotherapy", "physio-session", "Physiotherapy session",
        "Exercises, manual therapy and heat or current where they help. Wear something loose.",
        30, 10, 600,
    ),
    Offer(
        "Physiotherapy", "sports-massage", "Sports massage",
        "For legs, back or shoulders, after training or a long flight. There is a shower.",
        60, 10, 1400, (SUSHILA,),
    ),
    Offer(
        "Check-ups", "ecg", "ECG",
        "The heart's rhythm on paper, read at once. No creams on the skin that day, please.",
        15, 5, 400, (VIKRAM,),
    ),
    Offer(
        "Check-ups", "back-package", "Back-care package",
        "One appointment for posture, strength and an ECG, with a programme to take home.",
        90, 10, 2200, (VIKRAM,),
    ),
]  # fmt: skip


def add_services() -> None:
    """Makes the list, in its order, for the doctors who are there."""
    doctors = {doctor.slug: doctor for doctor in Doctor.objects.filter(slug__in=BOTH)}
    names = list(dict.fromkeys(offer.category for offer in OFFERS))
    categories = {
        name: ServiceCategory.objects.create(name=name, position=position)
        for position, name in enumerate(names, start=1)
    }
    for offer in OFFERS:
        service = Service.objects.create(
            code=offer.code,
            name=offer.name,
            description=offer.description,
            category=categories[offer.category],
            duration=offer.duration,
            buffer=offer.buffer,
            price_minor=money.to_minor(Decimal(offer.price), settings.CLINIC_CURRENCY),
        )
        service.doctors.set(doctors[slug] for slug in offer.doctors)
