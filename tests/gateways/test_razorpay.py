"""What is Razorpay's own: orders, its signatures, captures, the events it sends, its ways to say no."""

import hmac
import json
import logging
import re
import sys
import time
from hashlib import sha256
from html import unescape
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener, urlopen

import pytest
import razorpay

from payments import gateways
from payments.gateways.base import BadSignature, Captures, GatewayError, OpensOnOurPage
from payments.gateways.razorpay import Razorpay
from tests import services
from tests.gateways.conftest import REFUND, SECRET, edited, order, patiently
from tests.gateways.razorpay_book import KEY_SECRET, Courier


def posted(bench, path):
    """The last JSON sent to a path, and its headers."""
    asked = [r for r in bench.book.requests if (r["method"], r["path"]) == ("POST", path)][-1]
    return json.loads(asked["body"]), asked["headers"]


def parsed(bench, body):
    [event] = bench.gateway.parse(body)
    return event


def told(bench, name):
    return parsed(bench, bench.book.bodies(name)[-1])


def kinds(bench, started):
    return [event.kind for event in bench.gateway.fetch(started.reference)]


def made(bench, kind):
    return [thing for thing in bench.book.objects.values() if thing["entity"] == kind]


# --- Opening an attempt -------------------------------------------------------------------------


def test_an_order_knows_our_key_and_nobody(razorpay_bench):
    wanted = order()
    started = razorpay_bench.gateway.start(wanted)
    form, headers = posted(razorpay_bench, "/v1/orders")
    assert form == {
        "amount": 50_000,
        "currency": "INR",
        "receipt": wanted.key,
        "notes": {"payment": wanted.key},
    }
    assert headers["Authorization"].startswith("Basic ")
    assert started.reference.startswith("order_")
    assert started.redirect_url == started.client_secret == ""


@pytest.mark.parametrize("fault", ["drop", "hang", "500", "html", "garbage", "empty"])
def test_an_order_whose_answer_was_lost_is_found_and_not_made_again(razorpay_bench, fault):
    wanted = order()
    razorpay_bench.book.faults += ["", fault]  # the look for an earlier one goes well
    with pytest.raises(GatewayError) as failure:
        razorpay_bench.with_secrets(SECRET, timeout=(1, 0.3)).start(wanted)
    assert failure.value.retryable
    started = razorpay_bench.gateway.start(wanted)
    assert [each["id"] for each in made(razorpay_bench, "order")] == [started.reference]


def test_of_two_orders_for_one_key_the_older_is_meant(razorpay_bench):
    """Two clicks at the same moment: Razorpay does not mind the same receipt."""
    wanted = order()
    facts = {"amount": 50_000, "currency": "INR", "receipt": wanted.key}
    first, second = (razorpay_bench.book.create_order(facts) for _ in range(2))
    first["created_at"] -= 1
    assert razorpay_bench.gateway.start(wanted).reference == first["id"] != second["id"]


@pytest.mark.parametrize("currency, minor", [("JPY", 500), ("KWD", 1_230), ("INR", 100)])
def test_amounts_are_the_currencys_own_smallest_unit(razorpay_bench, currency, minor):
    started = razorpay_bench.gateway.start(order(amount_minor=minor, currency=currency))
    event = parsed(razorpay_bench, razorpay_bench.pay(started))
    assert (event.amount_minor, event.currency) == (minor, currency)


def test_less_than_a_rupee_is_refused_by_razorpay(razorpay_bench):
    with pytest.raises(GatewayError, match="BAD_REQUEST_ERROR 400 amount") as refusal:
        razorpay_bench.gateway.start(order(amount_minor=99))
    assert not refusal.value.retryable


def test_our_page_learns_what_opens_checkout(razorpay_bench):
    gateway = razorpay_bench.gateway
    assert isinstance(gateway, OpensOnOurPage) and isinstance(gateway, Captures)
    assert gateway.key_id == "rzp_test_1"
    assert gateway.script == f"{razorpay_bench.url}/v1/checkout.js"
    assert gateway.page == f"{razorpay_bench.url}/v1/checkout/embedded"
    assert gateway.origins == (razorpay_bench.url,)
    assert gateway.policy == {"script-src": gateway.origins, "frame-src": gateway.origins}
    real = Razorpay("rzp_live_1", "secret", webhook_secrets=())
    assert real.script == "https://checkout.razorpay.com/v1/checkout.js"
    assert real.page == "https://api.razorpay.com/v1/checkout/embedded"
    assert real.origins == ("https://api.razorpay.com",)
    assert {"https://api.razorpay.com", "https://checkout.razorpay.com"} == {*real.policy["frame-src"]}


