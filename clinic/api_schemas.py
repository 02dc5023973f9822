"""What comes in and what goes out, in camelCase; and the one shape of every error (DESIGN §8)."""

import re
from datetime import date, datetime
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from clinic.errors import Refused


def _untitled(schema: dict) -> None:
    """Without "Doctorid" beside doctorId."""
    for field in schema.get("properties", {}).values():
        field.pop("title", None)


SPOKEN = ConfigDict(
    alias_generator=to_camel, populate_by_name=True, extra="forbid", json_schema_extra=_untitled
)


class Answer(BaseModel):
    """Goes out: every field is always there, and no other."""

    model_config = SPOKEN | {"json_schema_serialization_defaults_required": True}


class Wish(BaseModel):
    """Comes in: nothing is guessed from another type, and an unknown field is refused."""

    model_config = SPOKEN | {"strict": True, "str_strip_whitespace": True}


# --- Values -------------------------------------------------------------------------------

Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Minor = Annotated[int, Field(ge=0, le=2**31 - 1, description="In the currency's minor unit.")]
Whole = Annotated[int, Field(ge=0, le=2**31 - 1)]
Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
PublicId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22}$")]
"""A booking's: 128 random bits."""


def one_of(choices: type) -> type:
    """A field of a Wish with one of these words."""
    return Annotated[choices, Field(strict=False)]


def _written(pattern: str, words):
    """Pydantic would read a bare number as seconds since 1970."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII):
            return value
        raise ValueError(words())

    return BeforeValidator(check)


def _near(value):
    """Centuries from now nobody has an appointment, and arithmetic with time zones ends."""
    if not 1900 <= value.year <= 2199:
        raise ValueError(_("This year is out of range."))
    return value


Day = Annotated[
    date,
    _written(r"\d{4}-\d\d-\d\d", lambda: _("Write a date like 2026-11-21.")),
    Field(strict=False),
    AfterValidator(_near),
    WithJsonSchema({"type": "string", "format": "date"}),
]
Moment = Annotated[
    AwareDatetime,
    _written(r"\d{4}-\d\d-\d\dT.+", lambda: _("Write a moment with its offset, like 2026-11-21T10:20:00Z.")),
    Field(strict=False),
    AfterValidator(_near),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Clock = Annotated[
    str,
    BeforeValidator(lambda at: f"{at:%H:%M}"),
    Field(pattern=r"^\d\d:\d\d$", description="On the clinic's clock."),
]
"""JSON Schema's own "time" has an offset, and a clinic's hours have none."""
ClockTyped = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="On the clinic's clock.")]


# --- Errors -------------------------------------------------------------------------------


class Problem(Answer):
    """`code` is stable and for programs; `message` may be shown to anyone."""

    code: str
    message: str


class Invalid(Problem):
    """`fields` names what was wrong where."""

    fields: dict[str, list[str]] = {}


class Suggestion(Answer):
    """A start that fits instead."""

    schedule_id: int
    doctor_id: int
    start: datetime


class Conflict(Problem):
    """Refused for what others did meanwhile, or by a rule. `suggestions` is empty where there are none."""

    suggestions: list[Suggestion] = []


SHAPES = {422: Invalid, 409: Conflict}
ALWAYS = 400, 503


def answers(status: int, shape, *errors: int) -> dict:
    """For `response=` of an operation: what it answers, and every status with which it may refuse.

    A moment in which the database is too busy (503), and what is not HTTP as we read it (400), may
    meet every one of them.
    """
    return {status: shape} | {error: SHAPES.get(error, Problem) for error in sorted({*ALWAYS, *errors})}


def invalid(errors: dict, **names: str) -> Refused:
    """What a form or a model says of its fields, as the API says it (422). `names` are those that the API
    calls otherwise; what is said of all of it stands under "body"."""
    names = {"__all__": "body"} | names
    fields = {names.get(name, to_camel(name)): [str(word) for word in said] for name, said in errors.items()}
    return Refused("INVALID", _("Some of this is not as it should be."), status=422, fields=fields)


def lacking(field: str, said: str) -> Refused:
    """The same of one field, in these words."""
    return Refused("INVALID", said, status=422, fields={field: [said]})


PUBLIC = 404, 422
SIGNED_IN = 401, 403, 404, 422, 429
"""What may meet whoever must sign in: 429 where a machine calls too often."""
WRITES = *SIGNED_IN, 409, 413
ERASES = *SIGNED_IN, 409
"""Has no body."""


def leads_to(
    status: int, *operations: str, by: str = "", body: dict | None = None, **parameters: str
) -> dict:
    """For `openapi_extra=` of an operation: what may be called next with what it answered (OpenAPI's links).

    `by` is the field that is the next one's `id`; `parameters` and `body` name theirs in the same way:
    "items/0/id".
    """
    named = parameters | ({"id": by} if by else {})
    link = {"parameters": _from_answer(named)} | ({"requestBody": _from_answer(body)} if body else {})
    return {"responses": {status: {"links": {name: {"operationId": name} | link for name in operations}}}}


def _from_answer(fields: dict[str, str]) -> dict[str, str]:
    return {name: f"$response.body#/{where}" for name, where in fields.items()}
