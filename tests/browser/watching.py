"""A browser whose every page is watched: it may not break the CSP, log an error or miss a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.services import chromium

FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
DESK = {"viewport": {"width": 1280, "height": 900}}
STATUS_OF_A_FILE = "Failed to load resource"
"""Chromium's words for any answer from 400 on, a page's own too; `missing` is more exact."""


@contextmanager
def opened() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Watcher:
    """What went wrong in the pages of one context; a CSP violation is an error in the console."""

    wrongs: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.wrongs.append(f"{error.page.url}: {error.error}"))
        context.on("response", self._look)

    def _hear(self, message) -> None:
        if message.type == "error" and not message.text.startswith(STATUS_OF_A_FILE):
            self.wrongs.append(f"{message.page.url if message.page else ''}: {message.text}")

    def _look(self, response) -> None:
        request = response.request
        if response.status >= 400 and not request.is_navigation_request():
            self.wrongs.append(f"{request.method} {response.url}: {response.status}")
