"""The clinic's colours, and pages that say sorry."""

import pytest
from django.test import Client

from clinic import theme
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("accent", ["#00704d", "#FFD400", "#fff", "#000", "#7f7f7f", "#0f1513", "#c00"])
def test_whatever_colour_a_clinic_picks_its_buttons_can_be_read(accent):
    for paper in (theme.WHITE, theme.PAPER_DARK):
        colour = theme.against(paper, theme.parse(accent))
        assert theme.contrast(colour, paper) >= theme.SEEN
        assert max(theme.contrast(colour, ink) for ink in (theme.WHITE, theme.BLACK)) >= 4.5
        assert theme.hexa(colour) in theme.css(accent)


@pytest.mark.parametrize(
    "accent", ["", "red", "#12345", "#1234567", "#fff}body{display:none", "url(//x)", "#ＦＦＦ"]
)
def test_what_is_no_colour_is_left_out(accent):
    assert "--accent" not in theme.css(accent)


def test_a_colour_that_is_fine_stays_as_it_is():
    assert "--accent: #00704d; --accent-ink: #ffffff;" in theme.css("#00704d").splitlines()[0]


def test_the_theme_is_kept_for_an_hour_and_asked_for_by_its_tag(client, settings):
    settings.CLINIC_ACCENT = "#aa0055"
    answer = client.get("/theme.css")
    assert answer["Content-Type"].startswith("text/css")
    assert "max-age=3600" in answer["Cache-Control"]
    assert "#aa0055" in answer.content.decode()
    assert client.get("/theme.css", headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_a_page_that_is_not_there_says_so_in_our_words(client):
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "find that page" in answer.content.decode()


def test_a_form_without_its_token_says_that_the_page_was_open_too_long():
    window = factories.window()
    answer = Client(enforce_csrf_checks=True).post(window.get_absolute_url(), {"name": "Ravi"})
    assert answer.status_code == 403
    assert "open for too long" in answer.content.decode()


def test_an_error_of_ours_warns_against_paying_again(client, settings):
    settings.PAYMENT_READY = "nowhere.to.be.found"
    client.raise_request_exception = False
    answer = client.get(factories.window().doctor.get_absolute_url())
    assert answer.status_code == 500
    assert "pay again" in answer.content.decode()


@pytest.mark.parametrize("path", ["/", "/board/", "/accounts/login/", "/accounts/signup/"])
def test_no_page_allows_inline_scripts_or_styles(client, path):
    answer = client.get(path)
    policy = answer["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    page = answer.content.decode()
    assert " style=" not in page
    assert "<style" not in page
    assert "onclick" not in page


def test_a_visitor_gets_no_session(client):
    window = factories.window()
    for path in ("/", window.doctor.get_absolute_url(), window.get_absolute_url()):
        assert "sessionid" not in client.get(path).cookies
