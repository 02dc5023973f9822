"""The desk: today's windows, one line at a time, with a button for everything that happens in it.

It works by posting and coming back; with htmx the line is exchanged in place, and looked at
again every few seconds.
"""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bookings import desk
from bookings.desk_queries import Line, in_question, line_of, owed_in, sessions_of, version_of, was_called
from bookings.models import Booking
from bookings.states import WAITING, Status
from clinic.adminsite import Tile
from clinic.errors import Refused
from clinic.pages import see_other
from clinic.templatetags.clinic import clinic_time
from schedules.models import Schedule

may_run_desk = permission_required("bookings.run_desk", raise_exception=True)

MOVES = {
    "check-in": (desk.check_in, gettext_lazy("Check in")),
    "undo-check-in": (desk.undo_check_in, gettext_lazy("Not here yet")),
    "complete": (desk.complete, gettext_lazy("Complete")),
    "call-back": (desk.call_back, gettext_lazy("Undo call")),
    "no-show": (desk.no_show, gettext_lazy("No-show")),
}
"""By the word in the address: what it does, and the word on the button."""

OFFERED = {  # the first one is what usually comes next
    Status.CONFIRMED: ["check-in", "no-show"],
    Status.CHECKED_IN: ["undo-check-in", "no-show"],
    Status.IN_CONSULTATION: ["complete", "call-back", "no-show"],
    Status.NO_SHOW: ["check-in"],
}
MAIN = {"check-in", "complete"}
CANCELLABLE = (*WAITING, Status.HELD)
TONES = {
    Status.CONFIRMED: "full",
    Status.CHECKED_IN: "free",
    Status.IN_CONSULTATION: "yours",
    Status.HELD: "held",
    Status.NO_SHOW: "late",
    Status.OVERFLOW: "sorry",
}


@dataclass(frozen=True)
class Button:
    label: str
    url: str
    main: bool = False
    href: bool = False
    """True: it leads to a page, which asks first."""


@dataclass(frozen=True)
class Row:
    """One booking of the line, as the page shows it."""

    booking: Booking
    line: Line
    may_take_money: bool

    @property
    def age(self) -> int | None:
        return self.booking.patient.age_on(self.line.session.date)

    @property
    def tone(self) -> str:
        return TONES.get(self.booking.status, "over")

    @property
    def word(self) -> str:
        booking = self.booking
        if booking.hold_lapsed(self.line.now):
            return Status.EXPIRED.label
        if booking.status == Status.HELD:
            until = clinic_time(localtime(booking.hold_expires_at))
            return _("paying, until %(time)s") % {"time": until}
        words = {Status.CONFIRMED: _("not here yet"), Status.CHECKED_IN: _("here")}
        return words.get(booking.status, booking.get_status_display())

    @property
    def inside(self) -> bool:
        return self.booking.status == Status.IN_CONSULTATION

    @property
    def buttons(self) -> list[Button]:
        booking = self.booking
        found = [
            Button(
                MOVES[move][1], reverse("admin:desk-move", args=[booking.public_id, move]), main=move in MAIN
            )
            for move in OFFERED.get(booking.status, [])
        ]
        if self.may_take_money and booking.to_collect_minor:
            counter = reverse("admin:take-payment", args=[booking.public_id])
            found.append(Button(_("Take payment"), counter, main=not booking.owes, href=True))
        if booking.status == Status.CONFIRMED:
            query = urlencode({"booking": booking.pk, "back": desk_url(booking.schedule_id)})
            found.append(Button(_("Move"), f"{reverse('admin:bookings_booking_move')}?{query}", href=True))
        if booking.status in CANCELLABLE:
            cancel = reverse("admin:bookings_booking_cancel")
            back = desk_url(booking.schedule_id)
            query = urlencode({"booking": booking.pk, "back": back})
            found.append(Button(_("Cancel"), f"{cancel}?{query}", href=True))
        return found


def in_order(line: Line) -> list[Booking]:
    """Everybody whom the desk still has something to do with."""
    return [*line.inside, *line.waiting, *line.paying, *line.owing]


def desk_url(schedule_id: int) -> str:
    return f"{reverse('admin:desk')}?window={schedule_id}"


