"""Where a service may start: the arithmetic of intervals against a day that is counted minute by minute."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.minutes_rules import Span, fitting_starts, free_spans, is_start, suggested, usable, wasted

NINE = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
MANY = settings(max_examples=5000, deadline=None)
SOME = settings(max_examples=500, deadline=None)


def at(minute: int) -> datetime:
    return NINE + timedelta(minutes=minute)


def spans(*pairs) -> list[Span]:
    return [Span(at(start), at(end)) for start, end in pairs]


def minutes(moments) -> list[int]:
    return [(moment - NINE) // timedelta(minutes=1) for moment in moments]


def pairs(found) -> list[tuple[int, int]]:
    return [tuple(minutes((one.start, one.end))) for one in found]


MORNING = Span(at(0), at(180))


# --- By hand ------------------------------------------------------------------------------


def test_an_empty_morning_is_free_from_end_to_end():
    assert pairs(free_spans(MORNING, [])) == [(0, 180)]


def test_what_lies_between_bookings_is_free():
    assert pairs(free_spans(MORNING, spans((100, 180), (20, 60)))) == [(0, 20), (60, 100)]


def test_a_full_morning_has_nothing_free():
    assert free_spans(MORNING, spans((0, 90), (90, 180))) == []


def test_starts_lie_on_the_grid_of_the_window():
    starts = fitting_starts(MORNING, [], 60, step=30, not_before=at(0))
    assert minutes(starts) == [0, 30, 60, 90, 120]


def test_the_exact_end_of_a_booking_is_a_start_and_an_end_that_only_just_fits_is_none():
    starts = fitting_starts(MORNING, spans((0, 43), (93, 180)), 47, step=5, not_before=at(0))
    assert minutes(starts) == [43, 45]  # not 46, where it would end exactly at the next booking


def test_two_halves_are_no_whole():
    assert fitting_starts(MORNING, spans((30, 150)), 60, step=5, not_before=at(0)) == []
    assert minutes(fitting_starts(MORNING, spans((30, 150)), 30, step=5, not_before=at(0))) == [0, 150]


def test_nothing_starts_before_now():
    starts = fitting_starts(MORNING, spans((0, 43)), 60, step=20, not_before=at(44))
    assert minutes(starts) == [60, 80, 100, 120]


def test_a_start_that_would_last_beyond_the_window_is_none():
    assert not is_start(at(140), 41, MORNING, [], step=5)
    assert is_start(at(140), 40, MORNING, [], step=5)


def test_a_start_off_the_grid_is_one_only_where_another_booking_ends():
    assert not is_start(at(43), 40, MORNING, [], step=5)
    assert is_start(at(43), 40, MORNING, spans((0, 43)), step=5)


def test_the_suggested_starts_leave_no_gap_that_nobody_can_use():
    """Of 60 free minutes between two bookings, 40 are wanted and the shortest service takes 20."""
    taken = spans((0, 60), (120, 180))
    free, starts = free_spans(MORNING, taken), [at(60), at(65), at(70), at(75), at(80)]
    assert minutes(suggested(starts, free, 40, useful=20)) == [60, 80, 65, 70, 75]


def test_of_equal_starts_those_come_first_that_keep_what_is_left_in_one_piece():
    starts = fitting_starts(MORNING, [], 60, step=60, not_before=at(0))
    assert minutes(suggested(starts, [MORNING], 60, useful=30)) == [0, 120, 60]


# --- Against a model ----------------------------------------------------------------------


@st.composite
def mornings(draw):
    """A window, what is booked in it, a service, a grid, what the time is, and the shortest service."""
    length = draw(st.integers(1, 300))
    taken, start = [], 0
    for gap, lasts in draw(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 70)), max_size=12)):
        start += gap
        if start + lasts > length:
            break
        taken.append((start, start + lasts))
        start += lasts
    return (
        length,
        taken[::-1] if draw(st.booleans()) else taken,
        draw(st.integers(1, 90)),
        draw(st.sampled_from([1, 2, 5, 7, 10, 15, 60])),
        draw(st.integers(-20, length + 20)),
        draw(st.integers(0, 60)),
    )


class Naive:
    """The same morning, as a list of minutes that are free or not."""

    def __init__(self, length, taken, step, now):
        self.length, self.step, self.now = length, step, now
        self.free = [not any(start <= minute < end for start, end in taken) for minute in range(length)]
        self.ends = {end for _start, end in taken}

    def fits(self, start: int, lasts: int) -> bool:
        inside = start >= 0 and start + lasts <= self.length
        return inside and start >= self.now and all(self.free[start : start + lasts])

    def is_start(self, start: int) -> bool:
        return start % self.step == 0 or start in self.ends

    def starts(self, lasts: int) -> list[int]:
        every = range(self.length)
        return [start for start in every if self.is_start(start) and self.fits(start, lasts)]

    def usable(self) -> list[bool]:
        """The minutes in which something could still happen: free, and not before a start ahead of now."""
        found, running = [], False
        for minute in range(self.length):
            begins = minute >= self.now and self.is_start(minute)
            running = self.free[minute] and (running or begins)
            found.append(running)
        return found


@MANY
@given(mornings())
def test_what_is_free_and_where_things_fit_is_what_a_count_by_the_minute_finds(morning):
    length, taken, lasts, step, now, _useful = morning
    model, window, booked = Naive(length, taken, step, now), Span(at(0), at(length)), spans(*taken)

    def by_minute(found):
        inside = {minute for start, end in pairs(found) for minute in range(start, end)}
        return [minute in inside for minute in range(length)]

    assert by_minute(free_spans(window, booked)) == model.free
    assert by_minute(usable(window, booked, step=step, not_before=at(now))) == model.usable()
    starts = fitting_starts(window, booked, lasts, step=step, not_before=at(now))
    assert minutes(starts) == model.starts(lasts)


@SOME
@given(mornings(), st.integers(-10, 320))
def test_a_start_is_accepted_just_where_it_is_offered(morning, start):
    """What the lock asks of a hand-made POST, and what pages offer, are one rule."""
    length, taken, lasts, step, now, _useful = morning
    window, booked = Span(at(0), at(length)), spans(*taken)
    offered = fitting_starts(window, booked, lasts, step=step, not_before=at(now))
    wanted = Span(at(start), at(start + lasts))
    accepted = (
        start >= now
        and is_start(at(start), lasts, window, booked, step=step)
        and not any(wanted.overlaps(one) for one in booked)
    )
    assert accepted == (at(start) in offered)


@SOME
@given(mornings())
def test_suggestions_are_the_same_starts_and_the_first_wastes_least(morning):
    length, taken, lasts, step, now, useful = morning
    model, window = Naive(length, taken, step, now), Span(at(0), at(length))
    free = usable(window, spans(*taken), step=step, not_before=at(now))
    found = minutes(suggested([at(m) for m in model.starts(lasts)], free, lasts, useful=useful))
    assert sorted(found) == model.starts(lasts)

    def lost(start):
        """Minutes in a row left and right of it that are too few for anything."""
        ahead = model.usable()
        before = after = 0
        while start - before > 0 and ahead[start - before - 1]:
            before += 1
        while start + lasts + after < length and ahead[start + lasts + after]:
            after += 1
        return sum(piece for piece in (before, after) if piece < useful)

    if found:
        assert lost(found[0]) == min(lost(start) for start in found)
        assert lost(found[0]) == wasted(at(found[0]), free, lasts, useful=useful)[0]
