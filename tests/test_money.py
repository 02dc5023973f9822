"""Amounts: whole minor units inside, major units for people, and never a rounded one."""

from decimal import Decimal

import pytest
from django.utils import translation

from clinic import money


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("500", "INR", 50000),
        ("500.50", "INR", 50050),
        ("0.01", "USD", 1),
        ("9000", "KRW", 9000),
        ("9000.00", "KRW", 9000),
        ("1.234", "KWD", 1234),
        ("0", "INR", 0),
        ("19.99", "EUR", 1999),
        ("1E+3", "INR", 100000),
    ],
)
def test_typed_amounts_become_minor_units_and_back(typed, currency, minor):
    assert money.to_minor(Decimal(typed), currency) == minor
    assert money.to_major(minor, currency) == Decimal(typed)


@pytest.mark.parametrize(("typed", "currency"), [("0.001", "INR"), ("1.5", "KRW"), ("0.0001", "BHD")])
def test_an_amount_that_is_not_exact_is_refused(typed, currency):
    with pytest.raises(ValueError, match="more decimals"):
        money.to_minor(Decimal(typed), currency)


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (50000, "INR", "₹500"),
        (50050, "INR", "₹500.50"),
        (150000, "INR", "₹1,500"),
        (5, "INR", "₹0.05"),
        (0, "INR", "₹0"),
        (9000, "KRW", "₩9,000"),
        (1500, "KWD", "KWD 1.500"),
        (3000, "CHF", "CHF 30"),
        (3000, "chf", "CHF 30"),
    ],
)
def test_amounts_are_shown_with_their_currency(minor, currency, shown):
    assert money.display(minor, currency) == shown


def test_amounts_are_shown_as_the_language_writes_numbers():
    with translation.override("de"):
        assert money.display(150050, "EUR") == "€1.500,50"
