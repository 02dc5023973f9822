"""Django's admin with the clinic's words: what reception needs first, raw tables behind it."""

from django.conf import settings
from django.contrib import admin
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class ClinicAdminSite(admin.AdminSite):
    site_title = site_header = settings.CLINIC_NAME
    index_title = _("Today")
    enable_nav_sidebar = False

    def index(self, request, extra_context=None):
        """The index with live counts; each app adds its tiles through settings.DESK_TILES."""
        tiles = [tile for path in settings.DESK_TILES for tile in import_string(path)(request)]
        return super().index(request, (extra_context or {}) | {"tiles": tiles})
