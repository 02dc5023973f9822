"""Taking a place, and what a patient or the waiting room sees of the line."""

from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bookings import actions, calendar, price_queries, queries, visit_queries
from bookings.forms import BookingForm
from bookings.models import Booking
from bookings.price_rules import check_member
from bookings.refund_rules import terms
from bookings.states import Channel, Status
from clinic.errors import Refused
from clinic.pages import client_address, private, see_other
from clinic.throttle import throttle
from schedules.queries import next_free, window
from schedules.states import Kind

FORM_COOKIE, FORM_PATH = "booking-form", "/book/"
SLIP_SIZES = ("58", "80", "a6")


@private
@require_http_methods(["GET", "HEAD", "POST"])
def book(request, schedule_id):
    """Asks who the visit is for. Sent, it takes the place and leads on to paying for it. Of a pool it
    takes the minutes of a ?service= from its ?start= on."""
    form = BookingForm(request.POST if request.method == "POST" else None, account=request.user)
    asked = visit_queries.asked(request.GET)
    if not form.is_valid() or not asked.is_whole:
        return book_page(request, schedule_id, asked, form)
    limit(request, form)
    try:
        booking = actions.hold(
            schedule_id=schedule_id,
            consent_version=settings.CONSENT_VERSION,
            **form.wish(),
            **asked.wish(),
        )
    except Refused as refusal:
        if refusal.status == 403:
            raise
        theirs = refusal.details.get("booking")
        if theirs and Booking.objects.visible_to(request.user).filter(pk=theirs.pk).exists():
            messages.info(request, refusal.message)
            return see_other(theirs)
        return book_page(request, schedule_id, asked, form, refusal)
    response = see_other("pay" if booking.status == Status.HELD else "booking", booking.public_id)
    response.delete_cookie(FORM_COOKIE, path=FORM_PATH)
    return response


def limit(request, form):
    """Counts one more booking of this account or phone, and of this address. Raises Refused (429)."""
    if form.account:
        throttle("booking-account", str(form.account.pk))
    else:
        throttle("booking-phone", form.who().phone)
    throttle("booking-address", client_address(request))


def form_session(request) -> UUID:
    """What two tabs with the same form share, so that they end at one booking: a random cookie."""
    try:
        return UUID(request.COOKIES.get(FORM_COOKIE, ""))
    except ValueError:
        return uuid4()


def book_page(request, schedule_id, asked, form, refusal=None):
    """The form; where there is nothing to book, why, and what is free next: the doctor's windows, or the
    times nearest to the one that was asked for. Raises Refused (SUBSCRIBE_TO_BOOK), a page of its own."""
    now = timezone.now()
    found = window(schedule_id, now)
    if found is None:
        raise Http404
    if found.kind != Kind.POOL:
        asked = visit_queries.Asked()
    elif elsewhere := asked.elsewhere(found):
        return redirect(elsewhere)
    else:
        found = visit_queries.visit(found, asked)
    session = uuid4() if refusal else form_session(request)
    offer = price_queries.offer(found.schedule, form.account, form.people, asked.service)
    check_member(offer.standing, Channel.ONLINE)
    content = {
        "window": found,
        "form": form,
        "offer": offer,
        "refusal": refusal,
        **free_instead(found, refusal),
        "request_key": uuid5(session, f"{schedule_id}{asked.query}"),
        "terms": terms(
            settings.REFUND_RULES,
            price_minor=offer.most_minor,
            currency=found.currency,
            starts=found.starts_at,
            now=now,
        ),
        "hold_minutes": settings.HOLD_MINUTES,
    }
    status = refusal.status if refusal else 422 if form.errors else 200
    response = render(request, "bookings/book.html", content, status=status)
    response.set_cookie(
        FORM_COOKIE, session, path=FORM_PATH, httponly=True, samesite="Lax", secure=settings.HTTPS
    )
    return response


def free_instead(found, refusal) -> dict:
    """What the page offers where that can't be booked: a pool's free times, else the doctor's next windows."""
    if not found.why_not:
        return {}
    if found.kind == Kind.POOL:
        if found.why_not_code in ("PAYMENT_NOT_CONFIGURED", "NOT_OFFERED"):
            return {}  # at no other time either
        named = refusal.details.get("suggestions") if refusal else None
        return {"nearest": visit_queries.instead_of(found, named)}
    return {"next_windows": next_free(found.doctor, found.now, but=found.pk)}


@private
@require_POST
def give_up(request, public_id):
    """The patient will not pay for a held place: it is free for others at once."""
    mine = Booking.objects.visible_to(request.user).for_page()
    booking = get_object_or_404(mine, public_id=public_id)
    try:
        actions.give_up(booking.pk, actor=request.user if request.user.is_authenticated else None)
    except Refused as refusal:
        messages.warning(request, refusal.message)
        return see_other(booking)
    messages.success(request, _("You gave the place up. You have not been charged."))
    return see_other(booking.service or booking.schedule.doctor)


@private
@require_POST
def pay_at_desk(request, public_id):
    """The patient will pay when they come: the number at once."""
    booking = get_object_or_404(Booking.objects.visible_to(request.user), public_id=public_id)
    try:
        actions.pay_at_desk(booking.pk, actor=request.user if request.user.is_authenticated else None)
    except Refused as refusal:
        messages.warning(request, refusal.message)
    return see_other(booking)


@private
@require_safe
def slip(request, public_id):
    """The token on paper, for a roll or A6 (?size=58, 80, a6)."""
    numbered = Booking.objects.occupying().visible_to(request.user).for_page()
    booking = get_object_or_404(numbered, public_id=public_id)
    asked = request.GET.get("size")
    size = asked if asked in SLIP_SIZES else "80"
    return render(request, "bookings/slip.html", {"booking": booking, "size": size, "sizes": SLIP_SIZES})


@private
@require_safe
def calendar_file(request, public_id):
    """The visit for the patient's calendar; once it is cancelled, what takes it away from there."""
    sold = Booking.objects.visible_to(request.user).for_page().with_visit()
    booking = get_object_or_404(sold, public_id=public_id)
    response = HttpResponse(
        calendar.ics(booking, timezone.now()), content_type="text/calendar; charset=utf-8"
    )
    response["Content-Disposition"] = 'attachment; filename="visit.ics"'
    return response


@require_safe
@never_cache
def board(request):
    """The waiting room's screen: numbers only. It asks for its table again by itself."""
    part = "#lines" if request.htmx else ""
    return render(request, f"bookings/board.html{part}", {"lines": queries.board(timezone.now())})
