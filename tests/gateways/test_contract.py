"""What the rest of the house may rely on, whichever gateway takes the money."""

import json
import time
from uuid import NAMESPACE_OID, uuid4, uuid5

import pytest

from payments.gateways.base import BadSignature, GatewayError, OpensOnOurPage
from payments.gateways.signing import TOLERANCE, sign
from tests.gateways.conftest import OLD_SECRET, REFUND, SECRET, edited, order


def signed(bench, body, secret=SECRET, ago=0):
    return {bench.header: bench.sign(body, secret, at=int(time.time()) - ago)}


def read(bench, body, **how):
    [event] = bench.gateway.read_webhook(signed(bench, body, **how), body)
    return event


def refunded(bench, money, key="", amount_minor=50_000):
    return bench.gateway.refund(
        key=key or str(uuid4()), gateway_payment=money, amount_minor=amount_minor, currency="INR"
    )


def names(event, wanted, started):
    """Whether an event says which attempt it speaks of: by our key, else by the gateway's own id."""
    return event.payment_key == wanted.key or (event.payment_key, event.reference) == ("", started.reference)


# --- Paying -------------------------------------------------------------------------------------


def test_an_attempt_is_opened_once_however_often_it_is_asked_for(bench):
    wanted = order()
    first, again = bench.gateway.start(wanted), bench.gateway.start(wanted)
    assert first == again
    page = bench.gateway.page if isinstance(bench.gateway, OpensOnOurPage) else first.redirect_url
    assert first.reference and page.startswith("http://127.0.0.1")
    assert bench.gateway.start(order()).reference != first.reference


def test_a_key_that_comes_back_with_another_amount_is_refused(bench):
    wanted = order()
    bench.gateway.start(wanted)
    with pytest.raises(GatewayError) as refusal:
        bench.gateway.start(order(key=wanted.key, amount_minor=1))
    assert not refusal.value.retryable


def test_money_that_arrived_is_told_with_our_key_its_amount_and_its_own_name(bench):
    wanted = order()
    event = read(bench, bench.pay(bench.gateway.start(wanted)))
    assert (event.kind, event.payment_key) == ("captured", wanted.key)
    assert (event.amount_minor, event.currency) == (50_000, "INR")
    assert event.dedupe_key and event.gateway_payment and event.name
    assert event.live is bench.gateway.live is False


def test_a_declined_card_is_a_failed_try_after_which_the_payer_can_still_pay(bench):
    wanted = order()
    started = bench.gateway.start(wanted)
    failure = read(bench, bench.decline(started))
    assert failure.kind == "failed" and names(failure, wanted, started)
    assert failure.reason in ("card_declined", "insufficient_funds")
    assert read(bench, bench.pay(started)).kind == "captured"


def test_an_account_is_known_to_the_gateway_by_our_key_alone(bench):
    key = str(uuid4())
    assert bench.gateway.create_customer(key) == bench.gateway.create_customer(key)


# --- Webhooks -----------------------------------------------------------------------------------


def test_the_same_body_has_the_same_dedupe_key_and_another_event_another(bench):
    one, two = (bench.pay(bench.gateway.start(order())) for _ in range(2))
    assert read(bench, one).dedupe_key == read(bench, one, ago=60).dedupe_key
    assert read(bench, one).dedupe_key != read(bench, two).dedupe_key


def test_a_stored_body_is_parsed_again_to_the_same_event(bench):
    body = bench.pay(bench.gateway.start(order()))
    assert bench.gateway.parse(body.decode()) == [read(bench, body)]


def test_an_event_we_have_no_use_for_is_kept_as_other(bench):
    body = edited(bench.pay(bench.gateway.start(order())), type="something.new", event="something.new")
    assert read(bench, body).kind == "other"


def test_a_key_that_is_not_ours_is_left_out(bench):
    """Another shop may use the same account, and the same words for its own numbers."""
    theirs = dict.fromkeys(bench.key_names, "order 17")
    body = edited(bench.pay(bench.gateway.start(order())), **theirs)
    assert read(bench, body).payment_key == ""


@pytest.mark.parametrize("amount", [-1, 1.5, True, "50000", None, [1], 10**30])
def test_an_amount_that_is_no_whole_number_is_read_as_nothing(bench, amount):
    names = ("amount", "amount_received", "amount_total")
    body = edited(bench.pay(bench.gateway.start(order())), **dict.fromkeys(names, amount))
    assert read(bench, body).amount_minor == 0


def forgeries(sign, body):
    now = int(time.time())
    good = sign(body, SECRET, at=now)
    return {
        "missing": None,
        "empty": "",
        "blank": "   ",
        "nonsense": "nonsense",
        "commas": ",,,===",
        "of another secret": sign(body, "whsec_of_someone_else", at=now),
        "of another body": sign(body + b" ", SECRET, at=now),
        "cut short": good[:-1],
        "too long": good + "0",
        "shouted": good.upper(),
        "non-ASCII": f"é{good[1:]}",
        "ending in non-ASCII": f"{good[:-1]}é",
        "half a character": f"{good[:-1]}\ud800",
    }


