"""Money that a person takes and gives back at the counter."""

from collections.abc import Mapping
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from payments.gateways.base import BadSignature, Event, GatewayError, Order, RefundResult, Start


class Method(StrEnum):
    """How it was paid. eSewa and the card terminal are the clinic's own devices: the receptionist
    reads the result there and types the reference here."""

    label: str | Promise

    CASH = "cash", _("Cash")
    ESEWA = "esewa", _("eSewa")
    CARD = "card", _("Card terminal")

    def __new__(cls, value: str, label: str | Promise):
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


METHODS = [(method.value, method.label) for method in Method]
"""Choices of a form or a column."""


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

    def cancel(self, reference: str) -> None:
        pass

    def refund(self, *, key: str, gateway_payment: str, amount_minor: int, currency: str) -> RefundResult:
        """Someone hands the money back and says so in admin."""
        return RefundResult(status="by_hand")
