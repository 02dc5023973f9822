"""Opening a cash drawer, and counting it."""

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic import money
from clinic.errors import Refused
from clinic.transactions import action
from payments import drawer_steps as steps
from payments.drawer_models import Drawer


def open_drawer(*, float_minor: int, actor) -> Drawer:
    """Opens a drawer with so much in it; from now on this person's cash goes into it. Raises
    Refused (DRAWER_OPEN) when they have one."""
    try:
        return _open(float_minor, actor)
    except IntegrityError as error:
        if Drawer.objects.open().of(actor).exists():
            raise Refused(
                "DRAWER_OPEN", _("You have a drawer open already. Count and close it first.")
            ) from error
        raise


@action
def _open(float_minor: int, actor) -> Drawer:
    return Drawer.objects.create(
        opened_by=actor, opened_at=timezone.now(), currency=settings.CLINIC_CURRENCY, float_minor=float_minor
    )


@action
def close_drawer(drawer_id: int, *, counted_minor: int, note: str, actor) -> Drawer:
    """Closes a drawer with what was counted, beside what is expected at this moment.

    Raises Refused: DRAWER_CLOSED when somebody has counted it, NOTE_NEEDED when the two
    differ and nobody says why; `missing_minor` is expected less counted.
    """
    drawer = Drawer.objects.locked().get(pk=drawer_id)
    if drawer.closed_at is not None:
        raise Refused("DRAWER_CLOSED", _("This drawer was counted and closed already."))
    expected = steps.expected_in(drawer)
    if expected != counted_minor and not note:
        raise Refused(
            "NOTE_NEEDED",
            _("%(expected)s is expected, and you counted %(counted)s. Count again, or write why.")
            % {
                "expected": money.display(expected, drawer.currency),
                "counted": money.display(counted_minor, drawer.currency),
            },
            missing_minor=expected - counted_minor,
        )
    drawer.expected_minor, drawer.counted_minor = expected, counted_minor
    drawer.note, drawer.closed_by, drawer.closed_at = note, actor, timezone.now()
    drawer.save(update_fields=["expected_minor", "counted_minor", "note", "closed_by", "closed_at"])
    return drawer
