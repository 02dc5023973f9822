"""What is Stripe's own: the form it asks for, the events it sends, the ways it says no."""

import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode
from urllib.request import urlopen
from uuid import uuid4

import pytest
import stripe

from payments.gateways.base import GatewayError
from payments.gateways.stripe import Stripe
from tests import services
from tests.gateways.conftest import REFUND, SECRET, StripeBench, edited, order, patiently


def posted(bench, path):
    """The last form sent to a path, and its headers."""
    asked = [r for r in bench.book.requests if (r["method"], r["path"]) == ("POST", path)][-1]
    return dict(parse_qsl(asked["body"])), asked["headers"]


def parsed(bench, body):
    [event] = bench.gateway.parse(body)
    return event


def told(bench, name):
    return parsed(bench, bench.book.bodies(name)[-1])


# --- Opening an attempt -------------------------------------------------------------------------


def test_a_browser_gets_a_checkout_session_that_knows_our_key_and_nobody(stripe_bench):
    wanted = order()
    started = stripe_bench.gateway.start(wanted)
    form, headers = posted(stripe_bench, "/v1/checkout/sessions")
    ends = int((wanted.expires_at + timedelta(minutes=35)).timestamp())
    assert form == {
        "mode": "payment",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "inr",
        "line_items[0][price_data][unit_amount]": "50000",
        "line_items[0][price_data][product_data][name]": wanted.description,
        "payment_method_types[0]": "card",
        "adaptive_pricing[enabled]": "false",
        "client_reference_id": wanted.key,
        "metadata[payment]": wanted.key,
        "payment_intent_data[metadata][payment]": wanted.key,
        "expires_at": str(ends),
        "success_url": wanted.return_url,
        "cancel_url": wanted.return_url,
    }
    assert headers["Idempotency-Key"] == wanted.key
    assert started.reference.startswith("cs_") and started.client_secret == ""


@pytest.mark.parametrize("left", [timedelta(seconds=1), timedelta(minutes=15), timedelta(hours=23)])
def test_a_session_lives_as_long_as_stripe_demands_however_little_of_the_hold_is_left(stripe_bench, left):
    late = order()
    wanted = order(expires_at=late.expires_at - timedelta(minutes=15) + left)
    assert stripe_bench.gateway.start(wanted).reference


def test_a_hold_longer_than_stripes_day_is_refused_by_stripe(stripe_bench):
    with pytest.raises(GatewayError) as refusal:
        stripe_bench.gateway.start(order(expires_at=order().expires_at + timedelta(days=1)))
    assert not refusal.value.retryable


def test_an_app_gets_a_payment_intent_for_cards(stripe_bench):
    wanted = order(for_app=True)
    started = stripe_bench.gateway.start(wanted)
    form, headers = posted(stripe_bench, "/v1/payment_intents")
    assert form == {
        "amount": "50000",
        "currency": "inr",
        "metadata[payment]": wanted.key,
        "payment_method_types[0]": "card",
    }
    assert headers["Idempotency-Key"] == wanted.key
    assert started.reference.startswith("pi_") and started.redirect_url == ""
    assert started.client_secret.startswith(f"{started.reference}_secret_")


def test_an_apps_payment_is_declined_paid_fetched_and_given_back(stripe_bench):
    wanted = order(for_app=True)
    started = stripe_bench.gateway.start(wanted)
    stripe_bench.decline(started)
    [failure] = stripe_bench.gateway.fetch(started.reference)
    assert (failure.kind, failure.reason) == ("failed", "insufficient_funds")
    stripe_bench.pay(started)
    [capture] = stripe_bench.gateway.fetch(started.reference)
    assert (capture.kind, capture.payment_key) == ("captured", wanted.key)
    assert capture.gateway_payment == capture.reference == started.reference
    stripe_bench.gateway.cancel(started.reference)
    stripe_bench.gateway.refund(
        key=REFUND, gateway_payment=started.reference, amount_minor=50_000, currency="INR"
    )
    kinds = [event.kind for event in stripe_bench.gateway.fetch(started.reference)]
    assert kinds == ["captured", "refund_done"]


def test_an_apps_cancelled_payment_is_expired(stripe_bench):
    started = stripe_bench.gateway.start(order(for_app=True))
    stripe_bench.gateway.cancel(started.reference)
    assert [event.kind for event in stripe_bench.gateway.fetch(started.reference)] == ["expired"]
    assert told(stripe_bench, "payment_intent.canceled").kind == "expired"


