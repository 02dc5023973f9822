"""What managers do to the catalogue. Bookings keep what they were sold with, whatever happens here."""

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.db import IntegrityError
from django.utils import timezone
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from clinic.errors import Refused
from clinic.models import Service
from clinic.transactions import action


def add_service(*, actor, doctors=(), **fields) -> Service:
    """A new service; price in minor units, duration and buffer in minutes.

    Raises ValidationError, with messages by field, for what no service can be; Refused
    (CODE_TAKEN) when somebody takes the same code at this moment.
    """
    try:
        return _add(actor, doctors, fields)
    except IntegrityError as error:
        raise Refused("CODE_TAKEN", _("Another service has this code. Choose another one.")) from error


@action
def _add(actor, doctors, fields) -> Service:
    service = Service(**fields)
    service.full_clean()
    service.save(force_insert=True)
    service.doctors.set(doctors)
    record(service, actor, ADDITION, _("Added"))
    return service


@action
def change_service(service_id: int, *, actor, doctors=None, **fields) -> Service:
    """Changes these fields, and who offers it unless `doctors` is None; what is the same stays unwritten.

    Raises ValidationError by field; Refused: NOT_FOUND (404), and REMOVED until it is restored.
    """
    service = _locked(service_id)
    if service.deleted_at:
        raise Refused("REMOVED", _("“%(service)s” was removed. Restore it first.") % {"service": service})
    changed = [name for name, value in fields.items() if getattr(service, name) != value]
    for name in changed:
        setattr(service, name, fields[name])
    if changed:
        service.full_clean()
        service.save(update_fields=changed)
    if doctors is not None and {*service.doctors.all()} != {*doctors}:
        service.doctors.set(doctors)
        changed.append("doctors")
    if changed:
        words = [str(Service._meta.get_field(name).verbose_name) for name in changed]
        record(service, actor, CHANGE, _("Changed: %(what)s") % {"what": get_text_list(words, _("and"))})
    return service


@action
def remove_service(service_id: int, *, actor) -> Service:
    """Takes it out of the catalogue for good or until it is restored; its history and bookings stay.

    Removing twice changes nothing. Raises Refused (NOT_FOUND, 404).
    """
    service = _locked(service_id)
    if not service.deleted_at:
        service.deleted_at = timezone.now()
        service.save(update_fields=["deleted_at"])
        record(service, actor, CHANGE, _("Removed from the catalogue"))
    return service


@action
def restore_service(service_id: int, *, actor) -> Service:
    """Puts a removed service back as it was, shown to patients or not. Raises Refused (NOT_FOUND, 404)."""
    service = _locked(service_id)
    if service.deleted_at:
        service.deleted_at = None
        service.save(update_fields=["deleted_at"])
        record(service, actor, CHANGE, _("Restored"))
    return service


def _locked(service_id: int) -> Service:
    """Taken alone: nobody who holds this row asks for another."""
    if service := Service.objects.locked().filter(pk=service_id).first():
        return service
    raise Refused("NOT_FOUND", _("There is no such service."), status=404)


def record(service: Service, actor, flag: int, message: str) -> None:
    """Writes who did it into the service's history in admin; an import is nobody."""
    if actor is not None:
        LogEntry.objects.log_actions(actor.pk, [service], flag, message, single_object=True)
