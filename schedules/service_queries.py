"""Whether a doctor's hours have room for a service."""

from django.utils import timezone
from django.utils.translation import gettext as _

from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.opening_rules import minutes


def advice(service) -> list[str]:
    """In words, why patients can't book this service yet, or not with every doctor (settings.SERVICE_ADVICE).

    Advice, not a refusal: a clinic may write its catalogue before its hours. At most three queries.
    """
    doctors = list(service.doctors.active())
    if not doctors:
        return [_("No doctor offers it yet, so patients can't book it.")]
    longest = _longest_pools(doctors)
    said = []
    for doctor in doctors:
        room = longest.get(doctor.pk)
        if room is None:
            said.append(
                _("%(doctor)s has no hours for services yet, so patients can't book it there.")
                % {"doctor": doctor}
            )
        elif service.minutes > room:
            said.append(
                _(
                    "It takes %(minutes)d minutes, and %(doctor)s has %(room)d at the most without a break, so patients can't book it there."
                )
                % {"minutes": service.minutes, "doctor": doctor, "room": room}
            )
    return said


def _longest_pools(doctors) -> dict[int, int]:
    """Per doctor with any, the most minutes that one service could have: in weekly hours, and in windows to come."""
    today = timezone.localdate()
    hours = WeeklyHours.objects.pools().since(today).filter(doctor__in=doctors)
    windows = Schedule.objects.pools().to_come(timezone.now()).filter(doctor__in=doctors)
    found = {}
    for rows in (hours, windows):
        for doctor_id, start, end, capacity in rows.order_by().values_list(
            "doctor_id", "start_time", "end_time", "capacity"
        ):
            room = min(minutes(end) - minutes(start), capacity)
            found[doctor_id] = max(found.get(doctor_id, 0), room)
    return found