@require_safe
@may_run_desk
def show_desk(request):
    """The chosen window's line (?window=), else the one in question now. With htmx only the part
    that changes, and 204 while it hasn't (?seen=)."""
    now = timezone.now()
    sessions = sessions_of(timezone.localdate(now), request.user)
    asked = request.GET.get("window", "")
    chosen = next((s for s in sessions if s.holds(asked)), None) or in_question(sessions, now)
    line = line_of(chosen, now) if chosen else None
    version = version_of(sessions, line)
    if request.htmx and request.GET.get("seen") == version:
        return HttpResponse(status=204)
    context = {"sessions": sessions, "chosen": chosen, "line": line, "now": now, "version": version}
    context["owed"] = owed_in(sessions)
    if line:
        may_take_money = request.user.has_perm("payments.take_payment")
        context["rows"] = [Row(b, line, may_take_money) for b in in_order(line)]
        context["gone"] = [Row(b, line, may_take_money) for b in line.gone]
    if request.htmx:
        return render(request, "admin/desk.html#queue", context)
    return render(
        request, "admin/desk.html", admin.site.each_context(request) | context | {"title": _("Desk")}
    )


@require_POST
@may_run_desk
def call_next(request, schedule_id):
    """Finishes the visit under way and calls the next patient of a window."""
    schedule = get_object_or_404(Schedule.objects.seen_by(request.user), pk=schedule_id)
    shown = request.POST.get("serving", "")
    try:
        called = desk.call_next(
            schedule.pk, actor=request.user, serving=int(shown[:18]) if shown.isdecimal() else 0
        )
    except Refused as refusal:
        messages.warning(request, refusal.message)
    else:
        messages.success(request, _("%(token)s is called.") % {"token": called.label})
    return see_other(desk_url(schedule_id))


@require_http_methods(["GET", "HEAD", "POST"])
@may_run_desk
def end(request, schedule_id):
    """Asks once, saying who is still expected; then the session is over."""
    now = timezone.now()
    sessions = sessions_of(timezone.localdate(now), request.user)
    session = next((s for s in sessions if s.holds(str(schedule_id))), None)
    if session is None:
        raise Http404
    if request.method == "POST":
        for window in session.windows:
            desk.finish(window.pk, actor=request.user)
        messages.success(request, _("The session of %(doctor)s is over.") % {"doctor": session.doctor})
        return see_other(desk_url(schedule_id))
    context = {
        "session": session,
        "line": line_of(session, now),
        "called": was_called(session.windows[0]),
        "title": _("End this session?"),
    }
    return render(request, "admin/end_session.html", admin.site.each_context(request) | context)


@require_POST
@may_run_desk
def move(request, public_id, name):
    """One patient arrived, went in, left or did not come: MOVES."""
    booking = get_object_or_404(Booking.objects.seen_by(request.user), public_id=public_id)
    if name not in MOVES:
        raise Http404
    do, _label = MOVES[name]
    try:
        booking = do(booking.pk, actor=request.user)
    except Refused as refusal:
        messages.warning(request, refusal.message)
    else:
        remind(request, booking)
    return see_other(desk_url(booking.schedule_id))


def remind(request, booking: Booking) -> None:
    """Who leaves without having paid is let go, and not forgotten."""
    if booking.status == Status.COMPLETED and booking.owes:
        said = {"token": booking.token_label, "due": booking.due}
        messages.warning(request, _("%(token)s still owes %(due)s.") % said)


PAGES = [
    ("desk/", show_desk, "desk"),
    ("desk/<int:schedule_id>/call-next/", call_next, "call-next"),
    ("desk/<int:schedule_id>/end/", end, "end-session"),
    ("desk/<str:public_id>/<slug:name>/", move, "desk-move"),
]


def count_today(request):
    bookings = Booking.objects.seen_by(request.user).on(timezone.localdate())
    return str((bookings.live() | bookings.occupying()).count()), _("bookings")


def count_waiting(request):
    sessions = sessions_of(timezone.localdate(), request.user)
    return str(sum(session.here for session in sessions)), _("in the waiting room")


TODAY_TILE = Tile(
    label=gettext_lazy("Today"),
    page="bookings_booking_changelist",
    query="?day=today",
    permission="bookings.view_booking",
    count=count_today,
)
DESK_TILE = Tile(label=gettext_lazy("Desk"), page="desk", permission="bookings.run_desk", count=count_waiting)
