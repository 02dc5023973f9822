"""Writing down what people are to be told, in the transaction of the one who made it true."""

from datetime import datetime

from django.conf import settings

from clinic.notice_models import Channel, Notice, Recipient, State

CHANNELS = {
    Recipient.PATIENT: [Channel.EMAIL, Channel.TEXT],
    Recipient.DOCTOR: [Channel.INBOX, Channel.EMAIL],
    Recipient.FRONT_OFFICE: [Channel.INBOX, Channel.EMAIL],
    Recipient.PARTNER: [Channel.HOOK],
}


def channels_of(recipient: Recipient) -> list[Channel]:
    """Those that this installation has: text messages and the front office's mail only where set up."""
    missing = set() if settings.TEXT_CHANNEL else {Channel.TEXT}
    if recipient == Recipient.FRONT_OFFICE and not settings.FRONT_OFFICE_EMAIL:
        missing.add(Channel.EMAIL)
    return [channel for channel in CHANNELS[recipient] if channel not in missing]


def notices(
    kind: str,
    about: int,
    *,
    fact: str,
    to: Recipient,
    now: datetime,
    due_at: datetime | None = None,
    as_of: datetime | None = None,
    doctor_id: int | None = None,
) -> list[Notice]:
    """Unsaved notices of one fact to one recipient, one for each channel. Inbox lines are there at once."""
    return [
        Notice(
            key=f"{kind}:{fact}:{to.value}:{channel.value}",
            kind=kind,
            about=about,
            as_of=as_of,
            recipient=to,
            doctor_id=doctor_id,
            channel=channel,
            status=State.SENT if channel == Channel.INBOX else State.DUE,
            due_at=due_at or now,
            sent_at=now if channel == Channel.INBOX else None,
        )
        for channel in channels_of(to)
    ]


def tell(found: list[Notice]) -> None:
    """Stores them in one statement. A fact that was told of before is not told of again."""
    if found:
        Notice.objects.bulk_create(found, ignore_conflicts=True)
