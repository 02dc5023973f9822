"""Rules that the database keeps itself where Django's constraints have no word for them.

PostgreSQL gets them in migrations, through `postgresql`. SQLite gets them after every migrate,
through `create_on_sqlite`, because a table rebuild drops a table's triggers.
"""

import re

from django.db import connections, migrations


def postgresql(sql: str, reverse_sql: str) -> migrations.RunPython:
    """A migration's operation that only PostgreSQL carries out."""

    def run(statement):
        def on_postgresql(apps, schema_editor):
            if schema_editor.connection.vendor == "postgresql":
                schema_editor.execute(statement)

        return on_postgresql

    return migrations.RunPython(run(sql), run(reverse_sql))


def append_only_on_postgresql(table: str) -> migrations.RunPython:
    """Refuses UPDATE and DELETE on `table`, in PostgreSQL."""
    return postgresql(
        f"""
        CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$;
        CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_append_only()
        """,
        f"DROP TRIGGER {table}_append_only ON {table}; DROP FUNCTION {table}_append_only()",
    )


def append_only(table: str) -> dict[str, str]:
    """SQLite triggers that refuse to change or delete a row of `table`, by name."""
    return {
        f"{table}_no_{event}": (
            f"CREATE TRIGGER {table}_no_{event} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        for event in ("UPDATE", "DELETE")
    }


def create_on_sqlite(using: str, triggers: dict[str, str]) -> None:
    """Triggers by name. Those of tables that are not there are left out: somebody migrated backwards."""
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for name, sql in triggers.items():
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            if re.search(r"\bON (\w+)", sql)[1] in tables:
                cursor.execute(sql)
