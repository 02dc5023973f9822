"""Money that a person takes and gives back at the counter."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from payments.gateways.base import BadSignature, Event, GatewayError, Order, RefundResult, Start


class Manual:
    """Never offered to a patient; there is nothing to ask and nobody to sign."""

    name = "manual"
    label = _("At the counter")
    live = True
    origins = ()

    def create_customer(self, account_key: str) -> str:
        return ""

    def start(self, order: Order) -> Start:
        raise GatewayError("Payments at the counter are taken by a person.", retryable=False)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        raise BadSignature("the counter sends no webhooks")

    def parse(self, body: bytes | str) -> list[Event]:
        return []

    def fetch(self, reference: str) -> list[Event]:
        return []

    def cancel(self, reference: str) -> bool:
        return True

    def refund(self, *, key: str, gateway_payment: str, amount_minor: int, currency: str) -> RefundResult:
        """Someone hands the money back and says so in admin."""
        return RefundResult(status="by_hand")
