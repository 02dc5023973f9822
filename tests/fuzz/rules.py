"""What must hold of every answer, whatever was asked: schemathesis's own checks, and these."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import schemathesis
from django.conf import settings
from schemathesis import Case, CheckContext, Response

from tests.fuzz.written import Written

SCHEMA = json.loads(Path(settings.BASE_DIR, "docs", "openapi.json").read_text())


@dataclass
class Watch:
    """Over one role's calls."""

    written: Written
    answers: Counter = field(default_factory=Counter)
    """How often an operation answered so: ("POST /api/v1/patients", 201)."""

    @property
    def operations(self) -> set[str]:
        return {operation for operation, _status in self.answers}

    def told(self) -> str:
        """A line for each operation: its answers by their status."""
        lines = [f"{self.answers.total()} answers"]
        for operation in sorted(self.operations):
            by = {status: n for (other, status), n in sorted(self.answers.items()) if other == operation}
            lines.append(f"{operation}  " + " ".join(f"{status}×{n}" for status, n in by.items()))
        return "\n  ".join(lines)


watch: Watch
"""The one that is on: checks are functions, and the engine calls them from threads of its own."""


def watched(written: Written) -> Watch:
    """From now on answers are counted anew, and what was written before is nobody's."""
    global watch
    written.since()
    watch = Watch(written)
    return watch


@schemathesis.check
def only_what_succeeds_changes_anything(ctx: CheckContext, response: Response, case: Case) -> None:
    """A refused call has changed nothing, and neither has one that reads."""
    watch.answers[case.operation.label, response.status_code] += 1
    changed = watch.written.since()
    assert not changed or (response.status_code < 300 and case.method != "GET"), changed


@schemathesis.check
def an_error_says_why(ctx: CheckContext, response: Response, case: Case) -> None:
    """In the one shape of every error, whoever of us made it."""
    if response.status_code >= 400 and "x-request-id" in response.headers:
        said = response.json()
        assert said["code"].isupper() and said["message"], said


@schemathesis.hook
def filter_failure(context, failure, case: Case, response: Response) -> bool:
    """gunicorn refuses some requests before we see them, as proxies do: an address of more than 4 KiB."""
    return "x-request-id" in response.headers or response.status_code not in (400, 414, 431)


@schemathesis.hook
def before_call(context, case: Case, kwargs) -> None:
    """Of every other right body two thirds of what need not be said are left out: of all that may be said,
    something always contradicts. Who books has agreed. A wrong body stays as wrong as it is."""
    body = case.body
    right = case.meta is not None and case.meta.generation.mode.is_positive
    if not right or not isinstance(body, dict):
        return
    if case.operation.path.endswith("/bookings/start"):  # no schema can say which words stand today
        body["consentVersion"] = settings.CONSENT_VERSION
    if len(str(body)) % 2:
        return
    wish = case.operation.definition.raw["requestBody"]["content"]["application/json"]["schema"]
    shape = SCHEMA["components"]["schemas"][wish["$ref"].rpartition("/")[2]]
    kept = {name for name in body if crc32(f"{name} {body}".encode(errors="replace")) % 3 == 0}
    case.body = {
        name: body[name] for name in body if name in kept.union(shape.get("required", []), ["consentVersion"])
    }
