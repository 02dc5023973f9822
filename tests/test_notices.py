"""What people are told: once for each fact, by a real mail server on loopback, and nothing that is not true any more."""

import email
import re
from datetime import timedelta
from email import policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from django.urls import reverse
from django.utils import timezone
from icalendar import Calendar

from bookings import actions, desk
from bookings import sweeps as booking_sweeps
from bookings.models import Booking
from bookings.notice_words import PATIENT
from clinic import notice_actions
from clinic.models import ReviewItem
from clinic.notice_models import KINDS, Channel, Notice, Recipient, State
from clinic.notice_sweeps import send_notices
from payments import sweeps
from payments.management.commands.check_invariants import violations
from payments.steps import review
from tests import factories as f
from tests.services import free_port

pytestmark = pytest.mark.django_db

HERS = "meera@example.org"


class Post:
    """A mail server's hands: it keeps what it is given, or answers with `refusal`."""

    def __init__(self):
        self.mails, self.refusal, self.calls = [], "", 0

    async def handle_DATA(self, server, session, envelope):
        self.calls += 1
        if self.refusal:
            return self.refusal
        self.mails.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def to(self, address):
        return [mail for mail in self.mails if mail["To"] == address]


@pytest.fixture
def post(settings):
    """Django's own SMTP backend talks to it."""
    handler, port = Post(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    yield handler
    controller.stop()


@pytest.fixture
def window():
    return f.window(
        starts_in=timedelta(days=3), doctor=f.doctor(user=f.staff("Doctor", email="rao@clinic.example"))
    )


def visit(window, **fields) -> Booking:
    return f.paid(window, f.guest(email=HERS), **fields)


def kinds(recipient, channel=Channel.EMAIL) -> list[str]:
    found = Notice.objects.filter(recipient=recipient, channel=channel)
    return list(found.order_by("pk").values_list("kind", flat=True))


def file_of(mail) -> Calendar:
    [attached] = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    return Calendar.from_ical(attached.get_content())


# --- Who is told what ---------------------------------------------------------------------


def test_a_confirmed_visit_is_told_to_patient_doctor_and_front_office(window, post):
    booking = visit(window)
    send_notices()
    [mail] = post.to(HERS)
    assert mail["Subject"].startswith("Your number is A1")
    text = mail.get_body(("plain",)).get_content()
    assert "A1" in text and booking.get_absolute_url() in text
    assert "<b>A1</b>" in mail.get_body(("html",)).get_content()
    assert len(post.to("rao@clinic.example")) == 1
    assert kinds(Recipient.FRONT_OFFICE, Channel.INBOX) == ["visit-confirmed"]


def test_no_mail_to_staff_holds_a_patients_name(window, post):
    visit(window)
    send_notices()
    [mail] = post.to("rao@clinic.example")
    assert "Ravi" not in mail.as_string() and "9820" not in mail.as_string()


def test_the_same_fact_is_told_once_however_often_the_webhook_comes(window, post):
    booking = f.hold(window, f.guest(email=HERS))
    body = f.capture_body(f.attempt(booking))
    for _time in range(3):
        f.deliver(body)
        send_notices()
    assert len(post.to(HERS)) == 1
    assert send_notices() == 0


def test_a_cancelled_visit_says_what_goes_back_and_takes_itself_out_of_the_calendar(window, post):
    booking = visit(window)
    actions.cancel(booking.pk, reason="The doctor was called away.")
    send_notices()
    [mail] = post.to(HERS)  # "your number is A1" was not sent yet, and is not true any more
    text = mail.get_body(("plain",)).get_content()
    assert "The doctor was called away." in text and "₹500" in text
    assert file_of(mail)["method"] == "CANCEL"
    assert Notice.objects.get(kind="visit-confirmed", recipient="patient").status == State.DROPPED


def test_a_moved_visit_keeps_its_place_in_the_calendar(window, post):
    booking = visit(window)
    send_notices()
    later = f.window(doctor=window.doctor, starts_in=timedelta(days=5))
    actions.reschedule(booking.pk, later.pk, own=True)
    send_notices()
    before, after = (file_of(mail).walk("VEVENT")[0] for mail in post.to(HERS))
    assert before["uid"] == after["uid"] and after["sequence"] > before["sequence"]
    assert after["dtstart"].dt == later.starts_at.replace(microsecond=0)
    assert kinds(Recipient.DOCTOR) == ["visit-confirmed", "visit-moved"]


def test_an_overflow_is_told_to_the_patient_and_to_the_front_office(post):
    window = f.window(capacity=1)
    booking = f.hold(window, f.guest(email=HERS))
    payment = f.attempt(booking)
    f.lapse(booking)
    f.paid(window)
    f.deliver(f.capture_body(payment))
    send_notices()
    subjects = [mail["Subject"] for mail in post.to(HERS)]
    assert subjects == ["No place was left, and your money goes back"]  # not also: it was given back
    assert "visit-overflow" in kinds(Recipient.FRONT_OFFICE, Channel.INBOX)


def test_a_refund_that_was_sent_is_told_once(window, post):
    booking = visit(window)
    actions.cancel(booking.pk, reason="rain")
    sweeps.make_refunds()
    sweeps.send_refunds()
    send_notices()
    told = [mail["Subject"] for mail in post.to(HERS) if "sent back" in mail["Subject"]]
    assert told == ["₹500 was sent back to you"]


def test_an_unpaid_patient_is_warned_once_before_the_hold_lapses_and_told_when_it_has(post):
    booking = f.hold(f.window(), f.guest(email=HERS))
    assert booking_sweeps.warn_of_lapsing_holds() == 0
    Booking.objects.filter(pk=booking.pk).update(hold_expires_at=timezone.now() + timedelta(minutes=4))
    assert booking_sweeps.warn_of_lapsing_holds() == 1
    assert booking_sweeps.warn_of_lapsing_holds() == 0
    send_notices()
    [warning] = post.to(HERS)
    assert reverse("pay", args=[booking.public_id]) in warning.get_body(("plain",)).get_content()
    f.lapse(booking)
    booking_sweeps.expire_lapsed_holds()
    send_notices()
    assert [mail["Subject"] for mail in post.to(HERS)][1] == "Your place was given back"


def test_somebody_who_paid_in_time_is_not_warned(post):
    booking = f.hold(f.window(), f.guest(email=HERS))
    Booking.objects.filter(pk=booking.pk).update(hold_expires_at=timezone.now() + timedelta(minutes=4))
    booking_sweeps.warn_of_lapsing_holds()
    f.deliver(f.capture_body(f.attempt(booking)))
    send_notices()
    assert [mail["Subject"][:11] for mail in post.to(HERS)] == ["Your number"]


def test_what_staff_undo_in_the_waiting_room_is_no_news(window):
    booking = visit(window)
    before = Notice.objects.count()
    desk.check_in(booking.pk, actor=f.user())
    desk.undo_check_in(booking.pk, actor=f.user())
    assert Notice.objects.count() == before


def test_a_walk_in_is_no_news_to_the_front_office(window):
    f.hold(f.window(fee_minor=0), channel="walk_in")
    assert kinds(Recipient.FRONT_OFFICE, Channel.INBOX) == []


# --- Reminders ----------------------------------------------------------------------------


def remind(kind="visit-reminder24"):
    Notice.objects.filter(kind=kind).update(due_at=timezone.now())
    send_notices()


def test_a_patient_is_reminded_a_day_and_two_hours_before(window, post):
    booking = visit(window)
    due = dict(Notice.objects.filter(kind__startswith="visit-reminder").values_list("kind", "due_at"))
    assert due == {
        "visit-reminder24": booking.starts - timedelta(hours=24),
        "visit-reminder2": booking.starts - timedelta(hours=2),
    }
    send_notices()
    remind()
    assert len(post.to(HERS)) == 2


def test_who_books_so_late_that_it_is_past_is_not_reminded_of_it():
    visit(f.window(starts_in=timedelta(hours=5)))
    assert kinds(Recipient.PATIENT) == ["visit-confirmed", "visit-reminder2"]


@pytest.mark.parametrize("what", ["cancelled", "moved"])
def test_a_reminder_goes_with_its_visit(window, post, what):
    booking = visit(window)
    send_notices()
    if what == "cancelled":
        actions.cancel(booking.pk, reason="rain")
    else:
        later = f.window(doctor=window.doctor, starts_in=timedelta(days=5))
        actions.reschedule(booking.pk, later.pk, own=True)
    send_notices()
    told = len(post.to(HERS))
    old = Notice.objects.filter(kind="visit-reminder24").order_by("pk").first()
    Notice.objects.filter(pk=old.pk).update(due_at=timezone.now())
    send_notices()
    old.refresh_from_db()
    assert old.status == State.DROPPED and len(post.to(HERS)) == told


# --- What goes wrong ----------------------------------------------------------------------


def hers() -> Notice:
    return Notice.objects.get(recipient="patient", kind="visit-confirmed")


def test_a_mail_server_that_is_away_is_tried_again_later(window, post):
    visit(window)
    post.refusal = "451 try later"
    send_notices()
    notice = hers()
    assert (notice.status, notice.tries) == (State.DUE, 1) and notice.due_at > timezone.now()
    post.refusal = ""
    assert send_notices() == 0  # not yet
    Notice.objects.filter(pk=hers().pk).update(due_at=timezone.now())
    send_notices()
    assert hers().status == State.SENT and len(post.to(HERS)) == 1


def test_a_refused_address_is_not_tried_again_and_a_person_is_asked(window, post):
    visit(window)
    post.refusal = "550 no such user"
    send_notices()
    assert hers().status == State.FAILED
    item = ReviewItem.objects.get(key=f"notice:{hers().pk}")
    assert "550" in item.explanation and HERS not in item.explanation
    assert violations() == {}


def test_after_eight_tries_a_person_is_asked(window, post):
    visit(window)
    Notice.objects.filter(pk=hers().pk).update(tries=notice_actions.TRIES - 1)
    post.refusal = "451 try later"
    send_notices()
    assert hers().status == State.FAILED and ReviewItem.objects.open().exists()


def test_an_address_that_no_mail_may_hold_ends_with_a_person_too(window, post):
    f.paid(window, f.guest(email="meera@example.org\nBcc: all@example.org"))
    for _time in range(notice_actions.TRIES):
        Notice.objects.filter(pk=hers().pk).update(due_at=timezone.now())
        send_notices()
    assert hers().status == State.FAILED and not post.to(HERS)
    item = ReviewItem.objects.get(key=f"notice:{hers().pk}")
    assert "new booking" in item.explanation and "meera" not in item.explanation


def test_a_sender_that_died_loses_nothing_and_repeats_under_the_same_message_id(window, post):
    visit(window)
    notice = hers()
    send_notices()
    Notice.objects.filter(pk=notice.pk).update(status=State.SENDING)  # it died before it could say so
    assert send_notices() == 0  # its lease is not over
    Notice.objects.filter(pk=hers().pk).update(due_at=timezone.now())
    send_notices()
    first, second = post.to(HERS)
    assert first["Message-ID"] == second["Message-ID"]
    assert hers().status == State.SENT


def test_two_workers_send_it_once(window, post):
    visit(window)
    one, other = hers(), hers()
    assert notice_actions.send(one) is True
    assert notice_actions.send(other) is False
    assert len(post.to(HERS)) == 1


def test_somebody_without_an_address_is_not_written_to_and_nobody_is_bothered(window, post):
    f.paid(window)
    send_notices()
    assert hers().status == State.DROPPED and not ReviewItem.objects.exists()


def test_an_account_gets_the_mail_where_the_patient_has_none(window, post):
    account = f.user(email="mother@example.org")
    f.paid(window, f.patient(account=account), booked_by=account)
    send_notices()
    assert len(post.to("mother@example.org")) == 1


# --- The inbox ----------------------------------------------------------------------------


def test_the_inbox_shows_what_is_new_and_marks_it_read(client, window):
    visit(window)
    client.force_login(f.staff("Reception"))
    page = client.get(reverse("admin:inbox")).content.decode()
    assert "New booking: A1" in page and '<span class="rooms-count">1</span>' in page
    client.post(reverse("admin:inbox"))
    page = client.get(reverse("admin:inbox")).content.decode()
    assert "New booking: A1" in page and "rooms-count" not in page


def test_a_doctor_reads_their_own_lines_only(client, window):
    visit(window)
    visit(f.window())
    client.force_login(window.doctor.user)
    page = client.get(reverse("admin:inbox"))
    assert len(page.context["lines"]) == 1
    client.post(reverse("admin:inbox"))
    assert Notice.objects.filter(channel=Channel.INBOX).unread().count() == 3


def test_an_inbox_of_thirty_lines_costs_as_many_statements_as_one_of_three(
    client, window, django_assert_max_num_queries
):
    free = f.window(fee_minor=0, capacity=40)
    for _n in range(35):
        f.hold(free)
    client.force_login(f.staff("Reception"))
    with django_assert_max_num_queries(12):
        assert len(client.get(reverse("admin:inbox")).context["lines"]) == 30


def test_the_menu_counts_again_while_a_page_stays_open(client, window):
    client.force_login(f.staff("Reception"))
    menu = reverse("admin:menu")
    assert "rooms-count" not in client.get(menu).content.decode()
    visit(window)
    assert '<span class="rooms-count">1</span>' in client.get(menu).content.decode()


def test_the_menu_still_says_where_one_is_when_it_has_counted_again(client, window):
    client.force_login(f.staff("Reception"))
    desk = reverse("admin:desk")
    for at in (desk, f"{desk}?window={window.pk}", f"{desk}?window={window.pk}&x=ü"):
        page = client.get(at).content.decode()
        again = client.get(reverse("admin:menu"), {"at": at}).content.decode()
        for menu in (page, again):
            [here] = re.findall(r'href="([^"]*)" aria-current="page"', menu)
            assert here == desk


def test_something_to_look_at_is_told_to_the_front_office_once(post, settings):
    settings.FRONT_OFFICE_EMAIL = "desk@clinic.example"
    for _time in range(2):
        review("some:fact", "Something is odd", "Look at it.", "/admin/")
    send_notices()
    assert [mail["Subject"] for mail in post.to("desk@clinic.example")] == ["To look at: Something is odd"]
    assert kinds(Recipient.FRONT_OFFICE, Channel.INBOX) == ["review-raised"]


# --- The patient's page -------------------------------------------------------------------


def test_the_page_offers_the_visit_for_the_calendar(client, window):
    booking = visit(window)
    url = reverse("calendar-file", args=[booking.public_id])
    assert url in client.get(booking.get_absolute_url()).content.decode()
    answer = client.get(url)
    assert answer["Content-Type"].startswith("text/calendar")
    [event] = Calendar.from_ical(answer.content).walk("VEVENT")
    assert event["dtstart"].dt == window.starts_at.replace(microsecond=0)


def test_a_place_that_is_only_held_is_no_visit_yet(client, window):
    booking = f.hold(window)
    assert client.get(reverse("calendar-file", args=[booking.public_id])).status_code == 404


def test_every_notice_has_a_name_that_staff_understand():
    root = Path(__file__).resolve().parent.parent
    code = "".join(
        path.read_text() for app in ("clinic", "bookings", "payments") for path in (root / app).glob("*.py")
    )
    written = {*re.findall(r'"((?:visit|refund|payout|review)-[a-z0-9]+)"', code)}
    assert written == {*KINDS} and {*PATIENT} <= {*KINDS}
