"""A clinic comes from another system: its services and reservations, from files, all of them or none."""

from datetime import date, datetime, time, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import actions, desk
from bookings.import_rules import COLUMNS, understood
from bookings.import_steps import open_windows
from bookings.models import Booking, BookingEvent
from bookings.states import Status
from clinic.import_rules import Unreadable, Wrong, read
from clinic.models import Doctor, Patient, Service, ServiceCategory
from clinic.notice_models import Notice
from clinic.service_actions import remove_service
from payments.management.commands.check_invariants import violations
from schedules.models import Schedule
from schedules.opening_actions import open_for
from tests import factories

pytestmark = pytest.mark.django_db
SAMPLES = Path(__file__).parent / "samples"
FIRST = "id,doctor,service,start,name,phone,email,minutes,price,paid,status,channel"


def monday(weeks: int) -> date:
    """So many weeks from the next one; before this week with a negative number."""
    today = timezone.localdate()
    return today + timedelta(days=7 - today.weekday(), weeks=weeks)


PAST, SOON, FAR = monday(-3), monday(0), monday(12)


@pytest.fixture
def asha() -> Doctor:
    """Mondays from nine to twelve, for services."""
    doctor = factories.doctor(name="Dr. Asha Rao", slug="asha-rao")
    factories.hours(doctor=doctor, weekday=0, kind="pool", capacity=180, fee_minor=0)
    return doctor


@pytest.fixture
def botox(asha) -> Service:
    return factories.service(asha, code="botox", name="Botox")


@pytest.fixture
def open_soon(asha, botox) -> Schedule:
    open_for(asha.pk, timezone.now())
    return Schedule.objects.get(date=SOON)


def bring(command, tmp_path, content, **options) -> str:
    """Runs the command on a file with this content; what it said."""
    file = tmp_path / "list.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    out = StringIO()
    call_command(command, file, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def refused(command, tmp_path, content, **options) -> list[str]:
    """The same of a file with problems: each as "line: words"."""
    file = tmp_path / "list.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = StringIO()
    with pytest.raises(CommandError):
        call_command(command, file, stdout=StringIO(), stderr=said, **options)
    return [line.removeprefix("list.csv:") for line in said.getvalue().splitlines()]


def sample(name: str) -> str:
    days = {"{past}": PAST, "{soon}": SOON, "{far}": FAR}
    text = (SAMPLES / name).read_text()
    for word, day in days.items():
        text = text.replace(word, day.isoformat())
    return text


def line(number=1, at="09:00", day=SOON, **cells) -> str:
    """One reservation of Botox as a line of the file."""
    found = {
        "id": f"R{number}", "doctor": "asha-rao", "service": "botox", "start": f"{day} {at}", "name": f"Ravi {number}",
        "phone": "", "email": "", "minutes": "", "price": "", "paid": "", "status": "", "channel": "",
    } | cells  # fmt: skip
    return ",".join(found.values())


def reservations(*lines: str) -> str:
    return "\n".join([FIRST, *lines])


# --- The file itself ----------------------------------------------------------------------


def rows(data, needed=("id",), known=("id", "name")):
    return [(row.line, row.cells) for row in read(data, needed=needed, known=known)]


@pytest.mark.parametrize(
    "data",
    [
        b"id,name\n1,Meera\n",
        b"\xef\xbb\xbfID , Name\r\n1,Meera\r\n",
        b"name;id\nMeera;1\n",
        b"name\tid\n\n  \t \nMeera\t1",
        b'"id","name"\n"1","Meera"\n',
    ],
)
def test_a_csv_is_read_however_its_program_wrote_it(data):
    assert [cells for _line, cells in rows(data)] == [{"id": "1", "name": "Meera"}]


def test_lines_are_counted_as_an_editor_does_over_quoted_breaks():
    data = b'id,name\n\n1,"Meera\nJoshi"\n2,"a ""b"""\r\n'
    assert rows(data) == [(3, {"id": "1", "name": "Meera\nJoshi"}), (5, {"id": "2", "name": 'a "b"'})]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"PK\x03\x04", "spreadsheet"),
        (b"id,name\n1,Jos\xe9", r"not in UTF-8 \(line 2\)"),
        ("id,name\n1,x".encode("utf-16"), "not in UTF-8"),
        (b'id,name\n1,"open', "Line 2 is no CSV"),
        (b"name\nMeera", "missing: id"),
        (b"id,nmae\n1,x", "Nobody knows these headings: nmae. There may be: id, name"),
        (b"id,id\n1,2", "twice: id"),
    ],
)
def test_what_is_no_such_file_is_said_to_be_none(data, said):
    with pytest.raises(Unreadable, match=said):
        rows(data)


