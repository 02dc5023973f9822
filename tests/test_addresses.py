"""Addresses that nobody typed: no page and no operation of the API fails over them."""

import re

import pytest
from django.urls import URLPattern, get_resolver

pytestmark = pytest.mark.django_db


def patterns(resolver, before=""):
    """Every address of the site as it is written down: "b/<str:public_id>/status"."""
    for found in resolver.url_patterns:
        here = f"{before}{found.pattern}"
        if isinstance(found, URLPattern):
            yield here
        else:
            yield from patterns(found, here)


def test_nul_in_an_address_is_refused_before_any_database_is_asked(client):
    for pattern in {*patterns(get_resolver())}:
        for filled in (re.sub(r"<[^>]*>", "1", pattern) + "?q=%00", re.sub(r"<[^>]*>", "a%00b", pattern)):
            address = "/" + filled.replace("^", "").replace("$", "")
            assert "%00" not in address or client.get(address).status_code == 400, address


def test_a_percent_sign_that_is_meant_is_read(client):
    assert client.get("/", {"q": "%00"}).status_code == 200


def test_it_is_said_as_everything_is_there(client):
    assert "can’t be read" in client.get("/b/%00/").content.decode()
    assert client.get("/api/v1/doctors?q=%00").json()["code"] == "MALFORMED"
