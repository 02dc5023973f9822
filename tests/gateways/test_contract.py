"""What the rest of the house may rely on, whichever gateway takes the money: each by itself, and then
each in a clinic, through the webhook, settling, refunds and the worker.

The counter (`manual`) is a person with a drawer: no page, no webhook, nobody to decline, to be late or to
complain to. What is left of the contract, giving money back, it keeps at the end of this file.
"""

import json
import time
from itertools import permutations
from uuid import NAMESPACE_OID, uuid4, uuid5

import pytest
from django.utils import timezone

from bookings import actions as places
from bookings import sweeps as holds
from clinic.errors import Refused
from clinic.models import ReviewItem
from payments import actions, counter, gateways, sweeps
from payments.gateways.base import BadSignature, GatewayError, OpensOnOurPage
from payments.gateways.signing import TOLERANCE, sign
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, PaymentEvent, Refund
from payments.states import RefundStatus
from tests import factories as f
from tests.gateways.conftest import OLD_SECRET, REFUND, SECRET, edited, order
from tests.gateways.house import HOUSES


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


# --- In a clinic: paying ----------------------------------------------------------------------------


@pytest.fixture(params=HOUSES)
def house(request, db, settings, monkeypatch):
    """A clinic with one gateway. After every case of it all invariants hold, now and later."""
    bench = request.getfixturevalue(f"{request.param}_bench")
    settings.PAYMENT_GATEWAYS = list({request.param, "demo"})
    monkeypatch.setitem(gateways.TABLE, request.param, lambda: bench.gateway)
    gateways.get.cache_clear()
    house = HOUSES[request.param](request.param, bench)
    yield house
    assert house.healthy()
    gateways.get.cache_clear()


def seen(payment) -> tuple:
    payment.refresh_from_db()
    payment.booking.refresh_from_db()
    return payment.status, payment.outcome, payment.booking.status


BOUGHT = ("captured", "bought", "confirmed")


def history(payment) -> list[str]:
    """What happened to its money."""
    kinds = PaymentEvent.objects.filter(payment=payment).values_list("kind", flat=True)
    return [kind for kind in kinds if kind != "authorized"]  # which not every gateway tells


def test_who_pays_has_the_place_and_a_number(house):
    payment = house.attempt()
    assert set(house.tell(*house.pay(payment))) == {200}
    assert seen(payment) == BOUGHT
    assert payment.booking.queue_number == 1
    assert (payment.captured_minor, payment.currency) == (50000, "INR")


def test_who_is_declined_keeps_the_place_is_told_and_pays_after_all(house, client):
    payment = house.attempt()
    house.tell(*house.decline(payment))
    assert seen(payment) == ("failed", "", "held")
    page = client.get(payment.booking.get_absolute_url()).content.decode()
    assert "nothing was charged" in page
    house.tell(*house.pay(payment))
    assert seen(payment) == BOUGHT


def test_a_decline_that_is_told_after_the_money_changes_nothing(house):
    payment = house.attempt()
    declined, paid = house.decline(payment), house.pay(payment)
    house.tell(*paid, *declined)
    assert seen(payment) == BOUGHT
    assert history(payment) == ["captured"]


def test_messages_that_come_five_times_count_once(house):
    payment = house.attempt()
    said = house.pay(payment)
    for _ in range(5):
        assert set(house.tell(*said)) == {200}
    actions.ask(payment)
    assert seen(payment) == BOUGHT
    assert (Payment.objects.count(), history(payment)) == (1, ["captured"])
    assert GatewayEvent.objects.count() == len(said)


def test_messages_in_whatever_order_come_to_the_same_end(house):
    """Captured before authorised, a charge before its intent, a session before both."""
    first = house.attempt(capacity=10)
    window, said = first.booking.schedule, house.pay(first)
    for number, places_ in enumerate(permutations(range(len(said)))):
        payment = first if number == 0 else house.attempt(window)
        said = said if number == 0 else house.pay(payment)
        for position in places_:
            house.tell(said[position])
            assert violations() == {}
        assert seen(payment) == BOUGHT
        assert history(payment).count("captured") == 1


def late(house, **fields) -> tuple[Payment, list[bytes]]:
    """Paid in time, but the message comes when the hold has lapsed and the place was given back."""
    payment = house.attempt(**fields)
    said = house.pay(payment)
    f.lapse(payment.booking)
    holds.expire_lapsed_holds()
    assert seen(payment)[2] == "expired"
    return payment, said