@pytest.mark.parametrize("key_id, live", [("rzp_live_1", True), ("rzp_test_1", False), ("", False)])
def test_only_a_live_key_moves_real_money(razorpay_bench, key_id, live):
    """Events don't say: each mode has webhooks, and so secrets, of its own."""
    gateway = Razorpay(key_id, KEY_SECRET, webhook_secrets=())
    body = razorpay_bench.pay(razorpay_bench.gateway.start(order()))
    assert gateway.live is live
    assert [event.live for event in gateway.parse(body)] == [live]


def test_the_installations_settings_build_it(settings, razorpay_bench):
    settings.PAYMENT_GATEWAYS = ["razorpay"]
    settings.RAZORPAY_KEY_ID = "rzp_test_7"
    settings.RAZORPAY_KEY_SECRET = KEY_SECRET
    settings.RAZORPAY_WEBHOOK_SECRET = "now"
    settings.RAZORPAY_WEBHOOK_SECRET_PREVIOUS = ["before", " "]
    settings.RAZORPAY_API_BASE = razorpay_bench.url
    [gateway] = gateways.enabled()
    body = razorpay_bench.pay(gateway.start(order()))
    for secret in ("now", "before"):
        assert gateway.read_webhook({razorpay_bench.header: razorpay_bench.sign(body, secret)}, body)


# --- Signatures -----------------------------------------------------------------------------------

OFFICIAL = (
    "fake_order_id",
    "fake_payment_id",
    "b2335e3b0801106b84a7faff035df56ecffde06918c9ddd1f0fafbb37a51cc89",
)
"""From the tests of Razorpay's own libraries, whose key's secret is `key_secret`."""


def test_razorpays_own_example_of_a_checkouts_signature_is_good():
    assert Razorpay("rzp_test_1", "key_secret", webhook_secrets=()).verify_checkout(*OFFICIAL)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("change", ["", "x", "é", "\ud800", None, 7, b"x", [], {}])
def test_whatever_else_a_browser_brings_is_not(place, change):
    gateway = Razorpay("rzp_test_1", "key_secret", webhook_secrets=())
    assert (
        gateway.verify_checkout(*[change if i == place else good for i, good in enumerate(OFFICIAL)]) is False
    )
    assert gateway.verify_checkout(OFFICIAL[0], OFFICIAL[1], OFFICIAL[2].upper()) is False
    assert gateway.verify_checkout(OFFICIAL[1], OFFICIAL[0], OFFICIAL[2]) is False


@pytest.mark.parametrize("secret", ["", " "])
def test_without_a_secret_no_checkout_is_believed(secret):
    gateway = Razorpay("rzp_test_1", secret, webhook_secrets=())
    anybodys = hmac.new(secret.encode(), b"order_1|pay_1", "sha256").hexdigest()
    assert gateway.verify_checkout("order_1", "pay_1", anybodys) is False


def test_the_webhooks_secret_is_not_the_keys(razorpay_bench):
    started = razorpay_bench.gateway.start(order())
    signature = hmac.new(SECRET.encode(), f"{started.reference}|pay_1".encode(), "sha256").hexdigest()
    assert not razorpay_bench.gateway.verify_checkout(started.reference, "pay_1", signature)


def test_razorpays_own_library_signs_as_we_check(razorpay_bench):
    body = razorpay_bench.pay(razorpay_bench.gateway.start(order()))
    signature = razorpay_bench.sign(body, SECRET)
    assert razorpay.Client(auth=("", "")).utility.verify_webhook_signature(body.decode(), signature, SECRET)
    assert razorpay_bench.gateway.read_webhook({razorpay_bench.header: signature}, body)


def test_an_old_body_under_a_new_event_id_is_the_old_event(razorpay_bench):
    body = razorpay_bench.pay(razorpay_bench.gateway.start(order()))
    headers = {razorpay_bench.header: razorpay_bench.sign(body, SECRET)}
    once, again = (
        razorpay_bench.gateway.read_webhook({**headers, "X-Razorpay-Event-Id": id_}, body) for id_ in "ab"
    )
    assert once == again
    assert once[0].dedupe_key == sha256(body).hexdigest()


