"""A manager gives some of a payment back, or lets odd money buy its place; each with a reason."""

from uuid import uuid4

import pytest

from bookings.states import Status
from clinic.models import ReviewItem
from payments import sweeps
from payments.counter import walk_in
from payments.management.commands.check_invariants import violations
from payments.models import Payment, Refund
from payments.states import Outcome, RefundStatus
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


def url(payment, name="refund", item=None):
    return f"/admin/payments/payment/{payment.pk}/{name}/" + (f"?review={item.pk}" if item else "")


def form(**fields):
    return {"amount": "200", "reason": "Waited for two hours", "key": str(uuid4())} | fields


def money_goes_back():
    sweeps.make_refunds()
    sweeps.send_refunds()


def given_back(payment) -> int:
    payment.refresh_from_db()
    return payment.refunded_minor


def wrong_amount(window=None, amount=40000) -> tuple[Payment, ReviewItem]:
    """A payment that is not what was asked for, and what was raised about it."""
    payment = f.attempt(f.hold(window or f.window()))
    f.deliver(f.altered(f.capture_body(payment), amount=amount))
    payment.refresh_from_db()
    return payment, ReviewItem.objects.get(key=f"payment:{payment.pk}:wrong")


# --- Some of it goes back -----------------------------------------------------------------


def test_a_part_goes_back_while_the_visit_stands(client, manager):
    booking = f.paid(f.window())
    payment = booking.payments.get()
    page = client.get(url(payment)).content.decode()
    assert 'value="500.00"' in page and "at most ₹500" in page
    answer = client.post(url(payment), form(), follow=True)
    assert "₹200 goes back." in answer.content.decode()
    money_goes_back()
    refund = Refund.objects.get()
    assert (refund.amount_minor, refund.status) == (20000, RefundStatus.DONE)
    assert refund.cause.startswith("staff:")
    told = payment.events.get(kind="refund due")
    assert (told.actor, told.note) == (manager, "Waited for two hours")
    booking.refresh_from_db()
    assert booking.status == Status.CONFIRMED
    assert violations() == {}
    shown = client.get(booking.get_absolute_url()).content.decode()
    assert "₹200 sent back on" in shown and "A1" in shown


def test_what_staff_gave_back_is_not_given_back_again_on_cancellation(client, manager):
    booking = f.paid(f.window())
    client.post(url(booking.payments.get()), form())
    page = client.get(f"/b/{booking.public_id}/cancel/").content.decode()
    assert "You get ₹300 back" in page and "₹200 of what you paid went back before." in page
    client.post(f"/b/{booking.public_id}/cancel/", {"percent": "100"})
    money_goes_back()
    assert sorted(Refund.objects.values_list("amount_minor", flat=True)) == [20000, 30000]
    assert violations() == {}


def test_what_went_back_whole_leaves_the_sweep_nothing_to_do_after_a_cancellation(client, manager):
    booking = f.paid(f.window())
    client.post(url(booking.payments.get()), form(amount="500"))
    assert "₹500 went back before." in client.get(f"/b/{booking.public_id}/cancel/").content.decode()
    client.post(f"/b/{booking.public_id}/cancel/", {"percent": "100"})
    assert sweeps.make_refunds() == 0
    money_goes_back()
    assert client.get(f"/b/{booking.public_id}/status").status_code == 286
    assert violations() == {}


@pytest.mark.parametrize("amount", ["500.01", "0", "-1", "1.005", "x", "", "99999999999"])
def test_more_than_is_left_or_no_amount_at_all_is_refused_and_nothing_is_sent(client, manager, amount):
    payment = f.paid(f.window()).payments.get()
    page = client.post(url(payment), form(amount=amount))
    assert page.status_code == 200 and "Please look at this again" in page.content.decode()
    assert given_back(payment) == 0
    assert not Refund.objects.exists()


def test_what_is_left_is_less_after_the_first(client, manager):
    payment = f.paid(f.window()).payments.get()
    client.post(url(payment), form(amount="400"))
    assert "At most ₹100 can still be given back." in client.post(url(payment), form()).content.decode()
    assert given_back(payment) == 40000


