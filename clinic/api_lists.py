"""Long lists come in pages; each names where the next one begins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from django.core import signing
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from clinic.errors import Refused

SALT = "clinic.api_lists"
Cursor = Annotated[str, Field(max_length=200, description="`nextCursor` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=100)]


@dataclass(frozen=True)
class Page:
    items: list
    next_cursor: str | None


def page(rows: QuerySet, by: str, *, cursor: str | None, limit: int) -> Page:
    """So many of `rows`, the latest by the moment `by` first; `cursor` says after which row.

    It holds the last row's moment and key, so that what is added meanwhile moves no page. One
    statement. Raises Refused (BAD_CURSOR, 422) for a cursor that we did not make.
    """
    if cursor:
        at, pk = _read(cursor)
        rows = rows.filter(Q(**{f"{by}__lt": at}) | Q(**{by: at, "pk__lt": pk}))
    found = list(rows.order_by(f"-{by}", "-pk")[: limit + 1])
    items = found[:limit]
    more = len(found) > limit
    return Page(items, _write(_value(items[-1], by), items[-1].pk) if more else None)


def _value(row, by: str) -> datetime:
    for name in by.split("__"):
        row = getattr(row, name)
    return row


def _write(at: datetime, pk: int) -> str:
    return signing.dumps([at.isoformat(), pk], salt=SALT)


def _read(cursor: str) -> tuple[datetime, int]:
    try:
        at, pk = signing.loads(cursor, salt=SALT)
    except signing.BadSignature:
        said = _("This is no cursor of ours: begin with the first page.")
        raise Refused("BAD_CURSOR", said, status=422) from None
    return datetime.fromisoformat(at), pk
