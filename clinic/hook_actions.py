"""Delivering webhooks, and what managers do about those that do not arrive."""

import logging
from datetime import timedelta

from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.channels import NotSent
from clinic.hook_channels import post
from clinic.hook_models import Delivery, Hook, new_secret
from clinic.notice_models import State
from clinic.steps import review
from clinic.transactions import action

log = logging.getLogger("clinic")

LEASE = timedelta(minutes=2)
"""How long one worker has a delivery to itself: longer than the other side may take."""
LATER = [timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 300, 600, 840)]
"""When the next try comes, after the first, the second …: eight in 31 hours. Then it is given up."""
REST = timedelta(minutes=1)
"""So long an address that failed is left alone: one that hangs must not keep the worker from the others."""
OLD_SECRET = timedelta(days=1)
"""So long messages are signed with the old secret too, after it was changed."""
GONE = 410


def deliver(delivery: Delivery) -> bool:
    """Tries one delivery, unless its address rests or somebody else is at it (False).

    2xx is success; 410 switches the webhook off; anything else is tried again, and in the end a
    person is asked. A crash between their yes and ours repeats it, with the same id.
    """
    now = timezone.now()
    hook = Hook.objects.active().filter(pk=delivery.hook_id).first()
    if hook is None or (hook.rests_until and now < hook.rests_until):
        return False
    mine = Delivery.objects.due(now).filter(pk=delivery.pk, tries=delivery.tries)
    if not mine.update(status=State.SENDING, tries=F("tries") + 1, due_at=now + LEASE):
        return False
    answer, why = None, ""
    try:
        answer = post(hook.url, delivery.message, delivery.body, hook.secrets_at(now), int(now.timestamp()))
    except NotSent as error:
        why = str(error)
    if answer and 200 <= answer < 300:
        done = {"status": State.SENT, "answer": answer, "error": "", "sent_at": timezone.now()}
        Delivery.objects.sending().filter(pk=delivery.pk).update(**done)
    else:
        failed(delivery, hook, answer, why)
    return True


def failed(delivery: Delivery, hook: Hook, answer: int | None, why: str) -> None:
    """Leaves the address alone for a while, and tries this later, or not at all any more."""
    now = timezone.now()
    log.warning(
        "hook-not-sent", extra={"delivery": delivery.pk, "hook": hook.pk, "answer": answer, "why": why}
    )
    Hook.objects.filter(pk=hook.pk).update(rests_until=now + REST)
    facts = {"answer": answer, "error": why[:200]}
    if answer == GONE or delivery.tries >= len(LATER):
        give_up(delivery, hook, gone=answer == GONE, **facts)
    else:
        again = {"status": State.DUE, "due_at": now + LATER[delivery.tries]}
        Delivery.objects.sending().filter(pk=delivery.pk).update(**facts | again)


@action
def give_up(delivery: Delivery, hook: Hook, *, gone: bool, **facts) -> None:
    """It stays undelivered until a person sends it again. They are asked once a day for each webhook."""
    if not Delivery.objects.sending().filter(pk=delivery.pk).update(status=State.FAILED, **facts):
        return
    if gone:
        Hook.objects.filter(pk=hook.pk).update(is_active=False)
        words = _("They answer that nobody is there any more (410). The webhook was switched off.")
    else:
        words = _("Eight tries in 31 hours were in vain. Ask whose it is; then send them again.")
    review(
        f"hook:{hook.pk}:{timezone.localdate()}",
        _("Messages to “%(hook)s” do not arrive") % {"hook": hook},
        words,
        reverse("admin:clinic_delivery_changelist") + f"?hook__id__exact={hook.pk}&status__exact=failed",
    )


def send_again(deliveries) -> int:
    """Makes deliveries due now, with all their tries; returns how many. One that is under way stays, and
    one whose webhook is switched off."""
    deliveries = deliveries.filter(hook__is_active=True)
    again = {"status": State.DUE, "due_at": timezone.now(), "tries": 0, "error": "", "sent_at": None}
    hooks = Hook.objects.filter(deliveries__in=deliveries)
    Hook.objects.filter(pk__in=[*hooks.values_list("pk", flat=True)]).update(rests_until=None)
    return (
        Delivery.objects.filter(pk__in=[*deliveries.values_list("pk", flat=True)])
        .repeatable()
        .update(**again)
    )


def make_hook(*, actor, **fields) -> Hook:
    """A new webhook with a secret of its own. `fields`: name, url, events."""
    return Hook.objects.create(created_by=actor, **fields)


def change_secret(pk: int) -> Hook:
    """A new secret; for a day the old one signs too, so that the other side can change without a gap."""
    Hook.objects.filter(pk=pk).update(
        previous_secret=F("secret"), previous_until=timezone.now() + OLD_SECRET, secret=new_secret()
    )
    return Hook.objects.get(pk=pk)
