"""What the sample clinic does not show by itself: a doctor whose line has a booking in every state."""

from dataclasses import dataclass
from datetime import time, timedelta
from functools import cached_property
from uuid import uuid4

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.utils import timezone

from bookings import actions, desk
from bookings.feed_actions import make_feed
from bookings.models import Booking
from clinic.api_key_models import ApiKey
from clinic.feed_models import Feed
from clinic.hook_models import Delivery
from clinic.hook_steps import spread
from clinic.membership_models import Membership, Plan
from clinic.models import Doctor, Patient, ReviewItem, Service, User
from clinic.notice_models import Channel, Notice, State
from clinic.service_actions import remove_service
from payments import actions as payment_actions
from payments import counter, sweeps
from payments.drawer_actions import open_drawer
from payments.drawer_models import Drawer
from payments.due_actions import collect
from payments.ledger_models import Payout
from payments.models import Payment
from payments.payout_actions import ask_for, move_payout
from payments.sample.people import PASSWORD
from payments.states import Method, PayoutStatus
from schedules.closure_models import Closure
from schedules.hours_models import WeeklyHours
from schedules.models import Schedule
from schedules.opening_actions import open_for
from tests import factories

MANAGER = "manager@demo.clinic"
RUNNING = {"starts_in": timedelta(hours=-1), "lasts": timedelta(hours=4)}


@dataclass(frozen=True)
class Twice:
    """Money that two people gave back, and what a person must look at."""

    payment: Payment
    item: ReviewItem


