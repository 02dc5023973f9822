"""Measures the product beside bare Django views: one server, one database, rounds by turns.

The database is DATABASE_URL's, which `./run bench` starts with a stock server's settings. A rate is
the median of the rounds, a share the median of each round's ours ÷ bare: what disturbs the machine
for a while disturbs both.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from statistics import median
from subprocess import run

import django

from bench.load import drive, kept_alive
from tests.services import free_port
from tests.storms import site

LINES = 16
WARM_UP = 400
"""Requests, at least, until every thread has its connection and every template is compiled."""
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "clinic.settings",
    "DEBUG": "0",
    "SECRET_KEY": "only-for-the-bench-" + "0" * 40,
    "ALLOWED_HOSTS": "127.0.0.1",
    "WEB_THREADS": str(site.THREADS),
    "PAYMENT_GATEWAYS": "stripe",
    "STRIPE_SECRET_KEY": "sk_live_bench",
    "STRIPE_WEBHOOK_SECRET": "whsec_bench",
    **{f"BOOKINGS_PER_HOUR_{who}": site.UNLIMITED for who in ("ACCOUNT", "PHONE", "ADDRESS")},
}


def main() -> None:
    """Exits with 1 when a target is missed or an answer is not what it should be."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts")
    parser.add_argument("--scale", type=float, default=1, help="how many requests, against the usual")
    parser.add_argument("--only", default="", help="subjects whose name holds this")
    parser.add_argument(
        "--users", type=int, default=0, help="so many who book services, instead of the table"
    )
    parser.add_argument("--seconds", type=float, default=60, help="for which the users stay")
    parser.add_argument("--search", action="store_true", help="more users, until they wait too long")
    parser.add_argument("--json", action="store_true", help="print that instead of the table")
    asked = parser.parse_args()

    with ExitStack() as services:
        folder = Path(services.enter_context(tempfile.TemporaryDirectory(prefix="clinic-bench-")))
        port = free_port()
        os.environ |= SETTINGS | {"SITE_URL": f"http://127.0.0.1:{port}"}
        for command in ("migrate --skip-checks -v 0", "collectstatic --noinput -v 0"):
            run([sys.executable, "manage.py", *command.split()], cwd=site.ROOT, check=True)
        django.setup()
        from bench import subjects  # models: only now are the settings complete

        server = services.enter_context(site.serving(port, folder, app="bench.wsgi"))
        if asked.users:
            sys.exit(users(port, asked))
        chosen = [one for one in subjects.all_subjects(port) if asked.only in one.name]
        results = [measure(port, subject, asked.rounds, asked.scale) for subject in chosen]
        if any(result["wrong"] for result in results):
            sys.stderr.write(server.end_of_log())
    machine = {"python": platform.python_version(), "cores": os.cpu_count()}
    report = machine | {"lines": LINES, "results": results}
    print(json.dumps(report, indent=2) if asked.json else table(report))
    sys.exit(any(result["wrong"] or result["share"] < result["target"] for result in results))


def users(port: int, asked) -> bool:
    """Whether they had to wait too long, after a short crowd that warms everything up."""
    from bench.pools import clinic
    from bench.users import crowd, search

    services = clinic(port)
    crowd(port, 16, 5, services)
    found = (
        search(port, asked.seconds, services, asked.users)
        if asked.search
        else [crowd(port, asked.users, asked.seconds, services)]
    )
    print(*found, sep="\n")
    return not found[0].meets_goals


def measure(port: int, subject, rounds: int, scale: float) -> dict:
    """Both by turns, the first of a round being the second of the next; one short run of each to warm up."""
    from bench.subjects import settle_down

    n = max(LINES, int(subject.requests * scale))
    sides = {"ours": subject.ours, "bare": subject.bare}
    runs = {"ours": [], "bare": []}
    with kept_alive(port, LINES) as lines:
        for messages in sides.values():
            drive(lines, messages(max(WARM_UP, n // 5)))
    for _, order in zip(range(rounds), cycle([("ours", "bare"), ("bare", "ours")]), strict=False):
        with kept_alive(port, LINES) as lines:
            for side in order:
                messages = sides[side](n)
                settle_down()
                runs[side].append(drive(lines, messages))
    shares = [ours.rate / bare.rate for ours, bare in zip(runs["ours"], runs["bare"], strict=True)]
    answers = {side: sum((run.statuses for run in done), Counter()) for side, done in runs.items()}
    return {
        "name": subject.name,
        **{side: round(median(run.rate for run in done)) for side, done in runs.items()},
        **{f"{side}_bytes": done[0].bytes // done[0].requests for side, done in runs.items()},
        "share": round(median(shares), 3),
        "shares": [round(share, 3) for share in shares],
        "target": subject.target,
        "wrong": {side: found for side, found in answers.items() if not right(found, subject.status)},
    }


def right(found: Counter, status: int) -> bool:
    """All answers as expected; but a page may change under a few of those who poll it."""
    return set(found) <= {status, 200} and found[status] >= 0.99 * found.total()


def table(report: dict) -> str:
    lines = [f"{'':32}{'ours/s':>8}{'bare/s':>8}{'share':>8}{'target':>8}   bytes, rounds"]
    for row in report["results"]:
        met = "ok" if row["share"] >= row["target"] and not row["wrong"] else "MISSED"
        lines.append(
            f"{row['name']:32}{row['ours']:8}{row['bare']:8}{row['share']:8.2f}{row['target']:8.2f} "
            f"{met:7} {row['ours_bytes']}/{row['bare_bytes']}, {min(row['shares'])}–{max(row['shares'])}"
            + (f"  WRONG ANSWERS {row['wrong']}" if row["wrong"] else "")
        )
    server = f"{site.PROCESSES} processes × {site.THREADS} threads, {report['lines']} lines"
    lines.append(f"{server}, {report['cores']} cores, Python {report['python']}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
