"""A mail server on loopback that takes its time and remembers what came when."""

import asyncio
import email
import logging
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from aiosmtpd.controller import Controller

SLOWNESS = 0.03
"""Seconds that it takes for a mail, at most: a worker may die before the server has said yes, or after."""


class Letterbox:
    """When each mail came, by its Message-ID (time.monotonic)."""

    def __init__(self, port: int):
        self.port = port
        self.came: defaultdict[str, list[float]] = defaultdict(list)

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(random.uniform(0, SLOWNESS))
        self.came[email.message_from_bytes(envelope.content)["Message-ID"]].append(time.monotonic())
        await asyncio.sleep(random.uniform(0, SLOWNESS))
        return "250 OK"


@contextmanager
def receiving(port: int) -> Iterator[Letterbox]:
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd would tell of every word
    box = Letterbox(port)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
