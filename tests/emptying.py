"""After a test that really commits: deletes what it wrote, and nothing else.

Django's own way empties every table there is and then makes permissions, roles and triggers anew: that takes
longer than most of those tests.
"""

from django.db import connection

MADE_BY_MIGRATE = {
    "django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions",
}  # fmt: skip


def empty(*_test_case) -> None:
    """Deletes the rows of every table but those of `migrate`. No trigger and no foreign key is asked."""
    with connection.cursor() as cursor:
        tables = {*connection.introspection.table_names(cursor)} - MADE_BY_MIGRATE
        written = _with_rows(cursor, sorted(tables))
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
            _delete(cursor, written)
            cursor.execute("SET session_replication_role = DEFAULT")
        else:
            cursor.execute("PRAGMA foreign_keys = OFF")
            _delete_past_triggers(cursor, written)
            cursor.execute("PRAGMA foreign_keys = ON")


def _with_rows(cursor, tables: list[str]) -> list[str]:
    asked = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})" for table in tables)
    cursor.execute(asked)
    return [table for (table,) in cursor.fetchall()]


def _delete(cursor, tables: list[str]) -> None:
    for table in tables:
        cursor.execute(f"DELETE FROM {table}")


def _delete_past_triggers(cursor, tables: list[str]) -> None:
    """SQLite can't pass over triggers: those of these tables go, and come back as they were."""
    cursor.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'")
    triggers = [(name, sql) for name, table, sql in cursor.fetchall() if table in tables]
    for name, _sql in triggers:
        cursor.execute(f"DROP TRIGGER {name}")
    _delete(cursor, tables)
    for _name, sql in triggers:
        cursor.execute(sql)
