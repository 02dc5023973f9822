"""SQLite's stand-in for PostgreSQL's EXCLUDE (migrations 0002 and 0004): no doctor in two windows at once, nor
in two rows of weekly hours."""

from clinic.triggers import create_on_sqlite

OVERLAP = """
CREATE TRIGGER schedule_no_overlap_{event} BEFORE {event} ON schedules_schedule
WHEN NEW.status != 'cancelled' AND EXISTS (
    SELECT 1 FROM schedules_schedule other
    WHERE other.doctor_id = NEW.doctor_id AND other.id IS NOT NEW.id AND other.status != 'cancelled'
      AND other.starts_at < NEW.ends_at AND other.ends_at > NEW.starts_at)
BEGIN SELECT RAISE(ABORT, 'schedule_no_overlap'); END
"""

HOURS_OVERLAP = """
CREATE TRIGGER hours_no_overlap_{event} BEFORE {event} ON schedules_weeklyhours
WHEN EXISTS (
    SELECT 1 FROM schedules_weeklyhours other
    WHERE other.doctor_id = NEW.doctor_id AND other.weekday = NEW.weekday AND other.id IS NOT NEW.id
      AND other.start_time < NEW.end_time AND other.end_time > NEW.start_time
      AND other.effective_from <= COALESCE(NEW.effective_until, '9999-12-31')
      AND COALESCE(other.effective_until, '9999-12-31') >= NEW.effective_from)
BEGIN SELECT RAISE(ABORT, 'hours_no_overlap'); END
"""


def create(using, **kwargs):
    create_on_sqlite(
        using,
        {f"schedule_no_overlap_{event}": OVERLAP.format(event=event) for event in ("INSERT", "UPDATE")}
        | {f"hours_no_overlap_{event}": HOURS_OVERLAP.format(event=event) for event in ("INSERT", "UPDATE")},
    )
