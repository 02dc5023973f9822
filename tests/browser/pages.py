"""Every page that there is: taken from the URLconf, so that a new one can't be forgotten.

`STOPS` says how to come to a page that needs a row, a role or a click; Django's own admin pages
follow one rule. What is no page stands in `NO_PAGES` with the status that proves it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from fnmatch import fnmatch
from functools import partial

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.contrib import admin
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone
from playwright.sync_api import Page

from clinic.models import User
from payments.money_queries import presets
from payments.queries import payment_in_question
from payments.sample.people import PASSWORD
from schedules.localtime import stamp
from tests import factories
from tests.browser import people
from tests.browser.scene import Scene

PATIENT, RECEPTION, MANAGER = "patient@demo.clinic", "reception@demo.clinic", "manager@demo.clinic"
DOCTOR = "doctor@demo.clinic"
ROOT, SECURED, NEWCOMER = "operator@demo.clinic", "secured@demo.clinic", "newcomer@demo.clinic"


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A page, by whom it is looked at, and what they do there before they look."""

    name: str
    who: str = ""
    arguments: Callable[[Scene], list] = lambda scene: []
    query: Callable[[Scene], str] = lambda scene: ""
    then: Callable[[Page, Scene], None] = lambda page, scene: None

    def url(self, scene: Scene) -> str:
        return reverse(self.name, args=self.arguments(scene)) + self.query(scene)


FOR_PROGRAMS = "api", "headless"
"""Namespaces that answer JSON. The API's one page, its documentation, is Swagger's own."""


