"""A closed loop on kept-alive lines, from one thread: each line asks again as soon as it has its answer."""

import gc
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.storms.wire import length, request

PATIENCE = 120
"""Seconds without any answer, after which something is wrong."""


@dataclass
class Run:
    """What one run of a subject came to; `statuses` are HTTP's."""

    requests: int = 0
    bytes: int = 0
    seconds: float = 0
    statuses: Counter = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


@contextmanager
def kept_alive(port: int, lines: int) -> Iterator[list[socket.socket]]:
    """Open lines for several runs. Each is used once before the next is opened: that spreads them
    over the server's processes, where the first to wake would else take them all."""
    with ExitStack() as stack:
        opened = []
        for _ in range(lines):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            drive([line], [request("GET", "/theme.css")])
            opened.append(line)
        yield opened


def drive(lines: list[socket.socket], messages: list[bytes]) -> Run:
    """Sends every message once, one on each line at any moment; there are at least as many as lines.

    Raises ConnectionError when the server closes a line, TimeoutError when it falls silent.
    """
    run, todo = Run(requests=len(messages)), deque(messages)
    received = {line: bytearray() for line in lines}
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line, selectors.EVENT_READ)
        gc.disable()
        try:
            began = time.perf_counter()
            for line in lines:
                line.sendall(todo.popleft())
            while selector.get_map():
                _turn(selector, received, todo, run)
            run.seconds = time.perf_counter() - began
        finally:
            gc.enable()
    return run


def _turn(selector, received, todo, run) -> None:
    """Reads what has come; a line whose answer is complete sends its next message, or is done."""
    ready = selector.select(PATIENCE)
    if not ready:
        raise TimeoutError(f"no answer in {PATIENCE} seconds")
    for key, _events in ready:
        line = key.fileobj
        chunk = line.recv(262_144)
        if not chunk:
            raise ConnectionError(f"the server hung up; so far {dict(run.statuses)}")
        buffer = received[line]
        buffer += chunk
        if not length(buffer):
            continue
        run.statuses[int(buffer[9:12])] += 1
        run.bytes += len(buffer)
        buffer.clear()
        if todo:
            line.sendall(todo.popleft())
        else:
            selector.unregister(line)
