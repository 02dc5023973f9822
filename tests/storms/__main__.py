"""Makes one storm in the database of DATABASE_URL, which is migrated; one line of JSON a round, on stdout.

The clinic's rows are made and looked at from here, through the models; all that patients and
gateways do goes over HTTP.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import django

from tests.gateways import stripe_server
from tests.services import free_port
from tests.storms import killing, site, soaking

SCENARIOS = "free", "held", "slot", "unreserved", "copies", "pools", "changing", "soak", "killed"
WITHOUT_LOCK, WRITTEN_DOWN = "tests/storms/without_lock.py", "tests/storms/written_down.py"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.storms", description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--racers", type=int, default=50)
    parser.add_argument("--places", type=int, default=15)
    parser.add_argument("--gateway", choices=["demo", "stripe"], default="demo")
    parser.add_argument("--attempts", type=int, default=1000, help="to reserve in pools, a round")
    parser.add_argument("--pools", type=int, default=50)
    parser.add_argument("--without-lock", action="store_true", help="the negative control")
    parser.add_argument(
        "--payments", type=int, default=int(os.environ.get("SOAK_PAYMENTS", "80")), help="of a soak"
    )
    parser.add_argument("--seconds", type=float, default=7200, help="for which a soak makes payments at most")
    parser.add_argument("--plant", action="store_true", help="a soak's negative control")
    parser.add_argument("--items", type=int, default=100, help="that are due while workers are killed")
    parser.add_argument("--planted", default="", help="a bug of theirs: forgetful, unclaimed")
    asked = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and tidy up
    if asked.scenario == "soak":
        return soaking.main(asked.payments, seconds=asked.seconds, plant=asked.plant)
    if asked.scenario == "killed":
        return killing.main(asked.items, planted=asked.planted)
    with ExitStack() as services:
        folder = Path(services.enter_context(tempfile.TemporaryDirectory(prefix="clinic-storm-")))
        port = free_port()
        stripe = services.enter_context(stripe_server.serving())
        os.environ |= site.environment(port, folder) | {
            "DJANGO_SETTINGS_MODULE": "clinic.settings",
            "PAYMENT_GATEWAYS": "demo,stripe",
            "STRIPE_SECRET_KEY": "sk_test_storm",
            "STRIPE_WEBHOOK_SECRET": "whsec_storm",
            "STRIPE_API_BASE": stripe.url,
        }
        django.setup()  # models: only now are the settings complete
        from tests.storms import pools
        from tests.storms.payers import DemoPayers, StripePayers
        from tests.storms.scenarios import Storm

        # No process takes many more than its share of the racers: who wakes first would take them all.
        options = ["--worker-connections", str(asked.racers // site.PROCESSES + 2)]
        if asked.scenario in ("pools", "changing"):
            options += ["--config", WRITTEN_DOWN]
            os.environ["STORM_LOG"] = str(folder / "decisions.jsonl")
            os.environ["STORM_WITHOUT_LOCK"] = "1" if asked.without_lock else ""
        elif asked.without_lock:
            options += ["--config", WITHOUT_LOCK]
        server = services.enter_context(site.serving(port, folder, *options))
        services.enter_context(site.working(folder))
        payers = DemoPayers() if asked.gateway == "demo" else StripePayers(stripe.book)
        if asked.scenario in ("pools", "changing"):
            kind = pools.ChangingStorm if asked.scenario == "changing" else pools.PoolStorm
            rush = partial(kind(port, payers, asked.pools, asked.racers).run, asked.attempts)
        else:
            rush = getattr(Storm(port, payers, racers=asked.racers, places=asked.places), asked.scenario)
        services.callback(lambda: sys.stderr.write(server.end_of_log()))
        for _ in range(asked.rounds):
            began = time.monotonic()
            result = rush()
            result["seconds"] = round(time.monotonic() - began, 2)
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
