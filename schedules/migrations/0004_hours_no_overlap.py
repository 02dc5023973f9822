"""PostgreSQL refuses two rows of weekly hours of one doctor that overlap; SQLite has triggers.py."""

from django.db import migrations

from clinic.triggers import postgresql


class Migration(migrations.Migration):
    dependencies = [("schedules", "0003_weekly_hours_and_closures")]

    operations = [
        postgresql(
            """
            ALTER TABLE schedules_weeklyhours ADD CONSTRAINT hours_no_overlap
            EXCLUDE USING gist (
                doctor_id WITH =, weekday WITH =,
                int4range(EXTRACT(EPOCH FROM start_time)::int, EXTRACT(EPOCH FROM end_time)::int) WITH &&,
                daterange(effective_from, effective_until, '[]') WITH &&)
            """,
            "ALTER TABLE schedules_weeklyhours DROP CONSTRAINT hours_no_overlap",
        ),
    ]
