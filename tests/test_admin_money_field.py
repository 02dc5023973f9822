"""Fees are typed as people say them and kept in the currency's smallest unit."""

from decimal import Decimal

import pytest
from django import forms
from django.core.exceptions import ValidationError

from clinic.forms import MoneyField


@pytest.mark.parametrize(
    ("currency", "typed", "minor"),
    [("INR", "500", 50000), ("INR", "500.50", 50050), ("INR", "500.500", 50050), ("KRW", "3000", 3000), ("KWD", "1.234", 1234)],
)  # fmt: skip
def test_major_units_become_minor_ones_exactly(currency, typed, minor):
    assert MoneyField(currency=currency).clean(typed) == minor


@pytest.mark.parametrize(
    ("currency", "typed"),
    [("INR", "500.505"), ("KRW", "0.5"), ("INR", "-1"), ("INR", "NaN"), ("INR", "1e12"), ("INR", "five")],
)
def test_what_is_no_exact_amount_is_refused(currency, typed):
    with pytest.raises(ValidationError):
        MoneyField(currency=currency).clean(typed)


def test_an_amount_from_the_database_is_shown_in_major_units_and_counts_as_unchanged():
    class Form(forms.Form):
        fee = MoneyField(currency="INR")

    assert Form(initial={"fee": 50050})["fee"].value() == Decimal("500.50")
    assert not Form({"fee": "500.5"}, initial={"fee": 50050}).has_changed()
    assert Form({"fee": "501"}, initial={"fee": 50050}).has_changed()


def test_an_empty_amount_is_none():
    assert MoneyField(currency="INR", required=False).clean("") is None