def test_lines_with_too_many_or_too_few_cells_are_all_named():
    with pytest.raises(Wrong) as wrong:
        rows(b"id,name\n1\n2,x\n3,x,y")
    assert [number for number, _words in wrong.value.problems] == [2, 4]


def test_a_file_that_is_not_there_is_an_answer_not_a_crash(tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_services", tmp_path / "none.csv")


# --- Services -----------------------------------------------------------------------------


def test_the_sample_services_arrive(asha, tmp_path):
    imran = factories.doctor(name="Dr. Imran Qureshi")
    said = bring("import_services", tmp_path, sample("services.csv"))
    assert "Done: 3 added, 0 changed, 0 as they were. 3 rows in the file." in said
    botox, skin, package = Service.objects.order_by("position")
    assert (botox.duration, botox.buffer, botox.price_minor) == (30, 10, 800000)
    assert botox.description == "Three areas.\nYou can go home at once."
    assert (skin.price_minor, {*skin.doctors.all()}) == (450050, {asha, imran})
    assert (package.visible, package.minutes, str(package.category)) == (False, 110, "Skin")
    assert ServiceCategory.objects.count() == 2


def test_the_same_services_again_change_nothing(asha, tmp_path):
    factories.doctor(name="Dr. Imran Qureshi")
    bring("import_services", tmp_path, sample("services.csv"))
    before = list(Service.objects.order_by("pk").values())
    said = bring("import_services", tmp_path, b"\xef\xbb\xbf" + sample("services.csv").encode())
    assert "0 added, 0 changed, 3 as they were" in said
    assert list(Service.objects.order_by("pk").values()) == before


def test_a_file_changes_its_own_columns_alone(asha, tmp_path):
    service = factories.service(asha, code="ECG", name="ECG", position=5, description="Heart")
    said = bring("import_services", tmp_path, "code,name,minutes,price\necg,ECG,45,500\nnew,New,5,0")
    assert "1 added, 1 changed, 0 as they were" in said
    service.refresh_from_db()
    assert (service.duration, service.price_minor, service.buffer) == (45, 50000, 10)
    assert (service.code, service.position, service.description) == ("ECG", 5, "Heart")
    assert list(service.doctors.all()) == [asha]


def test_a_dry_run_of_services_writes_nothing(asha, tmp_path):
    factories.doctor(name="Dr. Imran Qureshi")
    said = bring("import_services", tmp_path, sample("services.csv"), dry_run=True)
    assert "Would be: 3 added" in said
    assert not Service.objects.exists() and not ServiceCategory.objects.exists()


def test_every_problem_is_told_by_its_line_and_nothing_is_written(asha, tmp_path):
    gone = factories.service(code="gone", name="Gone")
    remove_service(gone.pk, actor=factories.user())
    before = list(Service.objects.values())
    said = refused(
        "import_services", tmp_path,
        "code,name,minutes,buffer,price,doctors,visible,order\n"
        "good,Good,30,0,100,asha-rao,yes,1\n"
        "zero,Zero,0,0,100,,,\n"
        "minus,Minus,-5,,100,,,\n"
        "huge,Huge,100000,,100,,,\n"
        "both,Both,1400,100,100,,,\n"
        "coin,Coin,30,,10.505,,,\n"
        "debt,Debt,30,,-1,,,\n"
        "much,Much,30,,99999999999,,,\n"
        "two words,Words,30,,1,,,\n"
        ",,,,,,,\n"
        ",No code,,,,,perhaps,x\n"
        "who,Who,30,,1,Dr. Nobody; asha-rao,,\n"
        "GOOD,Twice,30,,1,,,\n"
        "gone,Gone,30,,1,,,\n",
    )  # fmt: skip
    expected = [
        ("3", "“minutes” is “0”"), ("4", "“minutes” is “-5”"), ("5", "“minutes” is “100000”"), ("6", "more than a day"),
        ("7", "“price” is “10.505”"), ("8", "“price” is “-1”"), ("9", "“price” is “99999999999”"), ("10", "valid"),
        ("12", "“code” is empty"), ("12", "“minutes” is empty"), ("12", "“order” is “x”"), ("12", "“price” is empty"),
        ("12", "“visible” is “perhaps”"), ("13", "No doctor is called “Dr. Nobody”"), ("14", "stands in line 2 already"),
        ("15", "“Gone” had this code and was removed"),
    ]  # fmt: skip
    assert len(said) == len(expected)
    for told, (number, words) in zip(said, expected, strict=True):
        assert told.startswith(f"{number}: ") and words in told
    assert list(Service.objects.values()) == before


# --- Reservations -------------------------------------------------------------------------


@pytest.fixture
def skin_care(asha) -> Service:
    factories.service(asha, code="package", name="Package", duration=90, buffer=20, price_minor=1100000)
    return factories.service(
        asha, code="skin-care", name="Skin care", duration=60, buffer=10, price_minor=450000
    )


def test_the_sample_reservations_arrive_past_near_and_far(asha, botox, skin_care, tmp_path):
    said = bring("import_reservations", tmp_path, sample("reservations.csv"), open_windows=True)
    assert "Windows opened: 3." in said
    assert (
        "Done: 5 added, 0 here already, 1 cancelled, left out, 0 past, left out. 6 rows in the file." in said
    )
    first, second, third, fourth, sixth = Booking.objects.order_by("external_id").select_related("schedule")
    assert [booking.status for booking in (first, second, third, fourth, sixth)] == [
        Status.COMPLETED, Status.NO_SHOW, Status.CONFIRMED, Status.CONFIRMED, Status.CONFIRMED,
    ]  # fmt: skip
    assert first.patient == third.patient and Patient.objects.count() == 4
    assert (first.service_name, first.minutes, first.price_minor) == ("Botox", 40, 40000)
    assert timezone.localtime(third.start_at).time() == time(9)
    assert third.end_at - third.start_at == timedelta(minutes=40)
    assert (third.pay_at_desk, third.due_minor, third.free_reason) == (True, 40000, "")
    assert (fourth.due_minor, fourth.price_minor, fourth.channel) == (0, 400000, "walk_in")
    assert "paid before" in fourth.free_reason
    assert (first.schedule.hours, first.schedule.capacity) == ("09:00–10:50", 110)
    assert (third.schedule, third.schedule.taken) == (fourth.schedule, 110)
    assert (sixth.schedule.hours, sixth.schedule.date) == ("09:00–12:00", FAR)
    assert violations() == {}


def test_nobody_is_told_of_what_was_imported_but_of_what_becomes_of_it(open_soon, tmp_path):
    booking_line = line(phone="+919820011111", email="ravi@example.org")
    bring("import_reservations", tmp_path, reservations(booking_line))
    assert not Notice.objects.exists()
    actions.cancel(Booking.objects.get().pk, actor=factories.user(), reason="The doctor is ill")
    assert Notice.objects.filter(kind="visit-cancelled").exists()


def test_the_same_file_again_books_nothing_twice(open_soon, tmp_path):
    content = reservations(line(1), line(2, "09:40"))
    bring("import_reservations", tmp_path, content)
    before = list(Booking.objects.order_by("pk").values()), Schedule.objects.get(pk=open_soon.pk).taken
    said = bring("import_reservations", tmp_path, content + "\n" + line(3, "10:20"))
    assert "1 added, 2 here already" in said
    assert list(Booking.objects.exclude(external_id="R3").order_by("pk").values()) == before[0]
    assert Schedule.objects.get(pk=open_soon.pk).taken == before[1] + 40
    assert BookingEvent.objects.count() == 3 and violations() == {}


def test_a_dry_run_says_what_would_be_and_writes_nothing(asha, botox, skin_care, tmp_path):
    said = bring("import_reservations", tmp_path, sample("reservations.csv"), open_windows=True, dry_run=True)
    assert "Windows opened: 3." in said and "Would be: 5 added" in said
    assert not Booking.objects.exists() and not Patient.objects.exists() and not Schedule.objects.exists()


def test_past_ones_may_be_left_out(open_soon, tmp_path):
    content = reservations(line(1, day=PAST), line(2))
    said = bring("import_reservations", tmp_path, content, skip_past=True)
    assert "1 added, 0 here already, 0 cancelled, left out, 1 past, left out. 2 rows" in said
    assert Booking.objects.get().external_id == "R2"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": ""}, "“id” is empty"),
        ({"doctor": "Dr. Nobody"}, "No doctor is called “Dr. Nobody”"),
        ({"service": "facial"}, "No service has the code “facial”. Import services first."),
        ({"phone": "12"}, "“12” is no phone number"),
        ({"email": "ravi"}, "“ravi” is no e-mail address"),
        ({"start": "tomorrow at nine"}, "“start” is “tomorrow at nine”"),
        ({"start": f"{SOON}"}, "not a day and time"),
        ({"start": f"{SOON} 09:00:30"}, "not a day and time"),
        ({"start": f"{SOON} 09:00:00.5"}, "not a day and time"),
        ({"start": "2026-02-30 09:00"}, "not a day and time"),
        ({"start": "9999-12-31T23:59:00-12:00"}, "not a day and time"),
        ({"minutes": "0000000030999"}, "“minutes” is “0000000030999”"),
        ({"minutes": "0"}, "“minutes” is “0”"),
        ({"minutes": "999999"}, "“minutes” is “999999”"),
        ({"price": "12.345"}, "“price” is “12.345”"),
        ({"paid": "maybe"}, "neither yes nor no"),
        ({"status": "done"}, "“status” is “done”, none of"),
        ({"status": "completed"}, "still to come"),
        ({"channel": "fax"}, "“channel” is “fax”, none of"),
        ({"name": ""}, "“name” is empty"),
        ({"name": "x" * 121}, "longer than 120"),
        ({"start": f"{SOON} 08:50"}, "has no window for services then"),
        ({"start": f"{SOON} 11:30"}, "has no window for services then"),
        ({"start": f"{SOON + timedelta(days=1)} 09:00"}, "use --open-windows"),
        ({"start": f"{PAST} 09:00"}, "use --open-windows"),
        ({"start": f"{SOON} 09:39"}, "It overlaps line 2"),
        ({"id": "R1", "start": f"{SOON} 10:30"}, "Its id stands in line 2 already"),
        ({"start": f"{SOON} 09:40", "minutes": "150"}, "has no window"),
    ],
)
def test_a_bad_line_is_named_and_takes_the_good_ones_along(open_soon, tmp_path, wrong, said):
    told = refused("import_reservations", tmp_path, reservations(line(1), line(2, "10:20", **wrong)))
    assert told[0].startswith("3: ") and said in told[0]
    assert not Booking.objects.exists() and not Patient.objects.exists()
    assert Schedule.objects.get(pk=open_soon.pk).taken == 0