def test_the_same_form_twice_gives_back_once(client, manager):
    payment, sent = f.paid(f.window()).payments.get(), form()
    client.post(url(payment), sent)
    assert "asked for already" in client.post(url(payment), sent).content.decode()
    assert given_back(payment) == 20000


@pytest.mark.parametrize("missing", ["reason", "key"])
def test_a_refund_needs_its_reason_and_its_whole_page(client, manager, missing):
    payment = f.paid(f.window()).payments.get()
    assert client.post(url(payment), form(**{missing: ""})).status_code == 200
    assert given_back(payment) == 0


def test_while_a_bank_disputes_it_nothing_is_given_back(client, manager):
    payment = f.paid(f.window()).payments.get()
    f.dispute(payment)
    assert "disputes this payment" in client.post(url(payment), form()).content.decode()
    assert url(payment) not in client.get(f"/admin/payments/payment/{payment.pk}/change/").content.decode()
    assert given_back(payment) == 0
    assert not Refund.objects.exists()
    f.dispute(payment, "won")
    client.post(url(payment), form())
    assert given_back(payment) == 20000


def test_another_payments_dispute_does_not_matter(client, manager):
    payment = f.paid(f.window()).payments.get()
    f.dispute(f.paid(f.window()).payments.get())
    client.post(url(payment), form())
    assert given_back(payment) == 20000


def test_what_goes_back_by_itself_is_left_to_itself(client, manager):
    booking = f.paid(f.window())
    f.deliver(f.capture_body(booking.payments.get(), again=True))
    surplus = Payment.objects.owed_back().get()
    assert "goes back by itself" in client.post(url(surplus), form()).content.decode()
    money_goes_back()
    assert given_back(surplus) == 50000


def test_what_was_paid_in_cash_is_handed_back_at_the_desk(client, manager):
    booking = walk_in(
        schedule_id=f.window().pk, who=f.guest(), method="cash", actor=manager, request_key=uuid4()
    )
    client.post(url(booking.payments.get()), form())
    money_goes_back()
    assert Refund.objects.get().status == RefundStatus.BY_HAND
    assert "waits for you at the desk" in client.get(booking.get_absolute_url()).content.decode()


@pytest.mark.parametrize("name", ["refund", "accept"])
def test_reception_decides_nothing_about_money(client, name):
    client.force_login(f.staff("Reception"))
    payment, item = wrong_amount()
    assert client.get(url(payment, name)).status_code == 403
    assert client.post(url(payment, name), form()).status_code == 403
    assert given_back(payment) == 0
    page = client.get(f"/admin/clinic/reviewitem/{item.pk}/change/").content.decode()
    assert url(payment, name) not in page


# --- What must be looked at ---------------------------------------------------------------


def test_an_item_about_a_payment_offers_what_resolves_it(client, manager):
    payment, item = wrong_amount()
    page = client.get(f"/admin/clinic/reviewitem/{item.pk}/change/").content.decode()
    for name in ("refund", "accept"):
        assert url(payment, name, item) in page
    assert "Accept as it is, with a note" in page


def test_a_refund_resolves_the_item_and_says_how(client, manager):
    payment, item = wrong_amount()
    answer = client.post(url(payment, item=item), form(amount="400"))
    assert answer.url == f"/admin/clinic/reviewitem/{item.pk}/change/"
    money_goes_back()
    item.refresh_from_db()
    assert (item.resolved_by, item.note) == (manager, "Refunded ₹400: Waited for two hours")
    assert given_back(payment) == 40000
    assert violations() == {}
    assert "Refund</a>" not in client.get(answer.url).content.decode()


def test_an_item_about_something_else_is_not_resolved_by_a_refund(client, manager):
    payment, _item = wrong_amount()
    other = ReviewItem.objects.create(key="payment:0:wrong", subject="Another")
    for about in (other.pk, 10**15, "x"):
        client.post(f"{url(payment)}?review={about}", form(amount="1"))
    other.refresh_from_db()
    assert other.resolved_at is None


