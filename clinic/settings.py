"""One scheme of environment variables; every one stands in `.env.example` with its reason.

Without an environment this is a demo on SQLite. With DEBUG off it refuses to start until
everything that a real clinic needs is said.
"""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from clinic.wiring import (  # noqa: F401  (they are settings too)
    ADMIN_PAGES,
    DESK_TILES,
    DOCTOR_TOOLS,
    HOOK_FACTS,
    INVARIANTS,
    LOCK_WINDOW,
    NOTICE_WORDS,
    PAYMENT_READY,
    READINESS,
    REVIEW_TOOLS,
    SERVICE_ADVICE,
    SWEEPS,
    WINDOW_TOOLS,
)

BASE_DIR = Path(__file__).resolve().parent.parent


class Env(environ.FileAwareEnv):
    """`SECRET_KEY_FILE=/run/secrets/key` is read wherever `SECRET_KEY` would be.

    Blanks around a value are no part of it: a file ends with a newline, and blank is not set.
    """

    def get_value(self, *args, **kwargs):
        value = super().get_value(*args, **kwargs)
        if isinstance(value, list):
            return [item.strip() for item in value if item.strip()]
        return value.strip() if isinstance(value, str) else value


env = Env(
    DEBUG=(bool, False),
    SECRET_KEY=(str, ""),
    ALLOWED_HOSTS=(list, []),
    CSRF_TRUSTED_ORIGINS=(list, []),
    DATABASE_URL=(str, ""),
    DATABASE_OPTIONS_BY_ROLE=(bool, False),
    WEB_THREADS=(int, 4),
    CACHE_URL=(str, ""),
    EMAIL_URL=(str, ""),
    DEFAULT_FROM_EMAIL=(str, "clinic@localhost"),
    FRONT_OFFICE_EMAIL=(str, ""),
    TEXT_CHANNEL=(str, ""),
    TEXT_HTTP_URL=(str, ""),
    TEXT_HTTP_HEADERS=(str, "{}"),
    TEXT_HTTP_BODY=(str, '{"to": "{to}", "text": "{text}"}'),
    HOOKS_TO_PRIVATE_ADDRESSES=(bool, False),
    SITE_URL=(str, ""),
    TRUSTED_PROXIES=(int, 0),
    CLINIC_PROCESS=(str, "command"),
    CLINIC_NAME=(str, "Jade Clinic"),
    CLINIC_LOGO=(str, ""),
    CLINIC_ACCENT=(str, ""),
    CLINIC_TIME_ZONE=(str, "Asia/Kolkata"),
    CLINIC_CURRENCY=(str, "INR"),
    CLINIC_LANGUAGE=(str, "en"),
    CLINIC_PHONE_REGION=(str, "IN"),
    CLINIC_TAX_LINE=(str, ""),
    CLINIC_PHONE=(str, ""),
    CLINIC_REQUIRES_MEMBERSHIP=(bool, False),
    PAY_AT_DESK=(bool, False),
    HOLD_MINUTES=(int, 15),
    START_GRID_MINUTES=(int, 5),
    CANCEL_UNTIL_MINUTES=(int, 0),
    MOVES_PER_BOOKING=(int, 2),
    BOOKINGS_PER_HOUR_ACCOUNT=(int, 10),
    BOOKINGS_PER_HOUR_PHONE=(int, 5),
    BOOKINGS_PER_HOUR_ADDRESS=(int, 30),
    RECEIPT_SERIES=(str, "CL"),
    RECEIPT_YEAR_STARTS=(str, "04-01"),
    COMMISSION_PERCENT=(int, 0),
    PAYMENT_GATEWAYS=(list, None),
    STRIPE_SECRET_KEY=(str, ""),
    STRIPE_PUBLISHABLE_KEY=(str, ""),
    STRIPE_WEBHOOK_SECRET=(str, ""),
    STRIPE_WEBHOOK_SECRET_PREVIOUS=(list, []),
    STRIPE_PAYMENT_METHODS=(list, ["card"]),
    STRIPE_API_BASE=(str, "https://api.stripe.com"),
    RAZORPAY_KEY_ID=(str, ""),
    RAZORPAY_KEY_SECRET=(str, ""),
    RAZORPAY_WEBHOOK_SECRET=(str, ""),
    RAZORPAY_WEBHOOK_SECRET_PREVIOUS=(list, []),
    RAZORPAY_API_BASE=(str, "https://api.razorpay.com"),
    DEMO_GATEWAY_BOOK=(str, ""),
    ACCEPTED_CHECKS=(list, []),
    MAINTENANCE_FILE=(str, ""),
)
if (BASE_DIR / ".env").exists():
    env.read_env(BASE_DIR / ".env")

