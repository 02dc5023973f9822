from allauth.mfa.totp.views import activate_totp
from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from clinic import styleguide, views
from clinic.api import api

with_qr_code = csp_update({"img-src": ["data:"]})
"""allauth draws the code into the page itself; no other page may have such an image."""

urlpatterns = [
    path("", include("schedules.urls")),
    path("", include("bookings.urls")),
    path("", include("payments.urls")),
    path("api/v1/", api.urls),
    path("api/v1", views.no_page),  # else a redirect in HTML
    path("_allauth/", include("allauth.headless.urls")),
    path("plans/", views.plans, name="plans"),
    path("theme.css", views.theme_css, name="theme"),
    path("accounts/2fa/totp/activate/", with_qr_code(activate_totp), name="mfa_activate_totp"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]
if settings.DEBUG:
    urlpatterns.append(path("styleguide/", styleguide.styleguide, name="styleguide"))

handler500 = "clinic.views.server_error"
