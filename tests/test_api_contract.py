"""The API's own description of itself: what docs/openapi.json promises, and that a change of it is seen."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from ninja.openapi.schema import OpenAPISchema

from clinic.api import api

SCHEMA = json.loads(json.dumps(api.get_openapi_schema()))
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, operations in SCHEMA["paths"].items()
    for method, operation in operations.items()
]
EVERY = pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)


def test_the_committed_schema_is_this_one():
    """A change of the contract is meant, or a mistake. Meant: manage.py export_openapi_schema
    --api clinic.api.api --indent 2 --output docs/openapi.json"""
    committed = json.loads(Path(settings.BASE_DIR, "docs", "openapi.json").read_text())
    assert committed == SCHEMA


def objects(schema):
    """Every schema of an object in it."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    if isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


def test_no_object_has_fields_that_are_not_described():
    for found in objects(SCHEMA["components"]["schemas"]):
        assert found.get("additionalProperties") is not None, found
        if "properties" in found:
            assert found["additionalProperties"] is False, found


def test_every_field_of_an_answer_is_always_there():
    for shape in SCHEMA["components"]["schemas"].values():
        if "properties" in shape and not shape["title"].endswith("Wish"):
            assert sorted(shape["required"]) == sorted(shape["properties"]), shape["title"]


@EVERY
def test_every_operation_says_how_it_may_refuse(path, method, operation):
    listed = set(operation["responses"])
    assert {"400", "503"} <= listed
    assert ("401" in listed) == ("429" in listed) == bool(operation.get("security"))
    assert ("{" in path) <= ("404" in listed)
    assert ("requestBody" in operation) <= ({"409", "413", "422"} <= listed)
    assert bool(operation["parameters"]) <= ("422" in listed)
    for status, answer in operation["responses"].items():
        if status != "304":
            (content,) = answer["content"].values()
            assert all("$ref" in shape for shape in content["schema"].get("anyOf", [content["schema"]])), (
                status
            )


@EVERY
def test_every_operation_says_what_it_does(path, method, operation):
    assert operation["description"].endswith(".")
    assert operation["tags"]


def test_two_shapes_do_not_share_a_name(monkeypatch):
    """ninja would quietly describe one by the other."""
    known = {}

    def add(self, definitions):
        for name, shape in definitions.items():
            assert known.setdefault(name, shape) == shape, name

    monkeypatch.setattr(OpenAPISchema, "add_schema_definitions", add)
    api.get_openapi_schema()
    assert known
