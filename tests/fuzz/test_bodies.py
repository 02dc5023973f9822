"""Bodies that are too much, as they come over the wire: the web server's memory stays what it was."""

import http.client
import json
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fuzz.payloads import LARGE, UNREADABLE
from tests.fuzz.rules import SCHEMA

pytestmark = pytest.mark.postgres
MB = 1024
"""/proc counts in KiB."""
POSTS = [path for path, operations in SCHEMA["paths"].items() if "post" in operations]


def peaks(port: int) -> dict[int, int]:
    """The most memory that each process of the server at this port has had so far, in KiB."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            if f"127.0.0.1:{port}" not in (process / "cmdline").read_text():
                continue
            (line,) = (line for line in (process / "status").read_text().splitlines() if "VmHWM" in line)
            found[int(process.name)] = int(line.split()[1])
    return found


def sent(server, path, body, **options):
    """The status, and what was said: a server that does not read on may hang up before we have sent it all."""
    address = path.replace("{id}", server.clinic.own["manager"]["id"][0])
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    headers = server.clinic.headers["manager"] | {"Content-Type": "application/json"}
    try:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", address, body, headers, **options)
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    finally:
        connection.close()


def in_pieces(body: bytes):
    for start in range(0, len(body), 64 * 1024):
        yield body[start : start + 64 * 1024]


def test_ten_megabytes_are_refused_and_take_none(server):
    server.written.since()
    sent(server, POSTS[0], b"{}")
    before = peaks(server.site.port)
    for path in POSTS * 2:
        status, said = sent(server, path, LARGE)
        assert (status, said["code"]) == (413, "TOO_BIG"), path
        status, said = sent(server, path, in_pieces(LARGE), encode_chunked=True)
        assert (400 <= status < 500) and said["code"] and said["message"], path
        for body in UNREADABLE.values():
            assert 400 <= sent(server, path, body)[0] < 500, path
    assert server.written.since() == []
    after = peaks(server.site.port)
    assert before.keys() == after.keys(), "a process was lost"
    assert max(after[pid] - before[pid] for pid in before) < 8 * MB, (before, after)
