"""KILLED_ITEMS rows that are due, and workers that are killed (-9) at random instants, again and again.

The figures are printed (`pytest -s`), failed or not:
KILLED_ITEMS=1000 ./run test --postgres -s tests/storms/test_killed.py
"""

import json
import os
import sys
from subprocess import PIPE

import pytest

from tests.services import start, stop
from tests.storms import site

pytestmark = [
    pytest.mark.storm,
    pytest.mark.postgres,
]  # what it asks of SQLite, with one writer at a time, other tests ask
ITEMS = int(os.environ.get("KILLED_ITEMS", "50"))
CONTROL_ITEMS = 50


def storm(url, *, items, planted=""):
    command = [sys.executable, "-m", "tests.storms", "killed", "--items", str(items), "--planted", planted]
    process = start(*command, cwd=site.ROOT, env=os.environ | {"DATABASE_URL": url}, stdout=PIPE, text=True)
    try:
        output, _ = process.communicate()
    finally:
        stop(process)
    assert process.returncode == 0
    last = output.splitlines()[-1]
    print(f"\nkilled {planted}: {last}")  # noqa: T201
    return json.loads(last)


@pytest.fixture(scope="module")
def killed(database):
    return storm(database("killed"), items=ITEMS)


def test_workers_were_killed_with_work_in_hand_and_nothing_is_left_to_do(killed):
    assert set(killed["left"].values()) == {0}
    assert killed["mails"]["cut"] > 0


def test_every_row_that_was_due_had_its_effect_once(killed):
    items = killed["items"]
    assert killed["expired"] == {"1": items["holds"]}
    assert killed["finished"] == {"1": items["sessions"], "windows": items["sessions"]}
    assert killed["confirmed"] == {"1": items["inbox"] // 2}
    assert killed["bought"] == items["inbox"] // 2
    assert killed["reminders"] == {"sent": items["reminders"]}


def test_every_refund_was_made_once_at_the_gateway_and_has_one_paper(killed):
    refunds = killed["items"]["refunds"]
    assert killed["given_back"] == {"1": refunds}
    assert len({*killed["given_back_minor"]}) == 1
    assert killed["receipts"] == {"1": killed["bought"] + 2 * refunds}


def test_no_mail_is_lost_and_only_one_whose_sending_was_cut_off_comes_twice(killed):
    mails = killed["mails"]
    assert (mails["lost"], mails["unknown"], mails["unexplained"]) == (0, 0, 0)
    assert mails["copies"] <= mails["cut"]


def test_nobody_is_bothered_and_every_invariant_holds(killed):
    assert (killed["reviews"], killed["violations"]) == (0, {})
    # A kill cuts off one thing at most.
    assert killed["mails"]["cut"] + killed["refunds_cut"] <= killed["kills"]


def test_a_worker_that_says_sent_before_it_sends_loses_mails(database):
    """The negative control."""
    assert storm(database("forgetful"), items=CONTROL_ITEMS, planted="forgetful")["mails"]["lost"] > 0


def test_workers_that_do_not_claim_what_they_send_send_it_twice_for_no_reason(database):
    """The negative control."""
    assert storm(database("unclaimed"), items=CONTROL_ITEMS, planted="unclaimed")["mails"]["unexplained"] > 0
