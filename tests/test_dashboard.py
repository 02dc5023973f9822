"""What staff see live: how much of each day is used, held and free, to the seat and to the minute."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions as places
from bookings import desk
from bookings.dashboard_queries import AHEAD, Dashboard, Part, dashboard_of
from bookings.day_charts import ROW, TOP, timeline
from bookings.models import Booking
from bookings.use_queries import Sells, Use
from schedules import actions as windows
from schedules.models import Schedule
from tests import factories as f

pytestmark = pytest.mark.django_db
NOT_OURS = re.compile(r"^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)|django_session|clinic_user")


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


def board(user, days=1):
    """The dashboard with the day that many days from today chosen."""
    wanted = timezone.localdate() + timedelta(days=days)
    return dashboard_of(user, timezone.now(), wanted.isoformat())


def morning(days=1, **fields):
    """Ten to one, three seats unless said."""
    return f.window(starts_in=f.at_ten(days), **fields)


def a_morning_of_everything(**fields):
    """Ten seats: one confirmed, one seen, one who did not come, one held; one cancelled, one given up, one whose
    time to pay is over, one who moved away. So 3 used, 1 held, 6 free."""
    window, nurse = morning(capacity=10, **fields), f.user()
    f.paid(window)
    f.seen(window)
    desk.no_show(f.paid(window).pk, actor=nurse)
    f.hold(window)
    places.cancel(f.paid(window).pk, reason="ill")
    places.give_up(f.hold(window).pk)
    f.lapse(f.hold(window))
    places.reschedule(f.paid(window).pk, morning(2, doctor=window.doctor).pk, actor=nurse, reason="asked")
    return window


# --- The figures --------------------------------------------------------------------------


def test_seats_are_used_held_or_free(manager):
    window = a_morning_of_everything()
    (part,) = board(manager).parts
    assert part.use == Use(used=3, held=1, total=10)
    assert (part.use.free, part.use.percent, part.use.bar) == (6, 30, (30.0, 10.0))
    assert (part.doctor, part.period, part.sells) == (window.doctor, "Morning", Sells.SEATS)
    assert board(manager).mix.uses == [(Sells.SEATS, part.use)]


def test_a_lapsed_hold_is_free_before_a_sweep_has_seen_it(manager):
    window = morning()
    booking = f.hold(window)
    assert board(manager).parts[0].use == Use(0, 1, 3)
    f.lapse(booking)
    assert board(manager).parts[0].use == Use(0, 0, 3)
    window.refresh_from_db()
    assert window.taken == 1


def test_who_moved_is_counted_where_they_are_now(manager):
    a_morning_of_everything()
    assert board(manager, days=2).parts[0].use == Use(1, 0, 3)


def test_nothing_is_full_before_the_last_seat_is_gone():
    assert Use(used=199, total=200).percent == 99
    assert Use(used=200, total=200).percent == 100
    assert Use().percent == 0 and Use().bar == (0, 0)


def test_a_cancelled_window_is_no_capacity_and_a_closed_one_still_is(manager):
    windows.withdraw(morning().pk, actor=manager)
    windows.close(morning().pk, actor=manager)
    (part,) = board(manager).parts
    assert part.use.total == 3 and not part.is_on_sale


def test_a_days_exact_times_are_one_line_and_each_part_of_the_day_its_own(manager):
    doctor = f.doctor()
    slots = f.slots(4, starts_in=f.at_ten(), doctor=doctor)
    f.paid(slots[2])
    f.window(doctor=doctor, starts_in=f.at_ten() + timedelta(hours=8), capacity=7)
    parts = board(manager).parts
    assert [(part.period, part.use) for part in parts] == [
        ("Morning", Use(1, 0, 4)),
        ("Evening", Use(0, 0, 7)),
    ]
    assert board(manager).mix.seats == Use(1, 0, 11)


def test_eight_days_are_shown_and_no_other(manager):
    f.paid(morning(AHEAD))
    morning(AHEAD + 1)
    morning(-1)
    shown = board(manager)
    assert [day.mix.seats for day in shown.days] == [Use()] * AHEAD + [Use(1, 0, 3)]
    assert [day.date for day in shown.days if day.is_today] == [timezone.localdate()]


@pytest.mark.parametrize("wanted", ["", "soon", "2001-01-01", "9999-12-31", "2026-02-30", "\x00", "١"])
def test_a_day_that_is_not_shown_is_today(client, manager, wanted):
    page = client.get("/admin/dashboard/", {"day": wanted})
    assert page.status_code == 200
    assert page.context["board"].chosen == timezone.localdate()


# --- Minutes, and what still fits ---------------------------------------------------------


def sold(booking):
    f.deliver(f.capture_body(f.attempt(booking)))
    return booking


def what_fits(user) -> list[tuple]:
    """Pairs of a service and after how many minutes it can start."""
    (part,) = board(user).parts
    return [
        (fit.service.name, round((fit.start - part.starts_at) / timedelta(minutes=1))) for fit in part.fits
    ]


def test_minutes_are_used_held_or_free_and_what_fits_comes_with_its_next_start(manager):
    doctor, other = f.doctor(), f.doctor()
    short = f.service(doctor, other, name="Botox", duration=30, buffer=10)
    long = f.service(doctor, name="Skin care", duration=60, buffer=10)
    f.service(other, name="Laser")
    f.service(doctor, name="Hidden", visible=False)
    f.service(doctor, name="Removed", deleted_at=timezone.now())
    pool = f.pool(doctor=doctor, starts_in=f.at_ten())
    assert what_fits(manager) == [("Botox", 0), ("Skin care", 0)]
    sold(f.reserve(pool, short, 0))
    held = f.reserve(pool, long, 80)
    (part,) = board(manager).parts
    assert (part.sells, part.use, part.use.free) == (Sells.MINUTES, Use(used=40, held=70, total=180), 70)
    assert what_fits(manager) == [("Botox", 40)]  # 40 to 80, and 150 to 180: 70 minutes, but in two pieces
    f.lapse(held)
    assert what_fits(manager) == [("Botox", 40), ("Skin care", 40)]


def test_where_no_service_fits_any_more_the_page_says_so(client, manager):
    doctor = f.doctor()
    long = f.service(doctor, name="Skin care", duration=60, buffer=10)
    pool = f.pool(doctor=doctor, starts_in=f.at_ten())
    day = {"day": pool.date.isoformat()}
    assert re.search(
        r"Skin care <small>from <time[^>]*>10:00<", client.get("/admin/dashboard/", day).content.decode()
    )
    sold(f.reserve(pool, long, 55))
    page = client.get("/admin/dashboard/", day).content.decode()
    assert "no service fits any more" in page and "70 of 180 used · 110 free" in page


def test_a_service_is_a_bar_as_long_as_its_minutes(manager):
    doctor = f.doctor()
    pool = f.pool(doctor=doctor, starts_in=f.at_ten(), lasts=timedelta(minutes=150), capacity=150)
    f.reserve(pool, f.service(doctor, name="Botox"), 30)
    shown = board(manager)
    (box,) = timeline(shown).places
    assert (round(box.x, 1), round(box.width, 1), box.kind) == (16.7, 22.2, "held")  # of ten to one
    assert box.words.startswith("10:30–11:10 · Botox · held until ")
    assert shown.places[0].minutes == 40


def test_a_closed_pool_sells_nothing_more(manager):
    doctor = f.doctor()
    f.service(doctor)
    windows.close(f.pool(doctor=doctor, starts_in=f.at_ten()).pk, actor=manager)
    assert what_fits(manager) == []


# --- The picture --------------------------------------------------------------------------


def test_numbers_stand_in_their_order_and_times_at_their_time(manager):
    doctor = f.doctor(name="Dr. A")
    numbers = morning(doctor=doctor, capacity=5, lasts=timedelta(minutes=150))  # half an hour each
    f.paid(numbers)
    f.hold(numbers)
    slot = f.slot(doctor=f.doctor(name="Dr. B"), starts_in=f.at_ten() + timedelta(hours=2))
    f.paid(slot)
    shown = board(manager)
    minutes = [round((place.start - numbers.starts_at) / timedelta(minutes=1)) for place in shown.places]
    assert minutes == [0, 30, 120]
    assert [place.tone for place in shown.places] == ["booked", "held", "booked"]
    chart = timeline(shown)
    assert [(row.name, row.y) for row in chart.rows] == [("Dr. A", TOP), ("Dr. B", TOP + ROW)]
    assert [round(box.x, 1) for box in chart.places] == [0, 16.7, 66.7]  # of ten to one
    assert [round(box.width, 1) for box in chart.places] == [16.7, 16.7, 11.1]
    assert chart.now is None


@pytest.mark.parametrize(
    ("midnight", "hours"),
    [
        (datetime(2027, 3, 27, 23, tzinfo=UTC), ["0:00", "1:00", "3:00", "4:00", "5:00", "6:00"]),
        (datetime(2027, 10, 30, 22, tzinfo=UTC), ["0:00", "1:00", "2:00", "2:00", "3:00", "4:00"]),
    ],
)
def test_where_clocks_change_each_hour_of_the_picture_is_as_long(midnight, hours):
    """Five hours in Berlin."""
    end = midnight + timedelta(hours=5)
    with timezone.override("Europe/Berlin"):
        typed = {"start_time": timezone.localtime(midnight), "end_time": timezone.localtime(end)}
        window = Schedule(doctor=f.doctor(), starts_at=midnight, ends_at=end, **typed)
        part = Part(midnight, [window], [])
        chart = timeline(Dashboard(midnight, end.date(), [], [], [part], [], [window]))
    assert [hour.text for hour in chart.hours] == hours
    assert [(box.x, box.width) for box in chart.windows] == [(0, 100)]


def test_who_left_a_place_leaves_the_picture(manager):
    a_morning_of_everything()
    assert sorted(place.tone for place in board(manager).places) == ["booked", "held", "missed", "seen"]


def test_the_picture_says_no_name_and_what_it_shows_is_also_a_list(client, manager):
    window = morning(prefix="Q")
    booking = f.paid(window)
    day = {"day": window.date.isoformat()}
    picture, table = (
        client.get("/admin/dashboard/", day | more).content.decode() for more in ({}, {"as": "list"})
    )
    assert 'role="img"' in picture and "<title" in picture and "1 place is taken or held." in picture
    assert "about 10:00 · Q1 · confirmed" in picture
    assert "<td>Q1</td><td>60</td><td>confirmed</td>" in table and "day-picture" not in table
    for page in (picture, table):
        assert booking.patient.name not in page and booking.public_id not in page
    assert "style=" not in picture and not re.search(r'(?:\bx|width|x1)="[\d.]*,', picture)


# --- Live ---------------------------------------------------------------------------------


def test_an_unchanged_dashboard_is_not_sent_again(client, manager):
    window = morning()
    f.paid(window)
    day = window.date.isoformat()
    seen = client.get("/admin/dashboard/", {"day": day}).context["version"]

    def ask(version):
        asked = {"day": day, "seen": version}
        return client.get("/admin/dashboard/", asked, headers={"HX-Request": "true"})

    assert ask(seen).status_code == 204
    f.hold(window)
    answer = ask(seen)
    assert answer.status_code == 200 and b"<html" not in answer.content
    assert answer.context["version"] != seen
    assert 'hx-trigger="every 10s"' in answer.content.decode()
    assert ask(answer.context["version"]).status_code == 204


def test_the_list_stays_a_list_when_it_is_looked_at_again(client, manager):
    morning()
    page = client.get("/admin/dashboard/?as=list").content.decode()
    assert re.search(r'hx-get="[^"]*&amp;as=list&amp;seen=', page)


@pytest.mark.parametrize("fragment", [False, True])
def test_it_costs_the_same_however_many_bookings_there_are(client, manager, fragment):
    def statements():
        headers = {"HX-Request": "true"} if fragment else {}
        with CaptureQueriesContext(connection) as sent:
            assert client.get("/admin/dashboard/", {"day": day}, headers=headers).status_code == 200
        return [query["sql"] for query in sent if not NOT_OURS.search(query["sql"])]

    window, dermatologist = morning(capacity=30), f.doctor()
    service = f.service(dermatologist)
    day = window.date.isoformat()
    f.paid(window)
    f.reserve(f.pool(doctor=dermatologist, starts_in=f.at_ten() + timedelta(hours=5)), service)
    few = len(statements())
    for n in range(5):
        f.paid(window)
        f.hold(f.window(starts_in=f.at_ten()))
        f.reserve(f.pool(doctor=dermatologist, starts_in=f.at_ten(2 + n)), service, 40)
    assert len(statements()) == few <= 8


# --- Who ----------------------------------------------------------------------------------


def test_doctors_see_their_own_and_reception_sees_all(client):
    mine = f.doctor(user=f.staff("Doctor"))
    morning(doctor=mine)
    morning(doctor=f.doctor())
    assert board(mine.user).doctors == [mine]
    assert len(board(f.staff("Reception")).doctors) == 2
    client.force_login(mine.user)
    assert client.get("/admin/dashboard/").context["board"].doctors == [mine]


def test_it_is_for_the_clinics_staff(client):
    client.force_login(f.user(is_staff=True))
    assert client.get("/admin/dashboard/").status_code == 403
    assert "/admin/dashboard/" not in client.get("/admin/").content.decode()
    client.force_login(f.user())
    assert client.get("/admin/dashboard/").status_code == 302


def test_it_only_reads(client, manager):
    morning()
    assert client.post("/admin/dashboard/").status_code == 405


def test_a_clinic_without_windows_is_told_so(client, manager):
    assert "Nobody receives on this day" in client.get("/admin/dashboard/").content.decode()


# --- The menu -----------------------------------------------------------------------------


def test_a_managers_menu_has_the_money_below_one_word_and_receptions_has_not(client, manager):
    page = client.get("/admin/dashboard/").content.decode()
    group = re.search(r"<details[^>]*><summary>Money</summary>(.*?)</details>", page, re.S)[1]
    assert re.findall(r'href="([^"]+)"', group) == ["/admin/money/", "/admin/cash/", "/admin/earnings/"]
    client.force_login(f.staff("Reception"))
    page = client.get("/admin/dashboard/").content.decode()
    assert "<details id=" not in page and 'href="/admin/cash/"' in page


def test_the_tile_says_how_much_of_today_is_used(client, manager):
    assert Booking.objects.count() == 0
    tile = client.get("/admin/").content.decode()
    assert re.search(r"Dashboard</span> <b>–</b> used today", tile)