# --- The installation ---------------------------------------------------------------------

DEBUG = env("DEBUG")
if not DEBUG:
    missing = [name for name in ("SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL") if not env(name)]
    if missing:
        raise ImproperlyConfigured(
            f"Set {', '.join(missing)} in the environment or in .env, or DEBUG=1 to try things out. "
            "Each one is explained in .env.example."
        )
SECRET_KEY = env("SECRET_KEY") or "only-for-the-demo-" + "0" * 40
ALLOWED_HOSTS = env("ALLOWED_HOSTS") or ["127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = env("CSRF_TRUSTED_ORIGINS")
MAINTENANCE_FILE = env("MAINTENANCE_FILE") or BASE_DIR / ".run" / "maintenance"
SITE_URL = (env("SITE_URL") or "http://127.0.0.1:8000").rstrip("/")

INSTALLED_APPS = [
    "clinic.apps.ClinicConfig",
    "schedules.apps.SchedulesConfig",
    "bookings.apps.BookingsConfig",
    "payments.apps.PaymentsConfig",
    "clinic.apps.ClinicAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "django_htmx",
    "ninja",  # so that its page of documentation loads nothing from elsewhere
    "template_partials",
    "phonenumber_field",
]

MIDDLEWARE = [
    "clinic.middleware.request_ids",
    "clinic.middleware.probes",
    "clinic.api_middleware.speaks_json",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "clinic.middleware.readable_addresses",
    "clinic.middleware.closed_for_maintenance",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "clinic.middleware.refusals",
]

ROOT_URLCONF = "clinic.urls"
WSGI_APPLICATION = "clinic.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "clinic.context.clinic",
            ],
        },
    }
]

# --- Data ---------------------------------------------------------------------------------

DATABASES = {"default": env.db_url_config(env("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'clinic.sqlite3'}")}
DATABASE = DATABASES["default"]
WEB = env("CLINIC_PROCESS") == "web"
DATABASE_TIMEOUTS = {
    # A web request gives up early and says "try again" (503); commands may take their time.
    "lock_timeout": "2s" if WEB else "10s",
    "idle_in_transaction_session_timeout": "10s" if WEB else "60s",
    # A query whose client was killed must not commit later.
    "client_connection_check_interval": "500ms",
} | ({"statement_timeout": "5s"} if WEB else {})
if "postgresql" in DATABASE["ENGINE"]:
    DATABASE["OPTIONS"] = DATABASE.get("OPTIONS", {})
    if not env("DATABASE_OPTIONS_BY_ROLE"):  # PgBouncer refuses start-up options: docs/running.md
        DATABASE["OPTIONS"]["options"] = " ".join(f"-c {k}={v}" for k, v in DATABASE_TIMEOUTS.items())
    else:
        DATABASE["DISABLE_SERVER_SIDE_CURSORS"] = True
    if WEB:
        DATABASE["OPTIONS"]["pool"] = {"min_size": 1, "max_size": env("WEB_THREADS") + 1, "timeout": 2}
else:
    DATABASE["OPTIONS"] = {
        # Deferred transactions fail as "locked" under load; IMMEDIATE ones queue.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }

# Throttles and sign-in limits count across processes, so they need a cache that is shared.
CACHES = {"default": {"BACKEND": "clinic.cache.DatabaseCache"}}
if DEBUG or env("CACHE_URL"):
    CACHES["default"] = env.cache_url_config(env("CACHE_URL") or "locmemcache://")

# --- People -------------------------------------------------------------------------------

AUTH_USER_MODEL = "clinic.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_REDIRECT_URL = "/appointments/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "clinic.forms.SignUpForm"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = SITE_URL.partition(":")[0]
HEADLESS_CLIENTS = ["app"]
HEADLESS_TOKEN_STRATEGY = "clinic.api_auth.TokenStrategy"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = env("CLINIC_NAME")
ALLAUTH_TRUSTED_PROXY_COUNT = env("TRUSTED_PROXIES")
EMAIL_CONFIG = env.email_url_config(env("EMAIL_URL") or "consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL")
EMAIL_TIMEOUT = 10
FRONT_OFFICE_EMAIL = env("FRONT_OFFICE_EMAIL")
HOOKS_TO_PRIVATE_ADDRESSES = env("HOOKS_TO_PRIVATE_ADDRESSES")

# --- Safety -------------------------------------------------------------------------------

HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env("TRUSTED_PROXIES"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024

SILENCED_SYSTEM_CHECKS = env("ACCEPTED_CHECKS")
"""Warnings whose risk the operator takes, and one error: a staging copy's test keys (payments/checks.py)."""
for accepted in SILENCED_SYSTEM_CHECKS:
    if ".E" in accepted and accepted != "payments.E004":
        raise ImproperlyConfigured(
            f"ACCEPTED_CHECKS has {accepted}, which is an error: correct what it says."
        )

# --- Words, time and files ----------------------------------------------------------------

LANGUAGE_CODE = env("CLINIC_LANGUAGE")
LANGUAGES = [(LANGUAGE_CODE, _("The clinic's language"))]
LOCALE_PATHS = [BASE_DIR / "clinic" / "locale"]
FORMAT_MODULE_PATH = ["clinic.formats"]
USE_I18N = USE_TZ = True
TIME_ZONE = env("CLINIC_TIME_ZONE")
try:
    ZoneInfo(TIME_ZONE)
except (ZoneInfoNotFoundError, ValueError) as error:
    raise ImproperlyConfigured(
        f"CLINIC_TIME_ZONE is {TIME_ZONE!r}, which is no time zone. It is a name like Asia/Kolkata."
    ) from error
PHONENUMBER_DEFAULT_REGION = env("CLINIC_PHONE_REGION")
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    }
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "rename_fields": {"asctime": "at", "levelname": "level", "name": "logger", "message": "event"},
        },
        "plain": {"format": "%(levelname)s %(name)s %(message)s"},
    },
    "filters": {
        "of_request": {"()": "clinic.logs.OfRequest"},
        "no_secrets": {"()": "clinic.logs.NoSecrets"},
    },
    "handlers": {
        "stdout": {
            "filters": ["of_request", "no_secrets"],
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "plain" if DEBUG else "json",
        }
    },
    "root": {"handlers": ["stdout"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": ["stdout"], "level": "INFO", "propagate": False},
        "django.request": {"handlers": ["stdout"], "level": "ERROR", "propagate": False},
    },
}