def test_late_money_takes_the_place_while_there_is_room(house):
    payment, said = late(house)
    house.tell(*said)
    assert seen(payment) == BOUGHT


def test_late_money_goes_back_whole_where_the_place_is_gone(house):
    payment, said = late(house, capacity=1)
    f.paid(payment.booking.schedule)
    house.tell(*said)
    assert seen(payment) == ("captured", "no_place", "overflow")
    house.work()
    assert house.refunds(payment) == [50000]
    assert Refund.objects.get().status == RefundStatus.DONE


def test_late_money_that_no_message_told_of_is_found_by_asking(house):
    payment, _lost = late(house)
    house.wait(minutes=16)
    house.work()
    assert seen(payment) == BOUGHT


@pytest.mark.parametrize(
    "facts",
    [
        dict.fromkeys(("amount", "amount_received", "amount_total"), 49999),
        dict.fromkeys(("amount", "amount_received", "amount_total"), 50001),
        {"currency": "USD"},
    ],
    ids=["too little", "too much", "dollars"],
)
def test_money_that_is_not_what_was_asked_for_buys_nothing_and_a_person_is_told(house, facts):
    payment = house.attempt()
    [*_others, money] = house.captures(house.pay(payment))
    assert house.tell(edited(money, **facts)) == [200]
    assert seen(payment) == ("captured", "review", "held")
    assert ReviewItem.objects.get().key == f"payment:{payment.pk}:wrong"
    house.work()
    assert not Refund.objects.exists()


@pytest.mark.parametrize("how", ["of another secret", "of another body", "cut short", "empty", "non-ASCII"])
def test_what_nobody_signed_is_refused_and_nothing_is_kept(house, client, how):
    payment = house.attempt()
    for body in house.pay(payment):
        header = {house.bench.header: forgeries(house.bench.sign, body)[how]}
        url = f"/api/v1/webhooks/{house.name}"
        assert client.post(url, body, "application/json", headers=header).status_code == 400
    assert not GatewayEvent.objects.exists()
    assert seen(payment) == ("created", "", "held")


def test_the_previous_secret_still_counts_while_it_is_rotated(house):
    payment = house.attempt()
    assert set(house.tell(*house.pay(payment), secret=OLD_SECRET)) == {200}
    assert seen(payment) == BOUGHT


def test_an_old_signed_body_under_a_new_event_id_does_nothing_twice(house):
    """Razorpay's event id is a header that nobody signed; Stripe's and ours stand in the body."""
    payment = house.attempt()
    said = house.pay(payment)
    house.tell(*said, **{"X-Razorpay-Event-Id": "evt_1"})
    places.cancel(payment.booking_id, reason="the doctor is ill")
    house.work()
    before = seen(payment), history(payment), GatewayEvent.objects.count()
    assert set(house.tell(*said, **{"X-Razorpay-Event-Id": "evt_2"})) == {200}
    stale = house.tell(*said, ago=TOLERANCE + 60, **{"X-Razorpay-Event-Id": "evt_3"})
    assert set(stale) == ({200} if house.name == "razorpay" else {400})
    assert (seen(payment), history(payment), GatewayEvent.objects.count()) == before
    house.work()
    assert house.refunds(payment) == [50000]


# --- In a clinic: no answer -----------------------------------------------------------------------


def choose(client, booking, house) -> str:
    """The patient presses the button; what they read then."""
    url = f"/pay/{booking.public_id}/"
    return client.post(url, {"gateway": house.name}, follow=True).content.decode()


def test_money_for_an_attempt_whose_answer_was_lost_buys_its_place(house):
    """A timeout on create, and the payer pays what was made anyway."""
    booking = f.hold(f.window())
    house.lose_answer("start")
    with pytest.raises(Refused, match="still held"):
        actions.start(booking, house.name)
    payment = booking.payments.get()
    assert payment.reference == ""
    made = house.made(payment)
    said = house.pay(made)
    house.tell(*said)
    house.wait(minutes=1)
    house.work()  # what could not be matched at first is tried again
    assert seen(payment) == BOUGHT
    assert Payment.objects.count() == 1


def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key(house, client):
    booking = f.hold(f.window())
    house.lose_answer("start")
    page = choose(client, booking, house)
    assert "You have not been charged and your place is still held. Please try again." in page
    payment = actions.start(booking, house.name)
    assert payment == booking.payments.get()
    assert payment.reference == house.made(payment).reference
    house.tell(*house.pay(payment))
    assert seen(payment) == BOUGHT


BAD_DAYS = ["500", "html", "garbage", "hang", "drop"]


