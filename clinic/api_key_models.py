"""Keys of machines that use the API: a kiosk in the hall, a partner's site. What a key is, is told once."""

import secrets
from hashlib import sha256

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q, TextChoices
from django.utils.translation import gettext_lazy as _

STARTS = "ck_"
PREFIX_LENGTH = 8


class Scope(TextChoices):
    """What a key may do. Its account must be allowed to, besides. What everybody may read needs no key."""

    BOOK = "book", _("book, pay, move and cancel")
    APPOINTMENTS = "appointments", _("read appointments")
    DESK = "desk", _("run the desk: walk-ins, check-in, payments")
    MANAGE = "manage", _("manage windows and services, and read reports")


class ApiKeyQuerySet(models.QuerySet):
    def usable(self, now):
        """Neither revoked nor expired, and of an account that may still sign in."""
        expires_later = Q(expires_at=None) | Q(expires_at__gt=now)
        return self.filter(expires_later, revoked_at=None, account__is_active=True)


class ApiKey(models.Model):
    """A machine's way in. Of the key itself only a fingerprint is kept, and its beginning, to tell keys apart.

    The key has 256 random bits, so that a plain SHA-256 cannot be guessed back.
    """

    name = models.CharField(_("what it is for"), max_length=80, help_text=_("Like: kiosk in the hall."))
    prefix = models.CharField(_("begins with"), max_length=PREFIX_LENGTH, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="api_keys",
        verbose_name=_("acts as"),
        help_text=_("What it does stands under this name, and it may do no more than this account may."),
    )
    scopes = models.JSONField(_("may"), default=list)
    per_minute = models.PositiveSmallIntegerField(
        _("requests a minute"), default=120, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )
    expires_at = models.DateTimeField(_("works until"), null=True, blank=True)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("made by")
    )
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("revoked by"),
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self):
        return self.name

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes

    @property
    def may_words(self) -> str:
        return " · ".join(str(Scope(scope).label) for scope in self.scopes if scope in Scope)


def new_key() -> str:
    """ck_, eight characters that admin shows, and 256 random bits."""
    return f"{STARTS}{secrets.token_hex(PREFIX_LENGTH // 2)}_{secrets.token_urlsafe(32)}"


def digest_of(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def prefix_of(key: str) -> str:
    return key[len(STARTS) : len(STARTS) + PREFIX_LENGTH]
