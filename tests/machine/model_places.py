"""The model's rules of places (DESIGN §3 and §4): who gets one, and what a cancellation gives back."""

from tests.machine.model_rows import DESK, DESK_STAYS, GRACE, HOLD, HOUR, LAST_SALE, Booking, No, Payment


class Places:
    def __init__(self, *windows, rules):
        self.now, self.windows, self.rules = 0, windows, rules
        self.payments, self.inbox, self.reviews = [], {}, {}
        self.slow = False
        """Whether Razorpay's refunds take days."""

    def pass_time(self, seconds):
        self.now += seconds
        for booking in [b for window in self.windows for b in window.bookings]:
            if booking.status == "held" and self.now >= booking.made + HOLD:
                booking.status = "expired"

    def review(self, kind, about):
        self.reviews.setdefault((kind, about), True)

    # --- Places ---------------------------------------------------------------------------

    def hold(self, window, patient):
        if window.status != "open":
            raise No("CLOSED")
        if self.now >= window.ends - LAST_SALE:
            raise No("PAST")
        if window.of(patient):
            raise No("ALREADY_BOOKED")
        if not window.left(at_desk=False):
            raise No("FULL")
        return self._book(window, patient)

    def _book(self, window, patient, **more):
        window.bookings.append(Booking(window, patient, self.rules, self.now, **more))
        return window.bookings[-1]

    def _seat(self, booking):
        booking.window.last += 1
        booking.status, booking.number = "confirmed", booking.window.last

    def walk_in(self, window, patient):
        booking = next(iter(window.of(patient)), None)
        if (booking is None or window.status == "cancelled") and window.status != "open":
            raise No("CLOSED")
        if booking is None and self.now >= window.ends + DESK_STAYS:
            raise No("PAST")
        if booking and booking.status != "held":
            raise No("ALREADY_BOOKED")
        if window.left(at_desk=True) < 1 - (booking.units if booking else 0):
            raise No("FULL")
        booking = booking or self._book(window, patient, at_desk=True)
        self._seat(booking)
        sale = Payment(booking, "manual", None, "captured", "bought", None, window.fee, watched=False)
        self.payments.append(sale)
        return booking

    def percent(self, booking):
        """What the patient's own cancellation gives back: the rules as sold."""
        if self.now < booking.made + GRACE:
            return 100
        ahead = booking.window.starts - self.now
        return max((percent for hours, percent in booking.rules if ahead >= hours * HOUR), default=0)

    def cancel_own(self, booking, shown):
        if booking.status == "cancelled":
            return
        in_time = self.now < max(booking.window.starts, booking.made + GRACE)
        if booking.status not in ("held", "confirmed") or not in_time:
            raise No("TOO_LATE")
        if shown != (None if booking.status == "held" else self.percent(booking)):
            raise No("REFUND_CHANGED")
        self._call_off(booking, shown)

    def cancel(self, booking, percent=100):
        """By staff; None: by the rules as sold."""
        if booking.status in ("held", "confirmed", "checked_in"):
            self._call_off(booking, self.percent(booking) if percent is None else percent)
        elif booking.status != "cancelled":
            raise No("MOVE")

    def _call_off(self, booking, percent):
        booking.back = None if booking.status == "held" else percent
        booking.status = "cancelled"

    def give_up(self, booking):
        if booking.status not in ("held", "cancelled"):
            raise No("MOVE")
        booking.status = "cancelled"

    def desk(self, booking, what):
        to, allowed = DESK[what]
        if booking.status not in allowed:
            raise No("MOVE")
        if booking.status == "no_show" and self._rivals(booking):
            raise No("ALREADY_BOOKED")
        booking.status = to
