"""What managers read about some days: how full the clinic was, who did not come, what sold and what it brought in."""

import csv
import io
import re
from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions as places
from bookings import desk, use_queries
from bookings.models import Booking
from bookings.use_queries import Use, Visits
from clinic.models import Service
from payments import report_queries as reports
from payments import sweeps
from payments.models import Payment
from payments.money_queries import Days, books
from payments.payout_actions import ask_for
from tests import factories as f

pytestmark = pytest.mark.django_db
NOT_OURS = re.compile(r"^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)|django_session|clinic_user")


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


@pytest.fixture
def days() -> Days:
    """Yesterday, when nothing was, to the day after tomorrow."""
    today = timezone.localdate()
    return Days(today - timedelta(days=1), today + timedelta(days=2))


def morning(days=1, **fields):
    return f.window(starts_in=f.at_ten(days), **fields)


def a_day_of_everything():
    """Ten seats at ₹500 with Dr. Rao: two seen, one who did not come, one expected, one held; one cancelled and
    given back, one given up, one whose time to pay is over; one that moved to the next day, where there are three
    seats. Five paid places stay: 4 on this day, 1 on the next."""
    window, nurse = morning(capacity=10, doctor=f.doctor(name="Dr. Rao")), f.user()
    f.seen(window)
    f.seen(window)
    desk.no_show(f.paid(window).pk, actor=nurse)
    f.paid(window)
    f.hold(window)
    places.cancel(f.paid(window).pk, reason="ill")
    places.give_up(f.hold(window).pk)
    f.lapse(f.hold(window))
    places.reschedule(f.paid(window).pk, morning(2, doctor=window.doctor).pk, actor=nurse, reason="asked")
    sweeps.make_refunds()
    sweeps.send_refunds()
    return window


def as_service(booking, name: str) -> None:
    """As if this visit had been booked for a service."""
    service, _made = Service.objects.get_or_create(
        code=name.lower(), defaults={"name": name, "duration": 30, "price_minor": 50000}
    )
    Booking.objects.filter(pk=booking.pk).update(
        service=service, service_name="as it was called then", minutes=40
    )


def use_of(days, **asked) -> list[tuple]:
    found = use_queries.utilisation(reports.windows_in(days), timezone.now(), **asked)
    return [(row.day, row.doctor, row.period, row.sells, row.windows, row.use) for row in found]


def fetch(client, what, days) -> list[dict]:
    answer = client.get(f"/admin/money/export/{what}.csv?{days.query}")
    assert answer.status_code == 200 and answer.streaming
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))


# --- How full -----------------------------------------------------------------------------


def test_how_full_a_doctor_was_over_some_days(days):
    window = a_day_of_everything()
    assert use_of(days) == [(None, "Dr. Rao", "morning", "seats", 2, Use(used=5, held=1, total=13))]
    assert use_of(days, by_day=True) == [
        (window.date, "Dr. Rao", "morning", "seats", 1, Use(4, 1, 10)),
        (window.date + timedelta(days=1), "Dr. Rao", "morning", "seats", 1, Use(1, 0, 3)),
    ]


def test_minutes_of_services_are_summed_up_apart(manager, days):
    """Three hours: 40 minutes sold, 40 held; of a second morning 70 minutes are sold."""
    doctor = f.doctor(name="Dr. Rao")
    short, long = f.service(doctor, name="Botox"), f.service(doctor, name="Skin care", duration=60)
    first, second = (f.pool(doctor=doctor, starts_in=f.at_ten(n)) for n in (1, 2))
    for booking in (f.reserve(first, short, 0), f.reserve(second, long, 10)):
        f.deliver(f.capture_body(f.attempt(booking)))
    f.reserve(first, short, 40)
    f.lapse(f.reserve(first, long, 100))
    assert use_of(days) == [(None, "Dr. Rao", "morning", "minutes", 2, Use(used=110, held=40, total=360))]
    report = reports.report(days, manager, with_money=True)
    assert [(line.name, line.visits.sold, line.sums[0].kept) for line in report.services] == [
        ("Botox", 40, "₹400"),
        ("Skin care", 70, "₹400"),
    ]


