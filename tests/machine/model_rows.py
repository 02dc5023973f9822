"""What the model knows of: windows and bookings, gateways' orders and money, our payments and refunds.

Seconds since the story began, minor units. Nothing of the project is imported here.
"""

from dataclasses import dataclass, field

MINUTE, HOUR, DAY = 60, 3600, 86400
HOLD, GRACE, LAST_SALE, DESK_STAYS = 15 * MINUTE, 30 * MINUTE, 30 * MINUTE, 3 * HOUR
MONEY_MAY_COME, STRANGERS_KEPT = 14 * DAY, 3 * DAY
TRIES = 10
SEATED = {"confirmed", "checked_in", "completed", "no_show"}
LIVE = {"held", "confirmed", "checked_in"}
OPEN = {"created", "authorized", "failed"}
ENDS_ORDERS = {"demo": True, "razorpay": False}
LEAST_REFUND = {"demo": 1, "razorpay": 100}
DESK = {
    "check_in": ("checked_in", {"confirmed", "no_show"}),
    "complete": ("completed", {"confirmed", "checked_in"}),
    "no_show": ("no_show", {"confirmed", "checked_in"}),
}


class No(Exception):
    """Refused: nothing has changed."""


@dataclass(eq=False)
class Window:
    capacity: int
    kept: int
    """Places that the desk keeps for itself."""
    reserves: bool
    """Whether unpaid bookings hold a place."""
    starts: int
    ends: int
    fee: int
    status: str = "open"
    last: int = 0
    bookings: list = field(default_factory=list)

    @property
    def taken(self):
        return sum(booking.units for booking in self.bookings)

    def left(self, at_desk):
        for_desk = self.kept - sum(booking.units for booking in self.bookings if booking.at_desk)
        return max(self.capacity - self.taken - (0 if at_desk else max(for_desk, 0)), 0)

    def of(self, patient):
        """The place that a patient has here now, or may still have."""
        return [b for b in self.bookings if b.patient == patient and b.status in LIVE]


@dataclass(eq=False)
class Booking:
    window: Window
    patient: str
    rules: list
    made: int
    at_desk: bool = False
    status: str = "held"
    number: int | None = None
    back: int | None = None
    """Percent that a cancellation or an overflow gives back."""

    @property
    def units(self):
        return int(self.window.reserves if self.status == "held" else self.status in SEATED)


@dataclass(eq=False)
class Order:
    """An attempt as its gateway knows it, with every try to pay it."""

    booking: Booking
    gateway: str
    made: int
    reached: bool = False
    tries: list = field(default_factory=list)


@dataclass(eq=False)
class Money:
    """One payment at a gateway: authorized, captured, or failed; `gone` is what it gave back."""

    order: Order
    name: str
    amount: int
    currency: str
    status: str
    gone: int = 0


@dataclass(eq=False)
class Payment:
    """Our row of an attempt, or of one more capture of it, or of money at the counter."""

    booking: Booking
    gateway: str
    order: Order | None = None
    status: str = "created"
    outcome: str = ""
    money: Money | None = None
    captured: int = 0
    refunds: list = field(default_factory=list)
    watched: bool = True
    """The gateway is still asked about it."""

    @property
    def refunded(self):
        return sum(refund.amount for refund in self.refunds if refund.status != "failed")

    @property
    def left(self):
        return self.captured - self.refunded


@dataclass(eq=False)
class Refund:
    payment: Payment
    cause: str
    amount: int
    status: str = "due"
    tries: int = 0
    at_gateway: str = ""
    """What the gateway made of it: pending, done or failed; "" before it heard of it."""


@dataclass(eq=False)
class Message:
    kind: str
    about: object
    received: int
    tries: int = 0
    done: bool = False
