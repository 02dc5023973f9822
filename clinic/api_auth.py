"""Who calls: an app by its session token, or the browser by its session, which must send a CSRF token.

In `request.auth` stands the Caller. Machines by their keys come first in CALLERS.
"""

from dataclasses import dataclass

from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from clinic.errors import Refused
from clinic.models import User


@dataclass(frozen=True)
class Caller:
    """An account that was signed in by one of the ways below."""

    account: User

    @property
    def name(self) -> str:
        """What its Idempotency-Keys and throttles are counted by."""
        return f"account {self.account.pk}"


class SessionToken(AuthBase):
    """An app's: from `POST /_allauth/app/v1/auth/login`, in `meta.session_token`."""

    openapi_type = "apiKey"
    openapi_in = "header"
    openapi_name = "X-Session-Token"

    def __call__(self, request):
        token = request.headers.get(self.openapi_name, "")
        if not (token.isascii() and token.isalnum() and len(token) <= 40):
            return None
        found = authenticate_by_x_session_token(token)
        if found is None:
            return None
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


CALLERS = [SessionToken(), BrowserSession()]


def require(request, permission: str) -> None:
    """Raises PermissionDenied (403) unless the account is staff with this permission."""
    account = request.auth.account
    if not (account.is_staff and account.has_perm(permission)):
        raise PermissionDenied
