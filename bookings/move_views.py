"""A patient moves a visit: another time of the same doctor, with the money that was paid."""

from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bookings import actions, visit_queries
from bookings.models import Booking
from bookings.refund_rules import why_not_move_own
from bookings.service_queries import strip
from clinic.errors import Refused
from clinic.pages import private, see_other
from schedules import queries
from schedules.localtime import stamp, typed_instant
from schedules.states import Kind


@private
@require_http_methods(["GET", "HEAD", "POST"])
def move(request, public_id):
    """Choose a day (?date=) and a time, then confirm it (?to=, of a service ?start=); sent, the visit moves."""
    mine = Booking.objects.own_of(request.user).for_page()
    booking = get_object_or_404(mine, public_id=public_id)
    if request.method != "POST":
        return move_page(request, booking)
    to, start = request.POST.get("to", ""), typed_instant(request.POST.get("start", ""))
    if booking.service_id and start is None:  # without one the first that fits would be taken
        return move_page(request, booking)
    actor = request.user if request.user.is_authenticated else None
    try:
        moved = actions.reschedule(
            booking.pk, int(to[:18]) if to.isdecimal() else 0, start_at=start, actor=actor, own=True
        )
    except Refused as refusal:
        return move_page(request, mine.get(pk=booking.pk), refusal)
    messages.success(request, _("Your visit is moved. What you paid moved with it."))
    return see_other(moved)


def move_page(request, booking, refusal=None):
    """The times to choose from; with one chosen, old and new side by side."""
    now = timezone.now()
    offered = starts_to_choose if booking.service_id else windows_to_choose
    content = {
        "booking": booking,
        "why_not": why_not_move_own(booking, now),
        "refusal": refusal,
        **offered(request, booking, now),
    }
    return render(request, "bookings/move.html", content, status=refusal.status if refusal else 200)


def windows_to_choose(request, booking, now) -> dict:
    """The doctor's other windows on the chosen day into which this may move, and the one that was chosen."""
    doctor, path = booking.schedule.doctor, request.path
    days = queries.calendar(
        doctor, now, request.GET.get("date", ""), address=path, picked=request.GET.get("to", ""),
        only=[~Q(kind=Kind.POOL), Q(mode=booking.mode)],
        url=lambda schedule: f"{path}?{urlencode({'date': schedule.date, 'to': schedule.pk})}",
    )  # fmt: skip
    chosen = next(day for day in days if day.selected)
    others = [window for window in chosen.windows if window.pk != booking.schedule_id]
    target = next((window for window in others if window.selected and window.is_bookable), None)
    return {"days": days, "chosen": chosen, "target": target}


def starts_to_choose(request, booking, now) -> dict:
    """Where the minutes of a service fit on the chosen day, as sold, and the start that was chosen."""
    path, start = request.path, typed_instant(request.GET.get("start", ""))
    found = visit_queries.days_to_move_to(booking, now, request.GET.get("date", ""))
    days = strip(found, booking.minutes, lambda day: f"{path}?{urlencode({'date': day})}")
    chosen = next(day for day in days if day.selected)

    def url(schedule, start):
        return f"{path}?{urlencode({'date': schedule.date, 'to': schedule.pk, 'start': stamp(start)})}"

    return {
        "days": days,
        "chosen": chosen,
        "parts": chosen.parts(url, but=booking.start_at),
        "later": next((day for day in days if day.date > chosen.date and day.first), None),
        "target": visit_queries.visit_at(booking, chosen, request.GET.get("to", ""), start),
    }
