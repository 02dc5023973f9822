"""Holiday lists as people have them: pasted lines and calendar files. Whatever else is in them is said in words."""

from datetime import date, time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedules.holiday_rules import MOST, MOST_DAYS, Holiday, Unreadable, read_calendar, read_line, read_lines

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("line", "first", "name"),
    [
        ("26 Jan 2027 Republic Day", date(2027, 1, 26), "Republic Day"),
        ("1. Republic Day - 26 January 2027 (Tuesday)", date(2027, 1, 26), "Republic Day"),
        ("Holi, 22/03/2027", date(2027, 3, 22), "Holi"),
        ("2027-01-26\tRepublic Day", date(2027, 1, 26), "Republic Day"),
        ("25.12.2026: Christmas", date(2026, 12, 25), "Christmas"),
        ("25-Dec-2026 Christmas", date(2026, 12, 25), "Christmas"),
        ("Independence Day: August 15, 2027", date(2027, 8, 15), "Independence Day"),
        ("Mon, 24 Nov Guru Nanak Jayanti", date(2026, 11, 24), "Guru Nanak Jayanti"),
        ("1st Jan New Year", date(2027, 1, 1), "New Year"),
        ("Martyrs' Day 30 January", date(2027, 1, 30), "Martyrs' Day"),
        ("२०२७-०१-२६ गणतन्त्र दिवस", date(2027, 1, 26), "गणतन्त्र दिवस"),
        ("29 Feb 2028 Leap day", date(2028, 2, 29), "Leap day"),
    ],
)
def test_a_day_is_read_however_it_is_written(line, first, name):
    assert read_line(line, TODAY) == Holiday(first, first, name)


@pytest.mark.parametrize(
    ("line", "first", "last"),
    [
        ("2027-10-17 to 2027-10-24 Dashain", date(2027, 10, 17), date(2027, 10, 24)),
        ("20–24 Oct 2027 Dashain", date(2027, 10, 20), date(2027, 10, 24)),
        ("Dashain 17/10/2027 - 24/10/2027", date(2027, 10, 17), date(2027, 10, 24)),
        ("30 Dec to 2 Jan Dashain", date(2026, 12, 30), date(2027, 1, 2)),
        ("Dashain: October 17 to October 24, 2027", date(2027, 10, 17), date(2027, 10, 24)),
    ],
)
def test_days_from_one_to_another_are_read(line, first, last):
    assert read_line(line, TODAY) == Holiday(first, last, "Dashain")


