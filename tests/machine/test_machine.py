"""Stories of money by the thousand, each told twice: by this clinic, and by a model of what it must do.

MACHINE_SEQUENCES=2000 tells so many new ones; without it the same few are told every time.
"""

import ast
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.machine import Machine

SEQUENCES = int(os.environ.get("MACHINE_SEQUENCES", "0"))

STORIES = settings(
    max_examples=SEQUENCES or 40,
    stateful_step_count=30,
    derandomize=not SEQUENCES,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.django_db(transaction=True)
def test_whatever_happens_the_house_and_the_model_say_the_same():
    run_state_machine_as_test(Machine, settings=STORIES)


def test_the_model_knows_nothing_of_the_house():
    modules = [ast.parse(path.read_text()) for path in Path(__file__).parent.glob("model*.py")]
    nodes = [node for module in modules for node in ast.walk(module)]
    imported = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not [node for node in nodes if isinstance(node, ast.Import)]
    assert imported == {"dataclasses", "tests.machine.model_places", "tests.machine.model_rows"}
