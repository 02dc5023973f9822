"""How many statements the busiest requests send, on both databases.

Without BEGIN, COMMIT, savepoints, the session and the account: those are Django's own.
"""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import actions
from bookings.models import Booking
from payments.gateways import get
from tests import factories

pytestmark = pytest.mark.django_db
NOT_OURS = re.compile(r"^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)|django_session|clinic_user")


@pytest.fixture
def statements():
    """Counts what is sent inside its block: `with statements(at_most=5): …`."""

    class Counted(CaptureQueriesContext):
        def __init__(self, at_most):
            super().__init__(connection)
            self.at_most = at_most

        def __exit__(self, *error):
            super().__exit__(*error)
            sent = [query["sql"] for query in self if not NOT_OURS.search(query["sql"])]
            if error[0] is None:
                assert 0 < len(sent) <= self.at_most, "\n".join(sent)

    return Counted


def form(window):
    return {
        "request_key": uuid4(),
        "price": window.fee_minor,
        "name": "Meera Joshi",
        "phone": "+919820012345",
        "email": "meera@example.org",
        "age": 34,
        "consent": "on",
    }


def in_line(booking):
    pass


def cancelled(booking):
    actions.cancel(booking.pk, reason="The doctor is ill")


def lapsed(booking):
    Booking.objects.filter(pk=booking.pk).update(hold_expires_at=booking.created_at)


@pytest.mark.parametrize(
    ("fee_minor", "happens", "status"),
    [(0, in_line, 200), (50_000, in_line, 200), (50_000, lapsed, 200), (50_000, cancelled, 286)],
    ids=["confirmed", "held", "lapsed", "cancelled"],
)
def test_a_poll_of_the_live_page_sends_two_statements(client, statements, fee_minor, happens, status):
    booking = factories.hold(factories.window(fee_minor=fee_minor))
    happens(booking)
    with statements(at_most=2):
        assert client.get(f"/b/{booking.public_id}/status?seen=").status_code == status


def test_the_doctors_page_sends_five_statements_however_many_windows_it_shows(client, statements):
    doctor = factories.doctor()
    for day in range(1, 12):
        for hours in (0, 5):
            window = factories.window(doctor=doctor, starts_in=timedelta(days=day, hours=hours))
            factories.hold(window)
    with statements(at_most=5):
        assert client.get(doctor.get_absolute_url()).status_code == 200


def test_a_hold_sends_six_statements(client, statements):
    window = factories.window()
    with statements(at_most=6):
        assert client.post(window.get_absolute_url(), form(window)).status_code == 303


def held_by(account, window, **fields):
    """An account's hold, without the form's own reading."""
    who = factories.patient(account=account)
    return lambda: factories.hold(window, who, booked_by=account, **fields)


def test_a_guests_price_costs_no_statement_and_an_accounts_one(statements):
    """The one more reads what is known of the patient: plan, relation and last paid visit together."""
    window, account = factories.window(capacity=9), factories.user()
    take = held_by(account, window)
    with statements(at_most=6):  # the window, clock, patient; the booking, its event and notices, the counter
        factories.hold(window)
    with statements(at_most=6):  # without the patient, who is there already, and with that one
        take()


def test_a_members_price_costs_two_statements_more_and_a_trials_three(statements):
    """The plan; and where visits are counted, the membership's lock and the count. What is free is told at once."""
    window = factories.window(capacity=9)
    paying, on_trial = factories.member(factories.plan()), factories.member(factories.trial(visits=3))
    for account, at_most, fields in [(paying, 7, {}), (on_trial, 10, {"price_minor": 0})]:
        take = held_by(account, window, **fields)
        with statements(at_most=at_most):
            take()


def test_a_webhook_that_confirms_a_place_sends_eleven_statements(client, statements, settings, tmp_path):
    settings.DEMO_GATEWAY_BOOK = tmp_path / "book.sqlite3"
    booking = factories.hold(factories.window())
    client.post(f"/pay/{booking.public_id}/", {"gateway": "demo"})
    demo = get("demo")
    body = demo.pay(str(booking.payments.get().key))
    with statements(at_most=11):
        answer = client.post(
            "/api/v1/webhooks/demo", body, content_type="application/json", headers=demo.signed(body)
        )
    assert answer.status_code == 200
    booking.refresh_from_db()
    assert booking.queue_number == 1