def test_a_customer_is_made_of_our_key_and_reused(stripe_bench):
    customer = stripe_bench.gateway.create_customer("account-7")
    form, headers = posted(stripe_bench, "/v1/customers")
    assert form == {"metadata[account]": "account-7"}
    assert headers["Idempotency-Key"] == "customer-account-7"
    for for_app, path in ((False, "/v1/checkout/sessions"), (True, "/v1/payment_intents")):
        stripe_bench.gateway.start(order(customer=customer, for_app=for_app))
        assert posted(stripe_bench, path)[0]["customer"] == customer


@pytest.mark.parametrize("currency, minor, theirs", [("ISK", 500, 50_000), ("UGX", 7, 700), ("KRW", 9, 9)])
def test_krona_and_shilling_have_decimals_for_stripe_alone(stripe_bench, currency, minor, theirs):
    started = stripe_bench.gateway.start(order(amount_minor=minor, currency=currency))
    form, _headers = posted(stripe_bench, "/v1/checkout/sessions")
    assert form["line_items[0][price_data][unit_amount]"] == str(theirs)
    event = parsed(stripe_bench, stripe_bench.pay(started))
    assert (event.amount_minor, event.currency) == (minor, currency)
    stripe_bench.gateway.refund(
        key=REFUND, gateway_payment=event.gateway_payment, amount_minor=minor, currency=currency
    )
    assert posted(stripe_bench, "/v1/refunds")[0]["amount"] == str(theirs)


# --- A key that Stripe may have forgotten ---------------------------------------------------------


def ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def listed(bench) -> int:
    return sum(r["method"] == "GET" and "?" in r["path"] for r in bench.book.requests)


@pytest.mark.parametrize("for_app", [False, True])
def test_an_order_of_yesterday_finds_what_it_made_though_stripe_forgot_its_key(stripe_bench, for_app):
    wanted = order(for_app=for_app, asked_at=ago(23.1))
    first = stripe_bench.gateway.start(wanted)
    stripe_bench.book.answers.clear()
    kind = "payment_intent" if for_app else "checkout.session"
    for _ in range(150):  # of other patients: more than one page
        stripe_bench.book._add("x", kind, metadata={"payment": str(uuid4())})
    assert stripe_bench.gateway.start(wanted) == first
    assert len(stripe_bench.book._all(kind)) == 151


def test_what_an_order_of_yesterday_never_made_is_made_under_its_own_key(stripe_bench):
    wanted = order(asked_at=ago(48))
    assert stripe_bench.gateway.start(wanted).reference
    assert posted(stripe_bench, "/v1/checkout/sessions")[1]["Idempotency-Key"] == wanted.key
    assert listed(stripe_bench) == 1


def test_within_a_day_the_key_alone_is_enough(stripe_bench):
    for asked_at in (None, ago(22.9), ago(0)):
        assert stripe_bench.gateway.start(order(asked_at=asked_at)).reference
    assert listed(stripe_bench) == 0


def test_who_opens_a_page_of_yesterday_that_has_ended_comes_back_to_ask(stripe_bench):
    wanted = order(asked_at=ago(24))
    first = stripe_bench.gateway.start(wanted)
    stripe_bench.pay(first)
    again = stripe_bench.gateway.start(wanted)
    assert (again.reference, again.redirect_url) == (first.reference, wanted.return_url)


# --- Events ---------------------------------------------------------------------------------------


def test_the_session_and_its_intent_tell_of_the_same_money(stripe_bench):
    wanted = order()
    started = stripe_bench.gateway.start(wanted)
    intent = parsed(stripe_bench, stripe_bench.pay(started))
    session = told(stripe_bench, "checkout.session.completed")
    for event in (intent, session):
        assert (event.kind, event.payment_key, event.amount_minor) == ("captured", wanted.key, 50_000)
    assert session.gateway_payment == intent.gateway_payment != ""
    assert session.dedupe_key != intent.dedupe_key
    assert (session.reference, intent.reference) == (started.reference, intent.gateway_payment)


def test_a_session_completed_by_a_method_that_pays_later_is_not_money_yet(stripe_bench):
    stripe_bench.pay(stripe_bench.gateway.start(order()))
    [body] = stripe_bench.book.bodies("checkout.session.completed")
    assert parsed(stripe_bench, edited(body, payment_status="unpaid")).kind == "other"
    later = edited(body, type="checkout.session.async_payment_succeeded")
    assert parsed(stripe_bench, later).kind == "captured"
    never = edited(body, type="checkout.session.async_payment_failed", payment_status="unpaid")
    assert parsed(stripe_bench, never).kind == "failed"


