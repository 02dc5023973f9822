"""The API as an app calls it: with a session token, over JSON, and every answer against the schema."""

import json
import re
from functools import cache

from django.conf import settings
from django.test import Client

from clinic.api import api

AGREED = {"consentVersion": settings.CONSENT_VERSION}
"""What an app sends whose patient agreed to the words of GET clinic."""


@cache
def schema() -> dict:
    return api.get_openapi_schema(path_prefix="/api/v1/")


class App:
    """Somebody's app: `account` signed in by a session token (None: nobody did).

    Every answer must be one that the operation lists, and none may be kept by a cache unless it says so.
    """

    def __init__(self, account=None, **headers):
        self.client, self.headers = Client(enforce_csrf_checks=True), headers
        if account:
            self.headers["X-Session-Token"] = token_of(account)

    def get(self, path, query=None, **headers):
        return self._checked(self.client.get(f"/api/v1/{path}", query, headers=self.headers | headers))

    def post(self, path, body=None, *, key=None, **headers):
        headers |= {"Idempotency-Key": key} if key else {}
        return self._send(self.client.post, path, body, **headers)

    def patch(self, path, body=None, **headers):
        return self._send(self.client.patch, path, body, **headers)

    def delete(self, path, **headers):
        return self._checked(self.client.delete(f"/api/v1/{path}", headers=self.headers | headers))

    def send(self, method, url, body=b"", *, kind="application/json"):
        """A request as it comes; `url` begins with /api/v1/."""
        return self._checked(
            self.client.generic(method.upper(), url, body, content_type=kind, headers=self.headers)
        )

    def _send(self, how, path, body, **headers):
        """`body` is JSON, unless it is bytes already."""
        raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        kind = headers.pop("content_type", "application/json")
        return self._checked(how(f"/api/v1/{path}", raw, content_type=kind, headers=self.headers | headers))

    def _checked(self, answer):
        assert answer["X-Request-Id"]
        assert "no-store" in answer["Cache-Control"] or "no-cache" in answer["Cache-Control"]
        operation = operation_of(answer.wsgi_request)
        if operation:
            assert str(answer.status_code) in map(str, operation["responses"]), answer.content
        if answer.status_code >= 400:
            said = answer.json()
            assert said["code"].isupper() and said["message"]
        return answer


def operation_of(request) -> dict | None:
    """What the schema says of a request's address and method."""
    here = request.path.split("/")
    for path, operations in schema()["paths"].items():
        parts = path.split("/")
        same = len(parts) == len(here) and all(
            part == there or part.startswith("{") for part, there in zip(parts, here, strict=True)
        )
        if same and request.method.lower() in operations:
            return operations[request.method.lower()]
    return None


def token_of(account) -> str:
    """What an app gets when somebody signs in: the key of a session."""
    client = Client()
    client.force_login(account)
    return client.session.session_key


AROUND = re.compile(
    r"^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)|django_session|clinic_user|auth_perm|cacheentry"
)


def statements(sent) -> list[str]:
    """What an operation itself asked the database, of a CaptureQueriesContext: not who calls, and no BEGIN."""
    return [query["sql"] for query in sent if not AROUND.search(query["sql"])]
