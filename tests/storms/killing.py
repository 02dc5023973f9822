"""Workers killed again and again while much is due, to the verdict: one line of JSON on stdout."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import STDOUT

import django

from tests.gateways import stripe_server
from tests.services import free_port, start, stop
from tests.storms import site
from tests.storms.letterbox import receiving

PATIENCE = 900
"""Seconds for everything that is due, at most."""


def main(items: int, *, planted: str) -> None:
    with ExitStack() as services:
        folder = Path(services.enter_context(tempfile.TemporaryDirectory(prefix="clinic-killing-")))
        stripe = services.enter_context(stripe_server.serving())
        box = services.enter_context(receiving(free_port()))
        os.environ |= site.environment(free_port(), folder) | {
            "DJANGO_SETTINGS_MODULE": "tests.storms.killable",
            "PAYMENT_GATEWAYS": "stripe",
            "STRIPE_SECRET_KEY": "sk_test_killing",
            "STRIPE_WEBHOOK_SECRET": "whsec_killing",
            "STRIPE_API_BASE": stripe.url,
            "EMAIL_URL": f"smtp://127.0.0.1:{box.port}",
            "FRONT_OFFICE_EMAIL": "desk@clinic.example",
        }
        django.setup()  # models: only now are the settings complete
        from tests.storms.due import Due

        due = Due(stripe.book, box, items)
        due.make()
        began, kills = time.monotonic(), folder / "kills"
        with killed_again_and_again(folder / "worker.log", kills, planted):
            try:
                site.wait_for(lambda: not any(due.left().values()), PATIENCE, "all that is due")
            except TimeoutError:
                sys.stderr.write((folder / "worker.log").read_text(errors="replace")[-6000:])
        result = {
            "items": due.items,
            "kills": kills.stat().st_size,
            "seconds": round(time.monotonic() - began),
        }
        sys.stdout.write(json.dumps(result | due.verdict()) + "\n")


@contextmanager
def killed_again_and_again(log: Path, kills: Path, planted: str) -> Iterator[None]:
    """Four workers, of which none lives longer than nest.LIFE."""
    command = [sys.executable, "-m", "tests.storms.nest", "--count", str(kills)]
    with log.open("wb") as output:
        environment = os.environ | {"PLANTED": planted}
        nest = start(*command, cwd=site.ROOT, env=environment, stdout=output, stderr=STDOUT)
    try:
        yield
        if nest.poll() is not None:
            raise RuntimeError(f"the nest ended by itself: {log.read_text(errors='replace')[-4000:]}")
    finally:
        stop(nest)