class Scene:
    """Every property makes its rows when it is first asked for."""

    @cached_property
    def reception(self) -> User:
        return User.objects.get(email="reception@demo.clinic")

    @cached_property
    def doctor(self) -> Doctor:
        return factories.doctor(
            name="Dr. Nirmala Pradhan", slug="nirmala-pradhan", specialty="Cardiology", room="9"
        )

    @cached_property
    def window(self) -> Schedule:
        """It runs now and has places."""
        return factories.window(doctor=self.doctor, capacity=20, prefix="K", **RUNNING)

    @cached_property
    def full(self) -> Schedule:
        window = factories.window(capacity=1, **RUNNING)
        factories.paid(window)
        return window

    @cached_property
    def slots(self) -> list[Schedule]:
        """A morning of exact times, some by video, one held and two taken."""
        dentist = factories.doctor(
            name="Dr. Pema Sherpa", slug="pema-sherpa", specialty="Dentistry", room="11"
        )
        at_clinic = factories.slots(9, starts_in=factories.at_ten(), doctor=dentist, fee_minor=80000)
        by_video = {"doctor": dentist, "fee_minor": 60000, "mode": "video"}
        evening = factories.slots(5, starts_in=factories.at_ten() + timedelta(hours=7), **by_video)
        factories.hold(at_clinic[2], factories.guest(name="Anu Shakya"))
        for slot in (at_clinic[0], at_clinic[5]):
            factories.paid(slot, factories.guest(name="Bikash Rai"))
        return [*at_clinic, *evening]

    @cached_property
    def at_a_time(self) -> Booking:
        """Somebody who has an exact time."""
        return factories.paid(self.slots[3], factories.guest(name="Maya Tamang"))

    @cached_property
    def by_video(self) -> Booking:
        return factories.paid(self.slots[10], factories.guest(name="Nitin Bose"))

    @cached_property
    def massage(self) -> Service:
        """Forty minutes, of which a doctor has a whole morning who sees others by number in the evening."""
        doctor = factories.doctor(
            name="Dr. Rina Shakya", slug="rina-shakya", specialty="Acupuncture", room="14"
        )
        factories.window(doctor=doctor, starts_in=factories.at_ten() + timedelta(hours=7), capacity=12)
        return factories.service(doctor, code="acupuncture", name="Acupuncture", price_minor=90000)

    @cached_property
    def idle(self) -> Service:
        """Nobody offers it."""
        return factories.service(code="moxa", name="Moxibustion")

    @cached_property
    def pool(self) -> Schedule:
        """Tomorrow from ten to one; somebody has forty minutes in the middle."""
        pool = factories.morning(doctor=self.massage.doctors.get())
        factories.reserve(pool, self.massage, 80, factories.guest(name="Deepak Saud"))
        return pool

    @cached_property
    def by_the_minute(self) -> Booking:
        return self._paid(factories.reserve(self.pool, self.massage, 0, factories.guest(name="Rekha Oli")))

    @cached_property
    def by_the_minute_lost(self) -> Booking:
        """Their time was up, somebody else took it, and then their money came."""
        pool = factories.morning(days=2, doctor=self.pool.doctor)
        booking = factories.reserve(pool, self.massage, 0, factories.guest(name="Arjun Sen"))
        payment = factories.attempt(booking)
        factories.lapse(booking)
        factories.reserve(pool, self.massage, 20, factories.guest(name="Sunil Rai"))
        factories.deliver(factories.capture_body(payment))
        return booking

    # --- A booking in every state ---------------------------------------------------------

    @cached_property
    def held(self) -> Booking:
        return factories.hold(self.window, factories.guest(name="Lalita Rana"))

    @cached_property
    def declined(self) -> Booking:
        booking = factories.hold(self.window, factories.guest(name="Hari Poudel"))
        factories.deliver(factories.demo().decline(str(factories.attempt(booking).key)))
        return booking

    @cached_property
    def confirmed(self) -> Booking:
        return factories.paid(self.window, factories.guest(name="Fatima Ansari"))

    @cached_property
    def booked_long_ago(self) -> Booking:
        """So near to the start that nothing comes back."""
        window = factories.window()
        booking = factories.paid(window, factories.guest(name="Dev Shah"))
        Booking.objects.filter(pk=booking.pk).update(created_at=booking.created_at - timedelta(days=1))
        return booking

    @cached_property
    def checked_in(self) -> Booking:
        booking = factories.paid(self.window, factories.guest(name="Suresh Verma"))
        return desk.check_in(booking.pk, actor=self.reception)

    @cached_property
    def in_consultation(self) -> Booking:
        return self._called("Bimala Karki")

    @cached_property
    def completed(self) -> Booking:
        return desk.complete(self._called("Mohan Thapa").pk, actor=self.reception)

    @cached_property
    def no_show(self) -> Booking:
        booking = factories.paid(self.window, factories.guest(name="Gopal Das"))
        return desk.no_show(booking.pk, actor=self.reception)

    @cached_property
    def cancelled(self) -> Booking:
        booking = factories.paid(self.window, factories.guest(name="Sita Magar"))
        return actions.cancel(booking.pk, actor=self.reception, reason="The doctor was called away.")

    @cached_property
    def given_up(self) -> Booking:
        booking = factories.hold(self.window, factories.guest(name="Naresh Jha"))
        return actions.give_up(booking.pk)

    @cached_property
    def expired(self) -> Booking:
        booking = factories.hold(self.window, factories.guest(name="Kiran Rao"))
        factories.lapse(booking)
        return booking

    @cached_property
    def overflow(self) -> Booking:
        """Their time was up, somebody else took the last place, and then their money came."""
        window = factories.window(doctor=factories.doctor(), capacity=1)
        booking = factories.hold(window, factories.guest(name="Pooja Lama"))
        payment = factories.attempt(booking)
        factories.lapse(booking)
        factories.paid(window)
        factories.deliver(factories.capture_body(payment))
        return booking

    @cached_property
    def surplus(self) -> Booking:
        """Paid twice."""
        booking = factories.paid(self.window, factories.guest(name="Amit Kapoor"))
        factories.deliver(factories.capture_body(booking.payments.get(), again=True))
        return booking

    @cached_property
    def disputed(self) -> Booking:
        """Cancelled while the patient's bank looks into the payment: the money waits."""
        booking = factories.paid(self.window, factories.guest(name="Leela Iyer"))
        factories.dispute(booking.payments.get())
        actions.cancel(booking.pk, actor=self.reception, reason="The doctor was called away.")
        sweeps.make_refunds()
        return booking

    @cached_property
    def charged_back(self) -> Booking:
        """The bank took the money, and the place stands."""
        booking = factories.paid(self.window, factories.guest(name="Manoj Tiwari"))
        for what in ("opened", "lost"):
            factories.dispute(booking.payments.get(), what)
        return booking

    @cached_property
    def given_back_twice(self) -> Twice:
        """Cancelled, and given back on the gateway's own page before the worker came."""
        booking = factories.paid(self.window, factories.guest(name="Tara Bhatt"))
        payment = booking.payments.get()
        actions.cancel(booking.pk, actor=self.reception, reason="The doctor was called away.")
        sweeps.make_refunds()
        factories.deliver(factories.demo().give_back(payment.gateway_payment, payment.captured_minor))
        sweeps.send_refunds()
        about = ReviewItem.objects.open().filter(key__startswith=f"payment:{payment.pk}:")
        return Twice(payment, about.get())

    @cached_property
    def walk_in(self) -> Booking:
        return counter.walk_in(
            schedule_id=self.window.pk,
            who=factories.guest(name="Usha Chaudhary", phone="+919820067890"),
            method=Method.CASH,
            actor=self.reception,
            request_key=uuid4(),
        )

    @cached_property
    def owing(self) -> Booking:
        """They chose to pay at the desk."""
        return factories.owing(self.window, factories.guest(name="Prakash Gurung"))

    @cached_property
    def left_unpaid(self) -> Booking:
        """Seen, and gone without paying."""
        booking = factories.owing(self.window, factories.guest(name="Tara Basnet"))
        desk.check_in(booking.pk, actor=self.reception)
        return desk.complete(booking.pk, actor=self.reception)

    @cached_property
    def discounted(self) -> Booking:
        booking = factories.owing(self.window, factories.guest(name="Kamal Shrestha"))
        return collect(
            booking.pk,
            collected_minor=40000,
            method=Method.ESEWA,
            reason="A student",
            key=uuid4(),
            actor=self.account(MANAGER),
        )

    def _paid(self, booking: Booking) -> Booking:
        factories.deliver(factories.capture_body(factories.attempt(booking)))
        booking.refresh_from_db()
        return booking

    def _called(self, name: str) -> Booking:
        booking = factories.paid(self.window, factories.guest(name=name))
        desk.check_in(booking.pk, actor=self.reception)
        return desk.call_next(self.window.pk, actor=self.reception)

    # --- When the doctors receive ---------------------------------------------------------

    @cached_property
    def hours(self) -> WeeklyHours:
        """The sample clinic's first: numbers in the morning."""
        return WeeklyHours.objects.filter(doctor__slug="kavita-deshpande").order_by("weekday", "start_time")[
            0
        ]

    @cached_property
    def closure(self) -> Closure:
        """A doctor's leave in some days, carried out, and hours of another day."""
        doctor = factories.doctor(name="Dr. Tara Basnet", slug="tara-basnet", specialty="Dentistry")
        for weekday in range(6):
            factories.hours(doctor=doctor, weekday=weekday, kind="slot", slot_minutes=20, capacity=1)
        today = timezone.localdate()
        first, last, now = today + timedelta(days=3), today + timedelta(days=5), timezone.now()
        factories.closure(
            today + timedelta(days=7), doctor=doctor, start_time=time(10), end_time=time(11),
            reason="A meeting", carried_out_at=now,
        )  # fmt: skip
        away = factories.closure(first, last_day=last, doctor=doctor, reason="On leave", carried_out_at=now)
        open_for(doctor.pk, now)
        return away

    @cached_property
    def shared_minutes(self) -> Schedule:
        """Minutes that services share, today: one is booked, one held, and one still fits."""
        doctor = factories.doctor(
            name="Dr. Lhamo Dorji", slug="lhamo-dorji", specialty="Dermatology", room="14"
        )
        facial = factories.service(doctor, code="facial", name="Facial", price_minor=120000)
        peel = factories.service(doctor, code="peel", name="Peel", duration=60, price_minor=250000)
        pool = factories.pool(doctor=doctor, **RUNNING)
        booked = factories.reserve(pool, facial, 80, factories.guest(name="Yangchen Lepcha"))
        factories.deliver(factories.capture_body(factories.attempt(booked)))
        factories.reserve(pool, peel, 120, factories.guest(name="Dipa Sen"))
        return pool

    @cached_property
    def facial(self) -> Service:
        assert self.shared_minutes
        return Service.objects.get(code="facial")

    @cached_property
    def service_walk_in(self) -> Booking:
        """A service sold at the desk, at the first time that fits."""
        return counter.walk_in(
            schedule_id=self.shared_minutes.pk,
            who=factories.guest(name="Pasang Dolma", phone="+919820067891"),
            method=Method.CASH,
            actor=self.reception,
            request_key=uuid4(),
            service_id=self.facial.pk,
        )

    # --- What else a page may need --------------------------------------------------------

    @cached_property
    def review(self) -> ReviewItem:
        """A payment of the wrong amount: somebody must look at it."""
        payment = factories.attempt(factories.hold(self.window, factories.guest(name="Rohan Mehta")))
        factories.deliver(factories.altered(factories.capture_body(payment), amount=100))
        return ReviewItem.objects.open().latest("pk")

    @cached_property
    def order(self) -> Payment:
        """Somebody is on the demo gateway's page."""
        return factories.attempt(factories.hold(self.window, factories.guest(name="Jaya Nair")))

    @cached_property
    def ordered(self) -> Booking:
        """Somebody is about to pay at Razorpay."""
        booking = factories.hold(self.window, factories.guest(name="Meena Iyer"))
        payment_actions.start(booking, "razorpay")
        return booking

    @cached_property
    def service(self) -> Service:
        return Service.objects.get(code="ecg")

    @cached_property
    def removed_service(self) -> Service:
        service = factories.service(self.doctor, code="cupping", name="Cupping")
        return remove_service(service.pk, actor=self.account(MANAGER))

    @cached_property
    def secured(self) -> User:
        """Somebody with a second factor."""
        account = factories.user(email="secured@demo.clinic", password=PASSWORD, name="Roshni Patil")
        TOTP.activate(account, generate_totp_secret())
        RecoveryCodes.activate(account)
        return account

    @cached_property
    def newcomer(self) -> User:
        """Somebody who has just signed up: no booking yet, and no verified address."""
        account = factories.user(email="newcomer@demo.clinic", password=PASSWORD, name="Zoya Khan")
        account.emailaddress_set.update(verified=False)
        return account

    @cached_property
    def undecided(self) -> User:
        """Somebody who has not paid yet, and has a visit that was cancelled."""
        account = factories.user(email="undecided@demo.clinic", password=PASSWORD, name="Nisha Rawat")
        factories.hold(self.window, factories.guest(name="Nisha Rawat"), booked_by=account)
        gone = factories.paid(factories.window(), booked_by=account)
        actions.cancel(gone.pk, actor=self.reception, reason="The doctor was called away.")
        return account

    # --- Plans ----------------------------------------------------------------------------

    @cached_property
    def child(self) -> Patient:
        return Patient.objects.get(account__email="patient@demo.clinic", relationship="child")

    @cached_property
    def membership(self) -> Membership:
        return Membership.objects.get(account__email="patient@demo.clinic")

    @cached_property
    def childs_window(self) -> Schedule:
        """Of the doctor who looks after the child: free for one of two."""
        doctor = self.child.care_relations.get().doctor
        later = Schedule.objects.running_or_next(timezone.now() + timedelta(days=2)).filter(doctor=doctor)
        return later.first()

    @cached_property
    def trial_window(self) -> Schedule:
        """Free for whoever is on a trial, which somebody is."""
        factories.member(Plan.objects.get(rule="trial"), self.undecided)
        return factories.window(starts_in=factories.at_ten(3))

    @cached_property
    def follower(self) -> Patient:
        """They were seen today by a doctor whose follow-ups are free."""
        doctor = factories.doctor(
            name="Dr. Sarita Malla", slug="sarita-malla", specialty="ENT", room="12", follow_up_days=7
        )
        window = factories.window(doctor=doctor, starts_in=timedelta(hours=-1), lasts=timedelta(minutes=80))
        person = factories.patient(name="Uttam Bhattarai", phone="+919820055555", age=51)
        factories.seen(window, person, channel="phone")
        return person

    @cached_property
    def follow_up_window(self) -> Schedule:
        doctor = self.follower.bookings.get().schedule.doctor
        return factories.window(doctor=doctor, starts_in=timedelta(minutes=30), prefix="N")

    @cached_property
    def beginner(self) -> User:
        """A doctor who has had no patient yet."""
        account = factories.staff(
            "Doctor", email="beginner@demo.clinic", password=PASSWORD, name="Dr. Ila Rai"
        )
        factories.doctor(name=account.name, slug="ila-rai", user=account)
        return account

    @cached_property
    def operator(self) -> User:
        """Somebody who may do everything."""
        return factories.user(
            email="operator@demo.clinic", password=PASSWORD, name="Operator", is_staff=True, is_superuser=True
        )

    def account(self, address: str) -> User:
        """The account with this address: the sample clinic's, or one of those above."""
        found = User.objects.filter(email=address).first()
        return found or getattr(self, address.partition("@")[0])

    @cached_property
    def drawer(self):
        """The receptionist's own, open."""
        open_now = Drawer.objects.open().of(self.reception).first()
        return open_now or open_drawer(float_minor=50000, actor=self.reception)

    @cached_property
    def payout(self) -> Payout:
        """A doctor asked for a part of what they earned today."""
        assert self.walk_in
        sweeps.book_ledger()
        return ask_for(self.window.doctor, amount_minor=10000, key=uuid4(), actor=self.account(MANAGER))

    @cached_property
    def being_paid(self) -> Payout:
        """A payout that a manager has started."""
        assert self.payout
        manager = self.account(MANAGER)
        payout = ask_for(self.window.doctor, amount_minor=20000, key=uuid4(), actor=manager)
        return move_payout(payout.pk, PayoutStatus.PROCESSING, actor=manager)

    # --- Machines -------------------------------------------------------------------------

    @cached_property
    def api_key(self) -> ApiKey:
        key, _words = factories.api_key(account=self.reception, actor=self.account(MANAGER))
        return key

    @cached_property
    def delivery(self) -> Delivery:
        """A laboratory's system that did not answer."""
        hook = factories.hook("https://laboratory.invalid/hooks", created_by=self.account(MANAGER))
        assert self.confirmed
        spread(Notice.objects.filter(channel=Channel.HOOK).latest("pk"), timezone.now())
        hook.deliveries.update(status=State.FAILED, tries=8, answer=502)
        return hook.deliveries.get()

    @cached_property
    def feed(self) -> Feed:
        return make_feed(self.doctor, actor=self.account(MANAGER))

    def row_of(self, model):
        """A row of any table in admin, those included that the sample clinic leaves empty."""
        rows = self.service, self.review, self.secured, self.drawer, self.payout, self.discounted
        assert all(rows) and self.closure and self.api_key and self.delivery
        return model._default_manager.order_by("-pk")[0]