# --- Events ---------------------------------------------------------------------------------------


def test_the_order_and_its_payment_tell_of_the_same_money(razorpay_bench):
    wanted = order()
    started = razorpay_bench.gateway.start(wanted)
    paid = parsed(razorpay_bench, razorpay_bench.pay(started))
    captured = told(razorpay_bench, "payment.captured")
    for event in (paid, captured):
        assert (event.kind, event.reference, event.amount_minor) == ("captured", started.reference, 50_000)
    assert paid.gateway_payment == captured.gateway_payment != ""
    assert paid.dedupe_key != captured.dedupe_key
    assert (paid.payment_key, captured.payment_key) == (wanted.key, "")
    assert told(razorpay_bench, "payment.authorized").kind == "authorized"


def test_the_receipt_is_our_key_too(razorpay_bench):
    wanted = order()
    body = razorpay_bench.pay(razorpay_bench.gateway.start(wanted))
    for notes in ([], {}, None, "x", {"payment": []}, {"other": "x"}):
        assert parsed(razorpay_bench, edited(body, notes=notes)).payment_key == wanted.key


def test_what_the_payers_browser_notes_on_a_payment_is_not_our_key(razorpay_bench):
    """Checkout runs over there: whoever pays could name somebody else's attempt."""
    mine, theirs = order(), order()
    started = razorpay_bench.gateway.start(mine)
    payment = razorpay_bench.book.pay(started.reference, {"payment": theirs.key})
    assert payment["notes"] == {"payment": theirs.key}
    assert told(razorpay_bench, "payment.captured").payment_key == ""
    assert told(razorpay_bench, "payment.captured").reference == started.reference
    assert told(razorpay_bench, "order.paid").payment_key == mine.key
    assert {event.payment_key for event in razorpay_bench.gateway.fetch(started.reference)} == {""}


def test_a_failed_try_that_went_through_after_all_is_captured(razorpay_bench):
    started = razorpay_bench.gateway.start(order())
    razorpay_bench.decline(started)
    failure = told(razorpay_bench, "payment.failed")
    assert (failure.kind, failure.reason) == ("failed", "insufficient_funds")
    razorpay_bench.book.pay_late(failure.gateway_payment)
    capture = told(razorpay_bench, "payment.captured")
    assert (capture.kind, capture.gateway_payment, capture.reason) == (
        "captured",
        failure.gateway_payment,
        "",
    )
    assert kinds(razorpay_bench, started) == ["captured"]


def test_a_dispute_is_kept_with_the_money_it_speaks_of(razorpay_bench):
    event = parsed(razorpay_bench, razorpay_bench.pay(razorpay_bench.gateway.start(order())))
    made = razorpay_bench.book.dispute(event.gateway_payment)
    dispute = told(razorpay_bench, "payment.dispute.created")
    assert (dispute.kind, dispute.gateway_payment) == ("dispute_open", event.gateway_payment)
    assert (dispute.amount_minor, dispute.reference) == (50_000, event.reference)
    assert dispute.gateway_dispute == made["id"]
    assert dispute.reason == "goods_or_services_not_received_or_partially_received"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("under_review", "dispute_open"), ("action_required", "dispute_open"),
        ("won", "dispute_won"), ("lost", "dispute_lost"), ("closed", "dispute_won"),
    ],
)  # fmt: skip
def test_a_dispute_ends_as_its_event_says_with_what_was_deducted(razorpay_bench, status, kind):
    event = parsed(razorpay_bench, razorpay_bench.pay(razorpay_bench.gateway.start(order())))
    made = razorpay_bench.book.dispute(event.gateway_payment)
    razorpay_bench.book.move_dispute(made["id"], status)
    [body] = razorpay_bench.book.bodies(f"payment.dispute.{status}")
    ended = parsed(razorpay_bench, body)
    assert (ended.kind, ended.gateway_dispute, ended.amount_minor) == (kind, made["id"], 50_000)
    assert parsed(razorpay_bench, edited(body, amount_deducted=30_000)).amount_minor == 30_000


