"""The demo gateway: a stranger with a book of its own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from payments.gateways.base import GatewayError
from payments.gateways.demo import Demo, DemoBook
from tests.gateways.conftest import REFUND, SECRET, order


@pytest.fixture
def book(tmp_path):
    return tmp_path / "a" / "folder" / "book.sqlite3"


@pytest.fixture
def demo(book, inbox):
    return Demo(book=DemoBook(book), site_url=f"{inbox.url}/", webhook_secrets=(SECRET,))


def kinds(demo, wanted):
    return [event.kind for event in demo.fetch(f"demo_{wanted.key}")]


def test_the_page_is_ours_and_shows_what_is_bought(demo, inbox):
    wanted = order()
    started = demo.start(wanted)
    assert started.redirect_url == f"{inbox.url}/demo-gateway/{wanted.key}/"
    shown = demo.order(wanted.key)
    assert (shown.amount_minor, shown.currency, shown.description) == (50_000, "INR", wanted.description)
    assert (shown.return_url, shown.expires_at) == (wanted.return_url, wanted.expires_at)
    assert (shown.captures, shown.ended) == (0, False)


def test_an_order_that_nobody_opened_has_no_page(demo):
    assert demo.order("no-such-key") is None
    for press in (demo.pay, demo.pay_again, demo.decline):
        with pytest.raises(GatewayError):
            press("no-such-key")


def test_a_double_click_pays_once(demo):
    orders = [order() for _ in range(10)]
    for wanted in orders:
        demo.start(wanted)
    clicks = [wanted.key for wanted in orders for _ in range(8)]
    with ThreadPoolExecutor(8) as hands:
        bodies = set(hands.map(demo.pay, clicks))
    assert len(bodies) == len(orders)
    assert {demo.order(wanted.key).captures for wanted in orders} == {1}


def test_paying_twice_is_two_captures_with_names_of_their_own(demo):
    wanted = order()
    demo.start(wanted)
    [one], [two] = demo.parse(demo.pay(wanted.key)), demo.parse(demo.pay_again(wanted.key))
    assert one.payment_key == two.payment_key == wanted.key
    assert one.gateway_payment != two.gateway_payment and one.dedupe_key != two.dedupe_key
    assert demo.fetch(f"demo_{wanted.key}") == [one, two]
    assert demo.order(wanted.key).captures == 2


def test_a_bank_may_answer_after_the_order_was_ended(demo):
    wanted = order()
    demo.cancel(demo.start(wanted).reference)
    with pytest.raises(GatewayError, match="ended") as refusal:
        demo.pay(wanted.key)
    assert not refusal.value.retryable
    demo.pay(wanted.key, late=True)
    assert kinds(demo, wanted) == ["expired", "captured"]
    assert demo.order(wanted.key).ended


def test_an_event_arrives_signed_over_http_and_again_when_it_is_sent_again(demo, inbox):
    wanted = order()
    demo.start(wanted)
    assert demo.bodies(wanted.key) == []
    assert demo.deliver(demo.pay(wanted.key))
    assert demo.deliver(demo.bodies(wanted.key)[-1])
    seen = []
    for _ in range(2):
        path, headers, body = inbox.next()
        assert path == "/api/v1/webhooks/demo"
        seen += demo.read_webhook(headers, body)
    assert seen[0] == seen[1] and seen[0].kind == "captured"


def test_an_event_that_nobody_took_is_still_in_the_book(demo, inbox):
    wanted = order()
    demo.start(wanted)
    inbox.answer = 500
    assert not demo.deliver(demo.pay(wanted.key))
    assert kinds(demo, wanted) == ["captured"]


def test_a_site_that_is_down_loses_nothing(book):
    wanted = order()
    demo = Demo(book=DemoBook(book), site_url="http://127.0.0.1:9", webhook_secrets=(SECRET,))
    demo.start(wanted)
    assert not demo.deliver(demo.pay(wanted.key))
    assert kinds(demo, wanted) == ["captured"]


def test_web_server_and_worker_read_the_same_book(demo, book):
    wanted = order()
    money = demo.parse(demo.start(wanted) and demo.pay(wanted.key))[0].gateway_payment
    worker = Demo(book=DemoBook(book), site_url="http://127.0.0.1:9", webhook_secrets=(SECRET,))
    worker.refund(key=REFUND, gateway_payment=money, amount_minor=50_000, currency="INR")
    assert kinds(demo, wanted) == ["captured", "refund_done"]


def test_a_refund_key_that_comes_back_with_another_amount_is_refused(demo):
    wanted = order()
    demo.start(wanted)
    money = demo.parse(demo.pay(wanted.key))[0].gateway_payment
    demo.refund(key=REFUND, gateway_payment=money, amount_minor=10_000, currency="inr")
    for amount, currency in ((20_000, "INR"), (10_000, "USD")):
        with pytest.raises(GatewayError) as refusal:
            demo.refund(key=REFUND, gateway_payment=money, amount_minor=amount, currency=currency)
        assert not refusal.value.retryable


def test_a_declined_try_is_no_money_to_give_back(demo):
    wanted = order()
    demo.start(wanted)
    tried = demo.parse(demo.decline(wanted.key))[0].gateway_payment
    with pytest.raises(GatewayError):
        demo.refund(key=REFUND, gateway_payment=tried, amount_minor=1, currency="INR")
