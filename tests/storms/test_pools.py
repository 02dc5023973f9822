"""POOL_ATTEMPTS reservations of mixed services race for the minutes of fifty pools; ten thousand are the full size.

What was decided is written down under each lock and judged by pool_replay.py, which is judged here first.
"""

import json
import os
import sys
from subprocess import PIPE

import pytest

from tests.services import start, stop
from tests.storms import pool_replay, site

ATTEMPTS = int(os.environ.get("POOL_ATTEMPTS", "300"))


def decision(start, minutes, answer, *, taken=(), **fields):
    return {
        "pool": 1, "at": 0, "window": [0, 60], "capacity": 60, "step": 5, "taken": list(taken),
        "start": start, "minutes": minutes, "answer": answer,
    } | fields  # fmt: skip


HALF = decision(0, 30, "sold")


@pytest.mark.parametrize(
    ("wrong", "decisions"),
    [
        ("somebody has a minute", [HALF, decision(25, 10, "sold", taken=[(0, 30)])]),
        ("leaves the window", [decision(50, 20, "sold")]),
        ("off the grid", [decision(7, 20, "sold")]),
        ("used up", [HALF, decision(30, 20, "sold", taken=[(0, 30)], capacity=45)]),
        ("although it was free", [HALF, decision(30, 30, "OVERLAP", taken=[(0, 30)])]),
        ("was sold", [HALF, decision(30, 30, "sold", taken=[])]),
        (
            "was sold",
            [HALF, decision(0, 30, "freed", taken=[(0, 30)]), decision(0, 30, "sold", taken=[(0, 30)])],
        ),
    ],
)
def test_the_replay_finds_what_is_wrong(wrong, decisions):
    found = pool_replay.judge(decisions)
    assert any(wrong in line for line in found), found


def test_the_replay_finds_nothing_where_nothing_is_wrong():
    told = [
        HALF,
        decision(20, 20, "OVERLAP", taken=[(0, 30)]),
        decision(30, 7, "sold", taken=[(0, 30)]),
        decision(37, 23, "sold", taken=[(0, 30), (30, 37)]),
        decision(0, 30, "freed", taken=[(0, 30), (30, 37), (37, 60)]),
        decision(10, 45, "NOT_ENOUGH_MINUTES", taken=[(30, 37), (37, 60)]),
    ]
    assert pool_replay.judge(told) == []


@pytest.fixture
def storm(database):
    """Makes a storm of one round; what it came to is printed, and in a failure's output."""

    def run(scenario, *options, attempts=ATTEMPTS, url=""):
        url = url or database(scenario)
        sizes = f"--rounds 1 --attempts {attempts} --pools {min(50, max(attempts // 20, 5))}"
        command = [sys.executable, "-m", "tests.storms", scenario, *sizes.split(), *options]
        environment = os.environ | {"DATABASE_URL": url}
        process = start(*command, cwd=site.ROOT, env=environment, stdout=PIPE, text=True)
        try:
            output, _ = process.communicate()
        finally:
            stop(process)
        assert process.returncode == 0
        result = json.loads(output)
        print(f"\n{scenario}: {output[:2000]}")  # noqa: T201
        return result

    return run


def asked_for(result) -> int:
    return sum(count for answer, count in result["answers"].items() if answer.startswith("book "))


@pytest.mark.storm
@pytest.mark.postgres  # the log asks PostgreSQL; SQLite has one writer at a time anyway
def test_no_minute_is_sold_twice_and_nobody_is_refused_a_start_that_was_free(storm):
    result = storm("pools")
    assert asked_for(result) == ATTEMPTS
    assert {answer for answer in result["answers"] if answer.startswith("book ")} == {"book 303", "book 409"}
    assert (result["wrongs"], result["over"], result["violations"]) == ([], [], {})
    assert result["confirmed"] > 0


@pytest.mark.storm
@pytest.mark.postgres
def test_prices_and_lengths_change_meanwhile_and_nobody_gets_what_their_page_did_not_show(storm):
    result = storm("changing")
    assert {answer for answer in result["answers"] if answer.startswith("book ")} == {"book 303", "book 409"}
    assert result["answers"]["changes"] > 0
    assert result["confirmed"] > 0
    assert (result["unlike_its_page"], result["over"], result["violations"]) == ([], [], {})


@pytest.mark.storm
@pytest.mark.postgres
def test_without_the_lock_and_the_constraints_the_replay_finds_minutes_that_were_sold_twice(storm, database):
    """The negative control."""
    url = database("pools_unlocked")
    site.drop_constraints(url)
    result = storm("pools", "--without-lock", attempts=200, url=url)
    assert any("sold, although" in wrong or "was sold" in wrong for wrong in result["wrongs"])
    assert result["violations"]