def test_a_dispute_without_a_name_is_kept_as_other(razorpay_bench):
    event = parsed(razorpay_bench, razorpay_bench.pay(razorpay_bench.gateway.start(order())))
    razorpay_bench.book.dispute(event.gateway_payment)
    nameless = json.loads(razorpay_bench.book.bodies("payment.dispute.created")[0])
    nameless["payload"]["dispute"]["entity"]["id"] = None
    assert parsed(razorpay_bench, json.dumps(nameless)).kind == "other"


OTHERS = {
    "of a bank": {
        "event": "payment.downtime.started",
        "payload": {"payment.downtime": {"entity": {"id": "x"}}},
    },
    "with names of ours": {"event": "x", "payload": {"name": {"entity": {}}, "self": 1, "dedupe_key": []}},
    "captured nothing": {"event": "payment.captured", "payload": {"order": {"entity": {"id": "order_1"}}}},
    "captured no object": {"event": "payment.captured", "payload": {"payment": {"entity": [1]}}},
    "paid by nobody": {"event": "order.paid", "payload": {"payment": {"entity": {"id": 7}}}},
    "refund of nothing": {"event": "refund.processed", "payload": {"payment": {"entity": {"id": "pay_1"}}}},
}


@pytest.mark.parametrize("which", OTHERS)
def test_a_signed_event_that_names_no_money_is_kept_as_other(razorpay_bench, which):
    body = json.dumps(OTHERS[which]).encode()
    [event] = razorpay_bench.gateway.read_webhook(
        {razorpay_bench.header: razorpay_bench.sign(body, SECRET)}, body
    )
    assert (event.kind, event.amount_minor) == ("other", 0)


NO_EVENTS = [
    {"event": "payment.captured"},
    {"event": "payment.captured", "payload": None},
    {"event": "payment.captured", "payload": []},
    {"event": "payment.captured", "payload": {}},
    {"event": 7, "payload": {"payment": {}}},
    {"event": "", "payload": {"payment": {}}},
    {"event": "x\0", "payload": {"payment": {}}},
    {"event": "x" * 300, "payload": {"payment": {}}},
    {"payload": {"payment": {}}},
]


@pytest.mark.parametrize("event", NO_EVENTS, ids=str)
def test_a_signed_body_that_is_no_event_of_razorpays_is_refused(razorpay_bench, event):
    body = json.dumps(event).encode()
    with pytest.raises(BadSignature):
        razorpay_bench.gateway.read_webhook({razorpay_bench.header: razorpay_bench.sign(body, SECRET)}, body)


# --- Ending and late money ------------------------------------------------------------------------


def test_an_order_can_be_paid_after_we_gave_it_up_and_is_told(razorpay_bench):
    """Razorpay's orders never end: settling finds a place or gives the money back."""
    started = razorpay_bench.gateway.start(order())
    before = len(razorpay_bench.book.requests)
    assert razorpay_bench.gateway.cancel(started.reference) is False
    assert len(razorpay_bench.book.requests) == before
    assert kinds(razorpay_bench, started) == []
    razorpay_bench.pay(started)
    assert kinds(razorpay_bench, started) == ["captured"]


# --- Capturing ------------------------------------------------------------------------------------


@pytest.fixture
def authorized(razorpay_bench):
    started = razorpay_bench.gateway.start(order())
    return razorpay_bench.book.authorize(started.reference)


def capture(bench, payment, amount_minor=50_000, **options):
    gateway = bench.with_secrets(SECRET, **options)
    return gateway.capture(gateway_payment=payment["id"], amount_minor=amount_minor, currency="inr")


def test_an_authorised_payment_is_captured_once_however_often_it_is_asked_for(razorpay_bench, authorized):
    assert [event.kind for event in razorpay_bench.gateway.fetch(authorized["order_id"])] == ["authorized"]
    first, again = capture(razorpay_bench, authorized), capture(razorpay_bench, authorized)
    assert first == again
    assert (first.kind, first.amount_minor, first.currency) == ("captured", 50_000, "INR")
    assert (first.gateway_payment, first.reference) == (authorized["id"], authorized["order_id"])
    assert len(razorpay_bench.book.bodies("payment.captured")) == 1
    assert razorpay_bench.gateway.fetch(authorized["order_id"]) == [first]


