"""One clinic and one Chromium for all journeys; a browser window of its own for every person in them."""

import os
from contextlib import ExitStack

import pytest
from django.db import connection

from tests.browser import server, watching
from tests.browser.scene import Scene
from tests.plugin import on_postgres

HERE = "tests/browser/"


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def site(django_db_setup, django_db_blocker, tmp_path_factory):
    """The sample clinic on the test's own database, which the tests may look into."""
    name = str(connection.settings_dict["NAME"])
    url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}" if on_postgres() else f"sqlite:///{name}"
    with django_db_blocker.unblock(), server.serving(url, tmp_path_factory.mktemp("clinic")) as site:
        yield site
        connection.close()


@pytest.fixture(scope="session")
def scene(site):
    return Scene()


@pytest.fixture(scope="session")
def browser():
    with watching.opened() as browser:
        yield browser


@pytest.fixture(autouse=True)
def clean_surroundings(site):
    """Instead of the one for all tests: here the cache and the gateway's book are the server's own."""


@pytest.fixture
def open_page(browser, site, scene):
    """A function: a page in a fresh browser, on a phone unless `device` says otherwise, signed in
    if an account's address is given. At the end all are asked whether something went wrong.
    """
    with ExitStack() as contexts:
        watcher = watching.Watcher()

        def open_page(account="", *, device=watching.PHONE, **options):
            context = browser.new_context(**{"base_url": site.url} | device | options)
            contexts.enter_context(context)
            context.set_default_timeout(15_000)
            watcher.follow(context)
            if account:
                context.add_cookies([server.session_cookie(site, scene.account(account))])
            return context.new_page()

        yield open_page
    assert not watcher.wrongs, "\n".join(watcher.wrongs)
