"""What people are to be told: an outbox. A row is written in the transaction that made the fact true."""

from django.conf import settings
from django.db import models
from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _


class Recipient(TextChoices):
    PATIENT = "patient", _("patient")
    DOCTOR = "doctor", _("doctor")
    FRONT_OFFICE = "front_office", _("front office")
    PARTNER = "partner", _("connected systems")


class Channel(TextChoices):
    EMAIL = "email", _("e-mail")
    TEXT = "text", _("text message")
    INBOX = "inbox", _("inbox in admin")
    HOOK = "hook", _("webhook")


class State(TextChoices):
    DUE = "due", _("to be sent")
    SENDING = "sending", _("being sent")
    SENT = "sent", _("sent")
    DROPPED = "dropped", _("not needed any more")
    FAILED = "failed", _("could not be sent")


WAITING = (State.DUE, State.SENDING)

KINDS = {
    "visit-confirmed": _("new booking"),
    "visit-moved": _("visit moved"),
    "visit-cancelled": _("visit cancelled"),
    "visit-lapsing": _("hold about to lapse"),
    "visit-lapsed": _("hold lapsed"),
    "visit-overflow": _("paid, but no place was left"),
    "visit-called": _("patient called"),
    "visit-reminder24": _("reminder, a day before"),
    "visit-reminder2": _("reminder, two hours before"),
    "refund-sent": _("refund sent"),
    "payout-done": _("payout made"),
    "review-raised": _("something to look at"),
}
"""What staff call them."""


class NoticeQuerySet(models.QuerySet):
    def to_send(self, now):
        """Due ones, and those whose sender died, when its lease is over."""
        return self.filter(status__in=WAITING, due_at__lte=now)

    def sending(self):
        return self.filter(status=State.SENDING)

    def inbox_of(self, user):
        """What this person reads in admin: a doctor their own, the front office what is for it."""
        mine = Q(recipient=Recipient.DOCTOR, doctor__user=user)
        if user.has_perm("schedules.add_schedule"):
            mine |= Q(recipient=Recipient.FRONT_OFFICE)
        return self.filter(mine, channel=Channel.INBOX)

    def unread(self):
        return self.filter(read_at=None)


class Notice(models.Model):
    """One fact, for one recipient, on one channel, once (`key`).

    It holds no words and no address: both are read when it is sent, so that nothing is told that
    is not true any more. `about` is the row it speaks of, `as_of` the start it spoke of when it
    was written: with another one now, there is nothing to tell.
    """

    key = models.CharField(max_length=160, unique=True)
    kind = models.CharField(_("what"), max_length=40)
    about = models.PositiveBigIntegerField(_("of which row"))
    as_of = models.DateTimeField(null=True, blank=True)
    recipient = models.CharField(_("to"), max_length=12, choices=Recipient)
    doctor = models.ForeignKey("clinic.Doctor", models.CASCADE, null=True, blank=True, related_name="+")
    channel = models.CharField(_("by"), max_length=5, choices=Channel)
    status = models.CharField(_("status"), max_length=7, choices=State, default=State.DUE)
    due_at = models.DateTimeField(_("due"))
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    error = models.CharField(_("what went wrong"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    read_at = models.DateTimeField(_("read"), null=True, blank=True)
    read_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        constraints = [
            models.CheckConstraint(condition=Q(status__in=State.values), name="notice_known_status")
        ]
        indexes = [
            models.Index(fields=["about", "kind"], name="notice_of_row"),
            models.Index(fields=["due_at"], condition=Q(status__in=WAITING), name="notice_to_send"),
            models.Index(
                fields=["recipient", "doctor"],
                condition=Q(channel=Channel.INBOX, read_at=None),
                name="notice_unread",
            ),
        ]

    def __str__(self):
        return f"{self.what} · {self.get_recipient_display()} · {self.get_channel_display()}"

    @property
    def what(self) -> str:
        return str(KINDS.get(self.kind, self.kind))