@pytest.mark.parametrize("fault", ["drop", "hang", "500", "html", "garbage", "empty", "busy"])
def test_a_capture_whose_answer_was_lost_is_done_once(razorpay_bench, authorized, fault):
    razorpay_bench.book.faults.append(fault)
    with pytest.raises(GatewayError) as failure:
        capture(razorpay_bench, authorized, timeout=(1, 0.3))
    assert failure.value.retryable
    assert capture(razorpay_bench, authorized).kind == "captured"
    assert len(razorpay_bench.book.bodies("payment.captured")) == 1


def test_a_capture_is_given_up_before_razorpay_gives_up_the_webhook_that_asks_for_it(
    razorpay_bench, authorized
):
    razorpay_bench.book.faults.append("hang")
    began = time.monotonic()
    with pytest.raises(GatewayError):
        capture(razorpay_bench, authorized, timeout=(3, 10))
    assert time.monotonic() - began < 4


def test_another_amount_than_was_authorised_is_not_captured(razorpay_bench, authorized):
    with pytest.raises(GatewayError) as refusal:
        capture(razorpay_bench, authorized, amount_minor=49_999)
    assert not refusal.value.retryable
    assert not authorized["captured"]


def test_what_nobody_captured_in_time_was_never_our_money(razorpay_bench, authorized):
    razorpay_bench.book.lapse(authorized["id"])
    with pytest.raises(GatewayError) as refusal:
        capture(razorpay_bench, authorized)
    assert not refusal.value.retryable
    assert [event.kind for event in razorpay_bench.gateway.fetch(authorized["order_id"])] == ["failed"]


def test_an_answer_to_a_capture_that_is_none_can_be_asked_for_again(razorpay_bench, authorized):
    razorpay_bench.book.faults.append(json.dumps(authorized))
    with pytest.raises(GatewayError) as failure:
        capture(razorpay_bench, authorized)
    assert failure.value.retryable


# --- Refunds --------------------------------------------------------------------------------------


@pytest.fixture
def money(razorpay_bench):
    return parsed(razorpay_bench, razorpay_bench.pay(razorpay_bench.gateway.start(order()))).gateway_payment


def refund(bench, money, key=REFUND, amount_minor=20_000, **options):
    gateway = bench.with_secrets(SECRET, **options)
    return gateway.refund(key=key, gateway_payment=money, amount_minor=amount_minor, currency="INR")


def test_a_refund_carries_its_key(razorpay_bench, money):
    result = refund(razorpay_bench, money)
    form, headers = posted(razorpay_bench, f"/v1/payments/{money}/refund")
    assert form == {"amount": 20_000, "notes": {"refund": REFUND}}
    assert headers["X-Refund-Idempotency"] == REFUND
    event = told(razorpay_bench, "refund.processed")
    assert (event.kind, event.refund_key, event.amount_minor) == ("refund_done", REFUND, 20_000)
    assert (event.gateway_payment, event.gateway_refund) == (money, result.gateway_refund)
    assert told(razorpay_bench, "refund.created").kind == "other"


def test_a_part_is_not_sent_twice_after_razorpay_has_forgotten_the_key(razorpay_bench, money):
    first = refund(razorpay_bench, money)
    razorpay_bench.book.answers.clear()
    assert refund(razorpay_bench, money) == first
    assert len(made(razorpay_bench, "refund")) == 1


@pytest.mark.parametrize("fault", ["drop", "hang", "500", "html", "garbage", "empty", "busy"])
def test_a_refund_whose_answer_was_lost_goes_out_once(razorpay_bench, money, fault):
    razorpay_bench.book.faults += ["", fault]  # the look for an earlier one goes well
    with pytest.raises(GatewayError) as failure:
        refund(razorpay_bench, money, timeout=(1, 0.3))
    assert failure.value.retryable
    assert refund(razorpay_bench, money).status == "done"
    assert len(made(razorpay_bench, "refund")) == 1


def test_of_two_senders_at_once_one_is_asked_to_wait(razorpay_bench, money):
    razorpay_bench.book.slowness = 30
    razorpay_bench.book.faults += ["", "slow"]
    slow = Thread(target=refund, args=(razorpay_bench, money), kwargs={"timeout": (1, 30)})
    slow.start()
    while not razorpay_bench.book.in_flight:
        time.sleep(0.01)
    with pytest.raises(GatewayError, match="409") as failure:
        refund(razorpay_bench, money)
    razorpay_bench.book.awake.set()
    slow.join()
    assert failure.value.retryable
    assert refund(razorpay_bench, money).status == "done"
    assert len(made(razorpay_bench, "refund")) == 1