@pytest.mark.parametrize("for_app", [False, True])
def test_a_bank_debit_is_money_once_it_has_cleared_and_can_not_be_ended_before(stripe_bench, for_app):
    started = stripe_bench.gateway.start(order(for_app=for_app))
    intent = stripe_bench.book.pay_later(started.reference)
    assert stripe_bench.gateway.fetch(started.reference) == []
    assert {parsed(stripe_bench, body).kind for body in stripe_bench.book.bodies()} == {"other"}
    assert stripe_bench.gateway.cancel(started.reference) is False
    stripe_bench.book.clear(intent["id"])
    [capture] = stripe_bench.gateway.fetch(started.reference)
    assert (capture.kind, capture.gateway_payment, capture.amount_minor) == ("captured", intent["id"], 50_000)
    assert stripe_bench.gateway.cancel(started.reference) is True


def test_a_bank_debit_that_did_not_clear_is_a_failed_try_and_has_ended(stripe_bench):
    started = stripe_bench.gateway.start(order())
    intent = stripe_bench.book.pay_later(started.reference)
    stripe_bench.book.bounce(intent["id"])
    assert [event.kind for event in stripe_bench.gateway.fetch(started.reference)] == ["failed"]
    assert told(stripe_bench, "checkout.session.async_payment_failed").kind == "failed"
    assert stripe_bench.gateway.cancel(started.reference) is True


def test_an_ended_session_is_expired(stripe_bench):
    wanted = order()
    stripe_bench.gateway.cancel(stripe_bench.gateway.start(wanted).reference)
    event = told(stripe_bench, "checkout.session.expired")
    assert (event.kind, event.payment_key) == ("expired", wanted.key)


def test_a_session_that_ended_after_a_failed_try_tells_both(stripe_bench):
    started = stripe_bench.gateway.start(order())
    stripe_bench.decline(started)
    stripe_bench.gateway.cancel(started.reference)
    kinds = {event.kind for event in stripe_bench.gateway.fetch(started.reference)}
    assert kinds == {"failed", "expired"}


def test_a_refunded_charge_tells_of_its_refunds_where_it_names_them(stripe_bench):
    """Since 2022-11-15 a charge has none: docs.stripe.com/changelog. Then refund.created tells."""
    event = parsed(stripe_bench, stripe_bench.pay(stripe_bench.gateway.start(order())))
    stripe_bench.gateway.refund(
        key=REFUND, gateway_payment=event.gateway_payment, amount_minor=20_000, currency="INR"
    )
    [body] = stripe_bench.book.bodies("charge.refunded")
    kept = parsed(stripe_bench, body)
    assert (kept.kind, kept.gateway_payment) == ("other", event.gateway_payment)
    [created] = stripe_bench.book.bodies("refund.created")
    older = json.loads(body)
    older["data"]["object"]["refunds"] = {"data": [json.loads(created)["data"]["object"]]}
    charge, refund = stripe_bench.gateway.parse(json.dumps(older))
    assert (charge.kind, refund.kind, refund.refund_key) == ("other", "refund_done", REFUND)
    assert (refund.amount_minor, refund.gateway_payment) == (20_000, event.gateway_payment)
    for odd in (None, "x", [], {"data": None}, {"data": ["x", 1]}):
        older["data"]["object"]["refunds"] = odd
        assert [each.kind for each in stripe_bench.gateway.parse(json.dumps(older))] == ["other"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("needs_response", "dispute_open"), ("warning_needs_response", "dispute_open"),
        ("under_review", "dispute_open"), ("won", "dispute_won"), ("warning_closed", "dispute_won"),
        ("lost", "dispute_lost"), ("prevented", "dispute_lost"), ("a new word", "dispute_open"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"])
def test_a_disputes_event_says_what_its_status_says(stripe_bench, name, status, kind):
    event = parsed(stripe_bench, stripe_bench.pay(stripe_bench.gateway.start(order())))
    made = stripe_bench.book.dispute(event.gateway_payment)
    [body] = stripe_bench.book.bodies("charge.dispute.created")
    told = parsed(stripe_bench, edited(body, type=f"charge.dispute.{name}", status=status))
    assert (told.kind, told.gateway_dispute, told.reason) == (kind, made["id"], "product_not_received")
    assert (told.amount_minor, told.gateway_payment) == (50_000, event.gateway_payment)


def test_only_an_event_of_the_live_mode_is_live(stripe_bench):
    body = stripe_bench.pay(stripe_bench.gateway.start(order()))
    assert [parsed(stripe_bench, edited(body, livemode=live)).live for live in (True, False, None, 1)] == [
        True,
        False,
        False,
        False,
    ]
    assert [Stripe(key, webhook_secrets=()).live for key in ("sk_live_1", "rk_live_1", "sk_test_1", "")] == [
        True,
        True,
        False,
        False,
    ]


def test_stripes_own_library_signs_as_we_check(stripe_bench):
    body = stripe_bench.pay(stripe_bench.gateway.start(order()))
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), SECRET)
    assert stripe_bench.gateway.read_webhook({"Stripe-Signature": header}, body)


