import logging
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

from clinic.models import Doctor
from payments.sample import people, plan, story

OURS = "clinic_user", "clinic_doctor", "clinic_patient", "schedules_schedule", "bookings_booking"


class Command(BaseCommand):
    help = "Fills the database with a sample clinic around now. Again: adds the days that are missing."

    def add_arguments(self, parser):
        parser.add_argument("--reset", action="store_true", help="start afresh")

    def handle(self, *, reset, **options):
        """Never touches a database that holds anything but a sample clinic, with --reset neither."""
        if not settings.DEBUG:
            raise CommandError("DEBUG is off here, as in a real clinic. The demo needs DEBUG=1.")
        if "demo" not in settings.PAYMENT_GATEWAYS:
            raise CommandError("The demo pays on its own gateway: add demo to PAYMENT_GATEWAYS.")
        if settings.CLINIC_REQUIRES_MEMBERSHIP:
            raise CommandError("The sample clinic has guests: load it without CLINIC_REQUIRES_MEMBERSHIP.")
        refuse_strangers()
        if reset:
            wipe()
        call_command("migrate", verbosity=0)
        level = logging.getLogger("clinic").level
        logging.getLogger("clinic").setLevel(logging.WARNING)  # a day's work in two seconds is no news
        try:
            load()
        except ObjectDoesNotExist as error:
            raise CommandError(
                "Somebody changed the sample clinic's people. Start afresh: --reset"
            ) from error
        finally:
            logging.getLogger("clinic").setLevel(level)
        self.stdout.write(f"\n  {settings.CLINIC_NAME} is ready for {settings.SITE_URL}\n\n")
        for address, (name, role) in people.ACCOUNTS.items():
            self.stdout.write(f"  {address:24}{role or 'Patient':12}{name}")
        self.stdout.write(f"\n  Password of all four: {people.PASSWORD}\n")


def refuse_strangers() -> None:
    """Raises CommandError if the database holds rows or tables that no sample clinic made."""
    tables = set(connection.introspection.table_names())
    if "schedules_schedule" in tables and _has_rows(
        f"schedules_schedule WHERE opened_from LIKE '{plan.MARK}%%'"
    ):
        return
    known = {*connection.introspection.django_table_names(), "django_migrations"}
    strangers = sorted(
        {*(tables - known), *(table for table in OURS if table in tables and _has_rows(table))}
    )
    if strangers:
        raise CommandError(
            f"This database holds data that the demo did not make (in {', '.join(strangers[:3])}). "
            "Use another DATABASE_URL."
        )


def _has_rows(source: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {source} LIMIT 1")
        return cursor.fetchone() is not None


def wipe() -> None:
    """Empties the sample clinic, and its gateway's book. On SQLite the whole file goes, because the
    append-only triggers refuse DELETE; PostgreSQL's TRUNCATE passes them."""
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        connection.close()
        stores = [name, f"{name}-wal", f"{name}-shm"]
    else:
        call_command("flush", interactive=False, inhibit_post_migrate=True, verbosity=0)
        stores = []
    for store in [*stores, settings.DEMO_GATEWAY_BOOK]:
        Path(store).unlink(missing_ok=True)


def load() -> None:
    """Opens the clinic if there is none, opens missing windows, plays what happened, and does what
    the worker would do at once."""
    now = timezone.now()
    first_time = not Doctor.objects.exists()
    with transaction.atomic():
        if first_time:
            people.open_the_clinic()
        opened = plan.open_windows(now, first_time=first_time)
    story.tell(opened, now, first_time=first_time)
    call_command("worker", once=True)