def stamps(sign, body):
    """Forgeries of a scheme that signs the time."""
    now = int(time.time())
    good = sign(body, SECRET, at=now)
    mac = good.partition("v1=")[2]
    return {
        "stale": sign(body, SECRET, at=now - TOLERANCE - 2),
        "moved to now": f"t={now + 1},v1={mac}",
        "without a stamp": f"v1={mac}",
        "without a signature": f"t={now}",
        "with an empty signature": f"t={now},v1=",
        "of another scheme": good.replace("v1=", "v0="),
        "non-ASCII": f"t={now},v1=é{mac[1:]}",
        "half a character": f"t={now},v1=\ud800",
        "with foreign digits": f"t=١٢٣,v1={mac}",
        "with a negative stamp": f"t=-1,v1={mac}",
        "with an endless stamp": f"t={'9' * 5000},v1={mac}",
    }


@pytest.mark.parametrize("which", forgeries(sign, b""))
def test_a_signature_that_is_not_ours_is_refused(bench, which):
    body = bench.pay(bench.gateway.start(order()))
    header = forgeries(bench.sign, body)[which]
    with pytest.raises(BadSignature):
        bench.gateway.read_webhook({} if header is None else {bench.header: header}, body)


@pytest.mark.parametrize("which", stamps(sign, b""))
def test_a_stamp_that_was_not_signed_or_is_old_is_refused(stamped_bench, which):
    body = stamped_bench.pay(stamped_bench.gateway.start(order()))
    header = stamps(stamped_bench.sign, body)[which]
    with pytest.raises(BadSignature):
        stamped_bench.gateway.read_webhook({stamped_bench.header: header}, body)


UNREADABLE = {
    "nothing": b"",
    "text": b"nonsense",
    "half": b'{"id": "x", "ty',
    "list": b"[]",
    "string": b'"text"',
    "number": b"1",
    "null": b"null",
    "empty object": b"{}",
    "not UTF-8": b'{"id": "\xff"}',
    "UTF-16": '{"id": "x", "type": "y", "data": {"object": {"id": "z"}}}'.encode("utf-16"),
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "huge number": b'{"id": ' + b"9" * 10_000 + b"}",
    "data missing": b'{"id": "x", "type": "y"}',
    "data null": b'{"id": "x", "type": "y", "data": null}',
    "data a list": b'{"id": "x", "type": "y", "data": [1]}',
    "type missing": b'{"id": "x", "data": {"object": {"id": "z"}}}',
    "id a number": b'{"id": 1, "type": "y", "data": {"object": {"id": "z"}}}',
    "id empty": b'{"id": "", "type": "y", "data": {"object": {"id": "z"}}}',
    "id with NUL": b'{"id": "x\\u0000", "type": "y", "data": {"object": {"id": "z"}}}',
    "id half a character": b'{"id": "\\ud800", "type": "y", "data": {"object": {"id": "z"}}}',
    "id endless": json.dumps({"id": "x" * 300, "type": "y", "data": {"object": {"id": "z"}}}).encode(),
}


@pytest.mark.parametrize("which", UNREADABLE)
def test_a_signed_body_that_is_no_event_is_refused(bench, which):
    with pytest.raises(BadSignature):
        read(bench, UNREADABLE[which])


@pytest.mark.parametrize("configured", [(), ("",), ("  ", "\n"), ("", SECRET)])
def test_an_empty_secret_accepts_nobody(bench, configured):
    """HMAC takes an empty key, so everybody could sign for it."""
    body = bench.pay(bench.gateway.start(order()))
    gateway = bench.with_secrets(*configured)
    for secret in ("", *(blank for blank in configured if blank != SECRET)):
        with pytest.raises(BadSignature):
            gateway.read_webhook(signed(bench, body, secret), body)


def test_the_previous_secret_is_still_accepted(bench):
    body = bench.pay(bench.gateway.start(order()))
    assert read(bench, body, secret=OLD_SECRET) == read(bench, body, secret=SECRET)


def test_one_good_signature_among_several_is_enough(stamped_bench):
    """Stripe signs with both secrets while one is being rotated."""
    body = stamped_bench.pay(stamped_bench.gateway.start(order()))
    header = signed(stamped_bench, body)[stamped_bench.header] + ",v1=" + "0" * 64
    assert stamped_bench.gateway.read_webhook({stamped_bench.header: header}, body)


def test_a_stamp_ahead_of_our_clock_is_accepted(stamped_bench):
    body = stamped_bench.pay(stamped_bench.gateway.start(order()))
    assert read(stamped_bench, body, ago=-3600).kind == "captured"


