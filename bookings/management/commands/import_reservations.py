from bookings.import_actions import import_reservations
from bookings.import_rules import COLUMNS, NEEDED
from clinic.management.importing import ImportCommand


class Command(ImportCommand):
    help = "Books another system's reservations of services from a CSV: all of its lines, or none."
    needed, columns = NEEDED, COLUMNS

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument(
            "--open-windows",
            action="store_true",
            help="where there is no window: open the weekly hours' one, and for what has passed one around it",
        )
        parser.add_argument("--skip-past", action="store_true", help="leave out what is over")

    def bring(self, rows, *, dry_run, watch, open_windows, skip_past, **options):
        done = import_reservations(
            rows, dry_run=dry_run, watch=watch, open_windows=open_windows, skip_past=skip_past
        )
        self.stdout.write(f"Windows opened: {done.opened}.")
        return {
            "added": done.added,
            "here already": done.here,
            "cancelled, left out": done.cancelled,
            "past, left out": done.past,
        }
