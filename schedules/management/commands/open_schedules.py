from django.core.management.base import BaseCommand
from django.utils import timezone
from tqdm import tqdm

from clinic.models import Doctor
from clinic.sweeping import each
from schedules import opening_actions as actions


class Command(BaseCommand):
    help = "Opens the windows of the next 14 days from the weekly hours, as the worker does."

    def add_arguments(self, parser):
        parser.add_argument(
            "--afresh",
            action="store_true",
            help="first take back windows that nobody has booked: after the clinic's time zone changed",
        )

    def handle(self, *, afresh, **options):
        """Any number may run, beside workers too."""
        now = timezone.now()
        open_one = actions.open_afresh if afresh else actions.open_for
        everybody = Doctor.objects.active().order_by("pk").values_list("pk", flat=True)
        doctors = list(everybody) if afresh else actions.doctors_due(now)
        bar = tqdm(doctors, unit=" doctors", file=self.stderr, disable=None)  # quiet where nobody watches
        opened = each(lambda doctor_id: open_one(doctor_id, now), bar)
        self.stdout.write(f"Opened {opened} windows of {len(doctors)} doctors.")
