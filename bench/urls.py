from django.urls import include, path

from bench import bare, bare_api
from clinic.urls import urlpatterns as product

urlpatterns = [
    *product,
    path(
        "bare/",
        include(
            [
                path("b/<public_id>/status", bare.status),
                path("doctors/<slug>/", bare.doctor),
                path("times/<slug>/", bare.times),
                path("pool/<int:doctor_id>/<date>/", bare.pool),
                path("book/<int:schedule_id>/", bare.book),
                path("webhooks/stripe", bare.webhook),
                path("availability/windows", bare_api.windows),
                path("appointments/<public_id>", bare_api.appointment),
                path("start", bare_api.start),
            ]
        ),
    ),
]
