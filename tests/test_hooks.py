"""Connected systems are told what happens: signed, at least once under one id, and nothing personal."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from bookings import actions, desk
from clinic import hook_channels
from clinic.hook_actions import LATER, OLD_SECRET, change_secret, deliver, send_again
from clinic.hook_models import EVENTS, KEPT, Delivery, DeliveryQuerySet, Hook
from clinic.hook_sweeps import deliver_hooks, forget_deliveries
from clinic.models import ReviewItem
from clinic.notice_models import KINDS, WAITING, Channel, Notice, State
from clinic.notice_sweeps import send_notices
from payments import sweeps
from tests import factories as f
from tests.racing import Meeting, at_once
from tests.receiver import receiving

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver(settings):
    settings.HOOKS_TO_PRIVATE_ADDRESSES = True
    with receiving() as (found, port):
        found.url = f"http://127.0.0.1:{port}/hooks?from=clinic"
        yield found


@pytest.fixture
def lab(receiver):
    return f.hook(receiver.url)


def work():
    """What the worker does."""
    send_notices()
    deliver_hooks()


def told(receiver, lab):
    """Names of what arrived, every signature checked."""
    return [message["type"] for message in receiver.verified(lab.secret)]


def again_now(**fields):
    """As if the time of the next try had come."""
    Delivery.objects.filter(status__in=WAITING).update(due_at=timezone.now(), **fields)
    Hook.objects.update(rests_until=None)


# --- What is told -------------------------------------------------------------------------


def test_a_confirmed_booking_is_told_with_a_signature_that_the_official_library_accepts(receiver, lab):
    booking = f.paid(f.window())
    work()
    [message] = receiver.verified(lab.secret)
    assert message["type"] == "booking.confirmed"
    assert message["data"] == {
        "appointmentId": booking.public_id,
        "status": "confirmed",
        "doctorId": booking.schedule.doctor_id,
        "scheduleId": booking.schedule_id,
        "startAt": timezone.localtime(booking.starts).isoformat(),
        "tokenLabel": "A1",
    }
    assert abs(datetime.fromisoformat(message["timestamp"]) - timezone.now()) < timedelta(minutes=5)
    row = Delivery.objects.get()
    assert (row.status, row.answer, row.tries) == (State.SENT, 200, 1)


def test_a_signature_with_another_secret_is_refused(receiver, lab):
    f.paid(f.window())
    work()
    with pytest.raises(WebhookVerificationError):
        receiver.verified(f.hook().secret)


def test_every_event_is_told(receiver, lab):
    nurse, doctor = f.user(), f.doctor()
    window, later = f.window(doctor=doctor), f.window(doctor=doctor, starts_in=timedelta(days=2))
    moved = f.paid(window)
    actions.reschedule(moved.pk, later.pk, actor=nurse, reason="asked")
    f.paid(window, f.guest(name="Anu"))
    desk.call_next(window.pk, actor=nurse)
    actions.cancel(moved.pk, actor=nurse, reason="The doctor is ill")
    small = f.window(capacity=1)
    late = f.hold(small)
    payment = f.attempt(late)
    f.lapse(late)
    f.paid(small)
    f.deliver(f.capture_body(payment))
    sweeps.make_refunds()
    sweeps.send_refunds()
    work()
    assert {*told(receiver, lab)} == {*EVENTS.values()}
    [refund, _other] = [m["data"] for m in receiver.verified(lab.secret) if m["type"] == "refund.succeeded"]
    assert (refund["amount"], refund["currency"]) == (50000, "INR")
    assert refund["appointment"]["appointmentId"] in (moved.public_id, late.public_id)


def test_nothing_personal_leaves(receiver, lab):
    booking = f.paid(
        f.window(), f.guest(name="Meera Joshi", phone="+919820099999", email="meera@example.org")
    )
    actions.cancel(booking.pk, reason="She has the measles")
    work()
    sent = b"".join(body for _headers, body in receiver.requests).decode()
    for secret in ("Meera", "98200", "meera@", "measles"):
        assert secret not in sent


def test_what_only_a_form_knows_is_no_event(receiver, lab):
    booking = f.hold(f.window())
    actions.give_up(booking.pk)
    work()
    assert receiver.requests == []


def test_each_address_is_told_of_what_it_asked_for_alone(receiver):
    cancelled = f.hook(receiver.url, events=["booking.cancelled"])
    off = f.hook(receiver.url, is_active=False)
    booking = f.paid(f.window())
    actions.cancel(booking.pk, reason="ill")
    work()
    assert told(receiver, cancelled) == ["booking.cancelled"]
    assert not off.deliveries.exists()


def test_where_nobody_listens_nothing_is_written_but_the_fact():
    f.paid(f.window())
    work()
    assert not Delivery.objects.exists()
    assert Notice.objects.get(channel=Channel.HOOK).status == State.DROPPED


def test_what_was_rolled_back_is_not_told(receiver, lab):
    full = f.window(capacity=1)
    f.paid(full)
    with pytest.raises(Exception, match="full"):
        f.hold(full)
    work()
    assert told(receiver, lab) == ["booking.confirmed"]


def test_every_event_has_a_notice_that_staff_understand_and_a_line_for_receivers():
    page = Path(settings.BASE_DIR, "docs", "webhooks.md").read_text()
    assert {*EVENTS} <= {*KINDS}
    assert re.findall(r"^\| `([a-z.]+)` \|", page, re.M) == [*EVENTS.values()]


# --- At least once, under one id ----------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 404, 302, "silence"])
def test_what_fails_is_tried_again_with_the_same_id_and_body(receiver, lab, status):
    f.paid(f.window())
    receiver.status, receiver.headers = status, {"Location": receiver.url + "&elsewhere"}
    work()
    row = Delivery.objects.get()
    assert (row.status, row.tries) == (State.DUE, 1)
    assert row.answer == (None if status == "silence" else status)
    assert row.due_at > timezone.now() + LATER[0] / 2
    receiver.status = 200
    again_now()
    work()
    assert Delivery.objects.get().status == State.SENT
    (first, body), (second, same) = receiver.requests
    assert first["webhook-id"] == second["webhook-id"] and body == same
    assert told(receiver, lab) == ["booking.confirmed"] * 2


def test_an_answer_that_never_ends_is_left_alone(receiver, lab, monkeypatch):
    monkeypatch.setattr(hook_channels, "ALL_SECONDS", 0.2)
    receiver.status = "drip"
    f.paid(f.window())
    work()
    row = Delivery.objects.get()
    assert (row.status, row.error) == (State.DUE, "too slow")


def test_an_address_that_failed_rests_and_its_other_messages_with_it(receiver, lab):
    receiver.status = 500
    window = f.window()
    f.paid(window)
    f.paid(window, f.guest(name="Anu"))
    work()
    assert len(receiver.requests) == 1
    work()
    assert len(receiver.requests) == 1
    receiver.status = 200
    again_now()
    work()
    assert sorted(Delivery.objects.values_list("status", flat=True)) == [State.SENT, State.SENT]


def test_after_eight_tries_a_person_is_asked_once_a_day(receiver, lab, client):
    receiver.status = 500
    window = f.window()
    f.paid(window)
    f.paid(window, f.guest(name="Anu"))
    work()
    for _message in range(2):
        again_now(tries=len(LATER))
        work()
    assert {*Delivery.objects.values_list("status", flat=True)} == {State.FAILED}
    assert Delivery.objects.filter(tries=len(LATER) + 1, answer=500).count() == 2
    item = ReviewItem.objects.get(key__startswith=f"hook:{lab.pk}:")
    assert "Laboratory" in item.subject
    client.force_login(f.staff("Manager"))
    listed = client.get(item.link).context["cl"].result_list
    assert [row.hook for row in listed] == [lab, lab]


def test_who_says_that_nobody_is_there_any_more_is_not_asked_again(receiver, lab):
    receiver.status = 410
    f.paid(f.window())
    work()
    lab.refresh_from_db()
    assert not lab.is_active and Delivery.objects.get().status == State.FAILED
    assert "switched off" in ReviewItem.objects.get(key__startswith="hook:").explanation


def test_a_worker_that_died_loses_nothing_and_repeats_under_the_same_id(receiver, lab):
    f.paid(f.window())
    work()
    Delivery.objects.update(status=State.SENDING, due_at=timezone.now() + timedelta(minutes=1))
    work()
    assert len(receiver.requests) == 1  # its lease is not over
    again_now()
    work()
    assert len(receiver.ids) == 2 and len({*receiver.ids}) == 1


def test_a_worker_that_died_between_fact_and_deliveries_makes_no_second_one(receiver, lab):
    f.paid(f.window())
    send_notices()
    Notice.objects.filter(channel=Channel.HOOK).update(status=State.SENDING, due_at=timezone.now())
    work()
    assert len(receiver.requests) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_send_it_once(receiver, lab):
    f.paid(f.window())
    send_notices()
    one, other = Delivery.objects.get(), Delivery.objects.get()
    both = at_once(lambda: deliver(one), lambda: deliver(other), meeting=Meeting("clinic_hook"))
    assert sorted(both) == [False, True]
    assert len(receiver.requests) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_that_do_not_look_whether_they_got_it_send_it_twice(receiver, lab, monkeypatch):
    """The negative control."""
    update = DeliveryQuerySet.update
    monkeypatch.setattr(DeliveryQuerySet, "update", lambda rows, **values: update(rows, **values) or 1)
    f.paid(f.window())
    send_notices()
    one, other = Delivery.objects.get(), Delivery.objects.get()
    at_once(lambda: deliver(one), lambda: deliver(other), meeting=Meeting("clinic_hook"))
    assert len(receiver.requests) == 2


# --- Forgetting ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "active", "ago", "forgotten"),
    [
        (State.SENT, True, KEPT + timedelta(minutes=1), True),
        (State.FAILED, True, KEPT + timedelta(minutes=1), True),
        (State.SENT, True, KEPT - timedelta(minutes=1), False),
        (State.FAILED, False, KEPT - timedelta(minutes=1), False),
        (State.DUE, True, KEPT + timedelta(minutes=1), False),
        (State.SENDING, True, KEPT + timedelta(minutes=1), False),
        (State.DUE, False, KEPT + timedelta(minutes=1), True),
        (State.DUE, False, KEPT - timedelta(minutes=1), False),
    ],
)
def test_a_month_after_its_last_try_a_message_is_forgotten(status, active, ago, forgotten):
    """Unless it waits for its next try: what a webhook missed while it was off comes when it is on again."""
    delivery = Delivery.objects.create(
        hook=f.hook(is_active=active), message="msg_1", event="token.called", body="{}", status=status,
        due_at=timezone.now() - ago,
    )  # fmt: skip
    assert forget_deliveries() == forgotten
    assert Delivery.objects.filter(pk=delivery.pk).exists() != forgotten


# --- Secrets ------------------------------------------------------------------------------


def test_for_a_day_both_secrets_sign_and_then_the_new_one_alone(receiver, lab):
    old = lab.secret
    new = change_secret(lab.pk).secret
    assert new != old
    f.paid(f.window())
    work()
    [(headers, body)] = receiver.requests
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers)
    Hook.objects.update(previous_until=timezone.now())
    send_again(Delivery.objects.all())
    deliver_hooks()
    headers, body = receiver.requests[-1]
    assert Webhook(new).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(body, headers)


def test_a_secret_that_was_changed_twice_leaves_the_first_at_once(lab):
    first = lab.secret
    change_secret(lab.pk)
    hook = change_secret(lab.pk)
    now = timezone.now()
    assert first not in hook.secrets_at(now) and len(hook.secrets_at(now)) == 2
    assert hook.secrets_at(now + OLD_SECRET) == [hook.secret]


# --- In admin -----------------------------------------------------------------------------


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


def test_a_manager_makes_a_webhook_and_sees_its_secret_once(client, manager, receiver):
    typed = {"name": "Laboratory", "url": receiver.url, "events": ["token.called"]}
    page = client.post(reverse("admin:clinic_hook_add"), typed)
    hook = Hook.objects.get()
    assert hook.secret in page.content.decode() and "no-store" in page["Cache-Control"]
    assert (hook.events, hook.created_by) == (["token.called"], manager)
    for url in (
        reverse("admin:clinic_hook_changelist"),
        reverse("admin:clinic_hook_change", args=[hook.pk]),
        reverse("admin:clinic_hook_history", args=[hook.pk]),
    ):
        assert hook.secret not in client.get(url).content.decode()


def test_a_new_secret_is_asked_for_first_and_shown_once(client, manager, lab):
    url = reverse("admin:clinic_hook_secret", args=[lab.pk])
    client.get(url)
    before = lab.secret
    lab.refresh_from_db()
    assert lab.secret == before
    page = client.post(url).content.decode()
    lab.refresh_from_db()
    assert lab.secret != before and lab.secret in page and before not in page


def test_a_manager_changes_events_and_switches_it_off(client, manager, lab):
    url = reverse("admin:clinic_hook_change", args=[lab.pk])
    typed = {"name": lab.name, "url": lab.url, "events": ["token.called"]}
    assert client.post(url, typed).status_code == 302
    before = lab.secret
    lab.refresh_from_db()
    assert (lab.events, lab.is_active, lab.secret) == (["token.called"], False, before)


def test_one_whose_other_side_has_gone_can_still_be_switched_off(client, manager):
    gone = f.hook("https://gone.invalid/hooks")
    url = reverse("admin:clinic_hook_change", args=[gone.pk])
    typed = {"name": gone.name, "url": gone.url, "events": gone.events}
    assert client.post(url, typed).status_code == 302
    gone.refresh_from_db()
    assert not gone.is_active


def test_nor_does_it_get_another_address_that_nobody_knows(client, manager, lab):
    url = reverse("admin:clinic_hook_change", args=[lab.pk])
    typed = {"name": lab.name, "url": "https://gone.invalid/", "events": lab.events}
    assert "Nobody knows this name" in client.post(url, typed).content.decode()
    assert Hook.objects.get().url == lab.url


def test_an_address_in_any_alphabet_is_one_that_messages_reach(client, manager, receiver):
    address = receiver.url.replace("/hooks?", "/häkchen/%20?für=uns&")
    typed = {"name": "Laboratory", "url": address, "events": [*EVENTS.values()]}
    client.post(reverse("admin:clinic_hook_add"), typed)
    assert "/h%C3%A4kchen/%20?f%C3%BCr=uns&from=clinic" in Hook.objects.get().url
    f.paid(f.window())
    work()
    assert Delivery.objects.get().status == State.SENT and len(receiver.requests) == 1


def test_a_name_in_any_alphabet_is_asked_for_as_it_is_typed(client, manager, monkeypatch):
    monkeypatch.setattr(hook_channels, "getaddrinfo", lambda *a, **k: [(0, 0, 0, "", ("93.184.215.14", 443))])
    typed = {"name": "Laboratory", "url": "https://läb.example/hooks", "events": ["token.called"]}
    client.post(reverse("admin:clinic_hook_add"), typed)
    assert Hook.objects.get().url == "https://läb.example/hooks"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://lab.example/", "https://"),
        ("https://127.0.0.1/", "own network"),
        ("https://[::1]:8000/", "own network"),
        ("https://user:secret@lab.example/", "web address"),
        ("ftp://lab.example/", "web address"),
    ],
)
def test_an_address_that_may_not_be_is_refused_when_it_is_typed(client, manager, url, words):
    typed = {"name": "Laboratory", "url": url, "events": ["token.called"]}
    page = client.post(reverse("admin:clinic_hook_add"), typed)
    assert words in page.content.decode() and not Hook.objects.exists()


def test_sent_again_it_is_tried_at_once_under_the_same_id(client, manager, receiver, lab):
    receiver.status = 500
    f.paid(f.window())
    work()
    row = Delivery.objects.get()
    again = reverse("admin:clinic_delivery_again", args=[row.pk])
    client.post(again)
    assert Delivery.objects.get().tries == 1  # it is under way by itself
    again_now(tries=len(LATER))
    work()
    receiver.status = 200
    assert client.get(again).status_code == 405
    client.post(again)
    deliver_hooks()
    row.refresh_from_db()
    assert (row.status, row.tries, row.answer) == (State.SENT, 1, 200)
    assert len({*receiver.ids}) == 1


def test_nothing_is_sent_again_to_a_webhook_that_is_switched_off(receiver, lab):
    f.paid(f.window())
    work()
    Hook.objects.update(is_active=False)
    assert send_again(Delivery.objects.all()) == 0
    assert Delivery.objects.get().status == State.SENT


def test_many_are_sent_again_from_the_list(client, manager, receiver, lab):
    window = f.window()
    f.paid(window)
    f.paid(window, f.guest(name="Anu"))
    work()
    rows = [str(pk) for pk in Delivery.objects.values_list("pk", flat=True)]
    url = reverse("admin:clinic_delivery_changelist")
    client.post(url, {"action": "resend", "_selected_action": rows})
    deliver_hooks()
    assert len(receiver.requests) == 4


@pytest.mark.parametrize("role", ["Reception", "Doctor"])
def test_others_neither_see_nor_change_webhooks(client, role, receiver, lab):
    f.paid(f.window())
    work()
    row, secret = Delivery.objects.get(), lab.secret
    client.force_login(f.staff(role))
    for name, pk in [
        ("hook_add", ""),
        ("hook_change", lab.pk),
        ("hook_secret", lab.pk),
        ("delivery_again", row.pk),
    ]:
        assert client.post(reverse(f"admin:clinic_{name}", args=[pk] if pk else [])).status_code == 403
    lab.refresh_from_db()
    assert lab.secret == secret and Delivery.objects.get().status == State.SENT


# --- What it costs ------------------------------------------------------------------------


def test_confirming_costs_as_many_statements_with_ten_webhooks_as_with_none():
    window = f.window(fee_minor=0, capacity=9)

    def statements() -> int:
        with CaptureQueriesContext(connection) as sent:
            f.hold(window)
        return len(sent)

    none = statements()
    for _n in range(10):
        f.hook()
    assert statements() == none


def test_the_body_is_json_with_three_names(receiver, lab):
    f.paid(f.window())
    work()
    assert [*json.loads(Delivery.objects.get().body)] == ["type", "timestamp", "data"]
