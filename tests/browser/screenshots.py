"""Pictures of every page, for people to look at: python -m tests.browser.screenshots FOLDER [WORD …]

Whole pages, on a phone and at a desk, and on a phone in the dark; only those with a WORD in their
name if one is given. `readme` is the picture in README.md.
"""

import base64
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import django

OWN = TemporaryDirectory(prefix="clinic-screenshots-")
DATABASE_URL = f"sqlite:///{OWN.name}/clinic.sqlite3"
os.environ |= {"DEBUG": "1", "DATABASE_URL": DATABASE_URL, "DJANGO_SETTINGS_MODULE": "clinic.settings"}
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright keeps an event loop in this thread
django.setup()

from django.core.management import call_command  # noqa: E402  (these need the apps)

from bookings.models import Booking  # noqa: E402
from tests.browser import broken, pages, server, watching  # noqa: E402
from tests.browser.scene import Scene  # noqa: E402

PHONE, DESK = 390, 1280
HEIGHT = 844
WHOLE = {"full_page": True, "animations": "disabled"}
TWO_PHONES = """<body style="margin:0;display:flex;gap:48px;align-items:center;justify-content:center;
    width:1200px;height:900px;background:linear-gradient(160deg,#e4f1ea,#cfe3da)">
    <img style="width:390px;border-radius:28px;box-shadow:0 18px 50px #0d3b2a38" src="{}">
    <img style="width:390px;border-radius:28px;box-shadow:0 18px 50px #0d3b2a38;margin-top:56px" src="{}">
    </body>"""


def main(folder: Path, words: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    with OWN, server.serving(DATABASE_URL, Path(OWN.name)) as site, watching.opened() as browser:
        if not words or "readme" in words:
            picture_of_readme(browser, site, folder / "readme.png")
        scene = Scene()
        for label, come in everything(site, scene).items():
            if not words or any(word in label for word in words):
                with browser.new_context(base_url=site.url) as context:
                    page = context.new_page()
                    come(page)
                    pictures(page, folder / re.sub(r"\W+", "-", label))


def everything(site, scene) -> dict:
    """By its name, how to come to each page."""

    def way_to(stop):
        def come(page):
            if stop.who:
                page.context.add_cookies([server.session_cookie(site, scene.account(stop.who))])
            pages.visit(page, stop, scene)

        return come

    names = [name for name in dict.fromkeys(pages.url_names()) if pages.why_no_page(name) is None]
    stops = {name: pages.stop_of(name) for name in names} | pages.MORE
    errors = {f"error, {way}": lambda page, way=way: broken.show(page, way) for way in broken.WAYS}
    return {label: way_to(stop) for label, stop in stops.items()} | errors


def pictures(page, file: Path) -> None:
    for name, width, light in [("1280", DESK, "light"), ("390", PHONE, "light"), ("dark", PHONE, "dark")]:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.emulate_media(color_scheme=light)
        page.screenshot(path=f"{file}-{name}.png", **WHOLE)


def picture_of_readme(browser, site, file: Path) -> None:
    """A doctor's page beside the number of the sample patient, before anybody else was here."""
    mine = Booking.objects.waiting().filter(booked_by__email=pages.PATIENT).order_by("pk")[0]
    shots = []
    with browser.new_context(base_url=site.url, viewport={"width": PHONE, "height": 760}) as context:
        page = context.new_page()
        for path in (mine.schedule.doctor.get_absolute_url(), mine.get_absolute_url()):
            page.goto(path)
            shots.append(page.screenshot(animations="disabled"))
            context.add_cookies([server.session_cookie(site, mine.booked_by)])
    with browser.new_context(viewport={"width": 1200, "height": 900}) as context:
        page = context.new_page()
        page.set_content(
            TWO_PHONES.format(*(f"data:image/png;base64,{base64.b64encode(shot).decode()}" for shot in shots))
        )
        page.screenshot(path=file)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    main(Path(sys.argv[1]), sys.argv[2:])
