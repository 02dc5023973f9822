"""One server, two handlers: the product as it is, and below /bare/ views behind Django's standard middleware."""

from clinic.wsgi import application as product  # isort: skip  (it says that this is a web process)

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

from payments.gateways.base import Start
from payments.gateways.stripe import Stripe


def at_once(self, order) -> Start:
    """What Stripe answers an app: neither side asks it, because its answer would take longer than both."""
    return Start(reference=f"pi_{order.key}", client_secret=f"pi_{order.key}_secret_{order.customer}")


Stripe.start = at_once
settings.ROOT_URLCONF = "bench.urls"
settings.MIDDLEWARE = [  # as startproject writes it
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
bare = WSGIHandler()


def application(environ, start_response):
    handler = bare if environ["PATH_INFO"].startswith("/bare/") else product
    return handler(environ, start_response)