# --- Refunds --------------------------------------------------------------------------------------


@pytest.fixture
def money(stripe_bench):
    return parsed(stripe_bench, stripe_bench.pay(stripe_bench.gateway.start(order()))).gateway_payment


def refund(bench, money, key=REFUND, amount_minor=20_000, **options):
    gateway = bench.with_secrets(SECRET, **options)
    return gateway.refund(key=key, gateway_payment=money, amount_minor=amount_minor, currency="INR")


def test_a_refund_carries_its_key(stripe_bench, money):
    refund(stripe_bench, money)
    form, headers = posted(stripe_bench, "/v1/refunds")
    assert form == {"payment_intent": money, "amount": "20000", "metadata[refund]": REFUND}
    assert headers["Idempotency-Key"] == REFUND
    event = told(stripe_bench, "refund.created")
    assert (event.kind, event.refund_key, event.amount_minor) == ("refund_done", REFUND, 20_000)
    assert event.gateway_payment == money


def test_a_part_is_not_sent_twice_after_stripe_has_forgotten_the_key(stripe_bench, money):
    first = refund(stripe_bench, money)
    stripe_bench.book.answers.clear()
    assert refund(stripe_bench, money) == first
    assert len(stripe_bench.book.bodies("refund.created")) == 1


@pytest.mark.parametrize("fault", ["drop", "hang", "500", "html", "garbage"])
def test_a_refund_whose_answer_was_lost_goes_out_once(stripe_bench, money, fault):
    stripe_bench.book.faults += ["", fault]  # the look for an earlier one goes well
    with pytest.raises(GatewayError) as failure:
        refund(stripe_bench, money, timeout=(1, 0.3))
    assert failure.value.retryable
    assert refund(stripe_bench, money).status == "done"
    assert len(stripe_bench.book.bodies("refund.created")) == 1


def test_money_given_back_in_the_dashboard_already_is_not_tried_for_ever(stripe_bench, money):
    stripe_bench.book.create_refund({"payment_intent": money})
    with pytest.raises(GatewayError, match="charge_already_refunded") as refusal:
        refund(stripe_bench, money)
    assert not refusal.value.retryable
    assert told(stripe_bench, "refund.created").refund_key == ""


@pytest.mark.parametrize(
    "theirs, ours",
    [("pending", "pending"), ("requires_action", "pending"), ("canceled", "failed"), ("failed", "failed")],
)
def test_a_refund_under_way_is_pending_until_stripe_tells(stripe_bench, money, theirs, ours):
    made = refund(stripe_bench, money)
    stripe_bench.book.get(made.gateway_refund)["status"] = theirs
    assert refund(stripe_bench, money).status == ours
    [body] = stripe_bench.book.bodies("refund.created")
    kind = "other" if ours == "pending" else "refund_failed"
    assert parsed(stripe_bench, edited(body, status=theirs, type="refund.updated")).kind == kind


def test_what_is_disputed_is_no_clear_no_it_may_go_back_once_the_bank_has_decided(stripe_bench, money):
    dispute = stripe_bench.book.dispute(money)
    with pytest.raises(GatewayError, match="charge_disputed") as refusal:
        refund(stripe_bench, money)
    assert refusal.value.retryable
    stripe_bench.book.close_dispute(dispute["id"], "won")
    assert refund(stripe_bench, money).status == "done"


def test_a_refund_that_the_bank_sends_back_has_failed(stripe_bench, money):
    made = refund(stripe_bench, money)
    stripe_bench.book.fail_refund(made.gateway_refund)
    event = told(stripe_bench, "refund.failed")
    assert (event.kind, event.refund_key, event.reason) == ("refund_failed", REFUND, "lost_or_stolen_card")
    assert refund(stripe_bench, money).status == "failed"


# --- Ways to say no -------------------------------------------------------------------------------


