"""Who calls: a machine by its key, an app by its session token, or the browser by its session.

In `request.auth` stands the Caller. An operation says by `auth=signed_in(Scope.BOOK)` what a key must be for;
what the account behind any of them may do is the operation's own to ask (`require`). Who shows a key or a
token that does not hold is not signed in, whatever else they show.
"""

from dataclasses import dataclass
from importlib import import_module

from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from allauth.headless.tokens.strategies.sessions import SessionTokenStrategy
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from ninja.errors import AuthenticationError
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from clinic.api_key_models import ApiKey, Scope
from clinic.api_key_queries import key_of
from clinic.errors import Refused
from clinic.models import User


@dataclass(frozen=True)
class Caller:
    """An account, and the key that acts for it, if one does."""

    account: User
    key: ApiKey | None = None

    @property
    def name(self) -> str:
        """What its Idempotency-Keys are kept under: two kiosks of one account know nothing of each other."""
        return f"key {self.key.pk}" if self.key else f"account {self.account.pk}"


class MachineKey(AuthBase):
    """A kiosk's or a partner's, made in admin: `Authorization: Bearer ck_…`. It has scopes, and a limit of
    requests a minute."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, *scopes: Scope):
        super().__init__()
        self.scopes = scopes

    def __call__(self, request):
        if not request.headers.get("Authorization", "").lower().startswith("bearer"):
            return None
        key = key_of(request)
        if key is None:
            raise AuthenticationError
        if not any(key.may(scope) for scope in self.scopes):
            said = _("This key is not for that. It may: %(may)s.") % {"may": key.may_words}
            raise Refused("SCOPE", said, status=403)
        request.user = key.account
        return Caller(key.account, key)


class TokenStrategy(SessionTokenStrategy):
    """allauth's, which would ask whether the session exists before it reads it."""

    def lookup_session(self, session_token):
        session = import_module(settings.SESSION_ENGINE).SessionStore(session_token)
        session.get(SESSION_KEY)  # reads it; one that there is not forgets its key
        return session if session.session_key else None


class SessionToken(AuthBase):
    """An app's: from `POST /_allauth/app/v1/auth/login`, in `meta.session_token`."""

    openapi_type = "apiKey"
    openapi_in = "header"
    openapi_name = "X-Session-Token"

    def __call__(self, request):
        token = request.headers.get(self.openapi_name)
        if token is None:
            return None
        plain = token.isascii() and token.isalnum() and len(token) <= 40
        found = authenticate_by_x_session_token(token) if plain else None
        if found is None:
            raise AuthenticationError
        request.user = found[0]
        return Caller(request.user)


class BrowserSession(AuthBase):
    """The site's own pages: with the header X-CSRFToken where something is to change."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request):
        if not request.user.is_authenticated:
            return None
        if check_csrf(request):
            raise Refused("CSRF", _("Send the CSRF token of this site in X-CSRFToken."), status=403)
        return Caller(request.user)


def signed_in(*scopes: Scope) -> list[AuthBase]:
    """The ways to sign in, in the order in which they are tried; a key must be for one of `scopes`."""
    return [MachineKey(*scopes), SessionToken(), BrowserSession()]


def require(request, *permissions: str) -> None:
    """Raises PermissionDenied (403) unless the account is staff with all of these permissions."""
    account = request.auth.account
    if not (account.is_staff and account.has_perms(permissions)):
        raise PermissionDenied
