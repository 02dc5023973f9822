"""What managers read about the clinic's money: the sums are true, and every number leads to its rows."""

import re
from datetime import date, datetime, timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions as places
from payments import sweeps
from payments.counter import walk_in
from payments.models import Payment, Refund
from payments.money_charts import stacked
from payments.money_queries import MEASURES, Days, Selection, books, presets
from tests import factories as f

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 21)


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


@pytest.fixture
def days() -> Days:
    return Days(timezone.localdate() - timedelta(days=6), timezone.localdate())


def a_day_of_everything() -> None:
    """₹500 each: one place bought, one bought and given back, one without a place, one paid twice, one
    wrong (₹400), one declined, one still open."""
    window, small = f.window(capacity=20), f.window(capacity=1)
    f.paid(window)
    places.cancel(f.paid(window).pk, reason="ill")
    late = f.attempt(f.hold(small))
    f.lapse(late.booking)
    walk_in(
        schedule_id=small.pk, who=f.guest(), method="cash", actor=f.staff("Reception"), request_key=f.uuid4()
    )
    f.deliver(f.capture_body(late))
    twice = f.paid(window).payments.get()
    f.deliver(f.capture_body(twice, again=True))
    f.deliver(f.altered(f.capture_body(f.attempt(f.hold(window))), amount=40000))
    f.deliver(f.demo().decline(str(f.attempt(f.hold(window)).key)))
    f.attempt(f.hold(window))
    sweeps.make_refunds()
    cancelled = Refund.objects.get(cause="cancel")
    Refund.objects.exclude(pk=cancelled.pk).update(next_try_at=timezone.now() + timedelta(hours=1))
    sweeps.send_refunds()


def total(days) -> dict[str, int]:
    (book,) = books(days)
    return book.total.sums


def links(page: str) -> list[tuple[str, str]]:
    """Every number that leads to rows: pairs of the address and the amount that stands there."""
    found = re.findall(r'href="(/admin/money/rows/\?[^"]+)">(.*?)</a>', page, re.S)
    return [(unescape(address), re.search(r"₹[\d,.]+", words)[0]) for address, words in found]


# --- The sums -----------------------------------------------------------------------------


def test_every_kind_of_money_has_its_own_sum(days):
    a_day_of_everything()
    assert total(days) == {
        "captured": 340000, "refunded": 50000, "pending": 50000, "under_way": 100000, "overflow": 50000,
        "surplus": 50000, "review": 40000, "failed": 50000,
    }  # fmt: skip
    (book,) = books(days)
    assert (book.total.net, book.total.bought_nothing) == (290000, 140000)


def test_days_doctors_and_ways_of_paying_each_sum_up_to_the_whole(days):
    a_day_of_everything()
    (book,) = books(days)
    for lines in (book.days, book.by_doctor, book.by_way):
        for name, whole in book.total.sums.items():
            assert sum(line.sums[name] for line in lines) == whole
            assert sum(line.counts[name] for line in lines) == book.total.counts[name]
    assert [line.label for line in book.by_way] == ["Demo payment", "Cash"]


def test_every_number_on_the_page_leads_to_rows_that_come_to_it(client, manager, days):
    a_day_of_everything()
    page = client.get(f"/admin/money/?{days.query}").content.decode()
    found = links(page)
    assert len({address for address, _amount in found}) > 20
    for address, amount in found:
        assert [total for total, _n in client.get(address).context["sums"]] == [amount]


def test_two_currencies_are_never_added_up(days):
    f.paid(f.window())
    f.paid(f.window(currency="NPR", fee_minor=90000))
    assert {book.currency: book.total.sums["captured"] for book in books(days)} == {
        "INR": 50000,
        "NPR": 90000,
    }


def test_both_currencies_stand_on_the_page_with_headings_of_their_own(client, manager, days):
    f.paid(f.window())
    f.paid(f.window(currency="NPR", fee_minor=90000))
    page = client.get(f"/admin/money/?{days.query}").content.decode()
    assert 'id="in-INR"' in page and 'id="in-NPR"' in page
    assert page.index("रू 900") < page.index("₹500")


def at(payment, moment: datetime) -> None:
    Payment.objects.filter(pk=payment.pk).update(captured_at=moment)


@pytest.mark.parametrize(("hour", "day"), [("23:59:59.999999", 20), ("00:00", 21)])
def test_midnight_is_the_clinics_not_the_servers(hour, day):
    """05:30 ahead of UTC."""
    at(f.paid(f.window()).payments.get(), datetime.fromisoformat(f"2026-11-{day} {hour}+05:30"))
    for other in (19, 20, 21, 22):
        asked = Days(date(2026, 11, other), date(2026, 11, other))
        assert (total(asked)["captured"] if books(asked) else 0) == 50000 * (other == day)


