"""What SQLite refuses by itself; PostgreSQL has the same from migrations 0002, 0004 and 0012."""

from django.db import connections

from clinic.triggers import append_only, create_on_sqlite

APPEND_ONLY = ("payments_paymentevent", "payments_receipt", "payments_ledgerentry", "payments_concession")


def create(using, **kwargs):
    there = connections[using].introspection.table_names()  # fewer after a migration back
    rules = {}
    for table in APPEND_ONLY:
        rules |= append_only(table) if table in there else {}
    create_on_sqlite(using, rules)
