"""schemathesis over the committed schema, as everybody who may call: what it finds is a bug (DESIGN §8).

FUZZ_CASES=60 calls each operation so often, and as many scenarios of several, after what the schema's edges
ask by themselves; and says how each role was answered.
Unless said, it is a few calls each, and only one role, which may do everything.
"""

import os

import pytest

schemathesis = pytest.importorskip("schemathesis")

from schemathesis import engine  # noqa: E402

from tests.fuzz import rules  # noqa: E402
from tests.fuzz.clinic import ROLES  # noqa: E402

OPERATIONS = [operation for path in rules.SCHEMA["paths"].values() for operation in path]
LONG = "FUZZ_CASES" in os.environ
EACH = int(os.environ.get("FUZZ_CASES", 3))
NOT_CHECKED = {
    "positive_data_acceptance": {"enabled": False},  # a schema can't say which phone numbers there are
}
MOSTLY = 0.8
"""So often a field is one that the clinic knows, so that calls get past the first question."""


def mostly(words: dict[str, str]) -> dict:
    """The fields of these names are mostly out of those dictionaries, wherever they stand."""
    return {
        f"{place}.{name}": {"dictionary": words[name], "probability": MOSTLY}
        for name in words
        for place in ("path", "query", "body")
    }


def configured(server, role) -> schemathesis.Config:
    known, elsewhere = server.clinic.known(role), server.clinic.elsewhere
    words = dict(known)
    for operation, fields in elsewhere.items():
        words |= {f"{operation} {name}": values for name, values in fields.items()}
    return schemathesis.Config.from_dict(
        {
            "base-url": server.url,
            "headers": server.clinic.headers[role],
            "dictionaries": {name: {"values": values} for name, values in words.items()},
            "parameters": mostly({name: name for name in known}),
            "operations": [
                {
                    "include-operation-id": operation,
                    "parameters": mostly({name: f"{operation} {name}" for name in fields}),
                }
                for operation, fields in elsewhere.items()
            ],
            "checks": NOT_CHECKED,
            "continue-on-failure": True,
            "generation": {
                "max-examples": EACH,
                "database": "none",
                "no-shrink": True,
                "with-security-parameters": False,
            },
            "phases": {"coverage": {"enabled": LONG}, "examples": {"enabled": LONG}},
            "output": {"sanitization": {"enabled": False}},
        }
    )


def found_by(schema) -> dict[object, str]:
    """What went wrong, in words, each once."""
    found = {}
    for event in engine.from_schema(schema).execute():
        if isinstance(event, engine.events.NonFatalError):
            found[event.label] = str(event.value)
        if isinstance(event, engine.events.ScenarioFinished):
            for checks in event.recorder.checks.values():
                for check in checks:
                    if check.failure_info:
                        failure = check.failure_info.failure
                        key = check.name, failure.operation, failure.title
                        found[key] = f"{failure.title}: {failure.message}\n{check.failure_info.code_sample}"
    return found


@pytest.mark.postgres
@pytest.mark.parametrize("role", ROLES if LONG else ["manager"])
def test_no_call_breaks_it_or_changes_what_it_was_refused(server, role, pytestconfig, capsys):
    watch = rules.watched(server.written)
    found = found_by(schemathesis.openapi.from_dict(rules.SCHEMA, config=configured(server, role)))
    if LONG:
        with capsys.disabled():
            pytestconfig.get_terminal_writer().line(f"\n{role}: {watch.told()}")
    assert not found, "\n\n".join([*found.values(), server.site.end_of_log()])
    assert len(watch.operations) == len(OPERATIONS)
