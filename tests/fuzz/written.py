"""Notices what a request wrote: every row that a committed transaction made, changed or deleted."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

NOT_DATA = {
    "clinic_storedanswer",  # claimed and released by every refused POST that has an Idempotency-Key
    "clinic_apikey",  # "last used"
    "django_session",  # somebody's own, which allauth touches
}
NOTE = """
CREATE TABLE fuzz_written (id bigserial PRIMARY KEY, what text NOT NULL);
CREATE FUNCTION fuzz_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO fuzz_written (what) VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL; END $$;
"""
FORGET = "DROP FUNCTION fuzz_note CASCADE; DROP TABLE fuzz_written"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'fuzz_written'"


class Written:
    """Asked after each request, it says what that one wrote: ["INSERT bookings_booking", …]."""

    def __init__(self, database: psycopg.Connection):
        self.database, self.seen = database, 0

    def since(self) -> list[str]:
        rows = self.database.execute(
            "SELECT id, what FROM fuzz_written WHERE id > %s ORDER BY id", [self.seen]
        ).fetchall()
        if rows:
            self.seen = rows[-1][0]
        return [what for _id, what in rows]


@contextmanager
def noted(url: str) -> Iterator[Written]:
    """Triggers on every table of the database at `url`, until the block ends."""
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(NOTE)
        try:
            for (table,) in database.execute(TABLES).fetchall():
                if table not in NOT_DATA:
                    database.execute(
                        f"CREATE TRIGGER fuzz_note AFTER INSERT OR UPDATE OR DELETE ON {table}"
                        " FOR EACH ROW EXECUTE FUNCTION fuzz_note()"
                    )
            yield Written(database)
        finally:
            database.execute(FORGET)