def test_parts_of_the_day_and_what_is_sold_stay_apart(days):
    doctor = f.doctor(name="Dr. Rao")
    morning(doctor=doctor)
    f.slots(3, starts_in=f.at_ten() + timedelta(hours=3), doctor=doctor)
    f.window(
        kind="pool",
        doctor=doctor,
        starts_in=f.at_ten() + timedelta(hours=5),
        lasts=timedelta(hours=1),
        capacity=60,
    )
    f.window(doctor=doctor, starts_in=f.at_ten() + timedelta(hours=7), capacity=8)
    assert [row[2:] for row in use_of(days)] == [
        ("morning", "seats", 1, Use(0, 0, 3)),
        ("afternoon", "minutes", 1, Use(0, 0, 60)),
        ("afternoon", "seats", 3, Use(0, 0, 3)),
        ("evening", "seats", 1, Use(0, 0, 8)),
    ]


def test_a_part_of_the_day_is_the_one_that_the_window_says(settings, days):
    """The database decides as `Schedule.period` does."""
    settings.EVENING_FROM_HOUR = 14
    for hours in (1, 2, 4):
        window = f.window(starts_in=f.at_ten() + timedelta(hours=hours), lasts=timedelta(minutes=30))
        found = use_queries.utilisation(reports.windows_in(days).filter(pk=window.pk), timezone.now())
        assert [row.period for row in found] == [window.period]


def test_a_cancelled_window_is_no_capacity(days):
    morning(status="cancelled")
    assert use_of(days) == []


# --- Visits -------------------------------------------------------------------------------


def test_what_became_of_the_visits(manager, days):
    a_day_of_everything()
    together = reports.report(days, manager, with_money=False).together
    assert together == Visits(booked=5, seen=2, missed=1, cancelled=1, sold=0)
    assert (together.expected, together.missed_percent) == (3, 33.3)


def test_nobody_expected_is_no_rate(manager, days):
    f.paid(morning())
    assert reports.report(days, manager, with_money=False).together.missed_percent is None


def test_what_is_only_held_is_no_visit_and_its_service_not_listed(manager, days):
    doctor = f.doctor()
    f.reserve(f.pool(doctor=doctor, starts_in=f.at_ten()), f.service(doctor))
    assert reports.report(days, manager, with_money=True).services == []


def test_visits_belong_to_the_day_of_the_visit(manager, days):
    a_day_of_everything()
    last = Days(days.last, days.last)
    assert reports.report(last, manager, with_money=False).together == Visits(booked=1)


# --- Services and what they brought in ----------------------------------------------------