def test_a_refund_that_failed_is_sent_again_from_its_item(client, manager):
    booking = f.paid(f.window())
    client.post(url(booking.payments.get()), form())
    Refund.objects.update(status=RefundStatus.FAILED)
    payment = booking.payments.get()
    Payment.objects.update(refunded_minor=0)
    item = ReviewItem.objects.create(key=f"refund:{Refund.objects.get().pk}", subject="A refund failed")
    page = client.get(f"/admin/clinic/reviewitem/{item.pk}/change/").content.decode()
    assert url(payment, item=item) in page
    client.post(url(payment, item=item), form())
    item.refresh_from_db()
    assert item.resolved_by == manager
    assert given_back(payment) == 20000


def test_what_is_to_be_handed_back_is_ticked_off_from_its_item_and_by_no_further_refund(client):
    reception = f.staff("Reception")
    client.force_login(reception)
    booking = walk_in(
        schedule_id=f.window().pk, who=f.guest(), method="cash", actor=reception, request_key=uuid4()
    )
    payment = booking.payments.get()
    boss = f.staff("Manager")
    client.force_login(boss)
    client.post(url(payment), form())
    money_goes_back()
    item, refund = ReviewItem.objects.get(), Refund.objects.get()
    client.post(url(payment, item=item), form(amount="1"))
    item.refresh_from_db()
    assert item.resolved_at is None
    client.force_login(reception)
    page = client.get(f"/admin/clinic/reviewitem/{item.pk}/change/").content.decode()
    assert f"/admin/payments/refund/{refund.pk}/handed-back/" in page
    client.post(f"/admin/payments/refund/{refund.pk}/handed-back/")
    item.refresh_from_db()
    assert item.resolved_by == reception
    assert violations() == {}


@pytest.mark.parametrize("about", ["dispute", "refund"])
def test_a_dispute_is_settled_with_the_bank_and_a_refund_in_doubt_by_nobody_here(client, manager, about):
    payment = f.paid(f.window()).payments.get()
    if about == "dispute":
        f.dispute(payment)
    else:
        ReviewItem.objects.create(key="refund:1:done", subject="Odd")
    item = ReviewItem.objects.get()
    page = client.get(f"/admin/clinic/reviewitem/{item.pk}/change/").content.decode()
    assert "Accept as it is, with a note" in page
    assert url(payment) not in page


def test_accepted_money_buys_its_place_after_all(client, manager):
    payment, item = wrong_amount()
    client.post(url(payment, "accept", item), {"reason": "Paid the rest in cash"})
    payment.refresh_from_db()
    item.refresh_from_db()
    assert payment.outcome == Outcome.BOUGHT
    assert (payment.booking.status, payment.booking.queue_number) == (Status.CONFIRMED, 1)
    assert payment.booking.events.last().actor == payment.events.last().actor == manager
    assert (item.resolved_by, item.note) == (
        manager, "Accepted for the booking, A1: Paid the rest in cash",
    )  # fmt: skip
    page = client.post(url(payment, "accept"), {"reason": "again"}).content.decode()
    assert "decided about already" in page
    assert payment.booking.events.count() == 2
    assert violations() == {}


def test_accepted_money_buys_nothing_where_no_place_is_left(client, manager):
    window = f.window(capacity=1)
    payment, item = wrong_amount(window)
    f.lapse(payment.booking)
    f.paid(window)
    page = client.post(url(payment, "accept", item), {"reason": "x"}).content.decode()
    assert "This window is full" in page
    payment.refresh_from_db()
    item.refresh_from_db()
    assert (payment.outcome, item.resolved_at) == (Outcome.REVIEW, None)
    assert violations() == {}


def test_what_was_refunded_is_not_accepted_as_well(client, manager):
    payment, item = wrong_amount()
    client.post(url(payment), form(amount="1"))
    assert (
        "decided about already" in client.post(url(payment, "accept", item), {"reason": "x"}).content.decode()
    )


def test_the_menu_counts_what_must_be_looked_at_for_those_who_may_see_it(client, manager):
    badge = '<span class="rooms-count">1</span>'
    assert "rooms-count" not in client.get("/admin/").content.decode()
    ReviewItem.objects.create(key="x", subject="Odd")
    for page in ("/admin/", "/admin/desk/", "/admin/bookings/booking/"):
        assert badge in client.get(page).content.decode()
    client.force_login(f.staff("Doctor"))
    assert "rooms-count" not in client.get("/admin/").content.decode()
