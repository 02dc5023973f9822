import json
import re
import time
from collections.abc import Callable
from datetime import time as clock
from datetime import timedelta

import phonenumbers
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from bookings import actions as places
from bookings.models import Booking
from bookings.states import Status
from clinic.models import Doctor
from payments import gateways
from payments.gateways.base import Gateway
from payments.ledger_models import Receipt
from payments.management.walking import Page, Walk, WrongTurn
from payments.models import GatewayEvent, Refund
from schedules import actions as windows
from schedules.models import Schedule
from schedules.states import Status as Window

SLUG = "smoke-test"
FEE_MINOR = 10_000
"""More than any gateway's least amount, whatever the currency."""


class Command(BaseCommand):
    help = (
        "Walks a free and a paid booking through this running installation over HTTP, and cancels both. "
        "It needs the same settings and database as the site, and a gateway in test mode."
    )

    def add_arguments(self, parser):
        parser.add_argument("--base-url", default=settings.SITE_URL, help="default: SITE_URL")
        parser.add_argument("--gateway", help="which one to pay with; default: the first of PAYMENT_GATEWAYS")
        parser.add_argument(
            "--wait",
            type=int,
            default=600,
            help="seconds in which a person pays, where none but a person can",
        )
        parser.add_argument(
            "--patience", type=int, default=60, help="seconds for a webhook to come, and for the worker"
        )

    def handle(self, *, base_url, gateway, wait, patience, **options):
        """One line a step, exit code 1 at the first that fails. It cleans up however it ends."""
        if settings.CLINIC_REQUIRES_MEMBERSHIP:
            raise CommandError(
                "It walks as a guest. Switch CLINIC_REQUIRES_MEMBERSHIP off for as long as it walks."
            )
        paying = gateway_in_test_mode(gateway)
        doctor = open_doctor()
        self.base, self.walk, self.patience = base_url.rstrip("/"), Walk(base_url), patience
        try:
            self.site_is_up()
            self.free_visit(open_window(doctor, clock(8), clock(9), 0))
            self.paid_visit(open_window(doctor, clock(9), clock(10), FEE_MINOR), paying, wait)
        except WrongTurn as wrong:
            self.stderr.write(self.style.ERROR(f"FAILED  {wrong}"))
            raise CommandError("This installation is not fit to take patients.") from None
        finally:
            left = clean_up(doctor)
            self.said(f"cleaned up: the windows are closed, {left} bookings were still to be cancelled")
        self.stdout.write(self.style.SUCCESS("All of it works."))

    def said(self, what: str) -> None:
        self.stdout.write(f"ok      {what}")

    # --- The steps ------------------------------------------------------------------------

    def site_is_up(self) -> None:
        self.walk.get("/healthz")
        ready = json.loads(self.walk.get("/readyz").text)
        if silent := [name for name, sweep in ready["sweeps"].items() if sweep["silent"]]:
            raise WrongTurn(f"/readyz: no worker runs {', '.join(silent)}")
        for warning in ready["warnings"]:
            self.stdout.write(f"note    /readyz: {warning}")
        self.walk.get("/")
        self.said("the site answers, and its worker runs")

    def free_visit(self, window: Schedule) -> None:
        page = self.book(window)
        booking = self.booking_of(page, window)
        self.number(booking)
        self.walk.get(reverse("booking-status", args=[booking.public_id]))
        self.walk.get(reverse("slip", args=[booking.public_id]))
        self.cancel(booking)
        self.said("cancelled, and its place is free again")

    def paid_visit(self, window: Schedule, gateway: Gateway, wait: int) -> None:
        page = self.book(window)
        booking = self.booking_of(page, window)
        self.said(f"a place is held until {timezone.localtime(booking.hold_expires_at):%H:%M}")
        page = self.walk.send(page, "gateway", gateway=gateway.name)
        self.said(f"{gateway.name} has an order, and its page opens")
        self.pay(booking, page, gateway, wait)
        self.number(booking)
        payment = booking.payments.bought().get()
        told = GatewayEvent.objects.filter(payment=payment).exists
        until(told, self.patience, f"no webhook of {gateway.name} came: look at its address and its secret")
        self.said("the webhook came, and its signature was good")
        receipts = Receipt.objects.of(booking).exists
        until(receipts, self.patience, "no receipt was made: does the worker run?")
        self.said(f"receipt {Receipt.objects.of(booking)[0]}")
        self.cancel(booking)
        refund = self.refunded(booking)
        self.said(f"refund of {refund.amount}: {refund.get_status_display()}")

    # --- What a patient does --------------------------------------------------------------

    def book(self, window: Schedule) -> Page:
        page = self.walk.get(reverse("book", args=[window.pk]))
        who = {"name": "Smoke Test", "phone": phone(), "age": "30", "consent": "on"}
        return self.walk.send(page, "consent", **who)

    def booking_of(self, page: Page, window: Schedule) -> Booking:
        """The booking whose page it is, found in our database too."""
        found = re.search(r"/(?:b|pay)/([\w-]+)/", page.url)
        booking = Booking.objects.filter(public_id=found[1], schedule=window).first() if found else None
        if booking is None:
            raise WrongTurn(f"{page.url}: this booking is not in this database. Is it another installation?")
        return booking

    def number(self, booking: Booking) -> None:
        page = self.walk.get(booking.get_absolute_url())
        booking.refresh_from_db()
        if not booking.token_label or f"{booking.token_label}</p>" not in page.text:
            raise WrongTurn(f"{page.url} shows no number: the booking is {booking.status}")
        self.said(f"{'paid' if booking.price_minor else 'free'}: the page shows number {booking.token_label}")

    def pay(self, booking: Booking, page: Page, gateway: Gateway, wait: int) -> None:
        """At the demo by ourselves; at the others only a person can, with the gateway's test card."""
        if gateway.name == "demo":
            self.walk.send(page, "action", action="pay")
            return
        link = self.base + reverse("pay", args=[booking.public_id])
        self.stdout.write(f"PAY     {link} with a test card of {gateway.name}: docs/booking-payments.md")
        until(booking.payments.bought().exists, wait, f"nobody paid within {wait} seconds")

    def cancel(self, booking: Booking) -> None:
        page = self.walk.get(reverse("cancel", args=[booking.public_id]))
        self.walk.send(page, "percent")
        booking.refresh_from_db()
        if booking.status != Status.CANCELLED:
            raise WrongTurn(f"the booking was not cancelled, it is {booking.status}")

    def refunded(self, booking: Booking) -> Refund:
        """All of it, sent or taken on by the gateway, and told on the patient's page."""
        gone = Refund.objects.of(booking).sent()
        until(gone.exists, self.patience, "the refund was not sent: does the worker run?")
        refund = gone.get()
        if refund.amount_minor != booking.price_minor:
            raise WrongTurn(f"{refund.amount} went back of {booking.price}")
        page = self.walk.get(booking.get_absolute_url())
        if f'class="banner" data-tone="{refund.tone}"' not in page.text or refund.amount not in page.text:
            raise WrongTurn(f"{page.url} does not tell of the refund")
        return refund


