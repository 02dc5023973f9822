"""A day of services: sold and paid at the desk, called in the order of their times, closed, ended, told of."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from icalendar import Calendar

from bookings import actions, calendar, closing, desk
from bookings import sweeps as booking_sweeps
from bookings.closing_queries import fingerprint, hits
from bookings.models import Booking
from bookings.price_queries import offer
from bookings.queries import board, ticket
from bookings.refund_rules import percent_back
from bookings.states import Status
from clinic.errors import Refused
from clinic.membership_models import CareRelation
from clinic.models import Patient, Service
from clinic.notice_models import Notice
from payments import counter, due_actions, sweeps
from payments.ledger_models import LedgerEntry, Receipt
from payments.management.commands.check_invariants import violations
from payments.models import Payment
from schedules.closure_models import Closure
from schedules.models import Schedule
from schedules.states import Status as Window
from tests import factories as f

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool():
    return f.pool()


@pytest.fixture
def ecg(pool):
    return f.service(pool.doctor, name="ECG", duration=30, buffer=10)


@pytest.fixture
def nurse():
    return f.user()


@pytest.fixture
def sell(nurse):
    def walk_in(pool, service, after=None, who=None, **fields):
        start = None if after is None else pool.starts_at + timedelta(minutes=after)
        asked = {"method": "cash", "actor": nurse, "request_key": uuid4()} | fields
        return counter.walk_in(
            schedule_id=pool.pk, who=who or f.guest(), service_id=service.pk, start_at=start, **asked
        )

    return walk_in


def everything() -> list:
    rows = (Booking, Schedule, Patient, Payment)
    return [list(row.objects.order_by("pk").values()) for row in rows]


def refused(act, *args, **fields) -> Refused:
    before = everything()
    with pytest.raises(Refused) as refusal:
        act(*args, **fields)
    assert everything() == before and violations() == {}
    return refusal.value


def begins(booking) -> int:
    return (booking.start_at - booking.schedule.starts_at) // timedelta(minutes=1)


def statuses(*bookings) -> list[str]:
    return [Booking.objects.get(pk=booking.pk).status for booking in bookings]


def paid(pool, service, after=0, who=None):
    return f.paid(pool, who, **f.asking(pool, service, after))


# --- The counter --------------------------------------------------------------------------


def test_the_desk_sells_a_service_at_the_first_time_that_fits(pool, ecg, sell):
    f.reserve(pool, ecg, 0)
    booking = sell(pool, ecg, shown=40000, minutes=40)
    assert (booking.status, begins(booking), booking.service_name) == (Status.CONFIRMED, 40, "ECG")
    assert (booking.payments.get().captured_minor, booking.queue_number) == (40000, None)
    assert Schedule.objects.get(pk=pool.pk).taken_at_desk == 40 and violations() == {}


def test_the_desk_sells_a_service_at_a_chosen_time_and_what_is_kept_for_it(ecg, sell):
    pool = f.pool(doctor=ecg.doctors.get(), starts_in=timedelta(days=2), reserved_for_desk=180)
    assert begins(sell(pool, ecg, 60)) == 60 and violations() == {}


def test_the_desk_is_refused_like_everybody_and_told_what_is_free(pool, ecg, sell):
    f.reserve(pool, ecg, 0)
    refusal = refused(sell, pool, ecg, 20)
    assert refusal.code == "OVERLAP" and len(refusal.details["suggestions"]) == 3
    assert refused(sell, pool, ecg, 43).code == "NO_SUCH_START"
    assert refused(sell, pool, ecg, 60, shown=1).code == "PRICE_CHANGED"
    assert refused(sell, pool, f.service()).code == "NOT_OFFERED"


def test_no_added_place_makes_a_service_fit(ecg, sell):
    pool = f.pool(doctor=ecg.doctors.get(), starts_in=timedelta(days=2), capacity=30)
    assert refused(sell, pool, ecg, extra_place="urgent").code == "NOT_ENOUGH_MINUTES"


def test_a_walk_ins_form_sent_twice_sells_once(pool, ecg, sell):
    key, who = uuid4(), f.patient()
    first, again = (sell(pool, ecg, 0, who, request_key=key) for _ in range(2))
    assert first.pk == again.pk and Payment.objects.count() == 1


def test_the_desk_takes_the_money_of_a_time_that_lapsed_unless_somebody_has_it(pool, ecg, nurse):
    free, gone = f.reserve(pool, ecg, 0), f.reserve(pool, ecg, 60)
    f.lapse(free)
    f.lapse(gone)
    f.reserve(pool, ecg, 80)

    def collect(booking):
        due_actions.collect(
            booking.pk, collected_minor=40000, method="cash", reason="", key=uuid4(), actor=nurse
        )

    collect(free)
    assert refused(collect, gone).code == "OVERLAP"
    assert statuses(free) == [Status.CONFIRMED]


@pytest.mark.parametrize(
    ("own", "clinic", "offered"), [(True, False, True), (False, True, False), (None, True, True)]
)
def test_whether_a_service_is_paid_at_the_desk_is_its_own_choice(pool, ecg, settings, own, clinic, offered):
    settings.PAY_AT_DESK = clinic
    Service.objects.filter(pk=ecg.pk).update(pay_at_desk=own)
    booking = f.reserve(pool, ecg, 0)
    if offered:
        actions.pay_at_desk(booking.pk)
        assert Booking.objects.get(pk=booking.pk).due_minor == 40000
    else:
        assert refused(actions.pay_at_desk, booking.pk).code == "DESK_NOT_OFFERED"
    assert violations() == {}


# --- Plans and follow-ups -----------------------------------------------------------------


def test_a_service_costs_its_price_also_for_members_and_after_a_paid_visit(pool, ecg):
    """Plans and follow-ups are about consultations."""
    on_trial = f.member(f.trial(visits=3))
    of_vise = f.member(f.vise())
    people = [f.patient(account=account) for account in (on_trial, of_vise)]
    CareRelation.objects.create(doctor=pool.doctor, patient=people[1])
    for start, who in ((0, people[0]), (40, people[1])):
        booking = f.reserve(pool, ecg, start, who, booked_by=who.account)
        assert (booking.status, booking.price_minor, booking.membership_id) == (Status.HELD, 40000, None)
    assert offer(pool, on_trial, [people[0]], ecg).common.price_minor == 40000


def test_a_service_begins_no_free_follow_up(pool, ecg, nurse):
    pool.doctor.follow_up_days = 7
    pool.doctor.save()
    who = f.patient(account=f.user())
    desk.complete(paid(pool, ecg, 0, who).pk, actor=nurse)
    window = f.window(doctor=pool.doctor, starts_in=timedelta(days=1))
    assert f.hold(window, who, booked_by=who.account).status == Status.HELD


def test_where_a_plan_is_required_it_is_for_services_too(pool, ecg, settings):
    settings.CLINIC_REQUIRES_MEMBERSHIP = True
    assert refused(f.reserve, pool, ecg).code == "SUBSCRIBE_TO_BOOK"
    account = f.member(f.plan())
    assert f.reserve(pool, ecg, 0, f.patient(account=account), booked_by=account)


def test_a_patient_who_was_taken_off_the_list_meanwhile_is_no_error(pool, ecg):
    who = f.patient()
    Patient.objects.filter(pk=who.pk).delete()
    assert refused(f.reserve, pool, ecg, 0, who).code == "NOT_FOUND"


# --- The day ------------------------------------------------------------------------------


def test_the_desk_calls_services_by_their_time_who_is_here_first(pool, ecg, nurse):
    third, first, second = (paid(pool, ecg, start) for start in (80, 0, 40))
    desk.check_in(third.pk, actor=nurse)
    assert desk.call_next(pool.pk, actor=nurse) == third
    assert [line.now_serving for line in board(timezone.now())] == [third.label]
    assert [line.next for line in board(timezone.now())] == [[first.label, second.label]]
    assert desk.call_next(pool.pk, actor=nurse) == first
    assert desk.call_next(pool.pk, actor=nurse) == second
    assert statuses(third, first, second) == [Status.COMPLETED, Status.COMPLETED, Status.IN_CONSULTATION]
    assert violations() == {}


def test_who_did_not_come_may_come_after_all_also_with_another_service_that_day(pool, ecg, nurse):
    who = f.patient()
    missed, _other = paid(pool, ecg, 0, who), paid(pool, ecg, 40, who)
    desk.no_show(missed.pk, actor=nurse)
    assert desk.check_in(missed.pk, actor=nurse).status == Status.CHECKED_IN


def test_a_pool_ends_like_any_session(pool, ecg, nurse):
    come, waiting, unpaid = paid(pool, ecg, 0), paid(pool, ecg, 40), f.reserve(pool, ecg, 80)
    desk.check_in(come.pk, actor=nurse)
    desk.call_next(pool.pk, actor=nurse)
    desk.finish(pool.pk, actor=nurse)
    assert statuses(come, waiting, unpaid) == [Status.COMPLETED, Status.NO_SHOW, Status.EXPIRED]
    assert Schedule.objects.get(pk=pool.pk).taken == 80 and violations() == {}


def test_a_pool_that_ended_hours_ago_is_finished_by_the_worker(pool, ecg):
    booking = paid(pool, ecg, 0)
    f.move_window(pool, -timedelta(hours=8))
    booking_sweeps.finish_schedules()
    assert statuses(booking) == [Status.COMPLETED]
    assert Schedule.objects.get(pk=pool.pk).status == Window.FINISHED


def test_the_live_page_expects_the_patient_at_their_own_time():
    pool = f.pool(starts_in=timedelta(hours=-1), lasts=timedelta(hours=6), capacity=360)
    booking = paid(pool, f.service(pool.doctor), 240)
    soon = ticket(booking, booking.start_at - timedelta(minutes=50))
    long_before = ticket(booking, booking.start_at - timedelta(minutes=170))
    assert (long_before.estimate_minutes, long_before.poll_seconds) == (170, 30)
    assert (soon.estimate_minutes, soon.poll_seconds) == (50, 4)


# --- Closed hours -------------------------------------------------------------------------


def close(**fields) -> list:
    manager = f.staff("Manager")
    closures = [Closure(**{"reason": "Diwali"} | fields)]
    added = closing.add_closures(
        closures, actor=manager, shown=fingerprint(closures, hits(closures, timezone.now()))
    )
    return [closing.carry_out(closure) for closure in added]


@pytest.fixture
def at_ten():
    """Ten to one in two days, by the clinic's clock."""
    return f.pool(starts_in=f.at_ten(2))


