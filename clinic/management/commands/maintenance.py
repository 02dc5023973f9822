from datetime import timedelta

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.timezone import localtime

from clinic import maintenance


class Command(BaseCommand):
    help = "Closes this machine's pages for maintenance (503, with a kind page) and opens them again."
    requires_system_checks = []  # it must work when nothing else does

    def add_arguments(self, parser):
        parser.add_argument("what", choices=["on", "off", "status"])
        parser.add_argument("--minutes", type=int, help="with “on”: how long it is expected to last")

    def handle(self, *, what, minutes, **options):
        """Asks no database. Other machines have a switch of their own, unless they share the file."""
        if what == "on":
            maintenance.switch_on(timezone.now() + timedelta(minutes=minutes) if minutes else None)
        elif what == "off":
            maintenance.switch_off()
        now = maintenance.current()
        until = f", until about {localtime(now.until):%H:%M}" if now and now.until else ""
        self.stdout.write(f"Maintenance is {'on' if now else 'off'}{until} ({settings.MAINTENANCE_FILE}).")