# --- Around the walk ----------------------------------------------------------------------


def gateway_in_test_mode(name: str | None) -> Gateway:
    """The gateway to pay with. Real money is none of a test's: raises CommandError for live keys."""
    offered = gateways.enabled()
    if live := [gateway.name for gateway in offered if gateway.live]:
        raise CommandError(f"Live keys: {', '.join(live)}. This walk is for test mode, on a staging copy.")
    chosen = [gateway for gateway in offered if name in (None, gateway.name)]
    if not chosen:
        raise CommandError(f"PAYMENT_GATEWAYS has no {name or 'gateway'} to pay with.")
    return chosen[0]


def open_doctor() -> Doctor:
    """Shown to patients for the length of a walk, and hidden again by `clean_up`."""
    made = {"name": "Smoke Test", "specialty": "Smoke test", "prefix": "T"}
    doctor, _made = Doctor.objects.get_or_create(slug=SLUG, defaults=made)
    clean_up(doctor)  # after a walk that was killed
    Doctor.objects.filter(pk=doctor.pk).update(is_active=True)
    return doctor


def open_window(doctor: Doctor, start: clock, end: clock, fee_minor: int) -> Schedule:
    """One of the day after tomorrow: the same all day long, so that walks leave one and not many."""
    day = timezone.localdate() + timedelta(days=2)
    known = Schedule.objects.standing().filter(doctor=doctor, date=day, start_time=start).first()
    if known:
        return windows.reopen(known.pk, actor=None)
    times = {"date": day, "start_time": start, "end_time": end}
    return windows.open_window(doctor_id=doctor.pk, **times, capacity=20, fee_minor=fee_minor)


def clean_up(doctor: Doctor) -> int:
    """Cancels what a walk left behind, with all its money back; closes the windows and hides the doctor.
    Returns how many bookings were still alive."""
    Doctor.objects.filter(pk=doctor.pk).update(is_active=False)
    alive = list(Booking.objects.live().filter(schedule__doctor=doctor))
    for booking in alive:
        places.cancel(booking.pk, reason="smoke test")
    for window in Schedule.objects.standing().filter(doctor=doctor, ends_at__gt=timezone.now()):
        if window.status == Window.OPEN:
            windows.close(window.pk, actor=None)
    return len(alive)


def phone() -> str:
    """The number that stands in for all others in this country's numbering plan."""
    region = settings.PHONENUMBER_DEFAULT_REGION
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def until(happened: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Waits for what others do. Raises WrongTurn."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise WrongTurn(otherwise)
        time.sleep(0.3)
