"""A patient cancels, knows before the click what comes back, and watches it come."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from bookings.models import Booking
from bookings.states import Status
from payments.models import Refund
from tests import factories
from tests.browser import people
from tests.storms.site import wait_for

FAR = timedelta(days=2)
AND_YOU_GET = re.compile(r"Cancel before .+ and you get ₹500 back\.")


@pytest.fixture
def slow_refunds(site):
    """Razorpay takes its time with them until somebody there settles them."""
    site.at_razorpay("slow_refunds", on=True)
    yield
    site.at_razorpay("slow_refunds", on=False)


def long_ago(booking) -> Booking:
    """As if it had been booked a day before: no second thoughts any more."""
    Booking.objects.filter(pk=booking.pk).update(created_at=timezone.now() - timedelta(days=1))
    return booking


def stays(page):
    """From here on a reload would be noticed."""
    page.evaluate("window.neverReloaded = true")
    return page


def test_from_the_rule_before_paying_to_the_refund_that_was_sent(open_page, site, slow_refunds):
    account, window = factories.user(name="Gauri Deshmukh"), factories.window(starts_in=FAR)
    page = open_page(account.email)
    page.goto(window.get_absolute_url())
    expect(page.get_by_text(AND_YOU_GET)).to_be_visible()
    people.say_who(page, "Gauri Deshmukh")
    page.get_by_role("button", name="Hold my place").click()
    page.wait_for_url("**/pay/**")
    expect(page.get_by_text(AND_YOU_GET)).to_be_visible()

    diary = page.context.new_page()
    diary.goto("/appointments/")
    expect(diary.get_by_role("heading", level=2).first).to_contain_text("waits for your payment")
    expect(diary.get_by_text(re.compile(r"Pay within \d+:\d\d"))).to_be_visible()
    stays(diary)
    people.go_to_razorpay(page)
    people.press_in_checkout(page, "Pay")
    mine = people.number(page)
    entry = diary.get_by_role("link", name=re.compile(f"{mine}.*₹500 paid.*confirmed", re.DOTALL))
    expect(entry).to_be_visible(timeout=10_000)

    page.get_by_role("link", name="Cancel this booking").click()
    other_tab = page.context.new_page()
    other_tab.goto(page.url)
    expect(page.get_by_text("You get ₹500 back")).to_be_visible()
    expect(page.get_by_text("You booked less than 30 minutes ago, so everything comes back.")).to_be_visible()
    page.get_by_role("button", name="Cancel, and get ₹500 back").click()
    expect(page.get_by_text("Your booking is cancelled. You get ₹500 back.")).to_be_visible()
    stays(page)
    expect(page.get_by_text("It is on its way.")).to_be_visible(timeout=10_000)
    diary.goto("/appointments/")
    expect(diary.get_by_text(re.compile("₹500 (goes back|on its way back)"))).to_be_visible()
    stays(diary)

    other_tab.get_by_role("button", name="Cancel, and get ₹500 back").click()
    other_tab.wait_for_url(re.compile(r"/b/[\w-]+/$"))
    refund = Refund.objects.get(payment__booking__schedule=window)
    assert refund.payment.booking.events.filter(to_status=Status.CANCELLED).count() == 1

    sent = Refund.objects.filter(pk=refund.pk).exclude(gateway_refund="")
    wait_for(sent.exists, 10, "the worker sends the refund")
    refund.refresh_from_db()
    site.at_razorpay("settle_refund", id=refund.gateway_refund)
    expect(page.get_by_text("₹500 sent back on")).to_be_visible(timeout=20_000)
    expect(diary.get_by_text("₹500 sent back on")).to_be_visible(timeout=20_000)
    assert page.evaluate("window.neverReloaded") and diary.evaluate("window.neverReloaded")
    window.refresh_from_db()
    assert window.taken == 0


def test_whose_time_to_cancel_passed_while_they_read_is_told_to_call(open_page):
    """Without scripts as with them: it is a form."""
    booking = long_ago(factories.paid(factories.window(starts_in=timedelta(minutes=5))))
    page = open_page(java_script_enabled=False)
    page.goto(f"{booking.get_absolute_url()}cancel/")
    expect(page.get_by_text("Your visit starts in less than 24 hours.")).to_be_visible()
    factories.move_window(booking.schedule, -timedelta(minutes=6))
    page.get_by_role("button", name="Cancel, with nothing back").click()
    expect(page.get_by_text("It is too late to cancel here. Please call the clinic")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Cancel"))).to_have_count(0)
    booking.refresh_from_db()
    assert (booking.status, booking.refund_percent) == (Status.CONFIRMED, None)
    page.get_by_role("link", name="Back to the booking").click()
    expect(page.get_by_role("link", name="Cancel this booking")).to_have_count(0)


def test_what_comes_back_changed_while_they_read_so_nothing_is_cancelled_yet(open_page):
    booking = long_ago(factories.paid(factories.window(starts_in=timedelta(hours=24, minutes=5))))
    page = open_page()
    page.goto(f"{booking.get_absolute_url()}cancel/")
    factories.move_window(booking.schedule, -timedelta(minutes=6))
    page.get_by_role("button", name="Cancel, and get ₹500 back").click()
    expect(page.get_by_text("Nothing comes back")).to_be_visible()
    booking.refresh_from_db()
    assert booking.status == Status.CONFIRMED
    page.get_by_role("button", name="Cancel, with nothing back").click()
    expect(page.get_by_text("By the rules it was sold with, nothing comes back.")).to_be_visible()
    assert not Refund.objects.filter(payment__booking=booking).exists()