def test_all_problems_are_told_at_once(open_soon, tmp_path):
    content = reservations(
        line(1), line(2, "09:10"), line(3, "10:00", phone="12", paid="maybe"), line(4, "20:00")
    )
    told = refused("import_reservations", tmp_path, content)
    assert [words.partition(":")[0] for words in told] == ["3", "4", "4", "5"]


def test_what_is_booked_here_stays_and_is_not_booked_over(open_soon, tmp_path):
    bring("import_reservations", tmp_path, reservations(line(1, "09:00")))
    told = refused("import_reservations", tmp_path, reservations(line(2, "09:30")))
    assert "It overlaps a booking that is here already, at 09:00." in told[0]
    assert Booking.objects.count() == 1


def test_a_hold_that_lapsed_leaves_its_time_to_the_file(open_soon, botox, tmp_path):
    held = factories.reserve(open_soon, botox, 0)
    told = refused("import_reservations", tmp_path, reservations(line(1, "09:00")))
    assert "It overlaps a booking that is here already" in told[0]
    factories.lapse(held)
    bring("import_reservations", tmp_path, reservations(line(1, "09:00")))
    held.refresh_from_db()
    assert held.status == Status.EXPIRED and violations() == {}


def test_a_window_takes_no_more_than_its_minutes(open_soon, tmp_path):
    """A holiday: three hours, of which ninety minutes may be booked."""
    Schedule.objects.filter(pk=open_soon.pk).update(capacity=90)
    content = reservations(line(1, "09:00"), line(2, "09:40"), line(3, "10:20"))
    told = refused("import_reservations", tmp_path, content)
    assert told == ["4: It takes 40 minutes, and its window has only 10 left."]
    assert not Booking.objects.exists()


