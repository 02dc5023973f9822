"""One clinic for all journeys: each opens windows of its own in it."""

import pytest

from tests.journeys import clinic as house


@pytest.fixture(scope="session")
def clinic(tmp_path_factory):
    with house.running(tmp_path_factory.mktemp("clinic")) as clinic:
        yield clinic


@pytest.fixture(autouse=True)
def clean_surroundings():
    """Instead of the one for all tests: cache and gateways are the running clinic's own."""
