"""Bringing another system's services here. A file is written whole, or not at all."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from clinic.import_rules import Row, Wrong
from clinic.models import DAY, Doctor, Service, ServiceCategory
from clinic.transactions import action

NEEDED = "code", "name", "minutes", "price"
COLUMNS = *NEEDED, "description", "buffer", "category", "doctors", "order", "visible"


@dataclass
class Done:
    """What an import did, or with a dry run would do: how many rows each."""

    added: int = 0
    changed: int = 0
    same: int = 0


class OnlyTried(Exception):
    """Rolls a dry run back, and carries what it would have done."""

    def __init__(self, done):
        super().__init__()
        self.done = done


def import_services(rows: list[Row], *, dry_run: bool, watch: Callable = iter) -> Done:
    """Adds services and changes those whose code is known; columns that the file lacks stay as they are.

    `watch` wraps the rows to show progress. Raises Wrong with the problems of all lines, and nothing is
    written then; a removed service is such a problem. Again with the same file it changes nothing.
    """
    try:
        return _import(rows, dry_run, watch)
    except OnlyTried as tried:
        return tried.done


@action
def _import(rows, dry_run, watch) -> Done:
    doctors = find_doctors()
    codes = {row.cells["code"].strip().lower() for row in rows}
    known = {
        service.code.lower(): service for service in Service.objects.locked() if service.code.lower() in codes
    }
    first, problems, done = {}, [], Done()
    for row in watch(rows):
        row.wrong.clear()  # a second try after a deadlock
        fields, offered_by = _understood(row, doctors)
        service = known.get(fields["code"].lower()) or Service(code=fields["code"])
        if (before := first.setdefault(fields["code"].lower(), row.line)) != row.line:
            row.wrong.append(_("Its code stands in line %(line)s already.") % {"line": before})
        elif service.deleted_at:
            row.wrong.append(service.has_this_code)
        elif not row.wrong:
            _write(service, fields, offered_by, row, done)
        problems += row.problems
    if problems:
        raise Wrong(problems)
    if dry_run:
        raise OnlyTried(done)
    return done


def find_doctors() -> Callable[[str], Doctor | None]:
    """Who is meant by an address on the site (asha-rao) or by a name that only one of them has."""
    everybody = list(Doctor.objects.all())
    by_slug = {doctor.slug: doctor for doctor in everybody}
    names = [doctor.name.casefold() for doctor in everybody]
    by_name = {
        doctor.name.casefold(): doctor for doctor in everybody if names.count(doctor.name.casefold()) == 1
    }
    return lambda words: by_slug.get(words) or by_name.get(words.casefold())


def _understood(row: Row, find: Callable) -> tuple[dict, list[Doctor] | None]:
    """The fields that the row says, and who offers it; None: the file doesn't say."""
    fields = {
        "code": row.text("code", most=50, needed=True),
        "name": row.text("name", most=120, needed=True),
        "duration": row.whole("minutes", least=1, most=DAY, needed=True),
        "price_minor": row.amount("price", settings.CLINIC_CURRENCY, needed=True),
    }
    if row.has("description"):
        fields["description"] = row.text("description", most=10_000)
    if row.has("buffer"):
        fields["buffer"] = row.whole("buffer", least=0, most=DAY, default=0)
    if row.has("order"):
        fields["position"] = row.whole("order", least=0, most=32767, default=0)
    if row.has("visible"):
        fields["visible"] = row.yes("visible", default=True)
    if row.has("category"):
        fields["category"] = row.text("category", most=80)
    if not row.has("doctors"):
        return fields, None
    offered_by = []
    for words in filter(None, map(str.strip, row.cells["doctors"].split(";"))):
        if doctor := find(words):
            offered_by.append(doctor)
        else:
            row.wrong.append(_("No doctor is called “%(typed)s”, or several are.") % {"typed": words[:80]})
    return fields, offered_by


def _write(service: Service, fields: dict, offered_by: list[Doctor] | None, row: Row, done: Done) -> None:
    """Stores what differs, and counts it; what the model refuses becomes the row's."""
    if "category" in fields:
        name = fields["category"]
        fields["category"] = ServiceCategory.objects.get_or_create(name=name)[0] if name else None
    is_new = service.pk is None
    changed = [name for name, value in fields.items() if getattr(service, name) != value and name != "code"]
    for name in changed:
        setattr(service, name, fields[name])
    try:
        service.full_clean()
    except ValidationError as error:
        row.wrong += error.messages
        return
    if is_new or changed:
        service.save(update_fields=None if is_new else changed)
    others = offered_by is not None and (is_new or {*service.doctors.all()} != {*offered_by})
    if others:
        service.doctors.set(offered_by)
    if is_new:
        done.added += 1
    elif changed or others:
        done.changed += 1
    else:
        done.same += 1
