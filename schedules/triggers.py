"""SQLite's stand-in for PostgreSQL's EXCLUDE (migration 0002): no doctor in two windows at once."""

from clinic.triggers import create_on_sqlite

OVERLAP = """
CREATE TRIGGER schedule_no_overlap_{event} BEFORE {event} ON schedules_schedule
WHEN NEW.status != 'cancelled' AND EXISTS (
    SELECT 1 FROM schedules_schedule other
    WHERE other.doctor_id = NEW.doctor_id AND other.id IS NOT NEW.id AND other.status != 'cancelled'
      AND other.starts_at < NEW.ends_at AND other.ends_at > NEW.starts_at)
BEGIN SELECT RAISE(ABORT, 'schedule_no_overlap'); END
"""


def create(using, **kwargs):
    create_on_sqlite(
        using,
        {f"schedule_no_overlap_{event}": OVERLAP.format(event=event) for event in ("INSERT", "UPDATE")},
    )