def test_windows_far_ahead_are_those_of_the_weekly_hours_and_the_worker_finds_them(asha, botox, tmp_path):
    content = reservations(line(1, day=FAR))
    assert "use --open-windows" in refused("import_reservations", tmp_path, content)[0]
    bring("import_reservations", tmp_path, content, open_windows=True)
    window = Schedule.objects.get()
    assert (window.capacity, window.taken, window.opened_from) == (180, 40, asha.weekly_hours.get().source)
    assert Booking.objects.get().schedule == window


def test_no_window_is_opened_in_a_closure_or_without_hours(asha, botox, tmp_path):
    factories.closure(FAR)
    content = reservations(line(1, day=FAR), line(2, day=FAR + timedelta(days=1)))
    told = refused("import_reservations", tmp_path, content, open_windows=True)
    assert [words[:2] for words in told] == ["2:", "3:"] and all("no weekly hours" in words for words in told)
    assert not Schedule.objects.exists()


def test_a_past_day_gets_one_window_around_what_took_place(asha, botox, tmp_path):
    content = reservations(line(1, "08:00", day=PAST), line(2, "16:20", day=PAST, paid="no"))
    bring("import_reservations", tmp_path, content, open_windows=True)
    window = Schedule.objects.get()
    assert (window.hours, window.taken) == ("08:00–17:00", 80)
    first, second = Booking.objects.order_by("start_at")
    assert (first.status, first.due_minor, second.due_minor) == (Status.COMPLETED, 0, 40000)
    desk.finish(window.pk)
    assert violations() == {}