@pytest.mark.parametrize("fault", BAD_DAYS)
@pytest.mark.parametrize("house", ["stripe", "razorpay"], indirect=True)
def test_whatever_the_gateway_answers_the_patient_is_told_and_tries_again(house, client, fault):
    booking = f.hold(f.window())
    house.impatient()
    house.bench.book.faults += [""] * house.calls_before["start"] + [fault]
    page = choose(client, booking, house)
    assert "You have not been charged and your place is still held. Please try again." in page
    assert seen(booking.payments.get()) == ("created", "", "held")
    payment = actions.start(booking, house.name)
    assert len(house.bench.book._all(house.kind)) == 1
    house.tell(*house.pay(payment))
    assert seen(payment) == BOUGHT


@pytest.mark.parametrize("fault", BAD_DAYS)
@pytest.mark.parametrize("house", ["stripe", "razorpay"], indirect=True)
def test_whatever_the_gateway_answers_a_refund_goes_out_once_and_the_patient_reads_of_it(
    house, client, fault
):
    payment = house.paid()
    house.impatient()
    places.cancel(payment.booking_id, reason="the doctor is ill")
    sweeps.make_refunds()
    house.bench.book.faults += [""] * house.calls_before["refund"] + [fault]
    sweeps.send_refunds()
    refund = Refund.objects.get()
    assert (refund.status, refund.tries) == (RefundStatus.DUE, 1)
    assert refund.next_try_at > timezone.now()
    page = client.get(payment.booking.get_absolute_url()).content.decode()
    assert "₹500 goes back to you" in page and "It is on its way." in page
    house.wait(minutes=1)
    house.work()
    refund.refresh_from_db()
    assert (refund.status, house.refunds(payment)) == (RefundStatus.DONE, [50000])
    assert house.keys_of_refunds() == {str(refund.key)}


# --- In a clinic: giving back -----------------------------------------------------------------------


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


def give_back(client, payment, amount, key=None) -> str:
    """A manager fills in the form; what they read then."""
    form = {"amount": amount, "reason": "Waited for two hours", "key": str(key or uuid4())}
    url = f"/admin/payments/payment/{payment.pk}/refund/"
    return client.post(url, form, follow=True).content.decode()


def test_a_cancelled_place_is_paid_back_once_whatever_is_told_of_it(house):
    payment = house.paid()
    places.cancel(payment.booking_id, reason="the doctor is ill")
    for _ in range(3):
        house.work()
        house.tell(*house.news())
    assert house.refunds(payment) == [50000]
    assert list(Refund.objects.values_list("cause", "status")) == [("cancel", "done")]
    assert history(payment) == ["captured", "refund due", "refund done"]


def test_a_part_goes_back_and_then_the_rest_and_never_more(house, client, manager):
    payment = house.paid()
    assert "₹200 goes back." in give_back(client, payment, "200")
    house.work()
    house.tell(*house.news())
    assert "At most ₹300 can still be given back." in give_back(client, payment, "300.01")
    assert house.refunds(payment) == [20000]
    places.cancel(payment.booking_id, reason="the doctor is ill")
    house.work()
    house.tell(*house.news())
    assert sorted(house.refunds(payment)) == [20000, 30000]
    assert seen(payment)[2] == "cancelled"


def test_the_same_form_twice_and_two_forms_at_once_give_back_no_more_than_came(house, client, manager):
    """At the very same instant: tests/test_races.py."""
    payment, key = house.paid(), uuid4()
    give_back(client, payment, "300", key)
    assert "asked for already" in give_back(client, payment, "300", key)
    assert "At most ₹200" in give_back(client, payment, "300")
    house.work()
    assert house.refunds(payment) == [30000]


def test_the_gateway_may_tell_of_a_refund_before_it_answers(house, monkeypatch):
    payment, refund = house.paid(), house.gateway.refund

    def told_first(**asked):
        answer = refund(**asked)
        assert set(house.tell(*house.news())) == {200}
        return answer

    monkeypatch.setattr(house.gateway, "refund", told_first)
    places.cancel(payment.booking_id, reason="the doctor is ill")
    house.work()
    assert history(payment) == ["captured", "refund due", "refund done"]
    assert house.refunds(payment) == [50000]


