"""The JSON API as apps use it: a day's windows, an appointment polled, and a booking started by an account."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from uuid import uuid4

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from bench.subjects import FEE, QUEUE, Subject, doctor, queue, repeated
from bookings.models import Booking
from clinic.models import Patient, User
from payments.models import Customer, Payment
from payments.states import Outcome, Status
from schedules.models import Schedule
from tests.storms import wire

JSON = "application/json"
numbers = count(1)


def subjects(port: int) -> list[Subject]:
    return [windows(), poll_unchanged(port), poll_changed(), start()]


# --- Reading ------------------------------------------------------------------------------


def windows() -> Subject:
    """Tomorrow's two windows of a doctor who has twenty-eight, each with a line of patients in it."""
    busy = doctor(windows=28)
    morning, evening = busy.schedules.order_by("starts_at")[:2]
    queue(morning)
    queue(evening)
    path = f"/availability/windows?doctorId={busy.pk}&date={morning.date}"
    return Subject(
        "API: windows of a day", 0.6, 200, 1500, repeated(f"/api/v1{path}"), repeated(f"/bare{path}")
    )


def poll_unchanged(port: int) -> Subject:
    """An app asks after its appointment and nothing has happened: nearly every poll."""
    path, headers = paid_appointment()

    def unchanged(prefix: str) -> Callable[[int], list[bytes]]:
        def make(n: int) -> list[bytes]:
            now = wire.ask(port, wire.request("GET", prefix + path, Connection="close", **headers))
            return repeated(prefix + path, If_None_Match=now.headers["etag"], **headers)(n)

        return make

    return Subject("API: poll, unchanged (304)", 0.6, 304, 2000, unchanged("/api/v1"), unchanged("/bare"))


def poll_changed() -> Subject:
    """The same after somebody was called, or by an app that sends no If-None-Match."""
    path, headers = paid_appointment()
    ours, bare = repeated(f"/api/v1{path}", **headers), repeated(f"/bare{path}", **headers)
    return Subject("API: poll, changed (200)", 0.6, 200, 1500, ours, bare)


def paid_appointment() -> tuple[str, dict[str, str]]:
    """The last of a line, booked and paid by an account: its address below the API's, and the app's headers."""
    [schedule] = doctor(windows=1).schedules.all()
    booking, [account] = queue(schedule)[QUEUE - 1], accounts(1)
    Booking.objects.filter(pk=booking.pk).update(booked_by=account)
    Payment.objects.create(
        booking=booking, gateway="stripe", amount_minor=FEE, currency="INR", created_at=booking.created_at,
        reference=f"pi_{uuid4().hex}", gateway_payment=f"pi_{uuid4().hex}", captured_minor=FEE,
        captured_at=booking.created_at, status=Status.CAPTURED, outcome=Outcome.BOUGHT,
    )  # fmt: skip
    return f"/appointments/{booking.public_id}", {"X_Session_Token": tokens([account])[0]}


# --- Writing ------------------------------------------------------------------------------


def start() -> Subject:
    """Accounts that each book a token for themselves; their webhooks are the subject "settle" of their own."""
    many = list(doctor(windows=28).schedules.all())

    def posts(path: str) -> Callable[[int], list[bytes]]:
        return lambda n: [
            post(path, many[i % len(many)], token) for i, token in enumerate(tokens(accounts(n)))
        ]

    return Subject("API: start", 0.6, 201, 1200, posts("/api/v1/bookings/start"), posts("/bare/start"))


def post(path: str, window: Schedule, token: str) -> bytes:
    wish = {"scheduleId": window.pk, "price": FEE, "gateway": "stripe", "consentVersion": "2026-11"}
    return wire.request("POST", path, json.dumps(wish).encode(), kind=JSON, X_Session_Token=token)


# --- Rows ---------------------------------------------------------------------------------


def accounts(n: int) -> list[User]:
    """Each with itself as its first patient, and known to Stripe."""
    made = User.objects.bulk_create(
        User(email=f"patient{next(numbers)}@example.org", name="Meera Joshi", password="!") for _ in range(n)
    )
    Patient.objects.bulk_create(
        Patient(
            account=account, relationship=Patient.Relationship.SELF, name=account.name, email=account.email
        )
        for account in made
    )
    Customer.objects.bulk_create(
        Customer(user=account, gateway="stripe", reference=f"cus_{account.pk}") for account in made
    )
    return made


def tokens(accounts: list[User]) -> list[str]:
    """Their session tokens, as signing in writes them."""
    until, store = timezone.now() + timedelta(days=1), SessionStore()
    made = Session.objects.bulk_create(
        Session(
            session_key=uuid4().hex,
            expire_date=until,
            session_data=store.encode(
                {
                    SESSION_KEY: str(account.pk),
                    BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
                    HASH_SESSION_KEY: account.get_session_auth_hash(),
                }
            ),
        )
        for account in accounts
    )
    return [session.session_key for session in made]
