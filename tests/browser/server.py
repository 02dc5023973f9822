"""The sample clinic as `./run demo` serves it: web server, worker and Razorpay's stand-in, each a process of its own."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import STDOUT, run
from urllib.request import urlopen

from django.conf import settings
from django.test import Client, override_settings

from tests.gateways.razorpay_server import beside
from tests.services import free_port, start, stop
from tests.storms.site import is_up, wait_for

ROOT = Path(__file__).resolve().parents[2]
UNLIMITED = str(10**9)


@dataclass(frozen=True)
class Site:
    url: str
    folder: Path
    razorpay_url: str

    @property
    def gateway_book(self) -> Path:
        return self.folder / "demo-gateway.sqlite3"

    def at_razorpay(self, lever: str, **asked) -> dict:
        """What payers, banks and Razorpay's own people do: see tests/gateways/razorpay_server.py."""
        with urlopen(f"{self.razorpay_url}/_control/{lever}", json.dumps(asked).encode()) as answer:
            return json.load(answer)

    def mails(self) -> list[str]:
        """Every mail that was sent, the oldest first."""
        files = sorted((self.folder / "mail").glob("*.log"), key=lambda file: file.stat().st_mtime)
        return [file.read_text() for file in files]

    def said(self) -> str:
        """The end of what both processes said, for a failure's message."""
        return "".join(log.read_text(errors="replace")[-4000:] for log in sorted(self.folder.glob("*.log")))


def late_morning() -> str:
    """The time zone in which it is eleven now: a day's windows begin and end on one date there."""
    offset = 11 - datetime.now(UTC).hour
    return f"Etc/GMT{-offset:+d}"  # whose signs are the wrong way round


@contextmanager
def serving(database: str, folder: Path) -> Iterator[Site]:
    """The clinic on a migrated, empty database, filled by `manage.py demo` and answering.

    Django in this process gets the same time zone, address and gateway, so that a test can
    look into the clinic's database and arrange things there.
    """
    zone, url, razorpay_port = late_morning(), f"http://127.0.0.1:{free_port()}", free_port()
    razorpay, gateways = beside(url, razorpay_port)
    site = Site(url, folder, gateways["RAZORPAY_API_BASE"])
    (folder / "mail").mkdir()
    environment = os.environ | {
        "DEBUG": "1",
        "DATABASE_URL": database,
        "SITE_URL": site.url,
        "CLINIC_TIME_ZONE": zone,
        "EMAIL_URL": f"filemail:///{folder / 'mail'}",
        "DEMO_GATEWAY_BOOK": str(site.gateway_book),
        "WEB_THREADS": "8",
        **gateways,
        "PAY_AT_DESK": "1",
        **{f"BOOKINGS_PER_HOUR_{who}": UNLIMITED for who in ("ACCOUNT", "PHONE", "ADDRESS")},
    }
    options = {"cwd": ROOT, "env": environment}
    ours = gateways | {"PAYMENT_GATEWAYS": gateways["PAYMENT_GATEWAYS"].split(",")}
    ours |= {"TIME_ZONE": zone, "SITE_URL": site.url, "DEMO_GATEWAY_BOOK": site.gateway_book}
    run([sys.executable, "manage.py", "demo"], check=True, capture_output=True, **options)
    web = f"gunicorn clinic.wsgi --bind {site.url.removeprefix('http://')} --worker-class gthread --threads 8"
    web += " --log-level warning --graceful-timeout 3 --no-control-socket"
    running = []
    with override_settings(**ours):
        try:
            running.append(logged(folder / "razorpay.log", *razorpay, **options))
            web_server = logged(folder / "web.log", "-m", *web.split(), **options)
            running.append(web_server)
            running.append(
                logged(folder / "worker.log", "manage.py", "worker", "--interval", "0.5", **options)
            )
            port = int(site.url.rpartition(":")[2])
            wait_for(lambda: is_up(port) or web_server.poll() is not None, 30, "the web server")
            if web_server.poll() is not None:
                raise RuntimeError(f"The web server did not start: {site.said()}")
            yield site
        finally:
            stop(*running)


def logged(log: Path, *command: str, **options):
    with log.open("wb") as output:
        return start(sys.executable, *command, stdout=output, stderr=STDOUT, **options)


def session_cookie(site: Site, account) -> dict[str, str]:
    """For a browser that need not sign in: the journeys of accounts do that through the page."""
    client = Client()
    client.force_login(account)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": site.url}
