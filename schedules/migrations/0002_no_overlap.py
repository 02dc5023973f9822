"""PostgreSQL refuses two standing windows of one doctor that overlap; SQLite has triggers.py."""

from django.contrib.postgres.operations import BtreeGistExtension
from django.db import migrations

from clinic.triggers import postgresql


class Migration(migrations.Migration):
    dependencies = [("schedules", "0001_initial")]

    operations = [
        BtreeGistExtension(),  # does nothing elsewhere
        postgresql(
            """
            ALTER TABLE schedules_schedule ADD CONSTRAINT schedule_no_overlap
            EXCLUDE USING gist (doctor_id WITH =, tstzrange(starts_at, ends_at, '[)') WITH &&)
            WHERE (status <> 'cancelled')
            """,
            "ALTER TABLE schedules_schedule DROP CONSTRAINT schedule_no_overlap",
        ),
    ]
