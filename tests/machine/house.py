"""The real house, as the machine sees it: its gateways in this process, its clock, its rows in words."""

import hmac
import json
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from sqlite3 import Row, connect
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import requests
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from bookings.models import Booking
from payments import actions, gateways
from payments.gateways.base import GatewayError
from payments.gateways.demo import Demo, DemoBook, _append, _order
from payments.gateways.razorpay import Razorpay
from payments.models import GatewayEvent, Payment, Refund
from schedules.models import Schedule
from tests import factories as f
from tests.gateways import razorpay_book, razorpay_server

SECRET = "whsec_machine"
STAMPS = {
    Schedule: ("starts_at", "ends_at"),
    Booking: ("created_at", "hold_expires_at", "numbered_at", "refund_due_at"),
    Payment: ("created_at", "captured_at"),
    Refund: ("created_at", "done_at"),
    GatewayEvent: ("received_at", "processed_at"),
}
"""What a decision is made by. When something is tried next is not among them: that is `nudge`d."""


class Killed(BaseException):
    """Our process ends here."""


@contextmanager
def undone():
    """A transaction for one story, rolled back: what Django's TestCase does for a test."""
    story = transaction.atomic()
    story._from_testcase = True  # so that actions are the outermost of their own
    with story:
        yield
        transaction.set_rollback(True)


class MemoryBook(DemoBook):
    """The demo gateway's book, in memory."""

    def __init__(self):
        self._db = connect(":memory:", isolation_level=None)
        self._db.row_factory = Row
        self._db.executescript(self.SCHEMA)

    @contextmanager
    def page(self):
        with self._db:
            yield self._db


class DemoBank(Demo):
    """The demo gateway, with what can go wrong on the way to it."""

    def __init__(self):
        super().__init__(book=MemoryBook(), site_url="http://127.0.0.1:9", webhook_secrets=[SECRET])
        self.fault = ""

    def start(self, order):
        return self._through(super().start, order)

    def fetch(self, reference):
        return self._through(super().fetch, reference)

    def refund(self, **asked):
        with self._book.page() as db:
            made = db.execute("SELECT 1 FROM events WHERE refund_key = ?", (asked["key"],)).fetchone()
        return self._through(super().refund, new=not made, **asked)

    def _through(self, call, *args, new=True, **asked):
        if self.fault == "silent":
            raise GatewayError("no answer", retryable=True)
        if self.fault == "no" and new:
            raise GatewayError("refused", retryable=False)
        answer = call(*args, **asked)
        if self.fault == "lost" and new:
            raise GatewayError("no answer", retryable=True)
        if self.fault == "killed" and new:
            raise Killed
        return answer

    # --- Its payers, and its own page for the clinic ---

    def pay(self, order, amount, currency):
        return self._write(order, "payment.captured", f"demo_pay_{uuid4().hex}", amount, currency=currency)

    def decline(self, order):
        self._write(order, "payment.failed", reason="card_declined")

    def give_back(self, order, money, amount, currency):
        self._write(order, "refund.done", money, amount, refund=f"demo_re_{uuid4().hex}", currency=currency)

    def gone(self, money):
        with self._book.page() as db:
            told = "SELECT SUM(amount_minor) FROM events WHERE payment = ? AND name = 'refund.done'"
            return db.execute(told, (money,)).fetchone()[0] or 0

    def _write(self, order, name, money="", amount=0, **facts):
        with self._book.page() as db:
            _append(db, _order(db, order.removeprefix("demo_")), name, money, amount, **facts)
        return money

    def bodies(self):
        with self._book.page() as db:
            return [row["body"] for row in db.execute("SELECT body FROM events ORDER BY at")]


class Line(requests.adapters.BaseAdapter):
    """Razorpay's stand-in without a socket: the real adapter and the real SDK talk to its book."""

    def __init__(self, book):
        super().__init__()
        self.book, self.fault = book, ""

    def send(self, request, **options):
        makes = request.method == "POST"
        if self.fault == "silent":
            raise requests.ConnectTimeout
        try:
            if makes and self.fault == "no":
                raise razorpay_book.Refused("No.")
            address = urlsplit(request.url)
            work, place = razorpay_server.routed(f"{request.method} {address.path.removeprefix('/v1/')}")
            params = json.loads(request.body) if makes else dict(parse_qsl(address.query))
            status, said = 200, work(self.book, params | place)
        except razorpay_book.Refused as no:
            status, said = no.status, {"error": no.error}
        if makes and status == 200 and self.fault == "lost":
            raise requests.ConnectionError
        if makes and status == 200 and self.fault == "killed":
            raise Killed
        answer = requests.Response()
        answer.status_code, answer._content, answer.request = status, json.dumps(said).encode(), request
        return answer

    def close(self):
        pass


