"""What SQLite refuses by itself; PostgreSQL has the same from migration 0002."""

from clinic.triggers import append_only, create_on_sqlite

OVERLAP = """
CREATE TRIGGER booking_no_overlap_{event} BEFORE {event} ON bookings_booking
WHEN NEW.units > 0 AND NEW.start_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM bookings_booking other
    WHERE other.schedule_id = NEW.schedule_id AND other.id IS NOT NEW.id AND other.units > 0
      AND other.start_at < NEW.end_at AND other.end_at > NEW.start_at)
BEGIN SELECT RAISE(ABORT, 'booking_no_overlap'); END
"""


def create(using, **kwargs):
    create_on_sqlite(
        using,
        {f"booking_no_overlap_{event}": OVERLAP.format(event=event) for event in ("INSERT", "UPDATE")}
        | append_only("bookings_bookingevent"),
    )
