"""The gateways of this installation, built from settings. One table entry is one gateway."""

from functools import cache
from itertools import chain

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.crypto import salted_hmac

from payments.gateways.base import Gateway, UnknownGateway
from payments.gateways.demo import Demo, DemoBook
from payments.gateways.manual import Manual
from payments.gateways.razorpay import Razorpay
from payments.gateways.stripe import Stripe


def _stripe() -> Gateway:
    return Stripe(
        settings.STRIPE_SECRET_KEY,
        webhook_secrets=_secrets(settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_WEBHOOK_SECRET_PREVIOUS),
        api_base=settings.STRIPE_API_BASE,
        methods=settings.STRIPE_PAYMENT_METHODS,
    )


def _razorpay() -> Gateway:
    return Razorpay(
        settings.RAZORPAY_KEY_ID,
        settings.RAZORPAY_KEY_SECRET,
        webhook_secrets=_secrets(settings.RAZORPAY_WEBHOOK_SECRET, settings.RAZORPAY_WEBHOOK_SECRET_PREVIOUS),
        api_base=settings.RAZORPAY_API_BASE,
    )


def _demo() -> Gateway:
    """Only where it is listed, and a system check refuses to list it with DEBUG off."""
    if "demo" not in settings.PAYMENT_GATEWAYS:
        raise UnknownGateway("demo")
    own = salted_hmac("payments.gateways.demo", "webhook", algorithm="sha256").hexdigest()
    return Demo(
        book=DemoBook(settings.DEMO_GATEWAY_BOOK),
        site_url=settings.SITE_URL,
        webhook_secrets=_secrets(own),
    )


TABLE = {"demo": _demo, "stripe": _stripe, "razorpay": _razorpay, "manual": Manual}
NAMES = tuple(TABLE)
"""What may stand in PAYMENT_GATEWAYS; `manual` is there for the counter even if it doesn't."""


@cache
def get(name: str) -> Gateway:
    """The gateway of a row or a webhook's address; UnknownGateway if there is none.

    Also one that is offered no longer: its late webhooks and its refunds still come.
    """
    if name not in TABLE:
        raise UnknownGateway(name)
    return TABLE[name]()


def label(name: str) -> str:
    """What people read of a gateway; its bare name where this installation has it no longer."""
    try:
        return str(get(name).label)
    except UnknownGateway:
        return name


def enabled() -> list[Gateway]:
    """What a patient may choose from, in the order of PAYMENT_GATEWAYS."""
    return [get(name) for name in settings.PAYMENT_GATEWAYS if name != "manual"]


def _secrets(*values: str | list[str]) -> tuple[str, ...]:
    """The non-empty ones. A previous secret is one string or several."""
    secrets = chain.from_iterable([v] if isinstance(v, str) else v for v in values)
    return tuple(secret for secret in secrets if secret.strip())


@receiver(setting_changed)
def _rebuild(**kwargs) -> None:
    """Tests change settings; a running server never does."""
    get.cache_clear()