def test_a_refund_under_way_is_pending_until_razorpay_tells(razorpay_bench, money):
    razorpay_bench.book.slow_refunds = True
    pending = refund(razorpay_bench, money)
    assert pending.status == refund(razorpay_bench, money).status == "pending"
    reference = razorpay_bench.book.get(money)["order_id"]
    assert [event.kind for event in razorpay_bench.gateway.fetch(reference)] == ["captured"]
    razorpay_bench.book.settle_refund(pending.gateway_refund)
    assert refund(razorpay_bench, money).status == "done"


def test_a_refund_that_the_bank_sends_back_has_failed(razorpay_bench, money):
    result = refund(razorpay_bench, money, amount_minor=50_000)
    razorpay_bench.book.fail_refund(result.gateway_refund)
    event = told(razorpay_bench, "refund.failed")
    assert (event.kind, event.refund_key) == ("refund_failed", REFUND)
    assert refund(razorpay_bench, money, amount_minor=50_000).status == "failed"
    fetched = razorpay_bench.gateway.fetch(event.reference)
    assert [(each.kind, each.refund_key) for each in fetched] == [("captured", ""), ("refund_failed", REFUND)]


def test_money_given_back_in_the_dashboard_is_told_without_a_key_of_ours(razorpay_bench, money):
    theirs = razorpay_bench.book.create_refund({"id": money, "amount": 50_000})
    event = told(razorpay_bench, "refund.processed")
    assert (event.kind, event.refund_key, event.gateway_refund) == ("refund_done", "", theirs["id"])
    with pytest.raises(GatewayError) as refusal:
        refund(razorpay_bench, money)
    assert not refusal.value.retryable


def test_a_refund_waits_for_the_clinics_balance(razorpay_bench, money):
    """Razorpay calls that a bad request; but after the next patients there is enough."""
    razorpay_bench.book.balance = 0
    with pytest.raises(GatewayError, match="not enough balance") as failure:
        refund(razorpay_bench, money)
    assert failure.value.retryable
    razorpay_bench.book.balance = None
    assert refund(razorpay_bench, money).status == "done"


def test_a_key_that_is_too_short_for_razorpay_is_refused(razorpay_bench, money):
    with pytest.raises(GatewayError) as refusal:
        refund(razorpay_bench, money, key="short")
    assert not refusal.value.retryable


# --- Ways to say no -------------------------------------------------------------------------------


def test_a_refused_key_can_be_put_right(razorpay_bench):
    for pair in (("rzp_test_1", "wrong"), ("", "")):
        gateway = Razorpay(*pair, webhook_secrets=(), api_base=razorpay_bench.url)
        with pytest.raises(GatewayError, match="401") as refusal:
            gateway.start(order())
        assert refusal.value.retryable


PASSING = [
    '400 {"error": {"code": "BAD_REQUEST_ERROR", "description": "another payment operation is in progress"}}',
    '400 {"error": {"code": "GATEWAY_ERROR", "description": "x"}}',
    '400 {"error": "x"}',
    "400 []",
    "404 {}",
    "403 {}",
    "502 {}",
    "302 {}",
    '302 {"id": "order_1", "items": []}',
    "204 {}",
]


@pytest.mark.parametrize("answer", PASSING)
def test_everything_but_a_clear_no_can_be_asked_for_again(razorpay_bench, money, answer):
    razorpay_bench.book.faults += ["", answer]
    with pytest.raises(GatewayError) as failure:
        refund(razorpay_bench, money)
    assert failure.value.retryable


def test_no_call_waits_for_ever(razorpay_bench, money):
    gateway = razorpay_bench.with_secrets(SECRET, timeout=(1, 0.1))
    reference, began = razorpay_bench.book.get(money)["order_id"], time.monotonic()
    facts = {"gateway_payment": money, "amount_minor": 50_000, "currency": "INR"}
    for ask, calls_before in (
        (lambda: gateway.start(order()), 0),
        (lambda: gateway.start(order()), 1),
        (lambda: gateway.fetch(reference), 0),
        (lambda: gateway.fetch(reference), 1),
        (lambda: gateway.refund(key=REFUND, **facts), 0),
        (lambda: gateway.refund(key=REFUND, **facts), 1),
        (lambda: gateway.capture(**facts), 0),
        (lambda: gateway.capture(**facts), 1),
    ):
        razorpay_bench.book.faults += [""] * calls_before + ["hang"]
        with pytest.raises(GatewayError, match="Timeout"):
            ask()
    assert time.monotonic() - began < 10


