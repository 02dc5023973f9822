"""A payment's page tells its whole history as one list, to each what they may see."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import actions as places
from clinic.actions import resolve_review
from clinic.models import ReviewItem
from payments import sweeps
from payments.models import GatewayEvent, Payment
from payments.timeline_queries import timeline
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    account = f.staff("Manager", name="Shabnam Sheikh")
    client.force_login(account)
    return account


def page_of(payment) -> str:
    return f"/admin/payments/payment/{payment.pk}/change/"


def told(payment, who) -> list[tuple[str, str, str]]:
    return [(moment.source, moment.what, moment.who) for moment in timeline(payment, who)]


def money_goes_back() -> None:
    sweeps.make_refunds()
    sweeps.send_refunds()


def test_a_payments_page_tells_everything_in_the_order_of_time(client, manager):
    booking = f.paid(f.window())
    payment = booking.payments.get()
    sweeps.book_ledger()
    reason = {"amount": "200", "reason": "Waited for two hours", "key": str(uuid4())}
    client.post(f"/admin/payments/payment/{payment.pk}/refund/", reason)
    money_goes_back()
    sweeps.book_ledger()
    answer = client.get(page_of(payment))
    moments = answer.context["timeline"]
    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)
    receipt, note = (paper.label for paper in papers(payment))
    assert sorted(told(payment, manager)) == sorted([
        ("demo", "payment.captured", ""),
        ("clinic", "captured", ""),
        ("books", f"receipt {receipt}", ""),
        ("books", "visit paid", ""),
        ("clinic", "refund due", "Shabnam Sheikh"),
        ("clinic", "refund done", ""),
        ("refund", "sent back", ""),
        ("books", f"credit note {note}", ""),
        ("books", "visit refunded", ""),
    ])  # fmt: skip
    page = answer.content.decode()
    for said in (receipt, note, "Shabnam Sheikh", "Waited for two hours", "bought its place", "−₹200"):
        assert said in page
    first = [moment.what for moment in moments]
    assert first.index("payment.captured") < first.index("captured") < first.index("refund due")


def papers(payment) -> list:
    return [payment.receipt, payment.refunds.get().receipt]


def test_what_a_person_recorded_stands_between_what_the_gateway_said(client, manager):
    payment = f.attempt(f.hold(f.window()))
    f.deliver(f.demo().decline(str(payment.key)))
    seen = {"to": "captured", "method": "gateway", "reference": "x", "amount": "500", "reason": "Seen"}
    client.post(f"/admin/payments/payment/{payment.pk}/status/", seen)
    f.deliver(f.capture_body(payment))
    assert [line for line in told(payment, manager) if line[0] != "books"] == [
        ("demo", "payment.failed", ""),
        ("clinic", "failed", ""),
        ("clinic", "captured", "Shabnam Sheikh"),
        ("clinic", "recorded by hand", "Shabnam Sheikh"),
        ("demo", "payment.captured", ""),
        ("clinic", "confirmed by the gateway", ""),
    ]


def test_the_second_of_two_payments_tells_of_its_own_event_only(manager):
    booking = f.paid(f.window())
    first = booking.payments.get()
    f.deliver(f.capture_body(first, again=True))
    second = Payment.objects.owed_back().get()
    assert told(second, manager) == [("demo", "payment.captured", ""), ("clinic", "captured", "")]


def test_what_had_to_be_looked_at_and_how_it_ended_is_part_of_it(manager):
    payment = f.attempt(f.hold(f.window()))
    f.deliver(f.altered(f.capture_body(payment), amount=1))
    item = ReviewItem.objects.get()
    ReviewItem.objects.create(key=f"payment:{payment.pk}1:wrong", subject="Another payment's")
    resolve_review(item.pk, note="The bank was called", actor=manager)
    assert told(payment, manager)[-2:] == [
        ("to look at", "A payment does not match its booking", ""),
        ("to look at", "resolved", "Shabnam Sheikh"),
    ]


def a_bug(execute, sql, params, many, context):
    if sql.startswith('INSERT INTO "bookings_bookingevent"'):
        raise RuntimeError("a bug of ours")
    return execute(sql, params, many, context)


def test_an_event_that_could_not_be_acted_on_is_part_of_it(manager):
    payment = f.attempt(f.hold(f.window()))
    with connection.execute_wrapper(a_bug):
        f.deliver(f.capture_body(payment))
    assert GatewayEvent.objects.get().processed_at is None
    (moment,) = timeline(payment, manager)
    assert (moment.what, moment.note) == ("payment.captured", "RuntimeError")


def test_a_long_history_takes_no_more_statements(manager):
    def statements(payment) -> int:
        with CaptureQueriesContext(connection) as sent:
            assert timeline(payment, manager)
        return len(sent)

    short, long = f.paid(f.window()).payments.get(), f.paid(f.window()).payments.get()
    statements(short)
    for _n in range(4):
        f.deliver(f.altered(f.capture_body(long), order=str(long.key)))
    places.cancel(long.booking_id, reason="ill")
    money_goes_back()
    sweeps.book_ledger()
    assert statements(long) == statements(short)


def test_the_history_shows_each_what_they_may_see(client):
    payment = f.paid(f.window()).payments.get()
    sweeps.book_ledger()
    client.force_login(f.staff("Reception"))
    page = client.get(page_of(payment))
    assert [moment.source for moment in page.context["timeline"]] == ["books"]  # its receipt
    assert "payment.captured" not in page.content.decode()
    assert "visit paid" not in page.content.decode()
