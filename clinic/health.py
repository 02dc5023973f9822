"""What a probe asks: is this process alive, and is this installation fit to take patients."""

import logging
from functools import cache

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache

from clinic import maintenance
from clinic.models import Heartbeat

log = logging.getLogger("clinic")

LATE = 300
"""Seconds after which undone work is worth a warning."""
SILENT = 60
"""Seconds without a heartbeat after which a worker counts as dead."""


def alive(request):
    """/healthz: this process answers. It asks nobody, so that a slow database restarts nothing."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
def ready(request):
    """/readyz: 503 while the database is away or behind; what else is wrong is a warning.

    During maintenance 200 whatever is broken: a process taken out of the balance could not say that
    the site is closed, and could take no webhook.

    Everybody may read it: names, ages and counts, no secret and nothing of a patient.
    """
    try:
        broken, facts, warnings = look()
    except Exception as error:  # a cache that is away, say: a probe gets its answer all the same
        log.exception("not-ready")
        broken, facts, warnings = [f"database or cache: {type(error).__name__}"], {}, []
    closed = bool(maintenance.current())
    status = "maintenance" if closed else "broken" if broken else "degraded" if warnings else "ready"
    content = {"status": status, "broken": broken, "warnings": warnings, **facts}
    return JsonResponse(content, status=503 if broken and not closed else 200)


def look() -> tuple[list[str], dict, list[str]]:
    """What is broken, the facts, and the warnings. Raises whatever the database or the cache does when it is away."""
    if pending := pending_migrations():
        return ["migrations are pending: manage.py migrate"], {"pending_migrations": pending}, []
    sweeps, work, timeouts = sweep_ages(), undone_work(), database_timeouts()
    warnings = [
        *(f"{name}: no worker for {SILENT} s" for name, beat in sweeps.items() if beat["silent"]),
        *(f"{name}: fails with {beat['error']}" for name, beat in sweeps.items() if beat["error"]),
        *(f"{name}: {value}" for name, value in work.items() if value and is_notable(name, value)),
        *(f"{name} is off: see docs/running.md" for name, value in timeouts.items() if value == "0"),
    ]
    return [], {"sweeps": sweeps, "work": work, "database_timeouts": timeouts}, warnings


@cache
def known_migrations() -> set[tuple[str, str]]:
    """The migrations of this code. They are read once: a probe comes every few seconds."""
    return set(MigrationLoader(None).disk_migrations)


def pending_migrations() -> list[str]:
    applied = MigrationRecorder(connection).applied_migrations()
    return [".".join(name) for name in sorted(known_migrations() - set(applied))]


def sweep_ages() -> dict[str, dict]:
    """Per sweep: the seconds since it last finished (None: never), and what it failed with."""
    now, beats = timezone.now(), Heartbeat.objects.in_bulk()
    ages = {}
    for path in settings.SWEEPS:
        beat = beats.get(path)
        age = int((now - beat.finished_at).total_seconds()) if beat else None
        silent = age is None or age > SILENT
        ages[path] = {"age": age, "silent": silent, "error": beat.error if beat else ""}
    return ages


def undone_work() -> dict[str, int | None]:
    """What every app adds through settings.READINESS: `oldest_…` in seconds, anything else a count."""
    return {name: value for path in settings.READINESS for name, value in import_string(path)().items()}


def is_notable(name: str, value: int) -> bool:
    return value > LATE if name.startswith("oldest_") else value > 0


def database_timeouts() -> dict[str, str]:
    """The time-outs in force on this very connection, as PostgreSQL says them; none on SQLite."""
    if connection.vendor != "postgresql":
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s) ORDER BY name",
            [list(settings.DATABASE_TIMEOUTS)],
        )
        return dict(cursor.fetchall())
