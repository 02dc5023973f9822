"""A soak from its first process to its verdict: one line of JSON on stdout, how far it is on stderr."""

import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import STDOUT

import django

from tests.services import free_port, start, stop
from tests.storms import site

PROCESSES, THREADS = 4, 6
PATIENCE = 1200
"""Seconds for everything that is due after the last payment."""


def main(payments: int, *, seconds: float, plant: bool) -> None:
    with ExitStack() as services:
        folder = Path(services.enter_context(tempfile.TemporaryDirectory(prefix="clinic-soak-")))
        ports = {name: services.enter_context(standing_in(name, folder)) for name in ("stripe", "razorpay")}
        port = free_port()
        os.environ |= site.environment(port, folder) | settings(ports) | {"WEB_THREADS": str(THREADS)}
        django.setup()  # models: only now are the settings complete
        from tests.storms import planted
        from tests.storms.courier import StandIn
        from tests.storms.soak import Soak
        from tests.storms.soak_books import verdict

        server = services.enter_context(
            site.serving(port, folder, *f"--workers {PROCESSES} --threads {THREADS}".split())
        )
        services.enter_context(site.working(folder, interval=1))
        services.callback(lambda: sys.stderr.write(server.end_of_log()[-2000:]))
        stand_ins = [StandIn(name, f"http://127.0.0.1:{at}") for name, at in ports.items()]
        since, began = planted.now() - timedelta(hours=1), time.monotonic()
        soak = Soak(port, stand_ins, payments=payments, seconds=seconds)
        say("begin")
        soak.run()
        paid_after = time.monotonic() - began
        soak.close_disputes()
        soak.drain(PATIENCE)
        say("bounce")
        soak.bounce()
        soak.drain(PATIENCE)
        result = {
            "payments": soak.paid, "patients": soak.patients,
            "seconds": [round(paid_after), round(time.monotonic() - began)],
            "faults_of_lives": dict(sorted(soak.lives.items())),
            "events_done_to": dict(sorted(soak.courier.done.items())),
            "faults_of_calls": {each.name: each.pull("thrown") for each in stand_ins},
            "answers": dict(sorted((soak.answers + soak.courier.answers).items())),
        }  # fmt: skip
        say("verdict")
        result |= verdict(stand_ins, since)
        result["errors"] = errors(folder)
        if plant:
            say("plant")
            result["planted"] = planted.losses(soak, stand_ins, since)
        sys.stdout.write(json.dumps(result) + "\n")


def settings(ports: dict[str, int]) -> dict[str, str]:
    from tests.gateways.razorpay_book import KEY_SECRET

    return {
        "DJANGO_SETTINGS_MODULE": "tests.storms.impatient",
        "PAYMENT_GATEWAYS": "stripe,razorpay",
        "STRIPE_SECRET_KEY": "sk_test_soak",
        "STRIPE_API_BASE": f"http://127.0.0.1:{ports['stripe']}",
        "RAZORPAY_KEY_ID": "rzp_test_soak",
        "RAZORPAY_KEY_SECRET": KEY_SECRET,
        "RAZORPAY_API_BASE": f"http://127.0.0.1:{ports['razorpay']}",
        **{f"{name}_WEBHOOK_SECRET": "whsec_soak" for name in ("STRIPE", "RAZORPAY")},
        **{f"{name}_WEBHOOK_SECRET_PREVIOUS": "whsec_soak_before" for name in ("STRIPE", "RAZORPAY")},
    }


@contextmanager
def standing_in(name: str, folder: Path) -> Iterator[int]:
    """A gateway's stand-in in a process of its own, which has nothing of ours; its port."""
    port = free_port()
    command = [sys.executable, "-m", f"tests.gateways.{name}_server", "--port", str(port)]
    with (folder / f"{name}.log").open("wb") as log:
        server = start(*command, cwd=site.ROOT, stdout=log, stderr=STDOUT)
    try:
        site.wait_for(lambda: site.is_up(port), 20, f"{name}'s stand-in")
        yield port
    finally:
        stop(server)


def errors(folder: Path) -> dict[str, int]:
    """What the web server and the workers logged as an error, and how often."""
    logs = "".join((folder / name).read_text(errors="replace") for name in ("web.log", "worker.log"))
    lines = re.findall(r"^(?:ERROR .*|[ |+-]*[\w.]*(?:Error|Exception|Refused)\b.*)", logs, re.MULTILINE)
    return dict(Counter(line[:160] for line in lines).most_common(12))


def say(what: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {what}\n")
