from importlib import import_module

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

MINUTES_AGO = {
    "postgresql": "now() - interval '5 minutes'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-5 minutes')",
}


def violations() -> dict[str, list[int]]:
    """The ids of the rows that break an invariant, by its name; empty when all hold."""
    found = {}
    for module in settings.INVARIANTS:
        for name, sql in import_module(module).QUERIES.items():
            with connection.cursor() as cursor:
                cursor.execute(sql.replace("{minutes_ago_5}", MINUTES_AGO[connection.vendor]))
                if ids := [row[0] for row in cursor.fetchall()]:
                    found[name] = ids
    return found


class Command(BaseCommand):
    help = "Checks what must always be true (DESIGN §9): one query each, no rows found."

    def handle(self, **options):
        found = violations()
        for name, ids in found.items():
            self.stderr.write(f"{name}: {len(ids)} rows, ids {ids[:10]}")
        if found:
            raise CommandError(f"{len(found)} invariants are broken")
        self.stdout.write("All invariants hold.")