def url_names(resolver=None, namespace: str = "") -> Iterator[str]:
    """Every name in the URLconf that people may come to, with its namespace."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace in FOR_PROGRAMS:
                continue
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from url_names(pattern, namespace + inner)
        elif pattern.name:
            yield namespace + pattern.name


# --- What is no page ----------------------------------------------------------------------

POSTED, NOBODY, ELSEWHERE, MISSING, DATA = 405, 403, 302, 404, 200
NO_PAGES = {
    "give-up": POSTED,
    "pay-at-desk": POSTED,
    "webhook": POSTED,
    "admin:call-next": POSTED,
    "admin:desk-move": POSTED,
    "admin:walk-in-find": POSTED,
    "admin:logout": POSTED,
    "admin:clinic_service_remove": POSTED,
    "admin:clinic_service_restore": POSTED,
    "admin:schedules_schedule_close": POSTED,
    "admin:schedules_schedule_reopen": POSTED,
    "admin:schedules_schedule_withdraw": POSTED,
    "admin:payments_refund_hand_back": POSTED,
    "admin:settlement-apply": POSTED,
    "admin:clinic_delivery_again": POSTED,
    "calendar-feed": DATA,  # a file
    "checkout-back": 303,  # on to "pay"
    "calendar-file": DATA,  # a file
    "admin:menu": DATA,  # the menu of every page of admin, which asks for itself
    "booking-status": DATA,  # the live part of "booking", without its page
    "booking-return": 303,  # on to "booking"
    "theme": DATA,
    "admin:money-export": DATA,  # a file
    "admin:jsi18n": DATA,
    "admin:autocomplete": NOBODY,  # answers a widget in JSON, which says which field it is for
    "mfa_download_recovery_codes": MISSING,  # a text file, for those who have codes
    "admin:login": ELSEWHERE,  # to account_login
    "admin:view_on_site": MISSING,  # contrib.sites is not installed
    "account_set_password": ELSEWHERE,  # everybody has a password
    "account_confirm_login_code": ELSEWHERE,  # nobody signs in by a code
    "account_reset_password_from_key": ELSEWHERE,  # hides the key, then is "new password" of MORE
    # Not even an operator adds or deletes what comes into being by bookings, or is only hidden.
    **{f"admin:bookings_booking_{verb}": NOBODY for verb in ("add", "delete")},
    **{f"admin:payments_*_{verb}": NOBODY for verb in ("add", "delete")},
    **{f"admin:clinic_reviewitem_{verb}": NOBODY for verb in ("add", "delete")},
    **{f"admin:clinic_notice_{verb}": NOBODY for verb in ("add", "delete")},
    **{f"admin:clinic_patient_{verb}": NOBODY for verb in ("add", "delete")},
    **{
        f"admin:clinic_{kept}_delete": NOBODY
        for kept in (
            "doctor",
            "service",
            "servicecategory",
            "plan",
            "membership",
            "apikey",
            "hook",
            "delivery",
        )
    },
    "admin:clinic_delivery_add": NOBODY,
    "admin:schedules_schedule_delete": NOBODY,
    **{f"admin:schedules_weeklyhours_{verb}": NOBODY for verb in ("add", "delete")},
    "admin:schedules_closure_delete": NOBODY,
    "admin:mfa_authenticator_add": NOBODY,  # a second factor is set up by its owner
}


def why_no_page(name: str) -> int | None:
    """The status that a GET by an operator gets there, if it is no page."""
    return next((status for pattern, status in NO_PAGES.items() if fnmatch(name, pattern)), None)


def reset_key(scene: Scene) -> list[str]:
    account = User.objects.get(email=PATIENT)
    return [user_pk_to_url_str(account), default_token_generator.make_token(account)]


def confirmation_key(scene: Scene) -> list[str]:
    return [EmailConfirmationHMAC(scene.newcomer.emailaddress_set.get()).key]


ARGUMENTS = {
    "checkout-back": lambda scene: [scene.held.public_id, "razorpay"],
    "give-up": lambda scene: [scene.held.public_id],
    "pay-at-desk": lambda scene: [scene.held.public_id],
    "webhook": lambda scene: ["demo"],
    "booking-status": lambda scene: [scene.confirmed.public_id],
    "calendar-file": lambda scene: [scene.confirmed.public_id],
    "booking-return": lambda scene: [scene.confirmed.public_id],
    "admin:call-next": lambda scene: [scene.window.pk],
    "admin:desk-move": lambda scene: [scene.confirmed.public_id, "check-in"],
    "admin:view_on_site": lambda scene: [1, 1],
    "calendar-feed": lambda scene: [scene.feed.code],
    "admin:money-export": lambda scene: ["payments"],
    "account_reset_password_from_key": reset_key,
}


def no_page_url(name: str, scene: Scene) -> str:
    if name in ARGUMENTS:
        return reverse(name, args=ARGUMENTS[name](scene))
    if name.startswith("admin:") and "_" in name:
        return admin_stop(name).url(scene)
    return reverse(name)


# --- What is a page -----------------------------------------------------------------------


def sign_in_with_a_second_factor(page: Page, scene: Scene) -> None:
    page.get_by_label("Email").fill(scene.secured.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/2fa/authenticate/**")


def press(name: str) -> Callable[[Page, Scene], None]:
    def press_it(page, scene):
        with page.expect_event("load"):
            page.get_by_role("button", name=name).click()

    return press_it


def without_the_frame(page: Page, scene: Scene) -> None:
    """Our page below it, as where Razorpay's script was blocked."""
    page.route("**/checkout.js", lambda route: route.abort())
    page.reload()


def find_by_phone(page: Page, scene: Scene) -> None:
    page.get_by_label("Phone").fill("+91 98200 12345")
    page.get_by_text("Kabir Joshi").wait_for()


def choose_a_service(page: Page, scene: Scene) -> None:
    page.get_by_label("What for?").select_option(value=f"{scene.shared_minutes.pk}-{scene.facial.pk}")
    page.get_by_label("When?").wait_for()


def find_follower(page: Page, scene: Scene) -> None:
    page.get_by_label("Phone").fill(str(scene.follower.phone))
    page.get_by_text("It saves").wait_for()


def take_less_without_a_reason(page: Page, scene: Scene) -> None:
    page.get_by_text("Take less, or nothing").click()
    press("Let all of it off")(page, scene)


def search(words: str) -> Callable[[Page, Scene], None]:
    def type_it(page, scene):
        with page.expect_response(lambda response: "?q=" in response.url):
            page.get_by_role("searchbox").press_sequentially(words)

    return type_it


