"""Making a doctor's calendar address, and switching it off."""

from django.contrib.admin.models import CHANGE
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.feed_models import Feed, new_code
from clinic.models import Doctor
from schedules.actions import record


def make_feed(doctor: Doctor, *, actor) -> Feed:
    """A new secret address; from now on the one before it shows nothing."""
    facts = {"code": new_code(), "made_at": timezone.now(), "made_by": actor}
    feed, _made = Feed.objects.update_or_create(doctor=doctor, defaults=facts)
    record(doctor, actor, CHANGE, _("New calendar address"))
    return feed


def stop_feed(doctor: Doctor, *, actor) -> bool:
    """The calendar has no address any more. False where it had none."""
    gone, _rows = Feed.objects.filter(doctor=doctor).delete()
    if gone:
        record(doctor, actor, CHANGE, _("Calendar address switched off"))
    return bool(gone)