def test_a_refund_whose_answer_was_lost_is_not_sent_again_though_its_key_was_forgotten(house):
    payment = house.paid()
    places.cancel(payment.booking_id, reason="the doctor is ill")
    house.lose_answer("refund")
    house.work()
    assert Refund.objects.get().status == RefundStatus.DUE
    house.forget_keys()
    house.wait(minutes=24 * 60)
    house.work()
    assert Refund.objects.get().status == RefundStatus.DONE
    assert house.refunds(payment) == [50000]


def test_a_refund_that_is_told_before_its_payment_waits_for_it(house):
    payment = house.attempt()
    paid = house.pay(payment)
    payment.gateway_payment = house.gateway.parse(house.captures(paid)[0])[0].gateway_payment
    gone = house.give_back(payment, 50000)
    assert set(house.tell(*gone)) == {200}
    assert not Refund.objects.exists()
    house.tell(*paid)
    house.wait(minutes=1)
    house.work()
    assert list(Refund.objects.values_list("amount_minor", "status")) == [(50000, "done")]


def test_a_refund_on_the_gateways_own_page_is_in_our_books(house):
    payment = house.paid()
    for body in house.give_back(payment, 20000):
        house.tell(body, body)
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.status) == (20000, RefundStatus.DONE)
    places.cancel(payment.booking_id, reason="the doctor is ill")
    house.work()
    assert sorted(house.refunds(payment)) == [20000, 30000]


# --- In a clinic: the bank complains ----------------------------------------------------------------


def test_while_a_bank_disputes_it_nothing_goes_back_by_hand_or_by_itself(house, client, manager):
    payment = house.paid()
    assert set(house.tell(*house.dispute(payment))) == {200}
    assert "disputes this payment" in give_back(client, payment, "200")
    places.cancel(payment.booking_id, reason="the doctor is ill")
    for _ in range(2):
        house.work()
        house.wait()
    assert house.refunds(payment) == []
    assert Refund.objects.get().status == RefundStatus.DUE
    assert ReviewItem.objects.open().count() == 1


def test_once_the_clinic_has_won_what_waited_goes_back(house):
    payment = house.paid()
    house.tell(*house.dispute(payment))
    places.cancel(payment.booking_id, reason="the doctor is ill")
    house.work()
    said = house.decide("won")
    house.tell(*said[::-1], *said)
    house.work()
    assert house.refunds(payment) == [50000]
    assert not ReviewItem.objects.open().exists()


def test_what_a_lost_dispute_took_is_in_the_books_once_and_the_place_stands(house):
    payment = house.paid()
    opened, lost = house.dispute(payment), house.decide("lost")
    house.tell(*lost, *opened, *lost)
    house.work()
    assert seen(payment) == BOUGHT
    assert (payment.refunded_minor, payment.disputed_at) == (50000, None)
    assert house.refunds(payment) == []
    assert Refund.objects.get().receipt.amount_minor == 50000
    assert ReviewItem.objects.open().get().key.endswith(":lost")


def test_what_the_bank_took_is_not_sent_as_well_to_who_was_owed_it(house):
    payment = house.paid()
    places.cancel(payment.booking_id, reason="the doctor is ill")
    sweeps.make_refunds()
    for said in (house.dispute(payment), house.decide("lost")):
        house.tell(*said)
    house.work()
    assert house.refunds(payment) == []
    assert list(Refund.objects.values_list("cause", "amount_minor", "status")) == [("cancel", 50000, "done")]


def test_a_dispute_that_was_won_and_is_lost_after_all_is_booked_then(house):
    payment = house.paid()
    for said in (house.dispute(payment), house.decide("won"), house.decide("lost")):
        house.tell(*said)
        assert violations() == {}
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.disputed_at) == (50000, None)


# --- At the counter -----------------------------------------------------------------------------------


def test_what_was_paid_at_the_counter_is_handed_back_there_in_parts_and_once(db, client, manager):
    window, reception = f.window(), f.staff("Reception")
    booking = counter.walk_in(
        schedule_id=window.pk, who=f.guest(), method="cash", actor=reception, request_key=uuid4()
    )
    payment, key = booking.payments.get(), uuid4()
    assert seen(payment) == BOUGHT
    give_back(client, payment, "200", key)
    assert "asked for already" in give_back(client, payment, "200", key)
    assert "At most ₹300" in give_back(client, payment, "301")
    sweeps.send_refunds()
    refund = Refund.objects.get()
    assert refund.status == RefundStatus.BY_HAND
    counter.hand_back(refund.pk, actor=reception)
    with pytest.raises(Refused):
        counter.hand_back(refund.pk, actor=reception)
    payment.refresh_from_db()
    assert payment.refunded_minor == 20000
    assert violations() == {}
