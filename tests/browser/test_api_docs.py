"""The API's page of documentation: it loads nothing from elsewhere, and breaks no rule of ours for pages."""

from tests.browser import watching


def test_it_shows_every_operation_offline(open_page):
    page = open_page(device=watching.DESK)
    elsewhere = []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.goto("/api/v1/docs")
    page.get_by_text("/api/v1/bookings/start").click()
    page.get_by_text("Takes a place and opens the way to pay for it.").wait_for()
    page.wait_for_load_state("networkidle")
    own = page.evaluate("location.origin")
    assert [url for url in elsewhere if not url.startswith((own, "data:"))] == []