# --- The clinic ---------------------------------------------------------------------------

CLINIC_NAME = env("CLINIC_NAME")
CLINIC_LOGO = env("CLINIC_LOGO")
CLINIC_ACCENT = env("CLINIC_ACCENT")
CLINIC_CURRENCY = env("CLINIC_CURRENCY").upper()
CLINIC_TAX_LINE = env("CLINIC_TAX_LINE")
CLINIC_PHONE = env("CLINIC_PHONE")
CLINIC_REQUIRES_MEMBERSHIP = env("CLINIC_REQUIRES_MEMBERSHIP")
PAY_AT_DESK = env("PAY_AT_DESK")
HOLD_MINUTES = env("HOLD_MINUTES")
START_GRID_MINUTES = env("START_GRID_MINUTES")
EVENING_FROM_HOUR = 17
TOKEN_SALES_END_MINUTES = 30
"""Online tokens sell until this many minutes before their window's end."""
FINISH_AFTER_HOURS = 3
"""A session that ended this long ago is over, also for the desk."""
REFUND_RULES = [[24, 100]]
"""Hours before the start → percent given back; below the last one, nothing. Snapshotted when sold."""
REFUND_GRACE_MINUTES = 30
CANCEL_UNTIL_MINUTES = env("CANCEL_UNTIL_MINUTES")
MOVES_PER_BOOKING = env("MOVES_PER_BOOKING")
CONSENT_VERSION = "2026-11"
"""Change it when the text in templates/bookings/_consent.html changes."""
THROTTLES = {  # how many, in how many seconds
    "booking-account": (env("BOOKINGS_PER_HOUR_ACCOUNT"), 3600),
    "booking-phone": (env("BOOKINGS_PER_HOUR_PHONE"), 3600),
    "booking-address": (env("BOOKINGS_PER_HOUR_ADDRESS"), 3600),
}

RECEIPT_SERIES = env("RECEIPT_SERIES")
RECEIPT_YEAR_STARTS = env("RECEIPT_YEAR_STARTS")
COMMISSION_PERCENT = env("COMMISSION_PERCENT")
PAYMENT_GATEWAYS = env("PAYMENT_GATEWAYS") if env("PAYMENT_GATEWAYS") is not None else ["demo"] * DEBUG
# Keys, secrets and addresses of the gateways and of the text carrier, each under its own name.
OF_OTHERS = "STRIPE_", "RAZORPAY_", "TEXT_"
vars().update({name: env(name) for name in env.scheme if name.startswith(OF_OTHERS)})
DEMO_GATEWAY_BOOK = env("DEMO_GATEWAY_BOOK") or BASE_DIR / ".run" / "demo-gateway.sqlite3"
