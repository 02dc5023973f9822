from clinic.import_actions import COLUMNS, NEEDED, import_services
from clinic.management.importing import ImportCommand


class Command(ImportCommand):
    help = "Adds and changes services from a CSV, by their code: all of its lines, or none."
    needed, columns = NEEDED, COLUMNS

    def bring(self, rows, *, dry_run, watch, **options):
        done = import_services(rows, dry_run=dry_run, watch=watch)
        return {"added": done.added, "changed": done.changed, "as they were": done.same}
