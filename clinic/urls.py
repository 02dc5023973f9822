from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from clinic import styleguide, views

urlpatterns = [
    path("", include("schedules.urls")),
    path("", include("bookings.urls")),
    path("", include("payments.urls")),
    path("theme.css", views.theme_css, name="theme"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
]
if settings.DEBUG:
    urlpatterns.append(path("styleguide/", styleguide.styleguide, name="styleguide"))

handler500 = "clinic.views.server_error"
