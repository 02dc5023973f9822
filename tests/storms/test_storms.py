"""STORM_ROUNDS rounds of fifty patients each, through several web processes and workers.

Each storm has a database of its own. What it came to is printed (`pytest -s`), failed or not.
"""

import json
import os
import sys
from collections import Counter
from subprocess import PIPE

import pytest

from tests.services import start, stop
from tests.storms import site

pytestmark = pytest.mark.storm
ROUNDS = int(os.environ.get("STORM_ROUNDS", "2"))
CONTROL_ROUNDS = 3
RACERS, PLACES = 50, 15


@pytest.fixture
def storm(database):
    """Makes a storm and gives its rounds; they and what the server said are in a failure's output."""

    def run(scenario, *options, url="", rounds=ROUNDS):
        sizes = {"--rounds": rounds, "--racers": RACERS, "--places": PLACES}
        command = [sys.executable, "-m", "tests.storms", scenario, *options]
        command += [str(word) for size in sizes.items() for word in size]
        url = url or database("_".join([scenario, *options]).replace("-", ""))
        process = start(
            *command, cwd=site.ROOT, env=os.environ | {"DATABASE_URL": url}, stdout=PIPE, text=True
        )
        try:
            output, _ = process.communicate()
        finally:
            stop(process)
        results = [json.loads(line) for line in output.splitlines()]
        print(f"\n{' '.join([scenario, *options])}: {json.dumps(summed(results))}")  # noqa: T201
        assert process.returncode == 0
        assert len(results) == rounds
        return results

    return run


def summed(rounds):
    """The storm in one line: every answer, what became of bookings and money, and how long it took."""
    answers = sum((Counter(round_["answers"]) for round_ in rounds), Counter())
    totals = {"rounds": len(rounds), "answers": dict(sorted(answers.items()))}
    for name in ("confirmed", "overflow", "refunds", "seconds"):
        totals[name] = round(sum(round_[name] for round_ in rounds), 1)
    return totals | {"rounds_with_violations": sum(bool(round_["violations"]) for round_ in rounds)}


def sold_exactly(round_, places=PLACES, *, kept_minor):
    """Every place once, in order, paid once, and nothing in the books that contradicts it."""
    assert round_["confirmed"] == places
    assert round_["numbers"] == [*range(1, places + 1)]
    assert round_["kept_minor"] == kept_minor
    assert round_["violations"] == {}


def test_fifty_patients_get_fifteen_free_places_and_the_others_hear_that_it_is_full(storm):
    for round_ in storm("free"):
        assert round_["answers"] == {"book 303": PLACES, "book 409 full": RACERS - PLACES}
        sold_exactly(round_, kept_minor=0)


def test_fifteen_hold_a_place_and_each_pays_for_it_once_though_every_webhook_comes_twice(storm):
    for round_ in storm("held"):
        answers = {"book 303": PLACES, "book 409 full": RACERS - PLACES}
        assert round_["answers"] == answers | {"pay 303": PLACES, "webhook 200": 2 * PLACES}
        sold_exactly(round_, kept_minor=PLACES * 50_000)
        assert (round_["overflow"], round_["refunds"]) == (0, 0)


def test_one_of_fifty_gets_the_exact_time_that_all_of_them_want(storm):
    for round_ in storm("slot"):
        answers = {"book 303": 1, "book 409 full": RACERS - 1}
        assert round_["answers"] == answers | {"pay 303": 1, "webhook 200": 2}
        assert (round_["confirmed"], round_["kept_minor"], round_["violations"]) == (1, 50_000, {})


@pytest.mark.parametrize("gateway", ["demo", "stripe"])
def test_the_first_fifteen_of_fifty_payments_get_a_number_and_the_others_their_money(storm, gateway):
    events = {"demo": 1, "stripe": 2}[gateway]
    for round_ in storm("unreserved", "--gateway", gateway):
        answers = {"book 303": RACERS, "pay 303": RACERS, "webhook 200": events * RACERS}
        assert round_["answers"] == answers
        sold_exactly(round_, kept_minor=PLACES * 50_000)
        assert (round_["bought"], round_["overflow"], round_["refunds"]) == (PLACES, 35, 35)


def test_fifty_copies_of_one_webhook_confirm_one_booking(storm):
    for round_ in storm("copies"):
        assert round_["answers"] == {"book 303": 1, "pay 303": 1, "webhook 200": RACERS}
        sold_exactly(round_, 1, kept_minor=50_000)
        assert (round_["bought"], round_["refunds"], round_["inbox"]) == (1, 0, 1)


@pytest.mark.postgres  # SQLite has one writer at a time, locked or not
@pytest.mark.parametrize("scenario", ["free", "unreserved"])
def test_the_same_storm_without_locks_and_constraints_sells_too_much(storm, database, scenario):
    """The negative control: it shows that these storms can fail."""
    url = database(f"{scenario}_unlocked")
    site.drop_constraints(url)
    rounds = storm(scenario, "--without-lock", url=url, rounds=CONTROL_ROUNDS)
    assert any(round_["confirmed"] > PLACES for round_ in rounds)
    assert any(round_["violations"] for round_ in rounds)
