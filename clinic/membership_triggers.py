"""SQLite's stand-in for PostgreSQL's EXCLUDE (migration 0005): no account on two plans at once."""

from django.db import connections

from clinic.triggers import create_on_sqlite

OVERLAP = """
CREATE TRIGGER membership_no_overlap_{event} BEFORE {event} ON clinic_membership
WHEN EXISTS (
    SELECT 1 FROM clinic_membership other
    WHERE other.account_id = NEW.account_id AND other.id IS NOT NEW.id
      AND other.starts_on <= COALESCE(NEW.ends_on, '9999-12-31')
      AND NEW.starts_on <= COALESCE(other.ends_on, '9999-12-31'))
BEGIN SELECT RAISE(ABORT, 'membership_no_overlap'); END
"""


def create(using, **kwargs):
    if "clinic_membership" not in connections[using].introspection.table_names():
        return  # after a migration back
    create_on_sqlite(
        using,
        {f"membership_no_overlap_{event}": OVERLAP.format(event=event) for event in ("INSERT", "UPDATE")},
    )
