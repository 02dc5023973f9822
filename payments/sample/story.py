"""What happened in the sample clinic so far.

Today is played by the same actions that patients and the desk use: holds, the demo gateway's
signed events, the counter, check-in, call next. Other days are composed of the same steps, under
the same locks, with a clock of their own. So every invariant holds, and no row is faked.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain, cycle
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from bookings import actions, desk, steps
from bookings.models import Booking
from bookings.states import Channel as Booked
from bookings.states import Status
from bookings.steps import Guest
from clinic.models import Patient, Service, User
from clinic.notice_models import Channel, Notice, State
from clinic.transactions import action
from payments import actions as pay
from payments import counter, gateways
from payments.sample.plan import DAYS_BACK, PLAYED, TO_PLAY
from payments.states import Method
from schedules import actions as windows
from schedules.models import Schedule
from schedules.states import Kind
from schedules.states import Status as Window

NOBODY_CAME = 4
"""In every past window, whoever had this number."""
METHODS = Method.CASH, Method.ESEWA, Method.CASH, Method.CARD, Method.CASH
"""How one after the other pays at the counter."""


def tell(opened: list[Schedule], now: datetime, *, first_time: bool) -> None:
    """Plays today, and of the windows just `opened` those that are over and those of the next days."""
    reception = User.objects.get(email="reception@demo.clinic")
    patients = cycle(Patient.objects.of(None).order_by("pk")[:150])
    family = list(Patient.objects.filter(account__email="patient@demo.clinic").order_by("pk"))
    played = play_today(now, patients)
    for window in opened:
        days = (window.starts_at - now) / timedelta(days=1)
        if window.kind == Kind.POOL:
            if days < 5:
                play_minutes(window.pk, 4 - max(int(days), 0) // 2, patients, reception)
        elif window.ends_at <= now:
            own, family = (family, []) if window.doctor.slug == "ananya-iyer" else ([], family)
            play_past(window.pk, 5 + window.pk % 3, chain(own, patients), reception)
        elif days < 5 and window.pk not in played:
            booked = round(window.capacity * (5 - days) / 12) + window.pk % 3
            play_ahead(window.pk, min(booked, window.capacity), patients, reception)
    if first_time:
        mother, child = Patient.objects.filter(account__email="patient@demo.clinic").order_by("pk")
        book_online(next_free("kavita-deshpande", now), child, account=mother.account)
    nobody_is_written_to(now)


def nobody_is_written_to(now: datetime) -> None:
    """The sample's patients have no mailbox, and what came before today was read."""
    Notice.objects.to_send(now + timedelta(days=30)).update(status=State.DROPPED)
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    Notice.objects.unread().filter(channel=Channel.INBOX, due_at__lt=midnight).update(read_at=now)


def next_free(slug: str, now: datetime) -> Schedule:
    """A doctor's first window that starts tomorrow or later and has places."""
    later = Schedule.objects.running_or_next(now + timedelta(days=1)).filter(doctor__slug=slug)
    return later.with_left(now).filter(online_left__gt=0).first()


# --- Today --------------------------------------------------------------------------------


def play_today(now: datetime, patients: Iterator[Patient]) -> set[int]:
    """Plays the window that runs now or comes next, of every doctor on duty, once; returns their pks."""
    played = set()
    reception = User.objects.get(email="reception@demo.clinic")
    mother = Patient.objects.get(account__email="patient@demo.clinic", relationship="self")
    for slug, plot in PLOTS.items():
        window = Schedule.objects.running_or_next(now).filter(doctor__slug=slug).first()
        if window and window.opened_from != PLAYED and window.opened_from.startswith(TO_PLAY):
            plot(window, patients, reception, mother, now)
            Schedule.objects.filter(pk=window.pk).update(opened_from=PLAYED)
            played.add(window.pk)
    return played


def busy(window, patients, reception, mother, now) -> None:
    """Nine have come or will; the sample patient is the eighth, two are ahead of her."""
    fill(window, 7, patients, reception, now)
    if now < window.online_until:
        book_online(window, mother, account=mother.account)
    fill(window, 9, patients, reception, now)
    serve(window, 4, reception, now)


def quiet(window, patients, reception, mother, now) -> None:
    """Four places of twenty, and one patient who was better before her turn came: her money goes back."""
    fill(window, 5, patients, reception, now)
    better = Booking.objects.filter(schedule=window, channel=Booked.ONLINE).order_by("queue_number").last()
    if better:
        actions.cancel(better.pk, actor=reception, reason="Called: the fever is gone.")
    serve(window, 1, reception, now)


def nearly_full(window, patients, reception, mother, now) -> None:
    fill(window, window.capacity - 1, patients, reception, now)
    serve(window, 3, reception, now)


def full(window, patients, reception, mother, now) -> None:
    fill(window, window.capacity, patients, reception, now)
    serve(window, 4, reception, now)


def closed(window, patients, reception, mother, now) -> None:
    """The doctor was called to a delivery: those who are booked will be seen, nobody else."""
    fill(window, 4, patients, reception, now)
    serve(window, 1, reception, now)
    windows.close(window.pk, actor=reception)


PLOTS = {
    "ananya-iyer": busy,
    "rajesh-shrestha": quiet,
    "kavita-deshpande": nearly_full,
    "imran-qureshi": full,
    "sunita-gurung": closed,
}


