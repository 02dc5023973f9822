"""HTTP from one thread with as little work as possible: the server has to share these cores with us."""

import re
import selectors
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def cookie(self) -> str:
        """Every cookie that was set, as a browser sends them back."""
        return "; ".join(each.partition(";")[0] for each in self.headers.get("set-cookie", "").splitlines())

    def __str__(self):
        return f"{self.status} {self.body[:2000].decode(errors='replace')}"


def request(method: str, path: str, body: bytes = b"", *, kind: str = FORM, **headers: str) -> bytes:
    """One HTTP/1.1 request as it goes over the wire. `Demo_Signature="…"` is a header as well."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if method == "POST":
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def form(path: str, fields: dict, cookie: str, *, close=True) -> bytes:
    """A browser's POST of a form. A racer's line is not used again."""
    line = "close" if close else "keep-alive"
    return request("POST", path, urlencode(fields).encode(), Cookie=cookie, Connection=line)


def open_form(port: int, path: str) -> tuple[str, str]:
    """Looks at a form once, as a browser does: its cookies, and its token against forgery."""
    page = ask(port, request("GET", path, Connection="close"))
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
    if token is None:
        raise AssertionError(f"{path} shows no form, but {page}")
    return page.cookie, token[1].decode()


def ask(port: int, message: bytes) -> Answer:
    [answer] = race(port, [message])
    return answer


def race(port: int, messages: Iterable[bytes], *, patience: float = 60) -> list[Answer]:
    """Sends every message on a line of its own and gives the answers in the same order.

    All lines are open before the first byte is sent, so the racers start within a millisecond
    or two of each other and queue inside the server. Raises TimeoutError after `patience` seconds.
    """
    messages = list(messages)
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in messages]
    try:
        for line, message in zip(lines, messages, strict=True):
            line.sendall(message)
        return [parse(content) for content in _read_all(lines, time.monotonic() + patience)]
    finally:
        for line in lines:
            line.close()


def _read_all(lines: list[socket.socket], deadline: float) -> list[bytes]:
    """What came on each line until it was complete, whichever is first."""
    received = {line: bytearray() for line in lines}
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line, selectors.EVENT_READ)
        while selector.get_map():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(selector.get_map())} of {len(lines)} racers got no answer")
            for key, _events in selector.select(1):
                chunk = _receive(key.fileobj)
                received[key.fileobj] += chunk
                if not chunk or length(received[key.fileobj]):
                    selector.unregister(key.fileobj)
    return [bytes(received[line]) for line in lines]


def _receive(line: socket.socket) -> bytes:
    try:
        return line.recv(65536)
    except ConnectionError:
        return b""


def length(received: bytes | bytearray) -> int:
    """How many bytes the first answer in `received` has in all; 0 while some are missing."""
    end = received.find(b"\r\n\r\n") + 4
    if end < 4:
        return 0
    head = bytes(received[:end]).lower()
    if head.startswith((b"http/1.1 204", b"http/1.1 304")):
        return end
    _, found, rest = head.partition(b"\r\ncontent-length:")
    total = end + int(rest.partition(b"\r\n")[0]) if found else 0
    return total if len(received) >= total else 0


def parse(received: bytes) -> Answer:
    """Status 0 stands for a line that was cut before an answer came."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    status = first.split(" ")[1] if first.startswith("HTTP/") else "0"
    headers = {}
    for name, _, value in (line.partition(":") for line in lines):
        headers.setdefault(name.lower(), []).append(value.strip())
    return Answer(int(status), {name: "\n".join(values) for name, values in headers.items()}, body)