def test_a_year_is_summed_up_by_month():
    at(f.paid(f.window()).payments.get(), datetime.fromisoformat("2026-03-31 23:30+05:30"))
    (book,) = books(Days(date(2026, 1, 15), date(2026, 12, 31)))
    assert [line.label for line in book.days if not line.is_empty] == ["March 2026"]
    assert str(book.days[2].selection.days) == "1 March to 31 March 2026"
    assert str(book.days[0].selection.days) == "15 January to 31 January 2026"
    assert len(book.days) == 12


def test_the_usual_days():
    assert {label: (str(days.first), str(days.last)) for label, days in presets(TODAY)} == {
        "Today": ("2026-11-21", "2026-11-21"),
        "This week": ("2026-11-16", "2026-11-22"),
        "Last 7 days": ("2026-11-15", "2026-11-21"),
        "This month": ("2026-11-01", "2026-11-30"),
        "Last month": ("2026-10-01", "2026-10-31"),
    }


def test_the_page_sends_as_many_statements_for_three_rows_as_for_thirty(client, manager, days):
    def statements(address) -> int:
        with CaptureQueriesContext(connection) as sent:
            assert client.get(address).status_code == 200
        return len(sent)

    rows = f"/admin/money/rows/?{days.query}&what=captured"
    f.paid(f.window())
    client.get(rows)
    few = statements(f"/admin/money/?{days.query}"), statements(rows)
    for _n in range(3):
        window = f.window(capacity=9)
        for _m in range(5):
            f.paid(window)
        places.cancel(f.paid(window).pk, reason="ill")
    sweeps.make_refunds()
    assert (statements(f"/admin/money/?{days.query}"), statements(rows)) == few
    with CaptureQueriesContext(connection) as sent:
        books(days)
    assert len(sent) == 4


# --- The chart ----------------------------------------------------------------------------


def test_bars_stand_on_each_other_and_what_went_back_hangs_below(days):
    a_day_of_everything()
    (book,) = books(days)
    chart = stacked(book, "words")
    bars = {bar.kind: bar for bar in chart.bars}
    zero = next(mark.y for mark in chart.marks if mark.is_zero)
    assert bars["bought"].y + bars["bought"].height == pytest.approx(zero, abs=0.1)
    assert bars["nothing"].y + bars["nothing"].height == pytest.approx(bars["bought"].y, abs=0.1)
    assert bars["waiting"].y + bars["waiting"].height == pytest.approx(bars["nothing"].y, abs=0.1)
    assert bars["back"].y == pytest.approx(zero, abs=0.1)
    assert bars["bought"].height / bars["back"].height == pytest.approx(200000 / 50000, abs=0.1)
    assert all(bar.y >= 0 and bar.y + bar.height <= chart.height for bar in chart.bars)
    assert {mark.text for mark in chart.marks} >= {"₹0", "₹2,000"}


def test_the_smallest_sum_is_still_seen(days):
    f.paid(f.window())
    f.paid(f.window(fee_minor=10_000_000_00))
    at(Payment.objects.order_by("pk")[0], timezone.now() - timedelta(days=2))
    (book,) = books(days)
    assert min(bar.height for bar in stacked(book, "").bars) == 2


def test_one_day_has_no_chart_and_neither_has_a_week_of_declined_payments(days):
    f.deliver(f.demo().decline(str(f.attempt(f.hold(f.window())).key)))
    (book,) = books(days)
    assert stacked(book, "") is None
    f.paid(f.window())
    (book,) = books(Days(days.last, days.last))
    assert stacked(book, "") is None


def test_the_page_draws_without_a_style_or_a_script_of_its_own(client, manager, days):
    a_day_of_everything()
    page = client.get(f"/admin/money/?{days.query}").content.decode()
    chart = page[page.index("<figure") : page.index("</figure>")]
    assert "<b>₹2,900</b>" in page  # kept
    assert 'role="img"' in chart and "<title" in chart and "₹3,400 taken, ₹500 given back" in chart
    assert "style=" not in chart and "<script" not in chart
    assert re.findall(r'height="(-?[\d.]+)"', chart)
    assert not re.search(r'(?:y|height|x)="[^"]*,', chart)


# --- The rows -----------------------------------------------------------------------------


