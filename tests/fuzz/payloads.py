"""What nobody sends by mistake, for every field and every body that the schema knows."""

import json
from datetime import timedelta

from django.utils import timezone

VALUES = [
    None, True, 0, -1, 1, 0.5, 2**31, 2**63 - 1, -(2**63), 1e308,
    "", " ", "1", "x" * 10_000, "مريم \u202e123", "٣", "\u0085", "a\r\nSet-Cookie: a=b", "'; DROP TABLE x; --",
    "0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "24:00",
    [], [1, "1", None], {}, {"id": 1},
]  # fmt: skip
"""Of the wrong type, at the edge of the right one, or right and yet strange."""

UNREADABLE = {
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe",
    "NaN": b'{"name": NaN}',
    "infinity": b'{"name": -Infinity}',
    "a number past every float": b'{"name": 1e999}',
    "5,000 digits": b'{"name": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"reason": "Meera", "reason": "Ravi"}',
    "NUL": rb'{"reason": "a\u0000b"}',
    "NUL in a key": rb'{"a\u0000b": 1}',
    "half of a surrogate pair": rb'{"reason": "\ud800"}',
    "a bomb": b"[" * 100_000,
    "a bomb of objects": b'{"a":' * 30_000,
    "20 digits": b'{"name": ' + b"9" * 20 + b"}",
    "nested": b'{"a":' * 50 + b"1" + b"}" * 50,
}
LARGE = b'{"reason": "' + b"x" * 10_000_000 + b'"}'
KINDS = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
)
ADDRESSES = "0", "-1", "1.5", str(2**63), "9" * 1500, "x", "%00", "%ED%A0%80", "%2e%2e", "a%0d%0ab", "é", "{}"


def plain(shape: dict, components: dict, known: dict, name: str = ""):
    """The shortest right thing of this shape; a field that is in `known` is that."""
    if name in known:
        return known[name]
    if "$ref" in shape:
        return plain(components[shape["$ref"].rpartition("/")[2]], components, known, name)
    for one_of in shape.get("anyOf", shape.get("allOf", []))[:1]:
        return plain(one_of, components, known, name)
    if "enum" in shape:
        return shape["enum"][0]
    match shape["type"]:
        case "object":
            fields = shape["properties"]
            return {key: plain(fields[key], components, known, key) for key in shape.get("required", [])}
        case "array":
            return []
        case "string":
            tomorrow = timezone.now() + timedelta(days=1)
            formats = {"date": f"{tomorrow:%F}", "date-time": tomorrow.isoformat()}
            return formats.get(shape.get("format"), "abc")
        case "boolean":
            return False
    return shape.get("minimum", 0)


def spoilt(body: dict, shape: dict, components: dict, known: dict):
    """`body` again and again, each time with one field of its shape, also of an inner one, that is strange."""
    if "$ref" in shape:
        shape = components[shape["$ref"].rpartition("/")[2]]
    for name, field in shape["properties"].items():
        for value in VALUES:
            yield body | {name: value}
        for inner in [field, *field.get("anyOf", [])]:
            if "$ref" in inner and "properties" in components[inner["$ref"].rpartition("/")[2]]:
                right = plain(inner, components, known)
                for strange in spoilt(right, inner, components, known):
                    yield body | {name: strange}
    yield body | {"admin": True}


def written(body) -> bytes:
    return json.dumps(body).encode()
