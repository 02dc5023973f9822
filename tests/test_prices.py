"""What a visit costs whom: plans, trials and follow-ups, on the page and under the lock."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.formats import date_format

from bookings import actions
from bookings.models import Booking
from bookings.states import Channel, Status
from clinic.errors import Refused
from clinic.membership_models import CareRelation, Membership, Plan
from clinic.models import Patient
from payments.counter import walk_in
from payments.management.commands.check_invariants import violations
from payments.models import Payment
from schedules.models import Schedule
from tests import factories as f

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def patient_of(account, **fields) -> Patient:
    return f.patient(account=account, **fields)


def free(schedule, who, **fields) -> Booking:
    """They book it for nothing, as their page shows it."""
    booking = f.hold(schedule, who, price_minor=0, **fields)
    assert (booking.status, booking.price_minor) == (Status.CONFIRMED, 0)
    assert booking.free_reason
    assert violations() == {}
    return booking


def refused(schedule, who, **fields) -> str:
    """The code of the refusal, after looking that nothing changed."""

    def everything():
        return Booking.objects.count(), Patient.objects.count(), Schedule.objects.get(pk=schedule.pk).taken

    before = everything()
    with pytest.raises(Refused) as refusal:
        f.hold(schedule, who, **fields)
    assert everything() == before
    return refusal.value.code


def pays(schedule, who, **fields) -> Booking:
    """It is not free for them, and the fee is what they pay."""
    assert refused(schedule, who, price_minor=0, **fields) == "PRICE_CHANGED"
    booking = f.hold(schedule, who, **fields)
    assert (booking.status, booking.price_minor, booking.free_reason) == (Status.HELD, 50000, "")
    return booking


# --- Plans --------------------------------------------------------------------------------


def test_a_plan_is_free_with_the_doctor_who_looks_after_the_patient_and_nobody_else():
    account, window, other = f.member(f.vise()), f.window(), f.window()
    who = patient_of(account)
    CareRelation.objects.create(doctor=window.doctor, patient=who)
    booking = free(window, who, booked_by=account)
    assert booking.free_reason == "with your plan Care Plus"
    assert booking.membership == Membership.objects.get()
    pays(other, who, booked_by=account)


def test_the_relation_of_one_person_is_not_that_of_the_family():
    account, window = f.member(f.vise()), f.window()
    CareRelation.objects.create(doctor=window.doctor, patient=patient_of(account))
    pays(window, patient_of(account, name="Kabir Joshi"), booked_by=account)
    pays(window, f.guest(account_id=account.pk), booked_by=account)


def test_a_relation_without_a_plan_is_not_free():
    account, window = f.user(), f.window()
    who = patient_of(account)
    CareRelation.objects.create(doctor=window.doctor, patient=who)
    pays(window, who, booked_by=account)


def test_who_is_on_a_plan_that_pays_pays():
    account = f.member(f.plan())
    pays(f.window(), patient_of(account), booked_by=account)


@pytest.mark.parametrize(("since", "until"), [(30, 1), (-5, None)], ids=["ended", "not begun"])
def test_a_plan_counts_on_the_day_of_the_visit(since, until):
    account, window = f.member(f.vise(), since=since, until=until), f.window(starts_in=3 * DAY)
    who = patient_of(account)
    CareRelation.objects.create(doctor=window.doctor, patient=who)
    pays(window, who, booked_by=account)


def test_a_trial_gives_so_many_visits_and_then_one_pays():
    account = f.member(f.trial(visits=2, name="Welcome"))
    who = patient_of(account)
    reasons = [free(f.window(), who, booked_by=account).free_reason for _ in range(2)]
    assert reasons == ["Welcome, free visit 1 of 2", "Welcome, free visit 2 of 2"]
    pays(f.window(), who, booked_by=account)


def test_a_trial_is_the_whole_accounts_and_somebody_new_may_use_it():
    account = f.member(f.trial(visits=1))
    free(f.window(), f.guest(account_id=account.pk), booked_by=account)
    pays(f.window(), patient_of(account), booked_by=account)


def test_a_cancelled_visit_does_not_count_for_the_trial_and_a_missed_one_does():
    account = f.member(f.trial(visits=1))
    who = patient_of(account)
    booking = free(f.window(starts_in=DAY), who, booked_by=account)
    actions.cancel_own(booking.pk, actor=account, shown=None)
    window = f.window()
    missed = free(window, who, booked_by=account)
    f.desk.no_show(missed.pk, actor=f.user())
    pays(f.window(), who, booked_by=account)


def test_a_trial_is_free_until_so_many_days_after_joining():
    account = f.member(f.trial(days=7, name="First week"), since=5)
    who, until = patient_of(account), timezone.localdate() + 2 * DAY
    booking = free(f.window(starts_in=f.at_ten(2)), who, booked_by=account)
    assert booking.free_reason == f"First week until {date_format(until, 'j F')}"
    pays(f.window(starts_in=f.at_ten(3)), who, booked_by=account)


def test_two_accounts_do_not_share_a_plan():
    f.member(f.trial(visits=5))
    stranger = f.user()
    pays(f.window(), patient_of(stranger), booked_by=stranger)


def test_a_guest_gets_nothing_for_a_members_name_and_number():
    account = f.member(f.trial(visits=5))
    known = patient_of(account)
    pays(f.window(), f.guest(name=known.name, phone=str(known.phone)))


# --- Follow-up ----------------------------------------------------------------------------


@pytest.fixture
def attentive():
    """A doctor whose follow-ups are free for a week."""
    return f.doctor(follow_up_days=7)


def test_a_follow_up_within_the_doctors_days_is_free(attentive):
    who, today = f.patient(), timezone.localdate()
    f.seen(f.window(doctor=attentive, starts_in=timedelta(0)), who)
    booking = free(f.window(doctor=attentive, starts_in=f.at_ten(7)), who)
    assert booking.free_reason == f"follow-up until {date_format(today + 7 * DAY, 'j F')}"
    assert booking.membership is None
    pays(f.window(doctor=attentive, starts_in=f.at_ten(8)), who)


def test_another_doctor_or_another_patient_is_no_follow_up(attentive):
    f.seen(f.window(doctor=attentive, starts_in=timedelta(0)), f.patient())
    pays(f.window(doctor=f.doctor(follow_up_days=7), starts_in=DAY), Patient.objects.get())
    pays(f.window(doctor=attentive, starts_in=DAY), f.patient())


def test_a_visit_that_was_not_paid_or_has_not_happened_gives_no_follow_up(attentive):
    who = f.patient()
    f.paid(f.window(doctor=attentive, starts_in=timedelta(0), lasts=timedelta(hours=1)), who)
    pays(f.window(doctor=attentive, starts_in=DAY), who)
    owes = f.patient()
    window = f.window(doctor=attentive, starts_in=2 * DAY)
    booking = f.owing(window, owes)
    f.desk.check_in(booking.pk, actor=f.user())
    f.desk.complete(booking.pk, actor=f.user())
    pays(f.window(doctor=attentive, starts_in=3 * DAY), owes)


def test_a_free_follow_up_gives_no_other_one(attentive):
    who, nurse = f.patient(), f.user()
    f.seen(f.window(doctor=attentive, starts_in=timedelta(0), lasts=timedelta(hours=1)), who)
    window = f.window(doctor=attentive, starts_in=f.at_ten(6))
    second = free(window, who)
    f.desk.check_in(second.pk, actor=nurse)
    f.desk.complete(second.pk, actor=nurse)
    pays(f.window(doctor=attentive, starts_in=f.at_ten(9)), who)


def test_a_trials_visits_are_spent_last(attentive):
    account = f.member(f.trial(visits=1))
    who = patient_of(account)
    Membership.objects.update(starts_on=timezone.localdate() + DAY)  # the first visit was before it
    f.seen(f.window(doctor=attentive, starts_in=timedelta(0), lasts=timedelta(hours=1)), who)
    follow_up = free(f.window(doctor=attentive, starts_in=DAY), who, booked_by=account)
    assert follow_up.membership is None
    assert free(f.window(starts_in=DAY), who, booked_by=account).membership


def test_a_free_follow_up_is_not_moved_to_a_day_on_which_it_would_be_paid(attentive):
    who = f.patient()
    f.seen(f.window(doctor=attentive, starts_in=timedelta(0)), who)
    booking = free(f.window(doctor=attentive, starts_in=f.at_ten(5)), who)
    late = f.window(doctor=attentive, starts_in=f.at_ten(9))
    with pytest.raises(Refused) as refusal:
        actions.reschedule(booking.pk, late.pk, own=True)
    assert refusal.value.code == "OTHER_PRICE"
    booking.refresh_from_db()
    late.refresh_from_db()
    assert (booking.moved, late.taken) == (0, 0)
    assert booking.schedule_id != late.pk
    moved = actions.reschedule(booking.pk, f.window(doctor=attentive, starts_in=f.at_ten(6)).pk, own=True)
    assert moved.free_reason == booking.free_reason
    staff = actions.reschedule(booking.pk, late.pk, actor=f.user(), reason="the doctor asked for it")
    assert staff.schedule_id == late.pk


def test_the_last_free_visit_of_a_trial_can_be_moved():
    account, doctor = f.member(f.trial(visits=1)), f.doctor()
    booking = free(f.window(doctor=doctor), patient_of(account), booked_by=account)
    target = f.window(doctor=doctor, starts_in=DAY)
    assert actions.reschedule(booking.pk, target.pk, actor=account, own=True).schedule_id == target.pk


# --- The page -----------------------------------------------------------------------------


def form(page, **fields):
    """What a browser sends from this page."""
    offer = page.context["offer"]
    prices = {f"price-{pk}": quote.price_minor for pk, quote in offer.by_person.items()}
    sent = {"request_key": str(page.context["request_key"]), "price": offer.newcomer.price_minor}
    return sent | prices | {"consent": "on"} | fields


def test_the_page_says_which_rule_made_it_free_and_what_is_saved(client):
    account, window = f.member(f.vise()), f.window()
    who = patient_of(account, relationship="self")
    CareRelation.objects.create(doctor=window.doctor, patient=who)
    client.force_login(account)
    page = client.get(window.get_absolute_url())
    assert "with your plan Care Plus" in page.content.decode()
    assert "you save ₹500" in page.content.decode()
    answer = client.post(window.get_absolute_url(), form(page, patient=who.pk))
    booking = Booking.objects.get()
    assert answer["Location"] == booking.get_absolute_url()
    assert "with your plan Care Plus" in client.get(booking.get_absolute_url()).content.decode()


def test_each_of_the_family_has_their_own_price_on_one_page(client):
    account, window = f.member(f.vise()), f.window()
    mother, son = patient_of(account, relationship="self"), patient_of(account, name="Kabir Joshi")
    CareRelation.objects.create(doctor=window.doctor, patient=son)
    client.force_login(account)
    page = client.get(window.get_absolute_url())
    assert "free for some of you" in page.content.decode()
    assert {pk: q.price_minor for pk, q in page.context["offer"].by_person.items()} == {
        mother.pk: 50000,
        son.pk: 0,
    }
    client.post(window.get_absolute_url(), form(page, patient=son.pk))
    assert Booking.objects.get().status == Status.CONFIRMED
    page = client.get(window.get_absolute_url())
    client.post(window.get_absolute_url(), form(page, patient=mother.pk))
    assert Booking.objects.latest("pk").price_minor == 50000


def test_what_became_dearer_since_the_page_was_opened_is_shown_again(client):
    account, window = f.member(f.trial(visits=1)), f.window()
    who = patient_of(account, relationship="self")
    client.force_login(account)
    page = client.get(window.get_absolute_url())
    free(f.window(), who, booked_by=account)  # in another tab
    answer = client.post(window.get_absolute_url(), form(page, patient=who.pk))
    assert answer.status_code == 409
    assert "The price has changed" in answer.content.decode()
    assert Booking.objects.count() == 1
    answer = client.post(window.get_absolute_url(), form(answer, patient=who.pk))
    assert answer["Location"].startswith("/pay/")


def test_a_price_that_is_no_number_is_refused(client):
    account, window = f.user(), f.window()
    who = patient_of(account)
    client.force_login(account)
    page = client.get(window.get_absolute_url())
    answer = client.post(window.get_absolute_url(), form(page, patient=who.pk) | {f"price-{who.pk}": "free"})
    assert answer.status_code == 422
    assert not Booking.objects.exists()


def test_the_page_costs_the_same_statements_for_a_large_family(client, django_assert_max_num_queries):
    account, window = f.member(f.vise()), f.window(doctor=f.doctor(follow_up_days=7))
    for _ in range(12):
        CareRelation.objects.create(doctor=window.doctor, patient=patient_of(account))
    client.force_login(account)
    with django_assert_max_num_queries(8):  # with the session and the account
        assert client.get(window.get_absolute_url()).status_code == 200


# --- Only for members ---------------------------------------------------------------------


@pytest.fixture
def members_only(settings):
    settings.CLINIC_REQUIRES_MEMBERSHIP = True


@pytest.mark.usefixtures("members_only")
@pytest.mark.parametrize("who", ["guest", "account", "ended"])
def test_without_a_membership_nobody_books_and_everybody_reads_how_to_join(client, who, settings):
    settings.CLINIC_PHONE = "+91 98200 11111"
    window = f.window()
    f.plan(name="Standard", words="₹200 a month.")
    f.plan(name="Old plan", is_active=False)
    if who != "guest":
        account = f.member(Plan.objects.first(), until=0, since=9) if who == "ended" else f.user()
        Schedule.objects.update(date=timezone.localdate() + DAY)
        client.force_login(account)
    sent = {"request_key": uuid4(), "price": 50000, "name": "Ravi", "phone": "9820054321", "consent": "on"}
    for answer in (client.get(window.get_absolute_url()), client.post(window.get_absolute_url(), sent)):
        page = answer.content.decode()
        assert answer.status_code == 403
        assert "Subscribe to book" in page
        assert "₹200 a month." in page
        assert "+91 98200 11111" in page
        assert "Old plan" not in page
    assert not Booking.objects.exists()
    assert not Patient.objects.exists()


@pytest.mark.usefixtures("members_only")
def test_the_lock_asks_for_the_membership_too():
    window, account = f.window(), f.user()
    assert refused(window, f.guest()) == "SUBSCRIBE_TO_BOOK"
    assert refused(window, patient_of(account), booked_by=account) == "SUBSCRIBE_TO_BOOK"


@pytest.mark.usefixtures("members_only")
def test_any_plan_will_do_and_the_desk_seats_anybody():
    account = f.member(f.plan())
    assert f.hold(f.window(), patient_of(account), booked_by=account).status == Status.HELD
    assert f.hold(f.window(), f.guest(), channel=Channel.PHONE)
    assert sell(f.window(), f.guest()).status == Status.CONFIRMED


def test_the_plans_have_a_page(client):
    f.plan(name="Care Plus", words="Free visits to your own doctor.")
    page = client.get("/plans/").content.decode()
    assert "Free visits to your own doctor." in page
    assert "Ask at the desk" in page


# --- The counter --------------------------------------------------------------------------


def sell(window, who, **fields):
    return walk_in(
        **{"schedule_id": window.pk, "who": who, "method": "cash", "actor": f.user(), "request_key": uuid4()}
        | fields
    )


def test_a_known_patients_follow_up_is_free_at_the_counter_and_takes_no_money(attentive):
    who = f.patient()
    f.seen(f.window(doctor=attentive, starts_in=timedelta(0), lasts=timedelta(hours=1)), who)
    before = Payment.objects.count()
    booking = sell(f.window(doctor=attentive, starts_in=timedelta(hours=2)), who, shown=0)
    assert (booking.status, booking.price_minor) == (Status.CONFIRMED, 0)
    assert booking.free_reason.startswith("follow-up until")
    assert Payment.objects.count() == before
    assert violations() == {}


def test_the_counter_takes_no_other_sum_than_the_one_it_showed():
    window = f.window()
    with pytest.raises(Refused) as refusal:
        sell(window, f.guest(), shown=0)
    assert refusal.value.code == "PRICE_CHANGED"
    assert not Booking.objects.exists()
    assert not Payment.objects.exists()


def test_reception_sees_that_the_visit_is_free_before_it_asks_for_money(client, attentive):
    who = f.patient(age=34)
    f.seen(f.window(doctor=attentive, starts_in=timedelta(0), lasts=timedelta(hours=1)), who)
    window = f.window(doctor=attentive, starts_in=timedelta(hours=1, minutes=1))
    client.force_login(f.staff("Reception"))
    typed = {"schedule": window.pk, "phone": "9820012345", "method": "cash", "request_key": uuid4()}
    page = client.post("/admin/walk-in/find/", typed).content.decode()
    assert "Nothing to pay: follow-up until" in page
    assert "It saves ₹500" in page
    assert "Free: give the number" in page
    wrong = client.post("/admin/walk-in/", typed | {"patient": who.pk, "price": 50000})
    assert "The price has changed" in wrong.content.decode()
    done = client.post("/admin/walk-in/", typed | {"patient": who.pk, "price": 0})
    assert "Nothing to pay: follow-up until" in client.get(done["Location"]).content.decode()


# --- What the database and admin say ------------------------------------------------------


def test_one_account_is_on_one_plan_at_a_time_whatever_the_code_does():
    account = f.member(f.plan(), since=9, until=5)
    with pytest.raises(ValidationError, match="End that one first"):
        Membership(account=account, plan=f.plan(), starts_on=timezone.localdate()).full_clean()
    for since, until in [(0, None), (-5, 9), (20, -9), (30, None)]:
        with pytest.raises(IntegrityError), transaction.atomic():
            f.member(f.plan(), account, since=since, until=until)
    f.member(f.plan(), account, since=-6)
    f.member(f.plan(), account, since=20, until=-10)
    assert account.memberships.count() == 3


@pytest.mark.parametrize("fields", [{"rule": "trial"}, {"rule": "pays", "free_visits": 1}, {"rule": "gold"}])
def test_a_plan_without_sense_is_refused_by_the_database(fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        f.plan(**fields)


def enrol(client, account, plan, **fields):
    typed = {
        "email": account.email.upper(),
        "plan": plan.pk,
        "starts_on": timezone.localdate(),
        "ends_on": "",
    }
    return client.post("/admin/clinic/membership/add/", typed | fields)


def test_reception_enrols_by_the_e_mail_address(client):
    client.force_login(f.staff("Reception"))
    account, plan = f.user(), f.plan()
    assert enrol(client, account, plan).status_code == 302
    assert Membership.objects.get().account == account
    again = enrol(client, account, plan)
    assert "End that one first" in again.content.decode()
    nobody = enrol(client, account, plan, email="nobody@example.org")
    assert "make an account first" in nobody.content.decode()
    assert Membership.objects.count() == 1


def test_reception_does_not_end_memberships_or_write_plans_and_managers_do(client):
    account, plan = f.user(), f.plan()
    f.member(plan, account)
    member = Membership.objects.get()
    address, until = f"/admin/clinic/membership/{member.pk}/change/", timezone.localdate()
    client.force_login(f.staff("Reception"))
    assert client.post(address, {"ends_on": until}).status_code == 403
    assert client.get("/admin/clinic/plan/add/").status_code == 403
    client.force_login(f.staff("Manager"))
    assert client.post(address, {"ends_on": until}).status_code == 302
    member.refresh_from_db()
    assert member.ends_on == until
    rule = {"name": "Standard", "words": "As it is.", "rule": "trial", "free_visits": 3, "is_active": "on"}
    client.post(f"/admin/clinic/plan/{plan.pk}/change/", rule)
    plan.refresh_from_db()
    assert (plan.name, plan.rule, plan.free_visits) == ("Standard", "pays", None)


def test_reception_says_whose_patient_somebody_is_and_a_doctor_reads_it(client):
    client.force_login(f.staff("Reception"))
    person, before, now = f.patient(), f.doctor(), f.doctor(user=f.staff("Doctor"))
    f.hold(f.window(doctor=now), person)
    CareRelation.objects.create(patient=person, doctor=before)
    address = f"/admin/clinic/patient/{person.pk}/change/"
    assert str(before) in client.get(address).content.decode()
    typed = {"name": person.name, "phone": str(person.phone), "looked_after_by": [now.pk]}
    assert client.post(address, typed).status_code == 302
    assert [relation.doctor for relation in CareRelation.objects.all()] == [now]
    client.force_login(now.user)
    assert str(now) in client.get(address).content.decode()
    assert client.post(address, typed | {"looked_after_by": []}).status_code == 403
    assert CareRelation.objects.count() == 1
