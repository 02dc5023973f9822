"""Asked again: a POST under the same Idempotency-Key does nothing twice, and what has not changed is a 304."""

import logging
from functools import wraps
from hashlib import sha256
from typing import Annotated

from django.db import OperationalError
from django.http import HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page
from ninja import Header
from ninja.decorators import decorate_view
from ninja.responses import Status
from pydantic import Field

from clinic import idempotency_actions
from clinic.api_json import JSON
from clinic.idempotency_models import StoredAnswer

log = logging.getLogger("clinic")

unchanged = decorate_view(conditional_page)
"""An ETag of the answer; where If-None-Match has it, 304 and no body. Say so: `unchanged_too(…)`."""
public = decorate_view(cache_control(public=True, no_cache=True), conditional_page)
"""The same of what everybody may read: caches keep it, and ask each time."""


def unchanged_too(responses: dict) -> dict:
    return {304: None} | responses


IdempotencyKey = Annotated[
    Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")] | None,
    Header(
        None,
        alias="Idempotency-Key",
        description="Any words of yours. Sent again within 24 hours, the request gets the same answer and does"
        " nothing; with another body it is refused (422). An answer that carries a `problem` is not kept: then the"
        " request is tried again, on the same booking. Should we break down between the work and its answer, the"
        " key is free after two minutes; a booking is not made twice even then.",
    ),
]


def once(operation):
    """Runs `operation(request, …, idempotency_key)` once for each key of a caller, and gives its answer again.

    It returns an Answer, or a Status with one. Raises Refused as `idempotency_actions.claim` does. What is
    done twice where the process dies before the answer is kept, the operation must know by its key.
    """

    @wraps(operation)
    def run(request, *args, idempotency_key=None, **kwargs):
        if idempotency_key is None:
            return operation(request, *args, idempotency_key=None, **kwargs)
        digest = sha256(request.path.encode() + b"\0" + request.body).hexdigest()
        claimed = idempotency_actions.claim(request.auth.name, idempotency_key, digest)
        if claimed.code:
            return _as_before(claimed)
        try:
            answer = operation(request, *args, idempotency_key=idempotency_key, **kwargs)
        except BaseException:
            idempotency_actions.release(claimed)
            raise
        _remember(claimed, answer)
        return answer

    return run


def _remember(claimed: StoredAnswer, answer) -> None:
    """Keeps what was answered, unless it carries a `problem`, which may be over at the next try.

    The work is done: a database that is too busy to note so must not make a 503 of it, which says that
    nothing was.
    """
    code, shape = (answer.status_code, answer.value) if isinstance(answer, Status) else (200, answer)
    try:
        if getattr(shape, "problem", None):
            idempotency_actions.release(claimed)
        else:
            idempotency_actions.keep(claimed, code, shape.model_dump_json(by_alias=True))
    except OperationalError:
        log.exception("answer-not-kept", extra={"answer": claimed.pk})


def _as_before(claimed) -> HttpResponse:
    response = HttpResponse(claimed.body, status=claimed.code, content_type=JSON)
    response["Idempotent-Replayed"] = "true"
    return response