def look_through(amount: str) -> Callable[[Page, Scene], None]:
    """The bank's file has a payout being paid, one that nobody has started, and one of somebody else."""

    def choose(page, scene):
        lines = [
            "Reference,UTR,Amount,Date",
            f"{scene.being_paid.code},N526110123,{amount},20/11/2026",
            f"{scene.payout.code},N526110124,100.00,20/11/2026",
            "Rent,N526110125,9000.00,20/11/2026",
        ]
        file = {"name": "bank.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()}
        page.get_by_label("The bank's file").set_input_files(file)
        press("Look through it")(page, scene)

    return choose


def close_today(page: Page, scene: Scene) -> None:
    assert scene.confirmed and scene.held
    page.get_by_label("Only one doctor?").select_option(label=scene.doctor.name)
    page.get_by_label("First day").fill(scene.window.date.isoformat())
    page.get_by_label("Why?").fill("The doctor is ill")
    press("Go on")(page, scene)


def paste_holidays(page: Page, scene: Scene) -> None:
    lines = "26 Jan Republic Day\n30 Dec to 2 Jan Winter break\n2083 Bhadra 5 Teej"
    page.get_by_label("The list").fill(lines)
    press("Go on")(page, scene)


def make_a_key(page: Page, scene: Scene) -> None:
    page.get_by_label("What it is for").fill("Kiosk in the hall")
    page.get_by_label("Acts as").select_option(label=str(scene.account(MANAGER)))
    page.get_by_label("book, pay, move and cancel").check()
    press("Make the key")(page, scene)


def paid_wrongly(scene: Scene) -> list[int]:
    return [payment_in_question(scene.review).pk]


def some_days(scene: Scene) -> str:
    """A scene in which money came, went back, and found no place."""
    assert scene.surplus and scene.overflow and scene.cancelled and scene.declined and scene.order
    return f"?{presets(timezone.localdate())[2][1].query}"


def some_minutes(scene: Scene) -> str:
    """A scene with seats and minutes, in every state that the dashboard draws."""
    assert scene.held and scene.no_show and scene.completed and scene.shared_minutes
    return "?"


def as_list(scene: Scene) -> str:
    return f"{some_minutes(scene)}as=list"


def some_sales(scene: Scene) -> str:
    """Days in which services sold, too."""
    assert scene.shared_minutes
    return some_days(scene)


def some_news(scene: Scene) -> str:
    """The front office was told of a booking, of a place that was lost, and of something to look at."""
    return f"?{scene.confirmed.pk}&{scene.overflow.pk}&{scene.review.pk}"


def rows_of(what: str) -> Callable[[Scene], str]:
    return lambda scene: f"{some_days(scene)}&what={what}"


def save_nothing(page: Page, scene: Scene) -> None:
    with page.expect_event("load"):
        page.get_by_role("button", name="Save", exact=True).click()


def removed_ones(scene: Scene) -> str:
    assert scene.service and scene.removed_service
    return "?removed=yes"


def of_doctor(scene: Scene) -> list[int]:
    return [scene.payout.doctor_id]


def at_time(minutes: int) -> Callable[[Scene], str]:
    """A service, so many minutes after its morning begins."""
    return lambda scene: (
        f"?service=acupuncture&start={stamp(scene.pool.starts_at + timedelta(minutes=minutes))}"
    )


def be_slower(page: Page, scene: Scene) -> None:
    """Somebody takes the time while this patient types."""
    people.say_who(page, "Gita Thapa")
    factories.reserve(scene.pool, scene.massage, 120, factories.guest(name="Binod Lama"))
    press("Hold my place")(page, scene)


def booking(state: str, who: str = "", name: str = "booking") -> Stop:
    return Stop(name=name, who=who, arguments=lambda scene: [getattr(scene, state).public_id])


STOPS = {
    stop.name: stop
    for stop in [
        Stop(name="home"),
        Stop(name="doctor", arguments=lambda scene: ["ananya-iyer"]),
        Stop(name="service", arguments=lambda scene: ["physio-session"]),
        Stop(name="book", arguments=lambda scene: [scene.window.pk]),
        booking("held", name="pay"),
        Stop(
            name="checkout",
            arguments=lambda scene: [scene.ordered.public_id, "razorpay"],
            then=without_the_frame,
        ),
        booking("confirmed"),
        booking("confirmed", name="slip"),
        booking("confirmed", name="cancel"),
        booking("at_a_time", name="move"),
        booking("walk_in", name="receipt"),
        Stop(name="demo-gateway", arguments=lambda scene: [scene.order.key]),
        Stop(name="appointments", who=PATIENT),
        Stop(name="family", who=PATIENT),
        Stop(name="add-person", who=PATIENT),
        Stop(name="person", who=PATIENT, arguments=lambda scene: [scene.child.pk]),
        Stop(name="remove-person", who=PATIENT, arguments=lambda scene: [scene.child.pk]),
        Stop(name="plans"),
        Stop(name="board"),
        Stop(name="styleguide"),
        Stop(name="account_login"),
        Stop(name="account_signup"),
        Stop(name="account_inactive"),
        Stop(name="account_email_verification_sent"),
        Stop(name="account_reset_password"),
        Stop(name="account_reset_password_done"),
        Stop(name="account_reset_password_from_key_done"),
        Stop(name="account_confirm_email", arguments=confirmation_key),
        Stop(name="account_logout", who=PATIENT),
        Stop(name="account_reauthenticate", who=PATIENT),
        Stop(name="account_email", who=PATIENT),
        Stop(name="account_change_password", who=PATIENT),
        Stop(name="mfa_index", who=PATIENT),
        Stop(name="mfa_activate_totp", who=PATIENT),
        Stop(name="mfa_authenticate", then=sign_in_with_a_second_factor),
        Stop(name="mfa_reauthenticate", who=SECURED),
        Stop(name="mfa_deactivate_totp", who=SECURED),
        Stop(name="mfa_view_recovery_codes", who=SECURED),
        Stop(name="mfa_generate_recovery_codes", who=SECURED),
        Stop(name="admin:index", who=RECEPTION),
        Stop(name="admin:desk", who=RECEPTION, query=lambda scene: f"?window={scene.window.pk}"),
        Stop(name="admin:inbox", who=RECEPTION, query=some_news),
        Stop(name="admin:walk-in", who=RECEPTION),
        booking("walk_in", RECEPTION, "admin:walk-in-done"),
        Stop(name="admin:dashboard", who=MANAGER, query=some_minutes),
        Stop(name="admin:dashboard-period", who=MANAGER, query=some_sales),
        Stop(name="admin:money", who=MANAGER, query=some_days),
        Stop(name="admin:money-rows", who=MANAGER, query=rows_of("surplus")),
        booking("owing", RECEPTION, "admin:take-payment"),
        Stop(name="admin:cash", who=RECEPTION),
        Stop(name="admin:payments_drawer_open", who=MANAGER),
        Stop(name="admin:payments_drawer_count", who=RECEPTION, arguments=lambda scene: [scene.drawer.pk]),
        Stop(name="admin:earnings", who=MANAGER),
        Stop(name="admin:earnings-of", who=MANAGER, arguments=of_doctor),
        Stop(name="admin:payments_ledgerentry_adjust", who=MANAGER, arguments=of_doctor),
        Stop(name="admin:payments_payout_ask", who=MANAGER, arguments=of_doctor),
        Stop(
            name="admin:payments_payout_move",
            who=MANAGER,
            arguments=lambda scene: [scene.payout.pk, "processing"],
        ),
        Stop(name="admin:settlement", who=MANAGER),
        Stop(name="admin:app_list", who=ROOT, arguments=lambda scene: ["payments"]),
        Stop(name="admin:password_change", who=RECEPTION),
        Stop(name="admin:password_change_done", who=RECEPTION),
        Stop(
            name="admin:auth_user_password_change",
            who=ROOT,
            arguments=lambda scene: [scene.reception.pk],
        ),
        Stop(
            name="admin:clinic_reviewitem_resolve",
            who=MANAGER,
            arguments=lambda scene: [scene.review.pk],
        ),
        *(
            Stop(name=f"admin:payments_payment_{what}", who=MANAGER, arguments=paid_wrongly)
            for what in ("refund", "accept")
        ),
        Stop(
            name="admin:payments_payment_write_down",
            who=MANAGER,
            arguments=lambda scene: [scene.given_back_twice.payment.pk],
            query=lambda scene: f"?review={scene.given_back_twice.item.pk}",
        ),
        Stop(
            name="admin:payments_payment_status",
            who=MANAGER,
            arguments=lambda scene: [scene.order.pk],
        ),
        Stop(
            name="admin:schedules_schedule_capacity",
            who=MANAGER,
            arguments=lambda scene: [scene.window.pk],
        ),
        Stop(name="admin:hours", who=MANAGER),
        *(
            Stop(name=f"admin:hours-{what}", who=MANAGER, arguments=lambda scene: [scene.window.doctor_id])
            for what in ("of", "add")
        ),
        *(
            Stop(name=f"admin:hours-{what}", who=MANAGER, arguments=lambda scene: [scene.hours.pk])
            for what in ("change", "remove")
        ),
        Stop(name="admin:schedules_closure_add", who=MANAGER),
        Stop(
            name="admin:window-cancel",
            who=MANAGER,
            arguments=lambda scene: [scene.confirmed.schedule_id],
        ),
        Stop(name="admin:schedules_closure_holidays", who=MANAGER),
        Stop(
            name="admin:schedules_closure_remove",
            who=MANAGER,
            arguments=lambda scene: [scene.closure.pk],
        ),
        *(
            Stop(
                name=f"admin:bookings_booking_{what}",
                who=RECEPTION,
                query=lambda scene: f"?booking={scene.confirmed.pk}",
            )
            for what in ("cancel", "move")
        ),
        Stop(name="admin:calendar", who=DOCTOR),
        Stop(name="admin:calendar-of", who=MANAGER, arguments=lambda scene: [scene.feed.doctor_id]),
        Stop(name="admin:end-session", who=RECEPTION, arguments=lambda scene: [scene.window.pk]),
    ]
}

MORE = {
    **{
        f"booking, {state}": booking(state)
        for state in (
            "held", "declined", "checked_in", "in_consultation", "completed", "no_show", "cancelled",
            "given_up", "expired", "overflow", "surplus", "disputed", "charged_back", "owing", "discounted",
        )
    },
    "API key, made": Stop(name="admin:clinic_apikey_add", who=MANAGER, then=make_a_key),
    "API key, wrong": Stop(name="admin:clinic_apikey_add", who=MANAGER, then=press("Make the key")),
    "webhook, wrong": Stop(name="admin:clinic_hook_add", who=MANAGER, then=press("Make it")),
    "webhook, new secret": Stop(
        name="admin:clinic_hook_secret",
        who=MANAGER,
        arguments=lambda scene: [scene.delivery.hook_id],
        then=press("Make a new secret"),
    ),
    "payment, disputed": Stop(
        name="admin:payments_payment_change",
        who=MANAGER,
        arguments=lambda scene: [scene.charged_back.payments.get().pk],
    ),
    "review item, given back twice": Stop(
        name="admin:clinic_reviewitem_change",
        who=MANAGER,
        arguments=lambda scene: [scene.given_back_twice.item.pk],
    ),
    "service, wrong": Stop(name="admin:clinic_service_add", who=MANAGER, then=save_nothing),
    "service, removed": Stop(
        name="admin:clinic_service_change",
        who=MANAGER,
        arguments=lambda scene: [scene.removed_service.pk],
    ),
    "service, read by reception": Stop(
        name="admin:clinic_service_change", who=RECEPTION, arguments=lambda scene: [scene.service.pk]
    ),
    "services": Stop(
        name="admin:clinic_service_changelist", who=MANAGER, query=lambda scene: f"?q={scene.service.name}"
    ),
    "services, removed": Stop(
        name="admin:clinic_service_changelist",
        who=MANAGER,
        query=removed_ones,
    ),
    "change minutes": Stop(
        name="admin:schedules_schedule_capacity", who=MANAGER, arguments=lambda scene: [scene.pool.pk]
    ),
    "home, searched": Stop(name="home", then=search("child")),
    "home, nobody found": Stop(name="home", query=lambda scene: "?q=astrologer"),
    "doctor, full": Stop(name="doctor", arguments=lambda scene: ["imran-qureshi"]),
    "doctor, closed": Stop(name="doctor", arguments=lambda scene: ["sunita-gurung"]),
    "doctor, exact times": Stop(
        name="doctor", arguments=lambda scene: [scene.slots[0].doctor.slug]
    ),
    "book, an exact time": Stop(name="book", arguments=lambda scene: [scene.slots[1].pk]),
    "book, by video": Stop(name="book", arguments=lambda scene: [scene.slots[9].pk]),
    "booking, at a time": booking("at_a_time"),
    "booking, by video": booking("by_video"),
    "home, services found": Stop(name="home", query=lambda scene: "?q=physio"),
    "service, of one doctor": Stop(name="service", arguments=lambda scene: [scene.pool and scene.massage.code]),
    "service, of nobody soon": Stop(name="service", arguments=lambda scene: [scene.idle.code]),
    "doctor, by the minute": Stop(name="doctor", arguments=lambda scene: [scene.pool.doctor.slug]),
    "book, a service": Stop(name="book", arguments=lambda scene: [scene.pool.pk], query=at_time(40)),
    "book, a service, taken": Stop(
        name="book", arguments=lambda scene: [scene.pool.pk], query=at_time(80)
    ),
    "book, a service, slower": Stop(
        name="book", arguments=lambda scene: [scene.pool.pk], query=at_time(120), then=be_slower
    ),
    "booking, a service": booking("by_the_minute"),
    "booking, a service, lost": booking("by_the_minute_lost"),
    "slip, a service": booking("by_the_minute", name="slip"),
    "move, a service": booking("by_the_minute", name="move"),
    "move, a service, where to": Stop(
        name="move",
        arguments=lambda scene: [scene.by_the_minute.public_id],
        query=lambda scene: f"{at_time(20)(scene)}&date={scene.pool.date}&to={scene.pool.pk}",
    ),
    "move, where to": Stop(
        name="move",
        arguments=lambda scene: [scene.at_a_time.public_id],
        query=lambda scene: f"?date={scene.slots[4].date}&to={scene.slots[4].pk}",
    ),
    "move, too late": booking("checked_in", name="move"),
    "book, wrong": Stop(
        name="book", arguments=lambda scene: [scene.window.pk], then=press("Hold my place")
    ),
    "book, for my family": Stop(name="book", who=PATIENT, arguments=lambda scene: [scene.window.pk]),
    "book, full": Stop(name="book", arguments=lambda scene: [scene.full.pk]),
    "pay, declined": booking("declined", name="pay"),
    "pay, owing": booking("owing", name="pay"),
    "slip, owing": booking("owing", name="slip"),
    "cancel, owing": booking("owing", name="cancel"),
    "receipt, discounted": booking("discounted", name="receipt"),
    "take payment, declined": booking("declined", RECEPTION, "admin:take-payment"),
    "take payment, paid": booking("confirmed", RECEPTION, "admin:take-payment"),
    "take payment, manager": booking("owing", MANAGER, "admin:take-payment"),
    "take payment, wrong": replace(
        booking("owing", MANAGER, "admin:take-payment"), then=take_less_without_a_reason
    ),
    "payment taken, discounted": booking("discounted", MANAGER, "admin:walk-in-done"),
    "desk, somebody owes": Stop(
        name="admin:desk",
        who=RECEPTION,
        query=lambda scene: f"?window={scene.owing.schedule_id}&{scene.left_unpaid.pk}",
    ),
    "cash, something let off": Stop(
        name="admin:cash", who=MANAGER, query=lambda scene: f"?{scene.discounted.pk}&{scene.owing.pk}"
    ),
    "cancel, unpaid": booking("held", name="cancel"),
    "cancel, too late": booking("checked_in", name="cancel"),
    "cancel, nothing comes back": booking("booked_long_ago", name="cancel"),
    "what to look at, manager": Stop(
        name="admin:clinic_reviewitem_change",
        who=MANAGER,
        arguments=lambda scene: [scene.review.pk],
    ),
    "family, none": Stop(name="family", who=NEWCOMER),
    "add-person, wrong": Stop(name="add-person", who=PATIENT, then=save_nothing),
    "book, free with a plan": Stop(
        name="book", who=PATIENT, arguments=lambda scene: [scene.childs_window.pk]
    ),
    "book, all free": Stop(
        name="book", who="undecided@demo.clinic", arguments=lambda scene: [scene.trial_window.pk]
    ),
    "walk-in, follow-up": Stop(
        name="admin:walk-in",
        who=RECEPTION,
        query=lambda scene: f"?window={scene.follow_up_window.pk}",
        then=find_follower,
    ),
    "membership, reception": Stop(name="admin:clinic_membership_add", who=RECEPTION),
    "membership, ending": Stop(
        name="admin:clinic_membership_change", who=MANAGER, arguments=lambda scene: [scene.membership.pk]
    ),
    "patient, reception": Stop(
        name="admin:clinic_patient_change", who=RECEPTION, arguments=lambda scene: [scene.child.pk]
    ),
    "appointments, to pay": Stop(name="appointments", who="undecided@demo.clinic"),
    "appointments, none": Stop(name="appointments", who=NEWCOMER),
    "sign in, wrong": Stop(name="account_login", then=press("Sign in")),
    "sign up, wrong": Stop(name="account_signup", then=press("Make an account")),
    "new password": Stop(name="account_reset_password_from_key", arguments=reset_key),
    "second factor": Stop(name="mfa_index", who=SECURED),
    "styleguide, home": Stop(name="styleguide", query=lambda scene: "?page=home"),
    "styleguide, token": Stop(name="styleguide", query=lambda scene: "?page=token"),
    "walk-in, no service yet": Stop(
        name="admin:walk-in", who=RECEPTION, query=lambda scene: f"?window={scene.shared_minutes.pk}"
    ),
    "walk-in, service": Stop(
        name="admin:walk-in",
        who=RECEPTION,
        query=lambda scene: f"?window={scene.shared_minutes.pk}",
        then=choose_a_service,
    ),
    "desk, services": Stop(
        name="admin:desk",
        who=RECEPTION,
        query=lambda scene: f"?window={scene.shared_minutes.pk}&{scene.service_walk_in.pk}",
    ),
    "move a service": Stop(
        name="admin:bookings_booking_move",
        who=RECEPTION,
        query=lambda scene: f"?booking={scene.service_walk_in.pk}",
    ),
    "end session, services": Stop(
        name="admin:end-session", who=RECEPTION, arguments=lambda scene: [scene.service_walk_in.schedule_id]
    ),
    "bookings, services": Stop(
        name="admin:bookings_booking_changelist",
        who=RECEPTION,
        query=lambda scene: f"?schedule__id__exact={scene.service_walk_in.schedule_id}",
    ),
    "walk-in done, service": booking("service_walk_in", RECEPTION, "admin:walk-in-done"),
    "walk-in, found": Stop(name="admin:walk-in", who=RECEPTION, then=find_by_phone),
    "walk-in, wrong": Stop(name="admin:walk-in", who=RECEPTION, then=press("Take ₹")),
    "walk-in, full": Stop(
        name="admin:walk-in", who=MANAGER, query=lambda scene: f"?window={scene.full.pk}"
    ),
    "open a window, wrong": Stop(
        name="admin:schedules_schedule_add", who=MANAGER, then=press("Open it")
    ),
    "doctor, away": Stop(name="doctor", arguments=lambda scene: [scene.closure.doctor.slug]),
    "hours of, closed": Stop(
        name="admin:hours-of", who=MANAGER, arguments=lambda scene: [scene.closure.doctor_id]
    ),
    "hours, reception": Stop(
        name="admin:hours-of", who=RECEPTION, arguments=lambda scene: [scene.hours.doctor_id]
    ),
    "hours, wrong": Stop(
        name="admin:hours-add",
        who=MANAGER,
        arguments=lambda scene: [scene.window.doctor_id],
        then=press("Save"),
    ),
    "hours, shown first": Stop(
        name="admin:hours-change",
        who=MANAGER,
        arguments=lambda scene: [scene.hours.pk],
        then=press("Show what it opens"),
    ),
    "closure, wrong": Stop(name="admin:schedules_closure_add", who=MANAGER, then=press("Go on")),
    "closure, over bookings": Stop(name="admin:schedules_closure_add", who=MANAGER, then=close_today),
    "holidays, read": Stop(name="admin:schedules_closure_holidays", who=MANAGER, then=paste_holidays),
    "bookings, manager": Stop(name="admin:bookings_booking_changelist", who=MANAGER),
    "bookings, searched": Stop(
        name="admin:bookings_booking_changelist", who=RECEPTION, query=lambda scene: "?day=today&q=A7"
    ),
    "booking, reception": Stop(
        name="admin:bookings_booking_change",
        who=RECEPTION,
        arguments=lambda scene: [scene.surplus.pk],
    ),
    "index, doctor": Stop(name="admin:index", who="doctor@demo.clinic"),
    "inbox, nothing": Stop(name="admin:inbox", who="beginner@demo.clinic"),
    "inbox, all read": Stop(name="admin:inbox", who=MANAGER, then=press("Mark all as read")),
    "desk, doctor": Stop(name="admin:desk", who="doctor@demo.clinic"),
    "settlement, looked through": Stop(name="admin:settlement", who=MANAGER, then=look_through("200.00")),
    "settlement, wrong": Stop(name="admin:settlement", who=MANAGER, then=look_through("-200.00")),
    "settlement, no file": Stop(name="admin:settlement", who=MANAGER, then=press("Look through it")),
    "earnings, doctor": Stop(name="admin:earnings", who="doctor@demo.clinic"),
    "dashboard, list": Stop(name="admin:dashboard", who=RECEPTION, query=as_list),
    "dashboard, nobody receives": Stop(name="admin:dashboard", who="beginner@demo.clinic"),
    "dashboard, of a doctor": Stop(name="admin:dashboard", who="doctor@demo.clinic"),
    "dashboard period, reception": Stop(name="admin:dashboard-period", who=RECEPTION, query=some_days),
    "dashboard period, wrong": Stop(
        name="admin:dashboard-period", who=MANAGER, query=lambda scene: "?since=soon&until=x"
    ),
    "money, a year": Stop(
        name="admin:money", who=MANAGER, query=lambda scene: "?since=2026-01-01&until=2026-12-31"
    ),
    "money, nothing": Stop(name="admin:money", who=MANAGER, query=lambda scene: "?since=2001-01-01"),
    "money, wrong": Stop(name="admin:money", who=MANAGER, query=lambda scene: "?since=soon&until=x"),
    "money rows, refunds": Stop(name="admin:money-rows", who=MANAGER, query=rows_of("refunded")),
    "override, wrong": Stop(
        name="admin:payments_payment_status",
        who=MANAGER,
        arguments=lambda scene: [scene.order.pk],
        then=press("Record it"),
    ),
    "index, manager": Stop(name="admin:index", who=MANAGER),
}  # fmt: skip
"""Pages that have an address above, in another state."""


def stop_of(name: str) -> Stop:
    """How to come to the page of this name. Raises LookupError where nobody has said it."""
    return STOPS.get(name) or admin_stop(name)


def admin_stop(name: str) -> Stop:
    """Django's own page of a table, and of its newest row where it is about one."""
    for model in admin.site._registry:
        table = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        if name in (f"{table}_changelist", f"{table}_add"):
            return Stop(name=name, who=ROOT)
        if name.startswith(f"{table}_"):
            return Stop(name=name, who=ROOT, arguments=partial(newest, model))
    raise LookupError(f"How does one come to {name}? Say it in tests/browser/pages.py.")


def newest(model, scene: Scene) -> list:
    return [scene.row_of(model).pk]


def visit(page: Page, stop: Stop, scene: Scene) -> None:
    """Goes there, says the password again where it is asked for, and does what the stop says."""
    answer = page.goto(stop.url(scene))
    if "/reauthenticate/" in page.url and "reauthenticate" not in stop.name:
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Confirm").click()
        page.wait_for_url(lambda url: "/reauthenticate/" not in url)
    elif answer.status != 200:
        raise AssertionError(f"{answer.url} answers {answer.status}")
    stop.then(page, scene)
