"""What SQLite refuses by itself; PostgreSQL has the same from migration 0002."""

from clinic.triggers import append_only, create_on_sqlite


def create(using, **kwargs):
    create_on_sqlite(using, append_only("payments_paymentevent"))
