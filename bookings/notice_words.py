"""What notices say of a visit. The words are made when a notice is sent, from what is true then."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from bookings.calendar import ics, method_of
from bookings.models import Booking
from bookings.states import OCCUPYING, WAITING, Status
from clinic import money
from clinic.channels import Message
from clinic.notice_models import Notice, Recipient
from clinic.templatetags.clinic import clinic_day, clinic_time


def words(found: list[Notice]) -> dict[int, Message]:
    """By a notice's id, its message. Two queries, however many there are."""
    rows = Booking.objects.filter(pk__in={notice.about for notice in found})
    bookings = {row.pk: row for row in rows.select_related("schedule__doctor__user", "patient", "booked_by")}
    now = timezone.now()
    return {
        notice.pk: _message(notice, bookings[notice.about], now)
        for notice in found
        if notice.about in bookings
    }


def _message(notice: Notice, booking: Booking, now: datetime) -> Message:
    moot = not _still_true(notice, booking, now)
    if notice.recipient != Recipient.PATIENT:
        return _to_staff(notice, booking, moot=moot)
    with translation.override(booking.patient.language or settings.LANGUAGE_CODE):
        subject, lines = PATIENT[notice.kind](booking)
        page = (
            reverse("pay", args=[booking.public_id])
            if notice.kind == "visit-lapsing"
            else booking.get_absolute_url()
        )
        return Message(
            subject=subject,
            lines=lines,
            facts=_facts(booking),
            link=settings.SITE_URL + page,
            link_text=_("Pay now") if notice.kind == "visit-lapsing" else _("Open your booking"),
            email=booking.patient.email or (booking.booked_by.email if booking.booked_by else ""),
            phone=str(booking.patient.phone),
            language=booking.patient.language,
            calendar=None if notice.kind not in IN_CALENDAR else (method_of(booking), ics(booking, now)),
            moot=moot,
        )


IN_CALENDAR = ("visit-confirmed", "visit-moved", "visit-cancelled")


def _still_true(notice: Notice, booking: Booking, now: datetime) -> bool:
    """Whether it is worth saying by now. Of what came after it there is another notice."""
    stands = notice.as_of in (None, booking.starts)
    match notice.kind:
        case "visit-confirmed" | "visit-moved":
            return stands and booking.status in OCCUPYING
        case "visit-reminder24" | "visit-reminder2":
            return stands and booking.status in WAITING and now < booking.starts
        case "visit-cancelled":
            return booking.status == Status.CANCELLED
        case "visit-lapsed":
            return booking.status == Status.EXPIRED
        case "visit-lapsing":
            return booking.status == Status.HELD and not booking.hold_lapsed(now)
        case _:
            return booking.status == Status.OVERFLOW


def _when(booking: Booking) -> str:
    starts = timezone.localtime(booking.starts)
    return f"{clinic_day(starts)}, {clinic_time(starts)}"


def _facts(booking: Booking) -> list[tuple[str, str]]:
    return [
        *([(_("Service"), booking.service_line)] if booking.service_line else []),
        (_("Doctor"), booking.schedule.doctor.name),
        (_("When"), _when(booking)),
        (_("For"), booking.patient.name),
        *([(_("Number"), booking.token_label)] if booking.token_label else []),
    ]


# --- To patients --------------------------------------------------------------------------


def _confirmed(booking):
    if booking.token_label:
        subject = _("Your number is %(token)s: %(when)s")
        line = _(
            "Your number is %(token)s. Come a few minutes before your doctor starts; the page below follows the line."
        )
    else:
        subject = _("Your visit: %(when)s")
        line = _("Your visit is at %(when)s. Come a few minutes before, and tell the desk that you are here.")
    said = {"token": booking.token_label, "when": _when(booking)}
    return subject % said, [line % said]


def _moved(booking):
    _subject, lines = _confirmed(booking)
    return _("Your visit is moved: %(when)s") % {"when": _when(booking)}, [
        _("Your visit has a new time."),
        *lines,
    ]


def _cancelled(booking):
    lines = [_("Your visit on %(when)s is cancelled.") % {"when": _when(booking)}]
    if booking.cancel_reason:
        lines.append(_("Reason: %(reason)s") % {"reason": booking.cancel_reason})
    back = booking.price_minor * (booking.refund_percent or 0) // 100
    if back:
        lines.append(_("%(amount)s goes back to you.") % {"amount": money.display(back, booking.currency)})
    return _("Cancelled: %(when)s") % {"when": _when(booking)}, lines


def _lapsing(booking):
    until = {"time": clinic_time(timezone.localtime(booking.hold_expires_at)), "price": booking.price}
    subject = _("Your place is held until %(time)s") % until
    return subject, [_("Pay %(price)s before %(time)s to keep your place.") % until]


def _lapsed(booking):
    return _("Your place was given back"), [
        _(
            "It was not paid in time. If you have paid, the money buys your place if there is room, and else goes back to you."
        )
    ]


def _overflow(booking):
    return _("No place was left, and your money goes back"), [
        _("The last place went while you were paying. We are sorry."),
        _("All of your money (%(price)s) goes back to you.") % {"price": booking.price},
    ]


def _reminder(booking):
    _subject, lines = _confirmed(booking)
    return _("Your visit: %(when)s") % {"when": _when(booking)}, lines


PATIENT: dict[str, Callable[[Booking], tuple[str, list[str]]]] = {
    "visit-confirmed": _confirmed,
    "visit-moved": _moved,
    "visit-cancelled": _cancelled,
    "visit-lapsing": _lapsing,
    "visit-lapsed": _lapsed,
    "visit-overflow": _overflow,
    "visit-reminder24": _reminder,
    "visit-reminder2": _reminder,
}


# --- To the doctor and the front office ---------------------------------------------------


def _to_staff(notice: Notice, booking: Booking, *, moot: bool) -> Message:
    """Nobody's name: it may stand on a screen that others see."""
    subjects = {
        "visit-confirmed": _("New booking: %(visit)s"),
        "visit-moved": _("Moved: %(visit)s"),
        "visit-cancelled": _("Cancelled: %(visit)s"),
        "visit-overflow": _("Paid, but no place was left: %(visit)s"),
    }
    place = f"{booking.label} · " if booking.label else ""
    said = {"visit": f"{place}{booking.schedule.doctor}, {_when(booking)}"}
    doctor = booking.schedule.doctor.user if notice.recipient == Recipient.DOCTOR else None
    return Message(
        subject=subjects[notice.kind] % said,
        lines=[],
        link=settings.SITE_URL + reverse("admin:bookings_booking_change", args=[booking.pk]),
        link_text=_("Open the booking"),
        email=doctor.email
        if doctor
        else settings.FRONT_OFFICE_EMAIL
        if notice.recipient == Recipient.FRONT_OFFICE
        else "",
        moot=moot,
    )