def test_closed_hours_end_the_services_inside_them_and_no_others(at_ten):
    ecg = f.service(at_ten.doctor, duration=30, buffer=10)
    before, touched, inside = (paid(at_ten, ecg, start) for start in (0, 40, 80))
    start, end = (
        timezone.localtime(moment).time()
        for moment in (touched.start_at + timedelta(minutes=20), at_ten.ends_at)
    )
    assert close(first_day=at_ten.date, last_day=at_ten.date, start_time=start, end_time=end) == [2]
    assert statuses(before, touched, inside) == [Status.CONFIRMED, Status.CANCELLED, Status.CANCELLED]
    assert sweeps.make_refunds() == 2 and violations() == {}
    assert refused(f.reserve, at_ten, ecg, 40).code == "CLOSED"


def test_a_closed_day_ends_all_services_and_gives_all_money_back(at_ten):
    ecg = f.service(at_ten.doctor)
    bookings = [paid(at_ten, ecg, start) for start in (0, 40)]
    assert close(first_day=at_ten.date, last_day=at_ten.date) == [2]
    assert statuses(*bookings) == [Status.CANCELLED] * 2
    assert Schedule.objects.get(pk=at_ten.pk).status == Window.CANCELLED
    assert sweeps.make_refunds() == 2 and violations() == {}


