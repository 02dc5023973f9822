"""Bad configuration fails at start, with the fix in the message.

`manage.py` runs these before every command, and clinic/wsgi.py before the first request. An
operator who means it puts an id into ACCEPTED_CHECKS.
"""

import json
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import ERROR, Error, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host
from django.utils.module_loading import import_string
from phonenumbers import SUPPORTED_REGIONS

from clinic import theme

CURRENCIES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
    GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP
    LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR
    PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
    SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER
    ZAR ZMW
"""
"""ISO 4217: what is legal tender somewhere."""


def refuse_to_start() -> None:
    """Raises ImproperlyConfigured with every error of every check: gunicorn asks none itself."""
    errors = [found for found in run_checks() if found.level >= ERROR and not found.is_silenced()]
    if errors:
        raise ImproperlyConfigured("\n".join(map(str, errors)))


@register
def the_clinic(app_configs, **kwargs) -> list[Error]:
    """Words and numbers of the environment that mean nothing."""
    found = []
    if settings.CLINIC_CURRENCY not in CURRENCIES.split():
        found.append(
            Error(
                f"CLINIC_CURRENCY is {settings.CLINIC_CURRENCY!r}, which is no currency.",
                hint="Set its three letters of ISO 4217, like INR or NPR.",
                id="clinic.E001",
            )
        )
    if settings.CLINIC_ACCENT and theme.parse(settings.CLINIC_ACCENT) is None:
        found.append(
            Error(
                f"CLINIC_ACCENT is {settings.CLINIC_ACCENT!r}, which is no colour.",
                hint="Write it like #00704d, or leave it empty for jade.",
                id="clinic.E002",
            )
        )
    if settings.PHONENUMBER_DEFAULT_REGION not in SUPPORTED_REGIONS:
        found.append(
            Error(
                f"CLINIC_PHONE_REGION is {settings.PHONENUMBER_DEFAULT_REGION!r}, which is no country.",
                hint="Set its two letters, like IN or NP: local phone numbers are read as that country's.",
                id="clinic.E003",
            )
        )
    if settings.HOLD_MINUTES < 1:
        found.append(
            Error(
                f"HOLD_MINUTES is {settings.HOLD_MINUTES}: every place would lapse before it is paid.",
                hint="Set at least 1; 15 is usual.",
                id="clinic.E004",
            )
        )
    if not 1 <= settings.START_GRID_MINUTES <= 24 * 60:
        found.append(
            Error(
                f"START_GRID_MINUTES is {settings.START_GRID_MINUTES}: services could start at no time.",
                hint="Set at least 1; 5 is usual.",
                id="clinic.E008",
            )
        )
    return found


@register
def the_address(app_configs, **kwargs) -> list[Error]:
    """Gateways send payers back to SITE_URL, and mails link to it."""
    site = urlsplit(settings.SITE_URL)
    if site.scheme not in ("http", "https") or not site.hostname or site.path:
        return [
            Error(
                f"SITE_URL is {settings.SITE_URL!r}, which is no address of a site.",
                hint="Write it like https://clinic.example, with nothing after the host.",
                id="clinic.E005",
            )
        ]
    if not settings.DEBUG and not validate_host(site.hostname, settings.ALLOWED_HOSTS):
        return [
            Error(
                f"SITE_URL leads to {site.hostname}, which is not in ALLOWED_HOSTS.",
                hint="Set SITE_URL to the address that patients type: gateways send them back there.",
                id="clinic.E006",
            )
        ]
    return []


@register
def the_services(app_configs, **kwargs) -> list[Warning]:
    """What works for one process on one machine, and a clinic may outgrow."""
    found = []
    if settings.DEBUG:
        return found
    if "postgresql" not in settings.DATABASE["ENGINE"]:
        found.append(
            Warning(
                "The database is SQLite: one writer at a time, and on this machine only.",
                hint="Set DATABASE_URL to a PostgreSQL, or accept it for a small clinic on one server: "
                "ACCEPTED_CHECKS=clinic.W001.",
                id="clinic.W001",
            )
        )
    if settings.CACHES["default"]["BACKEND"].endswith(("LocMemCache", "DummyCache")):
        found.append(
            Warning(
                "The cache is not shared, so throttles and sign-in limits count in each process alone.",
                hint="Leave CACHE_URL empty for a table in the database, or set a redis:// address.",
                id="clinic.W002",
            )
        )
    if settings.EMAIL_BACKEND.endswith(("console.EmailBackend", "dummy.EmailBackend")):
        found.append(
            Warning(
                "Mails go nowhere: nobody can confirm an address or get a new password.",
                hint="Set EMAIL_URL, like smtp+tls://user:password@mail.example:587.",
                id="clinic.W003",
            )
        )
    return found


@register
def the_text_channel(app_configs, **kwargs) -> list[Error]:
    """A carrier of text messages that could only fail, one patient at a time."""
    if not settings.TEXT_CHANNEL:
        return []
    wrong = []
    try:
        import_string(settings.TEXT_CHANNEL)
    except ImportError:
        wrong.append(f"TEXT_CHANNEL names {settings.TEXT_CHANNEL}, which is no class here.")
    if settings.TEXT_CHANNEL == "clinic.channels.HttpTextGateway":
        if not settings.TEXT_HTTP_URL.startswith(("https://", "http://")):
            wrong.append("TEXT_HTTP_URL is missing, or no web address.")
        for name in ("TEXT_HTTP_HEADERS", "TEXT_HTTP_BODY"):
            try:
                json.loads(getattr(settings, name))
            except ValueError:
                wrong.append(f"{name} is not JSON.")
    hint = "See TEXT_CHANNEL in .env.example, or leave it empty: then patients get mails alone."
    return [Error(words, hint=hint, id="clinic.E007") for words in wrong]
