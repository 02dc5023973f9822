"""A gateway that could lose money, or take none, is refused at start."""

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
