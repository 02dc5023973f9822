"""How a message leaves the house. No database here; whoever calls decides what to do about a failure."""

import json
import urllib.request
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.module_loading import import_string

TIMEOUT = 10
"""Seconds that a text gateway may take; mail has settings.EMAIL_TIMEOUT."""


class NotSent(Exception):
    """`retryable` says whether trying again can help. The message holds no address."""

    def __init__(self, message: str, *, retryable: bool):
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is said, whatever carries it. `lines` are plain sentences, `facts` pairs of word and value."""

    subject: str
    lines: list[str]
    facts: list[tuple[str, str]] = field(default_factory=list)
    link: str = ""
    link_text: str = ""
    email: str = ""
    phone: str = ""
    language: str = ""
    calendar: tuple[str, bytes] | None = None
    """The method of a calendar file (REQUEST, CANCEL) and the file."""
    moot: bool = False
    """It was true, and is not worth saying any more."""

    @property
    def short(self) -> str:
        """All of it in a text message."""
        return " ".join(part for part in (settings.CLINIC_NAME + ":", *self.lines, self.link) if part)


def message_id(key: str) -> str:
    """The same for the same notice, however often it is sent."""
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    return f"<{sha256(key.encode()).hexdigest()[:32]}@{host}>"


def send_email(message: Message, key: str) -> None:
    """One mail, as text and HTML, with its calendar file. A repeated `key` gives the same Message-ID,
    so that a mail that was sent twice can be recognised. Raises NotSent."""
    content = {"message": message, "clinic_name": settings.CLINIC_NAME}
    mail = EmailMultiAlternatives(
        message.subject,
        render_to_string("notices/message.txt", content),
        to=[message.email],
        headers={"Message-ID": message_id(key), "Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(render_to_string("notices/message.html", content), "text/html")
    if message.calendar:
        method, file = message.calendar
        mail.attach("visit.ics", file.decode(), f"text/calendar; method={method}")
    try:
        mail.send()
    except SMTPRecipientsRefused as error:
        codes = {code for code, _words in error.recipients.values()}
        raise NotSent(f"refused: {sorted(codes)}", retryable=all(code < 500 for code in codes)) from error
    except SMTPResponseException as error:
        raise NotSent(f"the mail server said {error.smtp_code}", retryable=error.smtp_code < 550) from error
    except OSError as error:
        raise NotSent(type(error).__name__, retryable=True) from error


class TextChannel(Protocol):
    """A carrier of text messages: SMS, WhatsApp. settings.TEXT_CHANNEL names the class.

    `send` returns once the carrier has taken the message, and raises NotSent otherwise. `key` is the
    same when the same message is tried again: carriers that know idempotency keys send it once.
    """

    def send(self, phone: str, text: str, key: str) -> None: ...


class HttpTextGateway:
    """Any carrier that takes one POST of JSON for one message.

    settings.TEXT_HTTP_URL is where to; TEXT_HTTP_BODY the JSON, in which the strings {to}, {text}
    and {key} are replaced; TEXT_HTTP_HEADERS a JSON object, for the carrier's key.
    """

    def send(self, phone: str, text: str, key: str) -> None:
        values = {"{to}": phone, "{text}": text, "{key}": key}
        request = urllib.request.Request(
            settings.TEXT_HTTP_URL,
            data=json.dumps(_filled(json.loads(settings.TEXT_HTTP_BODY), values)).encode(),
            headers={"Content-Type": "application/json", **json.loads(settings.TEXT_HTTP_HEADERS)},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                pass
        except HTTPError as error:
            again = error.code in (408, 425, 429) or error.code >= 500
            raise NotSent(f"the text gateway said {error.code}", retryable=again) from error
        except OSError as error:
            raise NotSent(type(error).__name__, retryable=True) from error


def _filled(template, values: dict):
    """The same JSON with every placeholder replaced in its strings."""
    if isinstance(template, dict):
        return {name: _filled(value, values) for name, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, values) for value in template]
    if isinstance(template, str):
        for placeholder, value in values.items():
            template = template.replace(placeholder, value)
    return template


@cache
def text_channel() -> TextChannel:
    return import_string(settings.TEXT_CHANNEL)()
