"""PostgreSQL refuses a changed history of payments; SQLite has triggers.py."""

from django.db import migrations

from clinic.triggers import append_only_on_postgresql


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial"), ("bookings", "0002_no_overlap")]

    operations = [append_only_on_postgresql("payments_paymentevent")]