# --- Asking ---------------------------------------------------------------------------------------


def test_an_open_attempt_has_nothing_to_tell(bench):
    assert bench.gateway.fetch(bench.gateway.start(order()).reference) == []


def test_a_fetch_tells_of_the_same_money_as_the_webhook(bench):
    wanted = order()
    started = bench.gateway.start(wanted)
    told = read(bench, bench.pay(started))
    [found] = bench.gateway.fetch(started.reference)
    assert found.kind == "captured" and names(found, wanted, started)
    same = ("gateway_payment", "amount_minor", "currency", "live")
    assert [getattr(found, name) for name in same] == [getattr(told, name) for name in same]
    assert found.reference == started.reference
    assert bench.gateway.fetch(started.reference) == [found], "and again, under the same dedupe key"


def test_a_fetch_tells_of_a_failed_try(bench):
    started = bench.gateway.start(order())
    bench.decline(started)
    assert [event.kind for event in bench.gateway.fetch(started.reference)] == ["failed"]


def test_a_fetch_of_what_was_never_opened_is_refused(bench):
    with pytest.raises(GatewayError) as refusal:
        bench.gateway.fetch("cs_test_unknown")
    assert not refusal.value.retryable


# --- Ending ---------------------------------------------------------------------------------------


def test_a_cancelled_attempt_can_no_longer_be_paid(ending_bench):
    started = ending_bench.gateway.start(order())
    assert ending_bench.gateway.cancel(started.reference) is True
    assert ending_bench.gateway.cancel(started.reference) is True
    assert [event.kind for event in ending_bench.gateway.fetch(started.reference)] == ["expired"]
    with pytest.raises(Exception, match=r"expired|ended"):
        ending_bench.pay(started)


def test_cancelling_a_paid_attempt_changes_nothing(bench):
    started = bench.gateway.start(order())
    bench.pay(started)
    bench.gateway.cancel(started.reference)
    assert [event.kind for event in bench.gateway.fetch(started.reference)] == ["captured"]


# --- Refunds --------------------------------------------------------------------------------------


def test_a_refund_goes_out_once_however_often_it_is_asked_for(bench):
    started = bench.gateway.start(order())
    money = read(bench, bench.pay(started)).gateway_payment
    first, again = refunded(bench, money, REFUND), refunded(bench, money, REFUND)
    assert first == again
    assert first.status == "done" and first.gateway_refund
    _captured, refund = bench.gateway.fetch(started.reference)
    assert (refund.kind, refund.refund_key, refund.amount_minor) == ("refund_done", REFUND, 50_000)
    assert (refund.gateway_refund, refund.gateway_payment) == (first.gateway_refund, money)


def test_a_payment_can_be_given_back_in_parts_but_never_more_than_it_was(bench):
    money = read(bench, bench.pay(bench.gateway.start(order()))).gateway_payment
    assert refunded(bench, money, amount_minor=30_000).status == "done"
    with pytest.raises(GatewayError) as refusal:
        refunded(bench, money, amount_minor=20_001)
    assert not refusal.value.retryable
    assert refunded(bench, money, amount_minor=20_000).status == "done"
    with pytest.raises(GatewayError) as refusal:
        refunded(bench, money, amount_minor=1)
    assert not refusal.value.retryable


def test_a_refund_of_unknown_money_is_refused(bench):
    with pytest.raises(GatewayError) as refusal:
        refunded(bench, "pi_unknown")
    assert not refusal.value.retryable


# --- Bad days -------------------------------------------------------------------------------------

CALLS = {
    "start": lambda gateway, wanted, started, money: gateway.start(wanted),
    "fetch": lambda gateway, wanted, started, money: gateway.fetch(started.reference),
    "cancel": lambda gateway, wanted, started, money: gateway.cancel(started.reference),
    "refund": lambda gateway, wanted, started, money: gateway.refund(
        key=str(uuid5(NAMESPACE_OID, wanted.key)), gateway_payment=money, amount_minor=50_000, currency="INR"
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_whatever_breaks_on_the_way_can_be_tried_again_and_is_done_once(bench, call):
    if call in bench.silent:
        pytest.skip("nobody is asked")
    for fault in bench.faults:
        wanted = order()
        started = bench.gateway.start(wanted)
        money = read(bench, bench.pay(started)).gateway_payment
        before = bench.gateway.fetch(started.reference)
        with pytest.raises(GatewayError) as failure:
            CALLS[call](bench.failing(fault), wanted, started, money)
        assert failure.value.retryable, fault
        assert wanted.description not in failure.value.message

        CALLS[call](bench.gateway, wanted, started, money)
        CALLS[call](bench.gateway, wanted, started, money)
        after = bench.gateway.fetch(started.reference)
        assert len(after) == len(before) + (call == "refund"), fault