def test_one_hiccup_is_repeated_by_itself_under_the_same_key(stripe_bench):
    wanted = order()
    stripe_bench.book.faults.append("drop")
    assert stripe_bench.with_secrets(SECRET, retries=1).start(wanted).reference
    sessions = [r for r in stripe_bench.book.requests if r["path"] == "/v1/checkout/sessions"]
    assert {r["headers"]["Idempotency-Key"] for r in sessions} == {wanted.key} and len(sessions) == 2
    assert len(stripe_bench.book.objects) == 1


def test_a_refused_key_can_be_put_right(stripe_bench):
    for key in ("pk_wrong", ""):
        gateway = Stripe(key, webhook_secrets=(), api_base=stripe_bench.url)
        with pytest.raises(GatewayError, match="Authentication") as refusal:
            gateway.start(order())
        assert refusal.value.retryable


STRANGE = ["{}", "[]", "[[]]", '{"id": null}', '{"id": {"a": 1}, "url": []}', "[" * 50_000 + "]" * 50_000]


@pytest.mark.parametrize("answer", STRANGE, ids=lambda answer: answer[:12])
def test_an_answer_of_a_shape_that_stripe_never_sends_can_be_asked_for_again(stripe_bench, answer):
    gateway, started = stripe_bench.gateway, stripe_bench.gateway.start(order())
    for ask in (
        lambda: gateway.start(order()),
        lambda: gateway.fetch(started.reference),
        lambda: gateway.cancel(started.reference),
        lambda: gateway.create_customer("account-7"),
        lambda: refund(stripe_bench, "pi_1"),
    ):
        stripe_bench.book.faults.append(answer)
        with pytest.raises(GatewayError) as failure:
            ask()
        assert failure.value.retryable


def test_nothing_that_stripe_writes_about_a_payer_reaches_our_logs_or_messages(stripe_bench, caplog):
    caplog.set_level(logging.DEBUG)
    wanted = order()
    started = stripe_bench.gateway.start(wanted)
    stripe_bench.decline(started)
    stripe_bench.pay(started)
    stripe_bench.gateway.fetch(started.reference)
    with pytest.raises(GatewayError) as refusal:
        stripe_bench.gateway.start(order(key=wanted.key, description="Asha Rao"))
    chain = f"{refusal.value!r} {refusal.value.__context__!r} {refusal.value.__cause__!r}"
    seen = chain + caplog.text
    assert "Stripe: IdempotencyError 400 req_" in refusal.value.message
    for private in ("Asha", "asha@example.com", "9995", "Your card", "same parameters"):
        assert private not in seen


# --- The stand-in as a process of its own ---------------------------------------------------------


def test_the_stand_in_takes_a_payment_in_a_browser_and_tells_of_it(inbox):
    port = services.free_port()
    command = (sys.executable, "-m", "tests.gateways.stripe_server", "--port", str(port))
    server = services.start(*command, "--webhook", f"{inbox.url}/api/v1/webhooks/stripe", "--secret", SECRET)
    try:
        gateway = Stripe(
            "sk_test_1", webhook_secrets=(SECRET,), api_base=f"http://127.0.0.1:{port}", retries=0
        )
        wanted = order(return_url=f"{inbox.url}/back/")
        started = patiently(gateway.start, wanted)
        assert gateway.origins == (f"http://127.0.0.1:{port}",)
        with urlopen(started.redirect_url) as page:
            assert b"Pay" in page.read()
        control = f"http://127.0.0.1:{port}/_control/pay"
        with urlopen(control, data=json.dumps({"id": started.reference}).encode()) as answer:
            assert json.load(answer)["status"] == "succeeded"
        kinds = set()
        for _ in range(3):
            path, headers, body = inbox.next()
            assert path == "/api/v1/webhooks/stripe"
            [event] = gateway.read_webhook(headers, body)
            assert event.payment_key == wanted.key
            kinds.add((event.name, event.kind))
        assert kinds == {
            ("charge.succeeded", "other"),
            ("payment_intent.succeeded", "captured"),
            ("checkout.session.completed", "captured"),
        }
    finally:
        services.stop(server)


def test_the_stand_ins_page_pays_and_declines(stand_in):
    bench = StripeBench(stand_in)
    started = bench.gateway.start(order(return_url=stand_in.url + "/_control/book"))
    for act in ("decline", "pay"):
        with urlopen(started.redirect_url, data=urlencode({"act": act}).encode()):
            pass
    kinds = [event.kind for body in bench.book.bodies() for event in bench.gateway.parse(body)]
    assert kinds == ["failed", "other", "captured", "captured"]