def test_what_each_service_sold_and_brought_in(manager, days):
    """Facials: two paid ₹500, one of them given back. Peels: one at ₹900 in rupees of Nepal. Else: one ₹500."""
    window, nepal = morning(capacity=9), morning(2, currency="NPR", fee_minor=90000)
    kept, gone = f.seen(window), f.paid(window)
    peel = f.paid(nepal)
    f.paid(window)
    as_service(kept, "Facial")
    as_service(gone, "Facial")
    as_service(peel, "Peel")
    places.cancel(gone.pk, reason="ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    lines = reports.report(days, manager, with_money=True).services
    assert [(line.name, line.visits) for line in lines] == [
        ("Consultation", Visits(booked=1)),
        ("Facial", Visits(booked=1, seen=1, cancelled=1, sold=40)),
        ("Peel", Visits(booked=1, sold=40)),
    ]
    assert [[(sums.taken, sums.back, sums.kept) for sums in line.sums] for line in lines] == [
        [("₹500", "₹0", "₹500")],
        [("₹1,000", "₹500", "₹500")],
        [("रू 900", "रू 0", "रू 900")],
    ]


def test_a_service_paid_in_two_currencies_has_two_sums(manager, days):
    for window in (morning(), morning(2, currency="KRW", fee_minor=30000)):
        as_service(f.paid(window), "Facial")
    (line,) = reports.report(days, manager, with_money=True).services
    assert [(sums.currency, sums.kept) for sums in line.sums] == [("INR", "₹500"), ("KRW", "₩30,000")]


def test_money_of_services_comes_to_what_the_money_page_says(manager, days):
    window = a_day_of_everything()
    twice = f.paid(window).payments.get()
    f.deliver(f.capture_body(twice, again=True))
    sweeps.make_refunds()
    as_service(f.paid(window), "Facial")
    moved = reports.revenue(days)
    (book,) = books(days)
    assert sum(row["taken"] for row in moved) == book.total.sums["captured"] == 450000
    assert sum(row["back"] for row in moved) == book.total.sums["refunded"] == 50000


def test_money_stands_on_the_day_on_which_it_moved(manager, days):
    booking = f.paid(morning())
    month_ago = timezone.now() - timedelta(days=30)
    Payment.objects.filter(booking=booking).update(captured_at=month_ago)
    (line,) = reports.report(days, manager, with_money=True).services
    assert (line.visits.booked, line.sums) == (1, [])
    then = Days(timezone.localdate(month_ago), timezone.localdate(month_ago))
    (line,) = reports.report(then, manager, with_money=True).services
    assert (line.visits.booked, line.sums[0].kept) == (0, "₹500")


# --- The page -----------------------------------------------------------------------------


def test_the_page_says_it_all(client, manager, days):
    a_day_of_everything()
    page = client.get(f"/admin/dashboard/period/?{days.query}").content.decode()
    for said in (
        "5 of 13 used",
        "33.3%",
        "1 of 3 whose time has come",
        "₹2,500",
        "Dr. Rao",
        "13 seats",
        "1 cancelled",
    ):
        assert said in page
    assert "Ravi" not in page


def test_it_costs_the_same_however_many_bookings_there_are(client, manager, days):
    def statements():
        with CaptureQueriesContext(connection) as sent:
            assert client.get(f"/admin/dashboard/period/?{days.query}").status_code == 200
        return [query["sql"] for query in sent if not NOT_OURS.search(query["sql"])]

    a_day_of_everything()
    few = len(statements())
    for _n in range(2):
        as_service(f.paid(a_day_of_everything()), f"Facial {_n}")
    assert len(statements()) == few <= 8


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("since=soon", "Write the day as"),
        ("since=2026-11-21&until=2026-11-20", "lies before the first one"),
        ("since=2020-01-01&until=2026-11-20", "a year at most"),
        ("since=0001-01-01&until=9999-12-31", "of this century"),
    ],
)
def test_days_that_make_no_sense_are_said_and_nothing_is_shown(client, manager, query, said):
    page = client.get(f"/admin/dashboard/period/?{query}")
    assert page.status_code == 200 and said in page.content.decode()
    assert page.context["report"] is None
    for what in ("utilisation", "services"):
        assert client.get(f"/admin/money/export/{what}.csv?{query}").status_code == 400


def test_no_days_are_this_week_and_days_of_nothing_say_so(client, manager):
    page = client.get("/admin/dashboard/period/")
    assert page.context["days"].count == 7
    assert "Nobody booked in these days." in page.content.decode()


# --- Who ----------------------------------------------------------------------------------


def test_reception_reads_it_without_money(client, days):
    a_day_of_everything()
    client.force_login(f.staff("Reception"))
    page = client.get(f"/admin/dashboard/period/?{days.query}").content.decode()
    assert "5 of 13 used" in page and "Dr. Rao" in page
    assert "₹" not in page and "Kept" not in page and "/export/" not in page


def test_doctors_read_their_own_without_money(client, days):
    a_day_of_everything()
    mine = f.doctor(name="Dr. Own", user=f.staff("Doctor"))
    f.paid(morning(doctor=mine))
    client.force_login(mine.user)
    page = client.get(f"/admin/dashboard/period/?{days.query}").content.decode()
    assert "Dr. Own" in page and "1 of 3 used" in page
    assert "Dr. Rao" not in page and "₹" not in page


@pytest.mark.parametrize("role", ["Reception", "Doctor"])
@pytest.mark.parametrize("what", ["utilisation", "services"])
def test_files_are_the_managers(client, role, what):
    client.force_login(f.staff(role))
    assert client.get(f"/admin/money/export/{what}.csv").status_code == 403


def test_it_is_for_the_clinics_staff_and_only_reads(client, manager):
    assert client.post("/admin/dashboard/period/").status_code == 405
    client.force_login(f.user(is_staff=True))
    assert client.get("/admin/dashboard/period/").status_code == 403


