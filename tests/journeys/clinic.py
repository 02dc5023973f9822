"""Starts a clinic as it is installed, with its worker, a mail server, and stand-ins of Stripe and Razorpay."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from subprocess import STDOUT, run
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

import psycopg
from aiosmtpd.controller import Controller

from tests.journeys.outside import Program, until
from tests.plugin import on_postgres
from tests.services import free_port, start, stop

ROOT = Path(__file__).resolve().parents[2]
STRIPE_SECRET, RAZORPAY_SECRET, RAZORPAY_KEY = "whsec_journeys", "rzp_whsec_journeys", "rzp_key_journeys"
UNLIMITED = str(10**9)
STAFF_AT, STAFF_PASSWORD = "demo.clinic", "welcome-to-the-clinic"
RECEPTIONIST = "Prakash Tamang"
"""The sample clinic's people, as `./run demo` prints them."""


class Letterbox:
    """Every mail that was sent, in plain text, by who got it."""

    def __init__(self):
        self.mails: list[tuple[str, str]] = []

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        text = mail.get_body(("plain",)).get_content()
        self.mails += [(address, text) for address in envelope.rcpt_tos]
        return "250 OK"

    def to(self, address: str) -> list[str]:
        return [text for who, text in self.mails if who == address]


class Browser:
    """Somebody of the staff in the clinic's own pages: it keeps cookies, and sends each form's CSRF token."""

    def __init__(self, email: str, url: str):
        self.opener = build_opener(ProxyHandler({}), HTTPCookieProcessor())
        self.send(f"{url}/accounts/login/", {"login": email, "password": STAFF_PASSWORD})

    def open(self, page: str, typed: bytes | None = None) -> str:
        with self.opener.open(Request(page, typed, {"Referer": page}), timeout=30) as answer:
            return answer.read().decode()

    def send(self, page: str, typed: dict) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.open(page))[1]
        form = urlencode({"csrfmiddlewaretoken": token} | typed, doseq=True)
        return self.open(page, form.encode())


@dataclass(frozen=True)
class Clinic:
    url: str
    stripe: Program
    razorpay: Program
    letters: Letterbox

    def program(self, **headers) -> Program:
        return Program(self.url, headers)

    def signed_in(self, email: str, password: str) -> Program:
        """An app on which this person signed in."""
        said = (
            self.program()
            .post("/_allauth/app/v1/auth/login", {"email": email, "password": password})
            .must(200)
        )
        return self.program(**{"X-Session-Token": said["meta"]["session_token"]})

    def staff(self, role: str) -> Program:
        return self.signed_in(f"{role}@{STAFF_AT}", STAFF_PASSWORD)

    def kiosk(self, *scopes: str, name: str = "Kiosk in the hall") -> Program:
        """A machine with a key that a manager makes on admin's page, and copies from there: it acts as reception."""
        page = f"{self.url}/admin/clinic/apikey/add/"
        browser = Browser(f"manager@{STAFF_AT}", self.url)
        account = re.search(rf'<option value="(\d+)">{RECEPTIONIST}<', browser.open(page))[1]
        typed = {"name": name, "account": account, "scopes": scopes, "per_minute": 600, "until": ""}
        shown = browser.send(page, typed)
        key = re.search(r"<code>(ck_[\w-]+)</code>", shown)[1]
        return self.program(Authorization=f"Bearer {key}")

    def sign_up(self, name: str, email: str, password: str = "rivers and monsoon 7") -> Program:
        """A new person's app: they sign up, open their mail, and follow the link."""
        wish = {"name": name, "email": email, "password": password}
        said = self.program().post("/_allauth/app/v1/auth/signup", wish).must(401)
        waiting = self.program(**{"X-Session-Token": said["meta"]["session_token"]})
        (letter,) = until(lambda: self.letters.to(email), bool)
        key = re.search(r"/accounts/confirm-email/([^/\s]+)/", letter)[1]
        waiting.post("/_allauth/app/v1/auth/email/verify", {"key": key}).must(401)  # verified: sign in now
        return self.signed_in(email, password)


@contextmanager
def running(folder: Path) -> Iterator[Clinic]:
    """The sample clinic on a database of its own, answering; all is gone when the block ends."""
    with ExitStack() as stack:
        logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd would tell of every word
        letters = Letterbox()
        mail = Controller(letters, hostname="127.0.0.1", port=free_port())
        mail.start()
        stack.callback(mail.stop)
        url = f"http://127.0.0.1:{free_port()}"
        stripe, razorpay = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        environment = os.environ | {
            "DEBUG": "1",
            "DATABASE_URL": stack.enter_context(database(folder)),
            "SITE_URL": url,
            "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
            "DEMO_GATEWAY_BOOK": str(folder / "demo-gateway.sqlite3"),
            "PAYMENT_GATEWAYS": "stripe,razorpay,demo",
            "STRIPE_SECRET_KEY": "sk_test_journeys",
            "STRIPE_PUBLISHABLE_KEY": "pk_test_journeys",
            "STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
            "STRIPE_API_BASE": stripe,
            "RAZORPAY_KEY_ID": "rzp_test_journeys",
            "RAZORPAY_KEY_SECRET": RAZORPAY_KEY,
            "RAZORPAY_WEBHOOK_SECRET": RAZORPAY_SECRET,
            "RAZORPAY_API_BASE": razorpay,
            **{f"BOOKINGS_PER_HOUR_{who}": UNLIMITED for who in ("ACCOUNT", "PHONE", "ADDRESS")},
        }
        run([sys.executable, "manage.py", "demo"], cwd=ROOT, env=environment, check=True, capture_output=True)
        hooks = f"{url}/api/v1/webhooks"
        address = url.removeprefix("http://")
        commands = {
            "stripe": f"-m tests.gateways.stripe_server --port {port(stripe)} --webhook {hooks}/stripe"
            f" --secret {STRIPE_SECRET}",
            "razorpay": f"-m tests.gateways.razorpay_server --port {port(razorpay)} --webhook {hooks}/razorpay"
            f" --secret {RAZORPAY_SECRET} --key-secret {RAZORPAY_KEY}",
            "web": f"-m gunicorn clinic.wsgi --bind {address} --worker-class gthread --threads 8"
            " --log-level warning --no-control-socket",
            "worker": "manage.py worker --interval 0.5",
        }
        processes = []
        stack.callback(lambda: stop(*processes))
        for name, command in commands.items():
            output = stack.enter_context((folder / f"{name}.log").open("wb"))
            options = {"cwd": ROOT, "env": environment, "stdout": output, "stderr": STDOUT}
            processes.append(start(sys.executable, *command.split(), **options))
        until(lambda: answers(url), bool)
        yield Clinic(url, Program(stripe), Program(razorpay), letters)


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """The URL of an empty one: a file, or a database on the PostgreSQL that the tests have."""
    if not on_postgres():
        yield f"sqlite:///{folder / 'clinic.sqlite3'}"
        return
    server = os.environ["DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS journeys WITH (FORCE)")
        db.execute("CREATE DATABASE journeys")
        yield f"{server.rpartition('/')[0]}/journeys"
        db.execute("DROP DATABASE journeys WITH (FORCE)")


def port(url: str) -> str:
    return url.rpartition(":")[2]


def answers(url: str) -> bool:
    try:
        return Program(url).get("/healthz").status == 200
    except OSError:
        return False