STRANGE = [
    "{}",
    "[]",
    '{"items": {}}',
    '{"items": [7]}',
    '{"items": [{"id": null}]}',
    '{"error": "x"}',
    '{"id": 7, "items": null}',
    "[" * 50_000 + "]" * 50_000,
    '{"id": ' + "9" * 10_000 + "}",
]


@pytest.mark.parametrize("answer", STRANGE, ids=lambda answer: answer[:24])
def test_an_answer_of_a_shape_that_razorpay_never_sends_can_be_asked_for_again(razorpay_bench, money, answer):
    gateway, reference = razorpay_bench.gateway, razorpay_bench.book.get(money)["order_id"]
    for ask, calls_before in (
        (lambda: gateway.start(order()), 0),
        (lambda: gateway.start(order()), 1),
        (lambda: gateway.fetch(reference), 0),
        (lambda: gateway.fetch(reference), 1),
        (lambda: refund(razorpay_bench, money), 0),
        (lambda: refund(razorpay_bench, money), 1),
        (lambda: capture(razorpay_bench, {"id": money}), 0),
        (lambda: capture(razorpay_bench, {"id": money}), 1),
    ):
        razorpay_bench.book.faults += [""] * calls_before + [answer]
        with pytest.raises(GatewayError) as failure:
            ask()
        assert failure.value.retryable


def test_nothing_that_razorpay_writes_reaches_our_logs_our_output_or_our_messages(
    razorpay_bench, money, caplog, capfd
):
    """The SDK prints failed calls to stdout, where our log lines go."""
    caplog.set_level(logging.DEBUG)
    started = razorpay_bench.gateway.start(order())
    razorpay_bench.decline(started)
    razorpay_bench.gateway.fetch(started.reference)
    messages = []
    for fault in (*razorpay_bench.faults, '{"error": {"code": "Asha Rao", "reason": "asha@example.com"}}'):
        with pytest.raises(GatewayError) as failure:
            razorpay_bench.failing(fault).fetch(started.reference)
        messages.append(f"{failure.value!r} {failure.value.__context__!r} {failure.value.__cause__!r}")
    with pytest.raises(GatewayError) as refusal:
        refund(razorpay_bench, money, amount_minor=60_000)
    assert refusal.value.message == "Razorpay: BAD_REQUEST_ERROR 400"
    seen = caplog.text + "".join(messages)
    for private in (
        "Asha",
        "asha@example.com",
        "9190000",
        "facing some trouble",
        "greater than",
        "Gateway</h1>",
    ):
        assert private not in seen
    assert capfd.readouterr() == ("", "")


# --- The stand-in ---------------------------------------------------------------------------------


def control(url, name, **asked):
    with urlopen(f"{url}/_control/{name}", data=json.dumps(asked).encode()) as answer:
        return json.load(answer)


def test_the_stand_in_is_a_process_that_tells_until_it_is_heard(inbox):
    port = services.free_port()
    command = (sys.executable, "-m", "tests.gateways.razorpay_server", "--port", str(port))
    webhook = f"{inbox.url}/api/v1/webhooks/razorpay"
    server = services.start(*command, "--webhook", webhook, "--secret", SECRET)
    url = f"http://127.0.0.1:{port}"
    try:
        gateway = Razorpay("rzp_test_1", KEY_SECRET, webhook_secrets=(SECRET,), api_base=url)
        wanted = order()
        started = patiently(gateway.start, wanted)
        inbox.answer = 500
        payment = control(url, "pay", id=started.reference)
        first = [inbox.next()[2] for _ in range(3)]
        inbox.answer = 200
        heard = {}
        for _ in range(3):
            path, headers, body = inbox.next()
            assert path == "/api/v1/webhooks/razorpay"
            [event] = gateway.read_webhook(headers, body)
            heard[event.name] = event.kind
            assert body in first and event.gateway_payment == payment["id"]
        assert heard == {
            "payment.authorized": "authorized",
            "payment.captured": "captured",
            "order.paid": "captured",
        }
        gateway.refund(key=REFUND, gateway_payment=payment["id"], amount_minor=20_000, currency="INR")
        book = control(url, "book")
        assert (book["captured"], book["refunded"], book["given_up"]) == (50_000, 20_000, 0)
        assert {thing["entity"] for thing in book["objects"]} == {"order", "payment", "refund"}
    finally:
        services.stop(server)


