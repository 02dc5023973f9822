"""Money is an integer in minor units plus a currency with its own exponent (ISO 4217)."""

from decimal import Decimal

from django.utils import formats

EXPONENTS = {
    "BHD": 3, "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "IQD": 3, "ISK": 0, "JOD": 3, "JPY": 0,
    "KMF": 0, "KRW": 0, "KWD": 3, "LYD": 3, "MGA": 0, "OMR": 3, "PYG": 0, "RWF": 0, "TND": 3,
    "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
}  # fmt: skip
SYMBOLS = {"INR": "₹", "NPR": "रू ", "USD": "$", "EUR": "€", "GBP": "£", "KRW": "₩", "JPY": "¥"}


def exponent(currency: str) -> int:
    """Decimal places of a currency: 2 unless ISO 4217 says otherwise."""
    return EXPONENTS.get(currency.upper(), 2)


def to_minor(amount: Decimal, currency: str) -> int:
    """Major units as typed → minor units. ValueError when the amount isn't exact."""
    scaled = amount.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more decimals than {currency} allows")
    return int(scaled)


def to_major(minor: int, currency: str) -> Decimal:
    """Minor units → major units, exactly."""
    return Decimal(minor).scaleb(-exponent(currency))


def display(minor: int, currency: str) -> str:
    """For people: "₹1,500", "₹500.50", "CHF 30", "−₹500". Whole amounts carry no decimals."""
    major = to_major(abs(minor), currency)
    places = 0 if major == major.to_integral_value() else exponent(currency)
    number = formats.number_format(major, places, force_grouping=True)
    minus = "−" if minor < 0 else ""
    return f"{minus}{SYMBOLS.get(currency.upper(), currency.upper() + ' ')}{number}"


def signed(minor: int, currency: str) -> str:
    """The same of a change: "+₹500", "−₹500"; nothing is "₹0"."""
    return ("+" if minor > 0 else "") + display(minor, currency)