def test_hours_of_a_day_are_read():
    found = read_line("24 Dec 2026 14:00-18:00 Christmas Eve", TODAY)
    assert found == Holiday(date(2026, 12, 24), date(2026, 12, 24), "Christmas Eve", time(14), time(18))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("2083 Bhadra 5 Teej", "Nepali calendar"),
        ("17 Kartik 2083 Tihar", "Nepali calendar"),
        ("31/02/2027 Nothing", "no such day"),
        ("just words", "no date"),
        ("5 May 2027", "name is missing"),
        ("5 May 2099 Far away", "too far away"),
        ("24 Dec 18:00-14:00 Backwards", "ends before it begins"),
        ("24 Dec 25:00-26:00 Clock", "no such time"),
        ("2027-05-05 to 2027-05-01 Backwards", "ends before it begins"),
        ("2027-01-01 to 2027-12-31 For ever", "longer than"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(line, why):
    found, wrong = read_lines(f"26 Jan 2027 Republic Day\n\n{line}\n", TODAY)
    assert [holiday.name for holiday in found] == ["Republic Day"]
    assert len(wrong) == 1 and why in wrong[0] and line[:20] in wrong[0]


def test_days_past_and_lines_written_twice_are_left_out():
    found, wrong = read_lines("1 Jan 2026 Over\n25 Dec 2026 Christmas\n25/12/2026 Christmas", TODAY)
    assert [str(holiday) for holiday in found] == ["2026-12-25 Christmas"] and wrong == []


def test_a_book_is_no_list():
    found, wrong = read_lines("1 Jan 2027 Day\n" * (MOST + 1), TODAY)
    assert found == [] and len(wrong) == 1


days = st.dates(TODAY, TODAY + timedelta(days=700))
hours = st.one_of(st.none(), st.tuples(st.times(), st.times()).map(sorted))
names = st.text("abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=30).map(str.strip).filter(bool)


@given(days, st.integers(0, MOST_DAYS - 1), st.from_regex(r"[A-Z][a-z]{6,20}", fullmatch=True), hours)
def test_a_list_that_was_read_is_read_the_same_way_again(first, length, name, clock):
    start, end = (None, None) if clock is None else (one.replace(second=0, microsecond=0) for one in clock)
    if start == end:
        start = end = None
    holiday = Holiday(first, first + timedelta(days=length), name, start, end)
    assert read_line(str(holiday), TODAY) == holiday


@given(st.text(max_size=200))
def test_no_line_whatever_is_in_it_breaks_the_page(line):
    found, wrong = read_lines(line, TODAY)
    assert all(isinstance(said, str) for said in wrong)
    assert all(one.first <= one.last and one.name for one in found)


# --- Calendar files -----------------------------------------------------------------------


def calendar(*events: str) -> bytes:
    body = "".join(f"BEGIN:VEVENT\r\nUID:{n}\r\n{event}\r\nEND:VEVENT\r\n" for n, event in enumerate(events))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n{body}END:VCALENDAR\r\n".encode()


def test_a_calendars_days_and_hours_are_read_by_the_clinics_clock():
    found, wrong = read_calendar(
        calendar(
            "DTSTART;VALUE=DATE:20270126\r\nDTEND;VALUE=DATE:20270127\r\nSUMMARY:Republic Day",
            "DTSTART;VALUE=DATE:20271017\r\nDTEND;VALUE=DATE:20271025\r\nSUMMARY:Dashain",
            "DTSTART:20261224T083000Z\r\nDTEND:20261224T123000Z\r\nSUMMARY:Christmas Eve",
            "DTSTART:20261223T140000\r\nDURATION:PT2H\r\nSUMMARY:Meeting",
            "DTSTART;VALUE=DATE:20200101\r\nSUMMARY:Long ago",
            "DTSTART;VALUE=DATE:20270501\r\nSTATUS:CANCELLED\r\nSUMMARY:Called off",
        ),
        TODAY,
    )
    assert wrong == []
    assert found == [
        Holiday(date(2026, 12, 23), date(2026, 12, 23), "Meeting", time(14), time(16)),
        Holiday(date(2026, 12, 24), date(2026, 12, 24), "Christmas Eve", time(14), time(18)),
        Holiday(date(2027, 1, 26), date(2027, 1, 26), "Republic Day"),
        Holiday(date(2027, 10, 17), date(2027, 10, 24), "Dashain"),
    ]


@pytest.mark.parametrize(
    "event",
    [
        "SUMMARY:No day",
        "DTSTART;VALUE=DATE:2027\r\nSUMMARY:Half a day",
        "DTSTART;VALUE=DATE:20270126\r\nRRULE:FREQ=YEARLY\r\nSUMMARY:Every year",
        "DTSTART;VALUE=DATE:20270126",
        "DTSTART:20270126T220000\r\nDTEND:20270127T020000\r\nSUMMARY:Night",
        "DTSTART;TZID=Nowhere/Land:20270126T100000\r\nDTEND:20260126T110000\r\nSUMMARY:Odd",
        "DTSTART;VALUE=DATE:20270101\r\nDTEND;VALUE=DATE:20280101\r\nSUMMARY:A year",
    ],
)
def test_one_odd_event_is_said_in_words_and_the_others_are_read(event):
    good = "DTSTART;VALUE=DATE:20270126\r\nSUMMARY:Republic Day"
    found, wrong = read_calendar(calendar(good, event), TODAY)
    assert [holiday.name for holiday in found] == ["Republic Day"]
    assert len(wrong) == 1


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"%PDF-1.4", b"BEGIN:VCALENDAR", b"<html></html>", b"a,b\n1,2"]
)
def test_another_file_is_refused_in_words(content):
    with pytest.raises(Unreadable, match="no calendar file"):
        read_calendar(content, TODAY)


GOOD = calendar(
    "DTSTART;VALUE=DATE:20270126\r\nSUMMARY:Republic Day", "DTSTART:20261224T083000Z\r\nSUMMARY:X"
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=12))
def test_no_file_whatever_is_in_it_breaks_the_page(at, noise):
    try:
        found, wrong = read_calendar(GOOD[:at] + noise + GOOD[at:], TODAY)
    except Unreadable:
        return
    assert all(isinstance(said, str) for said in wrong)
    assert all(one.first <= one.last and one.name for one in found)