def test_the_stand_in_sends_duplicates_and_disorder_on_request(razorpay_bench, inbox):
    book = razorpay_bench.book
    book.courier = Courier(inbox.url, SECRET, copies=2, scatter=0.05)
    razorpay_bench.pay(razorpay_bench.gateway.start(order()))
    heard = [inbox.next()[2] for _ in range(6)]
    assert sorted(heard) == sorted(book.bodies() * 2)
    until = time.monotonic() + 5
    while book.courier.undelivered and time.monotonic() < until:
        time.sleep(0.01)
    assert book.summary()["undelivered"] == 0
    assert control(razorpay_bench.url, "deliver", events=[2, 0, 0]) == {"statuses": [200, 200, 200]}
    asked = [inbox.next()[2] for _ in range(3)]
    assert asked == [book.bodies()[number] for number in (2, 0, 0)]


def test_the_stand_in_gives_up_what_nobody_takes_and_says_so(razorpay_bench, inbox, capfd):
    inbox.answer = 400
    razorpay_bench.book.courier = Courier(inbox.url, SECRET, tries=2, wait=0.01)
    razorpay_bench.book.decline(razorpay_bench.gateway.start(order()).reference)
    until = time.monotonic() + 5
    while razorpay_bench.book.summary()["given_up"] == 0 and time.monotonic() < until:
        time.sleep(0.01)
    assert razorpay_bench.book.summary()["given_up"] == 1
    assert "given up after 400" in capfd.readouterr().err


def test_the_stand_ins_bad_days_come_by_chance_at_a_rate(razorpay_bench):
    started = razorpay_bench.gateway.start(order())
    control(razorpay_bench.url, "chaos", rates={"500": 0.2, "html": 0.2}, seed=7)
    failed = 0
    for _ in range(100):
        try:
            razorpay_bench.gateway.fetch(started.reference)
        except GatewayError:
            failed += 1
    assert 25 < failed < 55


class Stay(HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


def hidden(page):
    return {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', page)}


def checkout(bench, started, **more):
    form = {"key_id": bench.gateway.key_id, "order_id": started.reference, **more}
    with build_opener(Stay).open(Request(bench.gateway.page, urlencode(form).encode())) as page:
        return page.read().decode()


def test_the_stand_ins_page_declines_pays_and_hands_back_a_signed_receipt(razorpay_bench):
    started = razorpay_bench.gateway.start(order())
    back = {"callback_url": "http://127.0.0.1:9/back/?a=1&b=2", "cancel_url": "http://127.0.0.1:9/pay/"}
    page = checkout(razorpay_bench, started, **back)
    assert "Pay</button>" in page and hidden(page)["callback_url"] == back["callback_url"]
    assert "insufficient" in checkout(razorpay_bench, started, **back, act="decline")
    with pytest.raises(HTTPError) as left:
        checkout(razorpay_bench, started, **back, act="leave")
    left.value.close()
    assert (left.value.code, left.value.headers["Location"]) == (303, back["cancel_url"])
    receipt = hidden(checkout(razorpay_bench, started, **back, act="pay"))
    assert receipt["razorpay_order_id"] == started.reference
    assert razorpay_bench.gateway.verify_checkout(
        started.reference, receipt["razorpay_payment_id"], receipt["razorpay_signature"]
    )
    assert kinds(razorpay_bench, started) == ["failed", "captured"]


def test_the_stand_ins_script_frames_the_same_page(razorpay_bench):
    started = razorpay_bench.gateway.start(order())
    with urlopen(razorpay_bench.gateway.script) as script:
        assert "window.Razorpay" in script.read().decode()
    with urlopen(f"{razorpay_bench.url}/checkout?key_id=rzp_test_1&order_id={started.reference}") as page:
        assert "Pay</button>" in page.read().decode()
    assert '"name": "dismissed"' in checkout(razorpay_bench, started, act="leave")
    assert '"razorpay_signature"' in checkout(razorpay_bench, started, act="pay")
