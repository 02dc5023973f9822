"""PostgreSQL refuses overlapping times in one window and a changed history; SQLite has triggers.py."""

from django.db import migrations

from clinic.triggers import append_only_on_postgresql, postgresql


class Migration(migrations.Migration):
    dependencies = [("bookings", "0001_initial"), ("schedules", "0002_no_overlap")]

    operations = [
        postgresql(
            """
            ALTER TABLE bookings_booking ADD CONSTRAINT booking_no_overlap
            EXCLUDE USING gist (schedule_id WITH =, tstzrange(start_at, end_at, '[)') WITH &&)
            WHERE (units > 0 AND start_at IS NOT NULL)
            """,
            "ALTER TABLE bookings_booking DROP CONSTRAINT booking_no_overlap",
        ),
        append_only_on_postgresql("bookings_bookingevent"),
    ]
