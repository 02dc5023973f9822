"""Django's admin with the clinic's words: what reception needs first, raw tables behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from itertools import chain

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django_htmx.http import HttpResponseClientRefresh

from clinic.templatetags.clinic import clinic_day


@dataclass(frozen=True, kw_only=True)
class Tile:
    """What somebody came for: a word in the menu of every page, and on the index a live count."""

    label: str | Promise
    page: str
    """A URL name of the admin."""
    query: str = ""
    permission: str
    count: Callable[[HttpRequest], tuple[str, str]]
    """The number and what it counts: ("4", "waiting")."""
    in_header: bool = False
    """Whether the number stands in the menu too, unless it is 0."""
    group: str | Promise = ""
    """In the menu, three or more tiles of one group open below this word."""

    @property
    def url(self) -> str:
        return reverse(f"admin:{self.page}") + self.query


@dataclass(frozen=True)
class Room:
    """A place in the menu: one tile with its number, or several below a word."""

    tiles: list[Tile]
    label: str | Promise = ""
    badge: str = "0"


def rooms(tiles: list[Tile], request) -> list[Room]:
    """The menu: a group stands where its first tile would; one of two tiles saves no room, and costs a click."""
    groups: dict[str, list[Tile]] = {}
    for tile in tiles:
        groups.setdefault(str(tile.group) or tile.page, []).append(tile)
    found = []
    for group in groups.values():
        if len(group) > 2:
            found.append(Room(group, group[0].group))
        else:
            found += [Room([tile], badge=tile.count(request)[0] if tile.in_header else "0") for tile in group]
    return found


def require(request, permission: str) -> None:
    """Raises PermissionDenied (403) unless this person may."""
    if not request.user.has_perm(permission):
        raise PermissionDenied


class ClinicAdminSite(admin.AdminSite):
    site_title = site_header = settings.CLINIC_NAME
    enable_nav_sidebar = False
    login = method_decorator(secure_admin_login)(admin.AdminSite.login)
    """Through allauth's own page: rate limits, a verified e-mail address and the second factor."""

    def get_urls(self):
        """The apps' own pages come before Django's: /admin/desk/, /admin/walk-in/ (settings.ADMIN_PAGES)."""
        pages = chain.from_iterable(map(import_string, settings.ADMIN_PAGES))
        return [
            path(route, self.admin_view(view), name=name) for route, view, name in pages
        ] + super().get_urls()

    def admin_view(self, view, cacheable=False):
        """A fragment asked for after the session ended reloads its page, which then says so."""
        guarded = super().admin_view(view, cacheable)

        def fragment_or_page(request, *args, **kwargs):
            if request.htmx and not self.has_permission(request):
                return HttpResponseClientRefresh()
            return guarded(request, *args, **kwargs)

        return update_wrapper(fragment_or_page, guarded)

    def each_context(self, request):
        tiles = [
            tile for tile in map(import_string, settings.DESK_TILES) if request.user.has_perm(tile.permission)
        ]
        return super().each_context(request) | {"tiles": tiles, "menu": rooms(tiles, request)}

    def index(self, request, extra_context=None):
        """Each role's tiles with live counts; every table stands behind "All records"."""
        counted = [(tile, *tile.count(request)) for tile in self.each_context(request)["tiles"]]
        today = {"title": clinic_day(timezone.localdate()), "counted": counted}
        return super().index(request, (extra_context or {}) | today)