def test_where_another_window_stood_a_past_day_is_refused(asha, botox, tmp_path):
    ten = factories.at_ten((PAST - timezone.localdate()).days)
    factories.window(doctor=asha, starts_in=ten, lasts=timedelta(hours=1))
    content = reservations(line(1, "09:00", day=PAST), line(2, "12:00", day=PAST))
    told = refused("import_reservations", tmp_path, content, open_windows=True)
    assert len(told) == 2 and "something else stands there" in told[0]
    assert Schedule.objects.count() == 1


def test_around_what_began_before_running_weekly_hours_nothing_more_is_opened(asha, botox):
    """So that the line is named; the hours are there by then, and two windows never overlap."""
    eleven = timezone.make_aware(datetime.combine(SOON, time(11)))
    content = reservations(line(1, "08:40"), line(2, "10:00")).encode()
    lines = [understood(row) for row in read(content, needed=COLUMNS, known=COLUMNS)]
    for one in lines:
        one.doctor, one.service = asha, botox
    [opened] = open_windows(asha, SOON, lines, eleven)
    assert [one.is_in(opened) for one in lines] == [False, True]
    assert Schedule.objects.get() == opened


def test_an_hour_that_the_clocks_skip_is_refused_and_an_offset_is_understood(asha, botox, settings, tmp_path):
    settings.TIME_ZONE = "Europe/Berlin"
    told = refused("import_reservations", tmp_path, reservations(line(start="2027-03-28 02:30")))
    assert "02:30 does not exist on 2027-03-28" in told[0]
    settings.TIME_ZONE = "Asia/Kolkata"
    open_for(asha.pk, timezone.now())
    bring("import_reservations", tmp_path, reservations(line(start=f"{SOON}T03:30:00+00:00")))
    assert timezone.localtime(Booking.objects.get().start_at).time() == time(9)


def test_a_removed_service_may_have_been_booked_before(open_soon, botox, tmp_path):
    remove_service(botox.pk, actor=factories.user())
    bring("import_reservations", tmp_path, reservations(line()))
    assert Booking.objects.get().service == botox


def test_what_was_free_owes_nothing(open_soon, tmp_path):
    bring("import_reservations", tmp_path, reservations(line(price="0")))
    booking = Booking.objects.get()
    assert (booking.free_reason, booking.due_minor) == ("free of charge", 0)


def test_a_person_with_the_same_phone_and_name_is_the_same_everywhere(open_soon, tmp_path):
    known = factories.patient(name="Meera Joshi", phone="+919820012345")
    content = reservations(
        line(1, "09:00", name="meera joshi", phone="098200 12345"),
        line(2, "09:40", name="Kabir Joshi", phone="+919820012345"),
        line(3, "10:20", name="Kabir Joshi", phone="+91 98200 12345"),
        line(4, "11:00", name="Meera Joshi"),
    )
    bring("import_reservations", tmp_path, content)
    people = [booking.patient_id for booking in Booking.objects.order_by("start_at")]
    assert people[0] == known.pk and people[1] == people[2] != known.pk and people[3] not in people[:3]


def test_the_desk_finds_a_booking_by_its_number_in_the_system_before(open_soon, client, tmp_path):
    bring("import_reservations", tmp_path, reservations(line(1, "09:00"), line(11, "09:40")))
    client.force_login(factories.staff("Reception"))
    page = client.get("/admin/bookings/booking/", {"q": "r1"})
    assert [booking.external_id for booking in page.context["cl"].result_list] == ["R1"]


def test_more_lines_cost_only_their_own_statements(open_soon, tmp_path):
    """Looking up is the same for one line and for many; each line then is one booking, its event and its window."""

    def statements(*lines):
        with CaptureQueriesContext(connection) as done:
            bring("import_reservations", tmp_path, reservations(*lines))
        return len(done)

    known = {"name": "Gita Thapa", "phone": "+919820011111"}
    statements(line(0, "09:00", **known))
    one = statements(line(1, "09:40", **known))
    three = statements(*(line(n, f"1{n - 2}:20", **known) for n in (2, 3)))
    assert three - one == 3
