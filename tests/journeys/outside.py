"""Somebody's own program: HTTP and JSON, from the standard library."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPMessage
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

OPENER = build_opener(ProxyHandler({}))
PATIENCE = 180
"""Seconds to wait for another process, on a machine that has much to do."""


def in_days(days: int) -> date:
    return datetime.now(UTC).date() + timedelta(days=days)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: HTTPMessage
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    def must(self, status: int) -> Any:
        """What it says, of an answer that must have this status."""
        assert self.status == status, f"{self.status}: {self.raw.decode(errors='replace')[:2000]}"
        return self.json

    def refuses(self, status: int, code: str) -> dict:
        said = self.must(status)
        assert said["code"] == code, said
        return said


@dataclass
class Program:
    """Calls one site; `headers` go along each time."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, headers: dict | None = None, **query) -> Answer:
        return self.call("GET", f"{path}?{urlencode(query)}" if query else path, None, headers)

    def post(self, path: str, body: Any = None, headers: dict | None = None) -> Answer:
        return self.call("POST", path, {} if body is None else body, headers)

    def patch(self, path: str, body: Any) -> Answer:
        return self.call("PATCH", path, body)

    def agreed(self) -> dict:
        """What a booking says of the words that the patient has agreed to."""
        return {"consentVersion": self.get("/api/v1/clinic").must(200)["consent"]["version"]}

    def delete(self, path: str) -> Answer:
        return self.call("DELETE", path)

    def call(self, method: str, path: str, body: Any = None, headers: dict | None = None) -> Answer:
        raw = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if raw is None else {"Content-Type": "application/json"}
        request = Request(self.url + path, raw, self.headers | kind | (headers or {}), method=method)
        try:
            with OPENER.open(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


def until(ask: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """Asks again and again until the answer is good, and gives it."""
    end = time.monotonic() + PATIENCE
    while not good(said := ask()):
        assert time.monotonic() < end, said
        time.sleep(0.1)
    return said
