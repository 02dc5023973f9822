"""The clinic as it runs in production: PostgreSQL that flushes its commits, several web processes, workers."""

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from subprocess import STDOUT, run

import psycopg

from tests.plugin import on_postgres
from tests.services import memory, postgres, postgres_binaries, start, stop

ROOT = Path(__file__).resolve().parents[2]
PROCESSES, THREADS = 2, 4
UNLIMITED = str(10**9)


@dataclass(frozen=True)
class Site:
    port: int
    log: Path

    def end_of_log(self) -> str:
        """The last that the server said but for its daily news, for a failed storm's message."""
        lines = self.log.read_text(errors="replace").splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("INFO"))[-6000:]


# --- Databases ----------------------------------------------------------------------------


@contextmanager
def databases() -> Iterator[Callable[[str], str]]:
    """Yields a function: the URL of a fresh, migrated database of this name. All are gone afterwards."""
    with ExitStack() as services:
        if on_postgres():
            own = postgres(durable=True) if postgres_binaries() else nullcontext(os.environ["DATABASE_URL"])
            yield services.enter_context(_on_server(services.enter_context(own)))
        else:
            folder = tempfile.TemporaryDirectory(prefix="clinic-storm-", dir="/var/tmp")
            yield _in_folder(Path(services.enter_context(folder)))


@contextmanager
def _on_server(server: str) -> Iterator[Callable[[str], str]]:
    made = []

    def fresh(name: str, template: str = "storm_template") -> str:
        made.append(f"storm_{name}")
        with psycopg.connect(server, autocommit=True) as db:
            db.execute(f"DROP DATABASE IF EXISTS storm_{name} WITH (FORCE)")
            db.execute(f"CREATE DATABASE storm_{name} TEMPLATE {template}")
        return f"{server.rpartition('/')[0]}/storm_{name}"

    try:
        migrate(fresh("template", "template1"))
        yield fresh
    finally:
        with psycopg.connect(server, autocommit=True) as db:
            for name in made:
                db.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _in_folder(folder: Path) -> Callable[[str], str]:
    template = folder / "template.sqlite3"
    with tempfile.TemporaryDirectory(prefix="clinic-storm-", dir=memory()) as quick:
        migrate(f"sqlite:///{quick}/template.sqlite3")
        shutil.copy(f"{quick}/template.sqlite3", template)

    def fresh(name: str) -> str:
        return f"sqlite:///{shutil.copy(template, folder / f'{name}.sqlite3')}"

    return fresh


def migrate(url: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    run(command, cwd=ROOT, env=os.environ | {"DEBUG": "1", "DATABASE_URL": url}, check=True)


def drop_constraints(url: str) -> None:
    """Leaves a PostgreSQL database nothing of the product's rules but primary and foreign keys."""
    with psycopg.connect(url) as db:
        rules = db.execute(
            "SELECT conrelid::regclass, quote_ident(conname) FROM pg_constraint"
            " WHERE contype IN ('c', 'u', 'x') AND connamespace = 'public'::regnamespace"
        ).fetchall()
        for table, name in rules:
            db.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE")
        indexes = db.execute(
            "SELECT indexrelid::regclass FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE indisunique AND NOT indisprimary AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (name,) in indexes:
            db.execute(f"DROP INDEX {name}")


# --- Processes ----------------------------------------------------------------------------


def environment(port: int, folder: Path) -> dict[str, str]:
    """A demo's settings, with nothing that would hold fifty patients from one address back."""
    return {
        "DEBUG": "1",
        "SITE_URL": f"http://127.0.0.1:{port}",
        "WEB_THREADS": str(THREADS),
        "DEMO_GATEWAY_BOOK": str(folder / "demo-gateway.sqlite3"),
        **{f"BOOKINGS_PER_HOUR_{who}": UNLIMITED for who in ("ACCOUNT", "PHONE", "ADDRESS")},
    }


@contextmanager
def serving(port: int, folder: Path, *options: str, app="clinic.wsgi") -> Iterator[Site]:
    """gunicorn as in the Procfile, with os.environ's settings and more `options`, ready to answer."""
    log = folder / "web.log"
    usual = f"--bind 127.0.0.1:{port} --worker-class gthread --workers {PROCESSES} --threads {THREADS}"
    quiet = "--no-control-socket --log-level warning --keep-alive 30"
    command = [sys.executable, "-m", "gunicorn", app, *usual.split(), *quiet.split(), *options]
    with log.open("wb") as output:
        server = start(*command, cwd=ROOT, stdout=output, stderr=STDOUT)
    try:
        wait_for(lambda: server.poll() is not None or is_up(port), 30, "the web server")
        if server.poll() is not None:
            raise RuntimeError(f"The web server did not start: {log.read_text(errors='replace')}")
        yield Site(port, log)
    finally:
        stop(server)


@contextmanager
def working(folder: Path, processes: int = 2, interval: float = 0.2) -> Iterator[None]:
    """Workers that look for due work again and again, as in production, only more often."""
    command = [sys.executable, "manage.py", "worker", "--interval", str(interval)]
    with (folder / "worker.log").open("wb") as output:
        workers = [start(*command, cwd=ROOT, stdout=output, stderr=STDOUT) for _ in range(processes)]
    try:
        yield
    finally:
        stop(*workers)


def wait_for(happened: Callable[[], bool], seconds: float, what: str) -> None:
    """Until other processes have done something. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} seconds")
        time.sleep(0.02)


def is_up(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
