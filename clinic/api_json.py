"""JSON as it comes in, read strictly, and as it goes out.

A body may hold at most settings.DATA_UPLOAD_MAX_MEMORY_SIZE bytes (else 413). What a database could not
store, or what two readers would read differently, is refused here once for every operation: numbers past
64 bits, NaN, keys given twice, NUL, half of a surrogate pair, and nesting that no form of ours has.
"""

import json

from django.utils.translation import gettext as _
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from pydantic_core import to_json

MOST_DEEP = 12
MOST_DIGITS = 19
JSON = "application/json"


class Malformed(ValueError):
    """Not JSON, or none that we read. Its words are safe to show."""


def read(body: bytes):
    """What a body says. Raises Malformed."""
    try:
        found = json.loads(
            body.decode(),
            object_pairs_hook=_keys_once,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_no_number,
        )
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(_("This is no JSON.")) from error
    _check(found, MOST_DEEP)
    return found


def _keys_once(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Malformed(_("A key stands here twice."))
    return found


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise Malformed(_("A number is too large."))
    return int(digits)


def _finite(digits: str) -> float:
    found = float(digits)
    if found in (float("inf"), float("-inf")):
        raise Malformed(_("A number is too large."))
    return found


def _no_number(word: str):
    raise Malformed(_("%(word)s is no number.") % {"word": word})


def _check(value, deep: int) -> None:
    if not deep:
        raise Malformed(_("This is nested too deeply."))
    match value:
        case str():
            _check_text(value)
        case dict():
            for key, inner in value.items():
                _check_text(key)
                _check(inner, deep - 1)
        case list():
            for inner in value:
                _check(inner, deep - 1)


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Malformed(_("A text has a character that can't be stored."))


class StrictParser(Parser):
    def parse_body(self, request):
        if request.content_type != JSON:
            raise Malformed(_("Send JSON, and say so: Content-Type: application/json."))
        return read(request.body)


class JSONRenderer(BaseRenderer):
    """Moments in UTC with a Z, dates as 2026-11-21."""

    media_type = JSON

    def render(self, request, data, *, response_status):
        return to_json(data)
