"""Sending what is due to be told. No transaction is open while a mail server is asked."""

import logging
from datetime import timedelta
from traceback import extract_tb

from django.conf import settings
from django.db.models import F
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from clinic import channels
from clinic.channels import Message, NotSent
from clinic.hook_steps import spread
from clinic.notice_models import Channel, Notice, State
from clinic.steps import review
from clinic.transactions import action

log = logging.getLogger("clinic")

LEASE = timedelta(minutes=2)
"""How long one sender has a notice to itself: longer than a mail server may take."""
TRIES = 8


def backoff(tries: int) -> timedelta:
    """A minute, then doubling up to two hours: eight tries are about four hours."""
    return timedelta(minutes=min(2**tries, 120))


def messages_of(notices: list[Notice]) -> dict[int, Message]:
    """By a notice's id, what there is to say, in the recipient's language; without those whose row is gone.

    The words are of the app whose row it is about: settings.NOTICE_WORDS by the kind's first word.
    """
    said, by_words = {}, {}
    for notice in notices:
        by_words.setdefault(settings.NOTICE_WORDS[notice.kind.partition("-")[0]], []).append(notice)
    for path, found in by_words.items():
        said |= import_string(path)(found)
    return said


def send(notice: Notice) -> bool:
    """Sends one notice if nobody else is sending it; False if somebody is.

    A crash between the mail server's yes and ours repeats it, under the same Message-ID. What
    cannot be sent is tried again later, and ends as a ReviewItem.
    """
    now = timezone.now()
    mine = Notice.objects.to_send(now).filter(pk=notice.pk, tries=notice.tries)
    if not mine.update(status=State.SENDING, tries=F("tries") + 1, due_at=now + LEASE):
        return False
    try:
        sent = _told(notice)
    except NotSent as error:
        log.warning("notice-not-sent", extra={"notice": notice.pk, "why": str(error)})
        if error.retryable and notice.tries + 1 < TRIES:
            later = {"status": State.DUE, "due_at": now + backoff(notice.tries), "error": str(error)[:200]}
            Notice.objects.sending().filter(pk=notice.pk).update(**later)
        else:
            give_up(notice, str(error))
        return True
    done = {"status": State.SENT, "sent_at": timezone.now()} if sent else {"status": State.DROPPED}
    Notice.objects.sending().filter(pk=notice.pk).update(**done)
    return True


def _told(notice: Notice) -> bool:
    """Finds the words and sends them; False where there is nothing to say or nowhere to. Raises NotSent."""
    try:
        if notice.channel == Channel.HOOK:
            return spread(notice, timezone.now())
        message = messages_of([notice]).get(notice.pk)
        return message is not None and not message.moot and _carry(notice, message)
    except NotSent:
        raise
    except Exception as error:  # an address that no mail may hold, or our bug: it may not be tried for ever
        line = extract_tb(error.__traceback__)[-1]  # and not its words, which may quote the address
        why = f"{type(error).__name__} in {line.name}, line {line.lineno}"
        log.error("notice-broken", extra={"notice": notice.pk, "why": why})
        raise NotSent(type(error).__name__, retryable=True) from error


def _carry(notice: Notice, message: Message) -> bool:
    """Hands it to its channel; False where the recipient has no address for it. Raises NotSent."""
    with translation.override(message.language or settings.LANGUAGE_CODE):
        if notice.channel == Channel.EMAIL and message.email:
            channels.send_email(message, notice.key)
        elif notice.channel == Channel.TEXT and message.phone:
            channels.text_channel().send(message.phone, message.short, notice.key)
        else:
            return False
    return True


@action
def give_up(notice: Notice, why: str) -> None:
    """It will not be sent: a person is asked, for the patient does not know."""
    ended = {"status": State.FAILED, "error": why[:200]}
    if Notice.objects.sending().filter(pk=notice.pk).update(**ended):
        review(
            f"notice:{notice.pk}",
            _("A message could not be sent (%(channel)s)") % {"channel": notice.get_channel_display()},
            _(
                "To the %(who)s, about “%(what)s”. The server said: %(why)s. Tell them another way, and correct the address."
            )
            % {"who": notice.get_recipient_display(), "what": notice.what, "why": why},
            reverse("admin:clinic_notice_change", args=[notice.pk]),
        )


@action
def read_all(user) -> int:
    """Everything in this person's inbox is read; returns how many lines were new."""
    unread = Notice.objects.inbox_of(user).unread()
    return Notice.objects.filter(pk__in=unread.values("pk")).update(read_at=timezone.now(), read_by=user)
