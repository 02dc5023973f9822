"""The catalogue of services: what managers write, what reception reads, and what bookings keep."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from bookings.models import Booking
from clinic import service_actions as actions
from clinic.errors import Refused
from clinic.models import Doctor, Service, ServiceCategory
from tests import factories

pytestmark = pytest.mark.django_db
SERVICES = "/admin/clinic/service/"
ADD = f"{SERVICES}add/"


@pytest.fixture
def manager(client):
    account = factories.staff("Manager")
    client.force_login(account)
    return account


@pytest.fixture
def reception(client):
    account = factories.staff("Reception")
    client.force_login(account)
    return account


def typed(**fields):
    """What the form sends."""
    return {
        "name": "Skin care", "code": "skin-care", "category": "", "description": "", "duration": "60", "buffer": "10",
        "price_minor": "1500", "pay_at_desk": "", "doctors": [], "visible": "on", "position": "0",
    } | fields  # fmt: skip


def listed(page):
    return [service.name for service in page.context["cl"].result_list]


def told(client, answer) -> str:
    return " ".join(str(message) for message in client.get(answer.url).context["messages"])


# --- The form -----------------------------------------------------------------------------


def test_a_manager_adds_a_service_with_its_price_in_major_units(client, manager):
    doctor, category = factories.doctor(), ServiceCategory.objects.create(name="Skin")
    client.post(ADD, typed(doctors=[doctor.pk], category=category.pk, price_minor="1499.50", position="3"))
    service = Service.objects.get()
    assert (service.duration, service.buffer, service.minutes) == (60, 10, 70)
    assert (service.price_minor, service.category, service.position) == (149950, category, 3)
    assert list(service.doctors.all()) == [doctor]
    assert LogEntry.objects.get().user == manager


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("duration", "0", "at least one minute"),
        ("duration", "-5", "greater than or equal to"),
        ("duration", "99999", "a day at most"),
        ("duration", "forty", "whole number"),
        ("duration", "1435", "more than a day"),
        ("buffer", "-1", "greater than or equal to 0"),
        ("buffer", "5000", "No more than a day"),
        ("price_minor", "-1", "greater than or equal to 0"),
        ("price_minor", "10.505", "finer than the smallest coin"),
        ("price_minor", "free", "number"),
        ("price_minor", "", "required"),
        ("code", "two words", "valid"),
        ("code", "", "required"),
        ("name", "", "required"),
    ],
)
def test_what_no_service_can_be_is_said_beside_its_field(client, manager, field, value, said):
    page = client.post(ADD, typed(**{field: value}))
    assert said in page.content.decode()
    assert not Service.objects.exists()


@pytest.mark.parametrize(("duration", "buffer"), [(0, 0), (1435, 10)])
def test_the_database_refuses_it_too(duration, buffer):
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.service(duration=duration, buffer=buffer)


def test_a_code_names_one_service_in_any_spelling(client, manager):
    factories.service(code="skin-care", name="Skin care basic")
    page = client.post(ADD, typed(code="Skin-Care")).content.decode()
    assert "“Skin care basic” has this code" in page
    assert Service.objects.count() == 1


def test_the_code_of_a_removed_service_is_not_reused_unnoticed(client, manager):
    gone = factories.service(code="skin-care", name="Facial of old")
    actions.remove_service(gone.pk, actor=manager)
    page = client.post(ADD, typed()).content.decode()
    assert "“Facial of old” had this code and was removed on" in page
    assert Service.objects.count() == 1


def test_a_manager_changes_what_it_costs_and_takes(client, manager):
    service = factories.service(code="skin-care")
    client.post(f"{SERVICES}{service.pk}/change/", typed(duration="45", price_minor="2000"))
    service.refresh_from_db()
    assert (service.name, service.duration, service.price_minor) == ("Skin care", 45, 200000)
    assert "Changed" in LogEntry.objects.get().get_change_message()


def test_saving_writes_nothing_that_was_not_changed(client, manager):
    """Somebody else may have removed it since the page was opened."""
    service = factories.service(code="skin-care")
    with CaptureQueriesContext(connection) as done:
        client.post(f"{SERVICES}{service.pk}/change/", typed(price_minor="2000"))
    updates = [query["sql"] for query in done if query["sql"].startswith('UPDATE "clinic_service"')]
    assert len(updates) == 1 and "price_minor" in updates[0] and "deleted_at" not in updates[0]


def test_a_doctor_who_has_left_stays_ticked_and_is_offered_nowhere_else(client, manager):
    gone = factories.doctor(name="Dr. Gone", is_active=False)
    service, other = factories.service(gone), factories.service()
    assert "Dr. Gone" in client.get(f"{SERVICES}{service.pk}/change/").content.decode()
    assert "Dr. Gone" not in client.get(f"{SERVICES}{other.pk}/change/").content.decode()


# --- Advice -------------------------------------------------------------------------------


def test_who_saves_a_service_is_told_why_patients_cannot_book_it_yet(client, manager):
    assert "No doctor offers it yet" in told(client, client.post(ADD, typed()))
    doctor = factories.doctor(name="Dr. New")
    answer = client.post(ADD, typed(code="other", doctors=[doctor.pk]))
    assert "Dr. New has no hours for services yet" in told(client, answer)


def test_a_service_longer_than_any_pool_of_its_doctor_is_kept_with_a_warning(client, manager):
    doctor = factories.doctor(name="Dr. Short")
    factories.hours(doctor=doctor, kind="pool", capacity=120)
    answer = client.post(ADD, typed(doctors=[doctor.pk], duration="115"))
    assert Service.objects.get().minutes == 125
    assert "It takes 125 minutes, and Dr. Short has 120 at the most" in told(client, answer)


@pytest.mark.parametrize("where", ["weekly hours", "a window"])
def test_a_service_that_fits_gets_no_advice(client, manager, where):
    doctor = factories.doctor()
    if where == "a window":
        factories.pool(doctor=doctor)
    else:
        factories.hours(doctor=doctor, kind="pool", capacity=180)
    answer = client.post(ADD, typed(doctors=[doctor.pk], duration="170"))
    assert "can't book" not in told(client, answer)


# --- Removing and restoring ---------------------------------------------------------------


def test_a_removed_service_is_gone_from_the_catalogue_and_comes_back_as_it_was(client, manager):
    doctor = factories.doctor()
    service = factories.service(doctor, name="Cupping", position=4)
    before = Service.objects.values().get()
    answer = client.post(f"{SERVICES}{service.pk}/remove/")
    assert "Removed: Cupping" in told(client, answer)
    assert not Service.objects.offered().exists()
    assert listed(client.get(SERVICES)) == []
    assert listed(client.get(SERVICES, {"removed": "yes"})) == ["Cupping"]
    client.post(f"{SERVICES}{service.pk}/restore/")
    assert Service.objects.values().get() == before
    assert list(Service.objects.offered().by(doctor)) == [service]


def test_its_history_stays_and_tells_who_removed_and_restored_it(client, manager):
    service = factories.service()
    client.post(f"{SERVICES}{service.pk}/remove/")
    client.post(f"{SERVICES}{service.pk}/restore/")
    page = client.get(f"{SERVICES}{service.pk}/history/").content.decode()
    assert "Removed from the catalogue" in page and "Restored" in page and str(manager) in page


def test_a_removed_service_is_read_until_it_is_restored(client, manager):
    service = factories.service(code="skin-care")
    actions.remove_service(service.pk, actor=manager)
    page = client.get(f"{SERVICES}{service.pk}/change/").content.decode()
    assert "Restore" in page and 'name="duration"' not in page
    assert "₹400" in page and "40000" not in page and "Removed" in page
    assert client.post(f"{SERVICES}{service.pk}/change/", typed(duration="5")).status_code == 403
    service.refresh_from_db()
    assert service.duration == 30


def test_removing_twice_keeps_the_first_moment(manager):
    service = factories.service()
    first = actions.remove_service(service.pk, actor=manager).deleted_at
    assert actions.remove_service(service.pk, actor=manager).deleted_at == first
    assert LogEntry.objects.count() == 1


def test_nobody_deletes_a_service(client, manager):
    service = factories.service()
    assert client.post(f"{SERVICES}{service.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Service.objects.get() == service


def test_what_was_booked_keeps_its_name_minutes_and_price(client, manager):
    doctor = factories.doctor()
    service = factories.service(doctor, code="skin-care", name="Skin care")
    booking = factories.reserve(factories.pool(doctor=doctor), service, 60)
    before = Booking.objects.values().get()
    changed = typed(name="Deluxe", duration="90", price_minor="9000")
    client.post(f"{SERVICES}{service.pk}/change/", changed)
    client.post(f"{SERVICES}{service.pk}/remove/")
    assert Booking.objects.values().get() == before
    assert (booking.service_name, booking.minutes, booking.price_minor) == ("Skin care", 40, 40000)


# --- Who may ------------------------------------------------------------------------------


def test_reception_reads_the_catalogue_and_changes_nothing(client, reception):
    service = factories.service(name="ECG")
    assert listed(client.get(SERVICES)) == ["ECG"]
    page = client.get(f"{SERVICES}{service.pk}/change/").content.decode()
    assert "ECG" in page and 'name="duration"' not in page and "Remove" not in page
    assert "₹400" in page and "40000" not in page
    for url in (ADD, f"{SERVICES}{service.pk}/change/", f"{SERVICES}{service.pk}/remove/"):
        assert client.post(url, typed()).status_code == 403
    assert Service.objects.get().deleted_at is None


def test_removing_takes_more_than_a_link(client, manager):
    service = factories.service()
    assert client.get(f"{SERVICES}{service.pk}/remove/").status_code == 405
    assert client.post(f"{SERVICES}0/remove/", follow=True).status_code == 200
    assert Service.objects.get().deleted_at is None


def test_services_are_found_and_filtered(client, manager):
    doctor, other = factories.doctor(name="Dr. Heart"), factories.doctor()
    factories.service(doctor, name="ECG", code="ecg", position=2)
    factories.service(other, name="Botox", code="btx", visible=False, position=1)
    assert listed(client.get(SERVICES)) == ["Botox", "ECG"]
    assert listed(client.get(SERVICES, {"q": "heart"})) == ["ECG"]
    assert listed(client.get(SERVICES, {"q": "btx"})) == ["Botox"]
    assert listed(client.get(SERVICES, {"visible__exact": "0"})) == ["Botox"]
    assert listed(client.get(SERVICES, {"doctors__id__exact": doctor.pk})) == ["ECG"]


def test_a_long_list_asks_no_more_questions(client, manager):
    def questions():
        with CaptureQueriesContext(connection) as done:
            client.get(SERVICES)
        return len(done)

    doctors = [factories.doctor(), factories.doctor()]
    factories.service(*doctors)
    few = questions()
    for _ in range(8):
        factories.service(*doctors)
    assert questions() == few


def test_a_doctors_page_shows_their_services(client, manager):
    doctor = factories.doctor()
    service = factories.service(doctor, name="ECG")
    actions.remove_service(factories.service(doctor, name="Cupping").pk, actor=manager)
    page = client.get(f"/admin/clinic/doctor/{doctor.pk}/change/").content.decode()
    assert f'href="{SERVICES}{service.pk}/change/">ECG</a>' in page and "Cupping" not in page
    assert Doctor.objects.count() == 1


def test_reception_reads_a_doctors_fee_in_major_units(client, reception):
    doctor = factories.doctor(fee_minor=60000)
    page = client.get(f"/admin/clinic/doctor/{doctor.pk}/change/").content.decode()
    assert "₹600" in page and "60000" not in page


# --- The same by a program ----------------------------------------------------------------


FIELDS = {"code": "ecg", "name": "ECG", "duration": 20, "buffer": 5, "price_minor": 40000}


def test_an_action_adds_changes_and_says_what_changed(manager):
    doctor = factories.doctor()
    service = actions.add_service(actor=manager, doctors=[doctor], **FIELDS)
    actions.change_service(service.pk, actor=manager, duration=25, buffer=5, doctors=[])
    service.refresh_from_db()
    assert (service.duration, list(service.doctors.all())) == (25, [])
    words = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert words == ["Added", "Changed: minutes and doctors"]


def test_an_action_that_changes_nothing_leaves_no_trace(manager):
    service = factories.service()
    actions.change_service(service.pk, actor=manager, duration=30, doctors=[])
    assert not LogEntry.objects.exists()


def test_an_action_refuses_what_the_form_refuses(manager):
    factories.service(code="ecg")
    with pytest.raises(ValidationError) as wrong:
        actions.add_service(actor=manager, **FIELDS | {"duration": 0})
    assert set(wrong.value.message_dict) == {"code", "duration"}
    service = Service.objects.get()
    with pytest.raises(ValidationError):
        actions.change_service(service.pk, actor=manager, buffer=1430)
    service.refresh_from_db()
    assert service.buffer == 10 and not LogEntry.objects.exists()


def test_a_removed_or_unknown_service_is_not_changed(manager):
    service = factories.service()
    actions.remove_service(service.pk, actor=manager)
    for pk, code in ((service.pk, "REMOVED"), (0, "NOT_FOUND")):
        with pytest.raises(Refused) as refusal:
            actions.change_service(pk, actor=manager, duration=5)
        assert refusal.value.code == code
    service.refresh_from_db()
    assert service.duration == 30
