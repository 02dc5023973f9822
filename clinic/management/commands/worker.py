import logging
import signal
from time import monotonic

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error, close_old_connections
from django.utils import timezone
from django.utils.module_loading import import_string

from clinic import sweeping
from clinic.models import Heartbeat

log = logging.getLogger("clinic")


def run_pass() -> dict[str, int]:
    """Runs every sweep of settings.SWEEPS once; returns what each one did, if anything."""
    did = {}
    for path in settings.SWEEPS:
        if sweeping.stopping():
            break
        if count := run(path):
            did[path] = count
    return did


def run(path: str) -> int:
    """Runs one sweep and stamps its heartbeat. Whatever fails in it is logged, and the next one runs."""
    count, error = 0, ""
    try:
        count = import_string(path)()
    except Exception as failure:  # a bug in one kind of work must not stop the others
        # /readyz is public, and a database's message may quote a row: the log alone has it whole.
        error = type(failure).__name__
        log.exception("sweep-failed", extra={"sweep": path})
    try:
        beat(path, count, error)
    except Error:
        log.exception("heartbeat-failed", extra={"sweep": path})
    return count


def beat(path: str, did: int, error: str) -> None:
    """Stamps a sweep as finished now, in one statement, so that several workers may."""
    stamp = Heartbeat(sweep=path, finished_at=timezone.now(), did=did, error=error)
    Heartbeat.objects.bulk_create(
        [stamp],
        update_conflicts=True,
        unique_fields=["sweep"],
        update_fields=["finished_at", "did", "error"],
    )


class Command(BaseCommand):
    help = "Does what is due by itself: lapsed holds, webhooks to try again, refunds. Any number may run."

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="one pass, then end")
        parser.add_argument("--interval", type=float, default=2, help="seconds between two passes")

    def handle(self, *, once, interval, **options):
        """SIGTERM and Ctrl-C end it after the item in hand; a kill -9 loses nothing either."""
        if not once:
            for order in signal.SIGTERM, signal.SIGINT:
                signal.signal(order, sweeping.stop)
            log.info("worker-start")
        while not sweeping.stopping():
            began = monotonic()
            if did := run_pass():
                log.info("worker-pass", extra={"did": did, "seconds": round(monotonic() - began, 3)})
            if once:
                return
            close_old_connections()  # the database may be restarted while we rest
            sweeping.rest(interval)
        log.info("worker-stop")
