"""PostgreSQL refuses changed books; SQLite has triggers.py."""

from django.db import migrations

from clinic.triggers import append_only_on_postgresql


class Migration(migrations.Migration):
    dependencies = [("payments", "0003_ledger")]

    operations = [
        append_only_on_postgresql("payments_receipt"),
        append_only_on_postgresql("payments_ledgerentry"),
    ]