class RazorpayBank(Razorpay):
    """The real adapter at the stand-in's book; and its payers."""

    def __init__(self):
        super().__init__("rzp_test_machine", razorpay_book.KEY_SECRET, webhook_secrets=[SECRET])
        self.book = razorpay_book.Book()
        self._line = Line(self.book)
        self._api.session.mount("https://", self._line)

    fault = property(lambda self: self._line.fault, lambda self, fault: setattr(self._line, "fault", fault))

    def pay(self, order, amount, currency):
        payment = self.book._tried(order, None)
        payment.update(amount=amount, currency=currency)
        return self.book._captured(payment)["id"]

    def decline(self, order):
        return self.book.decline(order)["id"]

    def give_back(self, order, money, amount, currency):
        refund = self.book.create_refund({"id": money, "amount": amount})
        if refund["status"] == "pending":
            self.book.settle_refund(refund["id"])

    def gone(self, money):
        return self.book.get(money)["amount_refunded"]

    def signed(self, body):
        return {"X-Razorpay-Signature": hmac.new(SECRET.encode(), body.encode(), "sha256").hexdigest()}

    def bodies(self):
        return [body.decode() for _name, body in self.book.events]


class House:
    """Everything that a rule does to the real thing, and `picture`: all that anybody can see of it."""

    def __init__(self):
        self.banks = {"demo": DemoBank(), "razorpay": RazorpayBank()}
        self.staff, self.people = f.user(), {}
        self._table = patch.dict(gateways.TABLE, {name: lambda b=b: b for name, b in self.banks.items()})
        self._table.start()
        gateways.get.cache_clear()

    def close(self):
        self._table.stop()
        gateways.get.cache_clear()

    def window(self, *, starts, lasts, **fields):
        starts_in = timedelta(seconds=starts)
        return f.window(starts_in=starts_in, lasts=timedelta(seconds=lasts), **fields)

    def person(self, name):
        if name not in self.people:
            self.people[name] = f.patient(name=name)
        return self.people[name]

    def pass_time(self, seconds):
        """Everything has happened so much longer ago."""
        by = timedelta(seconds=seconds)
        for model, names in STAMPS.items():
            model.objects.update(**{name: F(name) - by for name in names})

    @contextmanager
    def fault(self, name):
        """What goes wrong with every call to a gateway meanwhile."""
        for bank in self.banks.values():
            bank.fault = name
        try:
            yield
        except Killed:
            pass
        finally:
            for bank in self.banks.values():
                bank.fault = ""

    @contextmanager
    def bug(self):
        """Our own code fails in the middle of settling: when a capture goes into the history."""

        def fail(execute, sql, params, many, context):
            if sql.startswith('INSERT INTO "payments_paymentevent"') and "captured" in params:
                raise RuntimeError("a bug")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(fail), patch.object(actions.log, "exception"):
            yield

    def nudge(self, rows):
        """The time of these has come."""
        name = "next_check_at" if rows.model is Payment else "next_try_at"
        rows.exclude(**{name: None}).update(**{name: timezone.now()})

    def postpone(self, rows):
        name = "next_check_at" if rows.model is Payment else "next_try_at"
        rows.exclude(**{name: None}).update(**{name: timezone.now() + timedelta(days=9)})

    def deliver(self, gateway, body):
        actions.receive(gateway, self.banks[gateway].signed(body), body.encode())

    # --- What can be seen ---

    def picture(self):
        """Read after every step: in plain SQL, for speed."""
        bookings, windows, reviews = {}, {}, Counter()
        for pk, taken, last in _rows("SELECT id, taken, last_number FROM schedules_schedule"):
            windows[pk] = [taken, last]
        lapsed = set(Booking.objects.lapsed(timezone.now()).values_list("pk", flat=True))
        for pk, schedule, status, units, number, back in _rows(BOOKINGS):
            if pk in lapsed:  # whether or not a sweep has seen it
                status = "expired"
                windows[schedule][0] -= units
            bookings[pk] = status, number, back
        for key, unsolved in _rows("SELECT key, resolved_at IS NULL FROM clinic_reviewitem"):
            reviews[kind_of(key), bool(unsolved)] += 1
        return {
            "windows": {pk: tuple(window) for pk, window in windows.items()},
            "bookings": bookings,
            "payments": sorted((*facts, bool(watched)) for *facts, watched in _rows(PAYMENTS)),
            "refunds": sorted(_rows(REFUNDS)),
            "waiting": _rows("SELECT COUNT(*) FROM payments_gatewayevent WHERE processed_at IS NULL")[0][0],
            "reviews": dict(reviews),
        }


BOOKINGS = "SELECT id, schedule_id, status, units, queue_number, refund_percent FROM bookings_booking"
PAYMENTS = """
    SELECT booking_id, gateway, gateway_payment, status, outcome, captured_minor, refunded_minor,
           outcome = '' AND next_check_at IS NOT NULL FROM payments_payment"""
REFUNDS = """
    SELECT p.booking_id, p.gateway_payment, r.cause, r.amount_minor, r.status
    FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id"""


def _rows(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def kind_of(key):
    match key.split(":"):
        case ["payment", _, "wrong" | "stuck" as kind]:
            return kind
        case ["payment", _, _]:
            return "gone"
        case ["refund", _]:
            return "refund"
        case ["refund", _, _]:
            return "two ways"
        case _:
            return key
