"""Everything else in admin: found, read, and changed only through services."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings.models import Booking
from bookings.states import Status
from clinic.models import Doctor, ReviewItem
from payments import sweeps
from payments.counter import walk_in
from payments.management.commands.check_invariants import violations
from payments.models import GatewayEvent, Payment, Refund
from payments.states import RefundStatus
from tests import factories

pytestmark = pytest.mark.django_db
BOOKINGS = "/admin/bookings/booking/"
CANCEL = f"{BOOKINGS}cancel/"


@pytest.fixture
def reception(client):
    account = factories.staff("Reception")
    client.force_login(account)
    return account


@pytest.fixture
def manager(client):
    account = factories.staff("Manager")
    client.force_login(account)
    return account


def sell(actor, window=None, **fields):
    return walk_in(
        schedule_id=(window or factories.window()).pk, who=factories.guest(**fields), method="cash",
        actor=actor, request_key=factories.uuid4(),
    )  # fmt: skip


def listed(page):
    return list(page.context["cl"].result_list)


# --- The index ----------------------------------------------------------------------------


def test_the_index_shows_each_role_its_own_work_first(client):
    tiles = {}
    for role in ("Reception", "Doctor", "Manager"):
        client.force_login(factories.staff(role))
        tiles[role] = [str(tile.label) for tile, _count, _word in client.get("/admin/").context["counted"]]
    assert tiles["Reception"] == [
        "Today", "Walk-in", "Desk", "Dashboard", "Money", "Cash desk", "Inbox", "To look at",
    ]  # fmt: skip
    assert tiles["Manager"] == [
        "Today",
        "Walk-in",
        "Desk",
        "Dashboard",
        "Money",
        "Cash desk",
        "Earnings",
        "Inbox",
        "Hours",
        "To look at",
    ]
    assert tiles["Doctor"] == ["Today", "Desk", "Dashboard", "Earnings", "Inbox", "Calendar"]


def test_the_index_counts_the_day(client, reception):
    window = factories.window(starts_in=-timedelta(seconds=1), capacity=5)
    sell(reception, window)
    counts = {str(tile.label): count for tile, count, _word in client.get("/admin/").context["counted"]}
    assert counts == {
        "Today": "1",
        "Walk-in": "4",
        "Desk": "0",
        "Dashboard": "20%",
        "Money": "₹500",
        "Cash desk": "0",
        "Inbox": "0",
        "To look at": "0",
    }


def test_staff_sign_in_through_the_clinics_own_page(client):
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/")
    client.force_login(factories.user())
    assert client.get("/admin/", follow=True).status_code == 403


# --- Bookings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", ["Gita", "gita thapa", "98200 11111", "+91 98200-11111", "09820011111", "A1", "a1"]
)
def test_a_booking_is_found_by_name_phone_or_number(client, reception, words):
    booking = sell(reception, name="Gita Thapa", phone="+919820011111")
    sell(reception, factories.window(prefix="B"), name="Somebody Else", phone="+919820022222")
    assert listed(client.get(BOOKINGS, {"q": words})) == [booking]


def test_the_days_bookings_are_one_click_away(client, reception):
    today = sell(reception, factories.window(starts_in=-timedelta(seconds=1)))
    later = sell(reception, factories.window(starts_in=timedelta(days=1)))
    assert listed(client.get(BOOKINGS, {"day": "today"})) == [today]
    assert listed(client.get(BOOKINGS, {"day": "tomorrow"})) == [later]


def test_a_booking_shows_its_history_and_its_payment_and_no_field_to_edit(client, reception):
    booking = sell(reception)
    page = client.get(f"{BOOKINGS}{booking.pk}/change/").content.decode()
    assert "walk-in, cash" in page and "₹500" in page
    assert 'name="status"' not in page and "_save" not in page
    assert client.post(f"{BOOKINGS}{booking.pk}/change/", {"status": "cancelled"}).status_code == 403


def test_cancelling_needs_a_reason(client, reception):
    booking = sell(reception)
    page = client.post(f"{CANCEL}?booking={booking.pk}", {"reason": " "}).content.decode()
    booking.refresh_from_db()
    assert "Write why" in page
    assert booking.status == Status.CONFIRMED


def test_cancelling_with_a_reason_gives_the_money_back(client, reception):
    booking = sell(reception)
    desk = f"/admin/desk/?window={booking.schedule_id}"
    answer = client.post(f"{CANCEL}?booking={booking.pk}&back={desk}", {"reason": "Doctor is ill"})
    booking.refresh_from_db()
    assert answer.url == desk
    assert (booking.status, booking.cancel_reason, booking.refund_percent) == (
        Status.CANCELLED, "Doctor is ill", 100,
    )  # fmt: skip
    assert booking.events.last().actor == reception


@pytest.mark.parametrize(
    ("starts_in", "percent", "said"), [(2, 0, "₹0 goes back (0%)"), (48, 100, "₹500 goes back")]
)
def test_what_the_patient_asked_for_goes_by_the_rules_as_sold(client, reception, starts_in, percent, said):
    booking = sell(reception, factories.window(starts_in=timedelta(hours=starts_in)))
    Booking.objects.update(created_at=timezone.now() - timedelta(hours=1))
    assert said in client.get(f"{CANCEL}?booking={booking.pk}").content.decode()
    sent = {"whose": "patient", "reason": "Feels better"}
    page = client.post(f"{CANCEL}?booking={booking.pk}", sent, follow=True).content.decode()
    assert said in page
    booking.refresh_from_db()
    assert (booking.status, booking.refund_percent) == (Status.CANCELLED, percent)
    assert violations() == {}


def test_the_clinics_own_cancellation_is_chosen_already(client, reception):
    booking = sell(reception)
    form = client.get(f"{CANCEL}?booking={booking.pk}").context["form"]
    assert form["whose"].value() == "clinic"
    assert (
        client.post(f"{CANCEL}?booking={booking.pk}", {"whose": "nobody", "reason": "x"}).status_code == 200
    )
    booking.refresh_from_db()
    assert booking.status == Status.CONFIRMED


def test_a_visit_under_way_cannot_be_cancelled(client, reception):
    booking = sell(reception)
    client.post(f"/admin/desk/{booking.schedule_id}/call-next/", {"serving": 0})
    page = client.post(f"{CANCEL}?booking={booking.pk}", {"reason": "x"}, follow=True).content.decode()
    booking.refresh_from_db()
    assert "cannot be changed that way" in page
    assert booking.status == Status.IN_CONSULTATION


def test_several_bookings_are_cancelled_for_one_reason(client, reception):
    bookings = [sell(reception), sell(reception)]
    chosen = {"action": "cancel_selected", "_selected_action": [b.pk for b in bookings]}
    answer = client.post(BOOKINGS, chosen)
    client.post(answer.url, {"reason": "Power cut"})
    for booking in bookings:
        booking.refresh_from_db()
        assert booking.status == Status.CANCELLED


def test_cancelling_does_not_lead_to_another_site(client, reception):
    booking = sell(reception)
    answer = client.post(f"{CANCEL}?booking={booking.pk}&back=https://evil.example/", {"reason": "x"})
    assert answer.url == BOOKINGS


def test_a_doctor_reads_and_cancels_their_own_bookings_only(client):
    account = factories.staff("Doctor")
    mine = sell(account, factories.window(doctor=factories.doctor(user=account)), name="Mine")
    other = sell(account, name="Other")
    client.force_login(account)
    assert listed(client.get(BOOKINGS)) == [mine]
    assert client.get(f"{CANCEL}?booking={other.pk}").status_code == 404
    assert client.post(f"{CANCEL}?booking={other.pk}", {"reason": "x"}).status_code == 404
    other.refresh_from_db()
    assert other.status == Status.CONFIRMED
    assert listed(client.get("/admin/clinic/patient/")) == [mine.patient]
    assert client.get("/admin/payments/payment/").status_code == 403


# --- Money --------------------------------------------------------------------------------


def refund_by_hand(reception, client) -> Refund:
    booking = sell(reception)
    client.post(f"{CANCEL}?booking={booking.pk}", {"reason": "Doctor is ill"})
    sweeps.make_refunds()
    sweeps.send_refunds()
    return Refund.objects.get()


def test_cash_is_handed_back_once_and_needs_no_more_looking_at(client, reception):
    refund = refund_by_hand(reception, client)
    assert refund.status == RefundStatus.BY_HAND
    assert ReviewItem.objects.open().count() == 1
    chosen = {"action": "hand_back_selected", "_selected_action": [refund.pk]}
    client.post("/admin/payments/refund/", chosen)
    refund.refresh_from_db()
    assert refund.status == RefundStatus.DONE
    assert refund.payment.events.last().actor == reception
    assert ReviewItem.objects.open().count() == 0
    events = refund.payment.events.count()
    page = client.post(f"/admin/payments/refund/{refund.pk}/handed-back/", follow=True).content.decode()
    assert "not waiting to be handed back" in page
    assert refund.payment.events.count() == events
    assert violations() == {}


def test_a_refund_on_its_way_through_a_gateway_is_not_ticked_off_by_hand(client, reception):
    refund = refund_by_hand(reception, client)
    Refund.objects.filter(pk=refund.pk).update(status=RefundStatus.PENDING)
    client.post(f"/admin/payments/refund/{refund.pk}/handed-back/")
    refund.refresh_from_db()
    assert refund.status == RefundStatus.PENDING


def test_payments_are_read_never_edited(client, manager):
    payment = Payment.objects.get(booking=sell(manager))
    page = client.get(f"/admin/payments/payment/{payment.pk}/change/").content.decode()
    assert "₹500" in page and "_save" not in page
    assert (
        client.post(f"/admin/payments/payment/{payment.pk}/change/", {"amount_minor": "1"}).status_code == 403
    )
    assert client.get("/admin/payments/payment/add/").status_code == 403
    assert client.post(f"/admin/payments/payment/{payment.pk}/delete/").status_code == 403
    payment.refresh_from_db()
    assert payment.amount_minor == 50000


def test_a_gateways_message_is_shown_whole_to_few(client, manager):
    now = timezone.now()
    inbox = GatewayEvent.objects.create(
        gateway="demo", dedupe_key="x", name="paid", body='{"email": "gita@example.org"}',
        received_at=now, next_try_at=now,
    )  # fmt: skip
    address = f"/admin/payments/gatewayevent/{inbox.pk}/change/"
    assert "gita@example.org" not in client.get(address).content.decode()
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    assert "gita@example.org" in client.get(address).content.decode()


# --- What must be looked at ---------------------------------------------------------------


def item():
    return ReviewItem.objects.create(key="x", subject="Odd money", explanation="Look.", link="/admin/")


def test_a_manager_resolves_something_with_a_note(client, manager):
    odd = item()
    address = f"/admin/clinic/reviewitem/{odd.pk}/resolve/"
    assert "Write what was done" in client.post(address, {"note": ""}).content.decode()
    client.post(address, {"note": "Called the bank."})
    odd.refresh_from_db()
    assert (odd.note, odd.resolved_by) == ("Called the bank.", manager)
    client.post(address, {"note": "Me too."})
    odd.refresh_from_db()
    assert odd.note == "Called the bank."


def test_reception_reads_but_does_not_resolve(client, reception):
    odd = item()
    assert client.get(f"/admin/clinic/reviewitem/{odd.pk}/change/").status_code == 200
    assert client.post(f"/admin/clinic/reviewitem/{odd.pk}/resolve/", {"note": "x"}).status_code == 403
    odd.refresh_from_db()
    assert odd.resolved_at is None


# --- People -------------------------------------------------------------------------------


def test_a_doctors_fee_is_typed_in_major_units_and_shown_the_same(client, manager):
    doctor = factories.doctor(fee_minor=50050)
    address = f"/admin/clinic/doctor/{doctor.pk}/change/"
    page = client.get(address)
    assert 'value="500.50"' in page.content.decode()
    form = page.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    typed = {name: "" if value is None else value for name, value in values.items()} | {"fee_minor": "600"}
    assert client.post(address, typed).status_code == 302
    assert Doctor.objects.get().fee_minor == 60000
    client.post(address, typed | {"fee_minor": "600.005"})
    assert Doctor.objects.get().fee_minor == 60000


def test_reception_corrects_a_patients_name_and_deletes_nobody(client, reception):
    person = factories.patient(name="Metra Joshi")
    address = f"/admin/clinic/patient/{person.pk}"
    client.post(f"{address}/change/", {"name": "Meera Joshi", "phone": str(person.phone)})
    assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    person.refresh_from_db()
    assert person.name == "Meera Joshi"


def test_an_operator_makes_an_account(client):
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    form = {
        "email": "Ravi@Example.org", "name": "Ravi", "usable_password": "true",
        "password1": "correct horse 9", "password2": "correct horse 9",
    }  # fmt: skip
    assert client.post("/admin/clinic/user/add/", form).status_code == 302
    page = client.get("/admin/clinic/user/", {"q": "ravi"})
    assert [account.email for account in listed(page)] == ["ravi@example.org"]


# --- Every table --------------------------------------------------------------------------


def pages():
    for model in admin.site._registry:
        if model._meta.app_label in ("clinic", "schedules", "bookings", "payments"):
            yield model, reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_changelist")


def test_every_table_opens_and_costs_the_same_with_more_rows(client, manager):
    operator = factories.user(is_staff=True, is_superuser=True)
    client.force_login(operator)

    def fill():
        booking = sell(operator)
        client.post(f"{CANCEL}?booking={booking.pk}", {"reason": "x"})
        sweeps.make_refunds()
        sweeps.send_refunds()
        now = timezone.now()
        GatewayEvent.objects.create(
            gateway="demo", dedupe_key=booking.public_id, body="{}", received_at=now, next_try_at=now,
            payment=booking.payments.get(),
        )  # fmt: skip

    def costs():
        counts = {}
        for model, address in pages():
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200, model
            counts[model] = len(queries)
            row = model.objects.first()
            if row:
                change = reverse(f"admin:{model._meta.label_lower.replace('.', '_')}_change", args=[row.pk])
                assert client.get(change).status_code == 200, model
        return counts

    fill()
    costs()  # content types and the like are cached now
    before = costs()
    for _n in range(3):
        fill()
    assert costs() == before
