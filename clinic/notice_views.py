"""The inbox in admin: what the front office and each doctor should know, the newest first."""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from clinic import notice_actions
from clinic.adminsite import Tile
from clinic.notice_models import Notice
from clinic.pages import see_other

may_read = permission_required("bookings.run_desk", raise_exception=True)
PER_PAGE = 30


@require_http_methods(["GET", "HEAD", "POST"])
@may_read
def inbox(request):
    """The lines of this person, new ones marked; posted, all of them are read."""
    if request.method == "POST":
        notice_actions.read_all(request.user)
        return see_other("admin:inbox")
    found = Paginator(Notice.objects.inbox_of(request.user), PER_PAGE).get_page(request.GET.get("page"))
    said = notice_actions.messages_of(list(found))
    lines = [(notice, said[notice.pk]) for notice in found if notice.pk in said]
    context = {"lines": lines, "page": found, "unread": count(request)[0], "title": _("Inbox")}
    return render(request, "admin/inbox.html", admin.site.each_context(request) | context)


@require_safe
def menu(request):
    """The menu's counts anew, for pages that stay open."""
    at = request.GET.get("at", "")
    here = {"here": at, "path": at.partition("?")[0]}
    return render(request, "admin/base_site.html#rooms", admin.site.each_context(request) | here)


def count(request):
    return str(Notice.objects.inbox_of(request.user).unread().count()), _("new")


PAGES = [("inbox/", inbox, "inbox"), ("menu/", menu, "menu")]
INBOX_TILE = Tile(
    label=gettext_lazy("Inbox"), page="inbox", permission="bookings.run_desk", count=count, in_header=True
)