# --- Money and words ----------------------------------------------------------------------


def test_what_comes_back_goes_by_the_services_own_time(ecg):
    """The window starts in 23 hours, the service more than a day from now."""
    pool = f.pool(
        doctor=ecg.doctors.get(), starts_in=timedelta(hours=23), lasts=timedelta(hours=5), capacity=300
    )
    early, late = paid(pool, ecg, 0), paid(pool, ecg, 120)
    now = timezone.now() + timedelta(minutes=45)  # past the grace after booking
    assert (percent_back(early, now), percent_back(late, now)) == (0, 100)


def test_a_service_has_its_receipt_and_its_earning(pool, ecg):
    booking = paid(pool, ecg, 0)
    sweeps.book_ledger()
    assert Receipt.objects.get(payment__booking=booking).amount_minor == 40000
    assert LedgerEntry.objects.get(payment__booking=booking, kind="earning").amount_minor == 40000
    assert violations() == {}


def test_reminders_and_the_calendar_go_by_the_services_own_time(ecg):
    pool = f.pool(doctor=ecg.doctors.get(), starts_in=timedelta(days=3))
    booking = paid(pool, ecg, 80)
    reminder = Notice.objects.get(kind="visit-reminder24", channel="email")
    assert reminder.due_at == booking.start_at - timedelta(hours=24)
    [event] = Calendar.from_ical(calendar.ics(booking, timezone.now())).walk("VEVENT")
    assert (event["dtstart"].dt, event["dtend"].dt) == (
        booking.start_at.replace(microsecond=0),
        booking.end_at.replace(microsecond=0),
    )
