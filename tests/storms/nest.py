"""Workers that live for a moment: each is killed (-9) at a random instant and the next one is born at once.

python -m tests.storms.nest --workers 4 --count FILE: forks `manage.py worker`, so that no life is
spent on importing Django, until it is told to stop. FILE grows by a byte for every kill.
"""

import argparse
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import django

from tests.services import LIBC, PR_SET_PDEATHSIG

LIFE = 0.02, 0.75
"""Seconds of its own processor time, at least and at most: on a busy machine it gets as far as on an idle one."""
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.storms.nest", description=__doc__)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--count", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    django.setup()
    hatch()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    dice, ends = random.Random(asked.seed), {}
    with asked.count.open("ab", buffering=0) as kills:
        try:
            while True:
                while len(ends) < asked.workers:
                    ends[born()] = dice.uniform(*LIFE)
                for worker in [worker for worker, end in ends.items() if lived(worker) >= end]:
                    kill(worker)
                    del ends[worker]
                    kills.write(b"x")
                time.sleep(0.005)
        finally:
            for worker in ends:
                kill(worker)


def hatch() -> None:
    """Imports all that a worker would, and opens nothing: children share what is open."""
    from django.conf import settings
    from django.utils.module_loading import import_string

    from clinic.management.commands import worker  # noqa: F401

    for path in [*settings.SWEEPS, *settings.NOTICE_WORDS.values()]:
        import_string(path)


def born() -> int:
    """A worker, as `manage.py worker` is one; its process id."""
    child = os.fork()
    if child:
        return child
    LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    random.seed()
    try:
        from django.core.management import call_command

        call_command("worker", interval=0.1)
    finally:
        os._exit(1)


def lived(worker: int) -> float:
    """Seconds of processor time that it has had."""
    fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def kill(worker: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    _pid, status = os.waitpid(worker, 0)
    if os.WTERMSIG(status) != signal.SIGKILL:
        raise RuntimeError(f"a worker ended by itself: {status}")


if __name__ == "__main__":
    main()
