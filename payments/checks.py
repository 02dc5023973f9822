"""A gateway that could lose money, or take none, is refused at start."""

import re
from datetime import date

from django.conf import settings
from django.core.checks import Error, register

from payments import gateways

NEEDS = {
    "stripe": ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"),
    "razorpay": ("RAZORPAY_KEY_ID", "RAZORPAY_KEY_SECRET", "RAZORPAY_WEBHOOK_SECRET"),
}
"""What each gateway cannot do without. An empty webhook secret would accept anybody's signature."""
TEST_MARKS = {"stripe": ("STRIPE_SECRET_KEY", "_test_"), "razorpay": ("RAZORPAY_KEY_ID", "_test_")}


@register
def books(app_configs, **kwargs) -> list[Error]:
    """Receipts and shares that nobody could explain later."""
    errors = []
    try:
        date.fromisoformat(f"2001-{settings.RECEIPT_YEAR_STARTS}")
    except ValueError:
        errors.append(
            Error(
                f"RECEIPT_YEAR_STARTS is {settings.RECEIPT_YEAR_STARTS!r}, which is no day of every year.",
                hint="Write month and day, like 04-01.",
                id="payments.E005",
            )
        )
    if not re.fullmatch(r"[A-Za-z0-9-]{1,10}", settings.RECEIPT_SERIES):
        errors.append(
            Error(
                f"RECEIPT_SERIES is {settings.RECEIPT_SERIES!r}.",
                hint="Use up to ten letters, digits and hyphens, like CL.",
                id="payments.E006",
            )
        )
    if not 0 <= settings.COMMISSION_PERCENT <= 100:
        errors.append(
            Error(
                f"COMMISSION_PERCENT is {settings.COMMISSION_PERCENT}.",
                hint="It is a part of each payment: from 0 to 100.",
                id="payments.E007",
            )
        )
    return errors


@register
def enabled_gateways(app_configs, **kwargs) -> list[Error]:
    return [error for name in settings.PAYMENT_GATEWAYS for error in _of(name)]


def _of(name: str):
    if name not in gateways.NAMES:
        yield Error(
            f"PAYMENT_GATEWAYS names {name!r}, which is no gateway here.",
            hint=f"Choose from: {', '.join(gateways.NAMES)}.",
            id="payments.E001",
        )
    if name == "demo" and not settings.DEBUG:
        yield Error(
            "PAYMENT_GATEWAYS has demo, and DEBUG is off: anybody could book with pretend money.",
            hint="Take demo out of PAYMENT_GATEWAYS.",
            id="payments.E002",
        )
    missing = [key for key in NEEDS.get(name, ()) if not getattr(settings, key).strip()]
    if missing:
        yield Error(
            f"PAYMENT_GATEWAYS has {name}, but {' and '.join(missing)} is not set.",
            hint=f"Set it, or take {name} out of PAYMENT_GATEWAYS. Each is explained in .env.example.",
            id="payments.E003",
        )
    key, mark = TEST_MARKS.get(name, ("", ""))
    if key and not settings.DEBUG and mark in getattr(settings, key):
        yield Error(
            f"{key} is a test key, and DEBUG is off: patients would book without paying.",
            hint="Set the live key. On a staging copy accept it: ACCEPTED_CHECKS=payments.E004.",
            id="payments.E004",
        )
