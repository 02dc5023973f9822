"""What holds for every page, whoever wrote it."""

import fnmatch

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client

from tests.browser import broken, pages
from tests.browser.watching import DESK

NAMES = sorted({*pages.url_names()})
PAGES = [name for name in NAMES if pages.why_no_page(name) is None]
AXE = {
    "resultTypes": ["violations"],
    "preload": False,  # it would read style sheets again, into inline styles that the CSP forbids
}
FINISH = """() => document.getAnimations()
    .filter(one => isFinite(one.effect.getComputedTiming().endTime)).forEach(one => one.finish())"""
"""Colours that change slowly, from day to night, are no colours to judge."""
NARROW, WIDE, NARROWEST = 390, 1280, 360


@pytest.mark.parametrize("label", [*PAGES, *pages.MORE])
def test_nobody_is_kept_out_of(label, open_page, scene):
    """Broken policies, errors in the console and missing files are found by `open_page`."""
    stop = pages.MORE.get(label) or pages.stop_of(label)
    page = open_page(stop.who, device=DESK)
    pages.visit(page, stop, scene)
    look_closely(page, narrowest=not stop.name.startswith("admin:"))


@pytest.mark.parametrize("way", broken.WAYS)
def test_nobody_is_kept_out_of_an_error(way, open_page):
    page = open_page(device=DESK)
    broken.show(page, way)
    look_closely(page)


def look_closely(page, *, narrowest=True) -> None:
    """axe finds nothing, at a desk and on a phone, by day and by night; and no patient scrolls sideways."""
    found = []
    for width, light in [(WIDE, "light"), (NARROW, "dark"), (NARROW, "light")]:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=light)
        found += [f"{width} {light}: {wrong}" for wrong in objections(page)]
    if narrowest:
        page.set_viewport_size({"width": NARROWEST, "height": 800})
        found += [f"{wide} is wider than {NARROWEST}" for wide in too_wide(page)]
    assert not found, "\n".join([page.url, *found])


def objections(page) -> list[str]:
    """What axe says, rule by rule, with the first elements that it means."""
    page.evaluate(FINISH)
    violations = Axe().run(page, options=AXE).response["violations"]
    return [
        f"{found['id']} ({found['impact']}): {found['help']}: "
        + " | ".join(
            f"{node['target'][0]} {'; '.join(why['message'] for why in node['any'])}"
            for node in found["nodes"][:3]
        )
        for found in violations
    ]


def too_wide(page) -> list[str]:
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
            [...document.querySelectorAll('body *')]
                .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
                .slice(0, 3).map(one => one.tagName + '.' + one.className)"""
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PAGES])
def test_is_really_no_page(name, site, scene):
    """An address stands in NO_PAGES because of what it answers, not because somebody forgot it."""
    client = Client()
    client.force_login(scene.account(pages.ROOT))
    answer = client.get(pages.no_page_url(name, scene))
    assert answer.status_code == pages.why_no_page(name)
    assert answer.status_code != pages.DATA or b"<body" not in answer.getvalue()


def test_whatever_is_said_to_be_no_page_exists():
    patterns = [*pages.NO_PAGES, *pages.STOPS]
    assert not [pattern for pattern in patterns if not fnmatch.filter(NAMES, pattern)]
