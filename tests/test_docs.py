"""What the documents promise is what the code does, where a test can tell."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands
from django.urls import resolve

from bookings.states import Status
from clinic.settings import env
from payments.gateways import razorpay, stripe
from payments.states import Outcome, Paid, RefundStatus

DOCS = Path(settings.BASE_DIR) / "docs"
RUNBOOK = (DOCS / "booking-payments.md").read_text()
API = (DOCS / "api.md").read_text()
OWN_COMMANDS = {name for name, app in get_commands().items() if not app.startswith("django")}


@pytest.mark.parametrize("gateway", [stripe, razorpay])
def test_every_event_that_a_gateway_is_understood_by_is_to_be_ticked(gateway):
    assert [
        name for name in gateway.KINDS if not re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", RUNBOOK)
    ] == []


@pytest.mark.parametrize("states", [Status, Outcome, RefundStatus])
def test_every_state_is_explained(states):
    assert [state for state in states if not re.search(rf"\b{state}\b", RUNBOOK)] == []


def test_what_it_tells_to_set_or_to_run_exists():
    known = {*env.scheme, *(f"{name}_FILE" for name in env.scheme)}
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?:=[^`]*)?`", RUNBOOK))
    assert named - known == set()
    assert set(re.findall(r"manage\.py (\w+)", RUNBOOK)) <= OWN_COMMANDS | {"migrate"}


def test_its_addresses_are_ours():
    """resolve() raises where there is none."""
    named = set(re.findall(r"(?:`|your\.clinic)(/[\w<>/-]+/?)`", RUNBOOK)) - {"/readyz"}
    assert len(named) >= 6
    for address in named:
        resolve(address.replace("<window>", "1").replace("<booking>", "x").replace("<gateway>", "stripe"))


def test_every_operation_of_the_api_is_told_under_its_one_name():
    paths = json.loads((DOCS / "openapi.json").read_text())["paths"]
    ours = {f"{method.upper()} {path.removeprefix('/api/v1/')}" for path in paths for method in paths[path]}
    table = re.findall(r"^\| (`.+?) \|", API, re.MULTILINE)
    told = re.findall(r"`((?:GET|POST|PATCH|DELETE) [^`]+)`", "\n".join(table))
    assert sorted(told) == sorted(ours)


@pytest.mark.parametrize("states", [Status, Paid])
def test_every_status_of_the_api_is_told(states):
    assert [state for state in states if f"`{state}`" not in API] == []


@pytest.mark.parametrize("page", [RUNBOOK, API], ids=["runbook", "api"])
def test_its_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)#]+)", page):
        assert (DOCS / link).exists(), link