# --- Files --------------------------------------------------------------------------------


def test_the_utilisation_file_has_a_line_for_each_day_doctor_and_part(client, manager, days):
    window = a_day_of_everything()
    first, second = fetch(client, "utilisation", days)
    assert first == {
        "date": window.date.isoformat(), "doctor": "Dr. Rao", "period": "morning", "sells": "seats", "windows": "1",
        "used": "4", "held": "1", "free": "5", "total": "10", "percent": "40",
    }  # fmt: skip
    assert (second["used"], second["total"], second["percent"]) == ("1", "3", "33")


def test_a_year_of_utilisation_is_read_month_by_month(days):
    morning()
    year = Days(days.first, days.first + timedelta(days=364))
    with CaptureQueriesContext(connection) as sent:
        rows = list(reports.utilisation_table(year))
    assert len(rows) == 1 and len(sent) == 12


def test_the_services_file_has_amounts_in_major_units(client, manager, days):
    window = morning(capacity=9)
    as_service(f.seen(window), "Facial")
    as_service(f.paid(morning(2, currency="KRW", fee_minor=30000)), "Facial")
    places.cancel(f.paid(window).pk, reason="ill")
    sweeps.make_refunds()
    sweeps.send_refunds()
    inr, krw, other = fetch(client, "services", days)
    assert (inr["service"], inr["booked"], inr["seen"], inr["no_show_percent"], inr["minutes"]) == (
        "Facial", "2", "1", "0.0", "80",
    )  # fmt: skip
    assert (inr["taken"], inr["given_back"], inr["kept"], inr["currency"]) == (
        "500.00",
        "0.00",
        "500.00",
        "INR",
    )
    assert (krw["service"], krw["booked"], krw["kept"], krw["currency"]) == ("Facial", "", "30000", "KRW")
    assert (other["service"], other["booked"], other["cancelled"]) == ("Consultation", "0", "1")
    assert (other["taken"], other["given_back"], other["kept"]) == ("500.00", "500.00", "0.00")


def test_a_name_that_is_a_formula_reaches_no_spreadsheet_as_one(client, manager, days):
    window = morning(doctor=f.doctor(name="=1+1"))
    as_service(f.paid(window), "@SUM(A1)")
    assert fetch(client, "utilisation", days)[0]["doctor"] == "'=1+1"
    assert fetch(client, "services", days)[0]["service"] == "'@SUM(A1)"


# --- Rows for the API ---------------------------------------------------------------------


def test_utilisation_rows_are_of_all_or_of_one_doctor(days):
    window = a_day_of_everything()
    morning(2, doctor=f.doctor())
    assert len(reports.utilisation(days)) == 3
    first, _second = reports.utilisation(days, doctor=window.doctor)
    assert first == {
        "date": window.date, "doctor_id": window.doctor_id, "doctor": "Dr. Rao", "period": "morning",
        "sells": "seats", "windows": 1, "used": 4, "held": 1, "total": 10, "free": 5, "percent": 40,
    }  # fmt: skip


def test_payment_rows_say_what_is_captured_pending_and_given_back(days):
    window = a_day_of_everything()
    f.attempt(f.hold(window))
    (row,) = reports.payments(days)
    assert (row["doctor_id"], row["currency"]) == (window.doctor_id, "INR")
    assert (row["captured_minor"], row["captured_count"]) == (300000, 6)
    assert (row["refunded_minor"], row["net_minor"]) == (50000, 250000)
    assert (row["pending_minor"], row["pending_count"]) == (50000, 1)


def test_payout_rows_are_those_that_moved_in_the_days(manager, days):
    window = morning(doctor=f.doctor(name="Dr. Rao"))
    f.paid(window)
    sweeps.book_ledger()
    payout = ask_for(window.doctor, amount_minor=10000, key=uuid4(), actor=manager)
    (row,) = reports.payouts(days)
    assert (row["code"], row["amount_minor"], row["status"]) == (payout.code, 10000, "requested")
    assert reports.payouts(days, doctor=f.doctor()) == []
    assert reports.payouts(Days(date(2001, 1, 1), date(2001, 1, 2))) == []