def fill(window: Schedule, taken: int, patients, reception: User, now: datetime) -> None:
    """Books until so many places are taken: every second one online, as long as that is open."""
    window.refresh_from_db()
    for number in range(window.taken, taken):
        patient = next(patients)
        kept = max(window.reserved_for_desk - window.taken_at_desk, 0)
        if number % 2 and now < window.online_until and number < window.capacity - kept:
            book_online(window, Guest(name=patient.name, phone=str(patient.phone), age=patient.age))
        else:
            counter.walk_in(
                schedule_id=window.pk,
                who=patient,
                method=Method.CASH if number % 4 else Method.ESEWA,
                actor=reception,
                request_key=uuid4(),
            )


def book_online(window: Schedule, who: Patient | Guest, *, account: User | None = None) -> Booking:
    """Holds a place and pays for it; the gateway's event takes the webhook's way, without its HTTP."""
    booking = actions.hold(
        schedule_id=window.pk,
        patient=who,
        price_minor=window.fee_minor,
        request_key=uuid4(),
        booked_by=account,
        consent_version=settings.CONSENT_VERSION,
    )
    payment = pay.start(booking, "demo")
    gateway = gateways.get("demo")
    event = gateway.pay(str(payment.key))
    pay.receive("demo", gateway.signed(event), event.encode())
    return booking


def serve(window: Schedule, calls: int, reception: User, now: datetime) -> None:
    """Most of the line has come; so many were called, if the doctor has begun. The third did not come."""
    line = list(Booking.objects.waiting().filter(schedule=window).order_by("queue_number")[: calls + 3])
    for booking in line:
        if booking.queue_number != 3:
            desk.check_in(booking.pk, actor=reception)
    if not window.is_running(now):
        return
    for _n in range(calls):
        desk.call_next(window.pk, actor=reception)
    for booking in line:
        if booking.queue_number == 3 and calls > 3:
            desk.no_show(booking.pk, actor=reception)


# --- Other days ---------------------------------------------------------------------------


@action
def play_past(window_id: int, seats: int, patients: Iterator[Patient], reception: User) -> None:
    """A finished session: all but one were seen in turn."""
    window, *_others = steps.lock_window(window_id)
    each = timedelta(minutes=window.minutes_each)
    for number in range(1, seats + 1):
        arrived = window.starts_at - timedelta(minutes=40) + number * timedelta(minutes=2)
        called = window.starts_at + (number - 1) * each
        method = METHODS[(window.pk + number) % len(METHODS)]
        booking = sell(window, next(patients), arrived, reception, method)
        if number == NOBODY_CAME:
            steps.move(
                booking, Status.NO_SHOW, now=called, actor=reception, cause="did not come", ended_at=called
            )
            continue
        see(booking, arrived, called, called + each, reception)
    window.now_serving, window.status = seats, Window.FINISHED
    window.save(update_fields=["now_serving", "status"])


def see(booking: Booking, arrived: datetime, called: datetime, ended: datetime, reception: User) -> None:
    """They came, were called, and left."""
    steps.move(
        booking, Status.CHECKED_IN, now=arrived, actor=reception, cause="arrived", checked_in_at=arrived
    )
    steps.move(booking, Status.IN_CONSULTATION, now=called, actor=reception, cause="called", called_at=called)
    steps.move(booking, Status.COMPLETED, now=ended, actor=reception, cause="visit finished", ended_at=ended)


@action
def play_ahead(window_id: int, seats: int, patients: Iterator[Patient], reception: User) -> None:
    """Those who booked at the desk on one of the last days, on their way out."""
    window, now, _found = steps.lock_window(window_id)
    first = now - timedelta(hours=20, days=window.pk % DAYS_BACK)
    for number in range(seats):
        sell(window, next(patients), first + number * timedelta(minutes=7), reception, Method.CASH)


@action
def play_minutes(window_id: int, visits: int, patients: Iterator[Patient], reception: User) -> None:
    """Services that were booked at the desk the day before, one after the other; but whoever came second
    chose to sleep longer. Those whose time is over were seen."""
    window, now, _found = steps.lock_window(window_id)
    offered = cycle(Service.objects.offered().by(window.doctor).order_by("duration"))
    booked, start = min(now, window.starts_at) - timedelta(hours=20), window.starts_at
    for number in range(visits):
        service, start = next(offered), start + timedelta(minutes=20 if number == 1 else 0)
        visit = {"service": service, "service_name": service.name, "minutes": service.minutes}
        visit |= {"start_at": start, "end_at": start + timedelta(minutes=service.minutes)}
        if visit["end_at"] > window.ends_at:
            break
        at = booked + number * timedelta(minutes=7)
        price = {"price_minor": service.price_minor}
        booking = sell(window, next(patients), at, reception, Method.CASH, **price, **visit)
        start = booking.end_at
        if start <= now:
            see(booking, booking.start_at - timedelta(minutes=5), booking.start_at, start, reception)
    if window.ends_at <= now:
        window.status = Window.FINISHED
        window.save(update_fields=["status"])


def sell(
    window: Schedule, patient: Patient, at: datetime, reception: User, method: Method, **visit
) -> Booking:
    """A place and its money at the counter, in a locked window, at some moment in the past; `visit` is
    what a service says of it."""
    sold = {"price_minor": window.fee_minor, "booked_by": patient.account} | visit
    booking = steps.new_booking(window, patient, now=at, channel=Booked.WALK_IN, **sold)
    steps.move(booking, Status.CONFIRMED, now=at, actor=reception, cause=f"walk-in, {method}")
    counter.take(booking, method, booking.price_minor, now=at, actor=reception)
    return booking