def test_a_row_says_whose_visit_it_was_and_what_its_gateway_calls_it(client, manager, days):
    booking = f.paid(f.window(doctor=f.doctor(name="Dr. Nirmala Pradhan")))
    payment = booking.payments.get()
    page = client.get(f"/admin/money/rows/?{days.query}&what=captured").content.decode()
    for said in (
        "A1",
        "Dr. Nirmala Pradhan",
        "Ravi Kumar",
        payment.reference,
        payment.gateway_payment,
        "₹500",
    ):
        assert said in page
    assert f"/admin/payments/payment/{payment.pk}/change/" in page
    assert booking.public_id not in page


def test_refunds_stand_beside_what_they_were_paid_by(client, manager, days):
    a_day_of_everything()
    page = client.get(f"/admin/money/rows/?{days.query}&what=refunded").content.decode()
    refund = Refund.objects.get(cause="cancel")
    assert refund.gateway_refund in page and refund.payment.gateway_payment in page
    assert page.count("Sent back") == 1


def test_whoever_may_not_see_patients_reads_no_names(client, days):
    account = f.user(is_staff=True)
    may = ("view_money",)
    account.user_permissions.set(f.Group.objects.get(name="Manager").permissions.filter(codename__in=may))
    client.force_login(account)
    f.paid(f.window())
    page = client.get(f"/admin/money/rows/?{days.query}&what=captured").content.decode()
    assert "A1" in page and "Ravi Kumar" not in page
    assert "/admin/bookings/booking/" not in page


def test_many_rows_come_page_by_page(client, manager, days):
    window = f.window(capacity=60)
    for _n in range(51):
        f.paid(window)
    address = f"/admin/money/rows/?{days.query}&what=captured"
    assert len(client.get(address).context["rows"]) == 50
    page = client.get(f"{address}&page=2")
    assert len(page.context["rows"]) == 1
    assert page.context["sums"] == [("₹25,500", 51)]
    assert "Page 2 of 2" in page.content.decode()


# --- What bad addresses get ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=soon", "Write the day as"),
        ("since=2026-11-21&until=2026-11-20", "lies before the first one"),
        ("since=2020-01-01&until=2026-11-20", "a year at most"),
        ("since=0001-01-01&until=0001-01-02", "of this century"),
        ("since=9999-12-31&until=9999-12-31", "of this century"),
        ("since=2026-02-30", "Write the day as"),
    ],
)
def test_days_that_make_no_sense_are_said_and_nothing_is_shown(client, manager, query, said):
    page = client.get(f"/admin/money/?{query}")
    assert page.status_code == 200 and said in page.content.decode()
    assert page.context["books"] == []
    for address in (f"/admin/money/rows/?{query}&what=captured", f"/admin/money/export/payments.csv?{query}"):
        assert client.get(address).status_code == 400


@pytest.mark.parametrize(
    "query",
    ["what=everything", "", "what=captured&doctor=x", "what=captured&currency=₹", "what=captured&gateway='"],
)
def test_rows_of_nothing_known_are_refused(client, manager, query):
    assert client.get(f"/admin/money/rows/?{query}").status_code == 400


def test_no_days_are_this_week(client, manager):
    page = client.get("/admin/money/")
    assert page.context["days"] == presets(timezone.localdate())[1][1]
    assert "No money in these days" in page.content.decode()


@pytest.mark.parametrize("role", ["Reception", "Doctor"])
@pytest.mark.parametrize("page", ["rows/?what=captured", "export/payments.csv"])
def test_the_clinics_money_is_the_managers(client, role, page):
    client.force_login(f.staff(role))
    assert client.get(f"/admin/money/{page}").status_code == 403


def test_reception_is_at_todays_payments_instead(client):
    client.force_login(f.staff("Reception"))
    answer = client.get("/admin/money/", follow=True)
    assert answer.redirect_chain == [("/admin/payments/payment/?day=today", 302)]
    assert answer.status_code == 200


def test_a_doctor_has_no_such_page(client):
    client.force_login(f.staff("Doctor"))
    assert client.get("/admin/money/").status_code == 403
    assert "/admin/money/" not in client.get("/admin/").content.decode()


def test_the_pages_only_read(client, manager):
    for page in ("", "rows/?what=captured", "export/payments.csv"):
        assert client.post(f"/admin/money/{page}").status_code == 405


def test_every_measure_has_rows_that_can_be_shown(client, manager, days):
    a_day_of_everything()
    for name in MEASURES:
        assert Selection(days=days, what=name).rows().exists()
        assert client.get(f"/admin/money/rows/?{days.query}&what={name}").status_code == 200
