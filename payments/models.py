"""Money: attempts to collect it, what gateways said, and what goes back. Minor units throughout."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import formats, timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bookings.models import Booking
from clinic import money
from payments import due_models  # noqa: F401  (Django looks for models here)
from payments.customer_models import Customer  # noqa: F401  (its readers look for it here)
from payments.dispute_models import Dispute
from payments.drawer_models import Drawer
from payments.history_models import PaymentEvent  # noqa: F401  (its readers look for it here)
from payments.inbox_models import GatewayEvent  # noqa: F401  (its readers look for it here)
from payments.ledger_models import BookedOnceQuerySet
from payments.states import (
    OPEN,
    RECEIPTED,
    RETURNED,
    SENDABLE,
    UNDER_WAY,
    EntryKind,
    Method,
    Outcome,
    RefundStatus,
    Status,
)

CAPTURED = Q(status=Status.CAPTURED)
UNSURE = Q(outcome="") | ~Q(claimed_as="")


class PaymentQuerySet(BookedOnceQuerySet):
    def open(self):
        """Attempts that somebody may still pay."""
        return self.filter(status__in=OPEN)

    def started(self):
        """Attempts that their gateway knows."""
        return self.exclude(reference="")

    def captured(self):
        return self.filter(status=Status.CAPTURED)

    def bought(self):
        """What paid for the places that people have, or had."""
        return self.filter(outcome=Outcome.BOUGHT)

    def with_rest(self):
        """Of which something is left to give back."""
        return self.filter(refunded_minor__lt=F("captured_minor"))

    def tries_of(self, bookings):
        """Rows of booking, status and outcome."""
        return self.filter(booking__in=bookings).values_list("booking", "status", "outcome")

    def captured_on(self, day):
        """What was paid on one of the clinic's days."""
        return self.captured().filter(captured_at__date=day)

    def captured_between(self, since, until):
        """What came in a span of time, the oldest first."""
        return self.captured().filter(captured_at__gte=since, captured_at__lt=until).order_by("captured_at")

    def at_counter(self):
        return self.exclude(method="")

    def net_by_currency(self):
        """Rows of currency and net: captured less given back, or about to be."""
        net = models.Sum(F("captured_minor") - F("refunded_minor"))
        return self.order_by("currency").values("currency").annotate(net=net)

    def unsettled(self):
        return self.filter(outcome="")

    def claimed(self):
        """Of which only a person has said that it was paid: the gateway has not, so far."""
        return self.exclude(claimed_as="")

    def in_question(self):
        """Of which the gateway may know more than we do."""
        return self.filter(UNSURE)

    def to_look_at(self, now):
        """Attempts whose gateway is to be asked: authorised ones, those whose hold is over, those that
        ended where no gateway can end them, and those of which only a person has spoken."""
        return self.in_question().filter(next_check_at__lte=now)

    def of_money(self, gateway: str, gateway_payment: str):
        """The one payment of this money, if the gateway named any."""
        return self.filter(gateway=gateway, gateway_payment=gateway_payment).exclude(gateway_payment="")

    def without_own_refund(self):
        """Whose refund was not made by us yet, whatever somebody gave back at the gateway."""
        return self.exclude(Exists(Refund.objects.filter(payment=OuterRef("pk"), cause=OuterRef("outcome"))))

    def earned_by(self, doctor):
        """What a doctor has earned by, as the ledger says."""
        return self.filter(ledger__doctor=doctor, ledger__kind=EntryKind.EARNING)

    def going_back(self):
        """Of which some goes back that the ledger does not know yet: refunds due or on their way, and
        cancelled bookings whose refund the sweep has still to make."""
        refunds = Refund.objects.filter(payment=OuterRef("pk"))
        cancelled = Q(booking__refund_due_at__isnull=False, booking__refund_percent__gt=0)
        return self.filter(Exists(refunds.not_booked()) | cancelled & ~Exists(refunds.filter(cause="cancel")))

    def owed_back(self):
        """Captured payments that bought nothing."""
        return self.captured().filter(outcome__in=RETURNED)

    def without_receipt(self):
        """Judged money that is not in the books yet, in the order in which it came."""
        return self.unbooked().captured().filter(outcome__in=RECEIPTED).order_by("captured_at", "pk")

    def with_visit(self):
        return self.select_related("booking__patient", "booking__schedule__doctor")

    def with_place(self):
        """With its booking's `schedule_id` and `patient_id`: what must be locked before the booking is read."""
        return self.annotate(schedule_id=F("booking__schedule_id"), patient_id=F("booking__patient_id"))

    def matching(self, gateway: str, key: str, reference: str, gateway_payment: str):
        """The attempts that a gateway's event may speak of, by any of its names."""
        names = Q()
        for name, value in {"reference": reference, "gateway_payment": gateway_payment}.items():
            if value:
                names |= Q(**{name: value})
        if gateway_payment:
            names |= Q(claimed_as=gateway_payment)
        if key:
            names |= Q(key=key)
        return self.filter(names, gateway=gateway) if names else self.none()


class Payment(models.Model):
    """One attempt to collect a booking's price. Its outcome is set once, under the window's lock."""

    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    booking = models.ForeignKey(Booking, models.PROTECT, related_name="payments", verbose_name=_("booking"))
    gateway = models.CharField(_("gateway"), max_length=20)
    for_app = models.BooleanField(default=False, editable=False)
    method = models.CharField(_("method"), max_length=10, choices=Method, blank=True)
    amount_minor = models.PositiveIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.CREATED)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome, blank=True)
    captured_minor = models.PositiveIntegerField(_("captured"), default=0)
    refunded_minor = models.PositiveIntegerField(_("given back, or about to be"), default=0)
    reference = models.CharField(_("the gateway's order"), max_length=255, blank=True, db_index=True)
    gateway_payment = models.CharField(_("the gateway's payment"), max_length=255, blank=True)
    claimed_as = models.CharField(
        _("the gateway's payment, as a person says"), max_length=120, blank=True, db_default=""
    )
    redirect_url = models.URLField(max_length=2000, blank=True, editable=False)
    client_secret = models.CharField(max_length=255, blank=True, editable=False)
    reason = models.CharField(_("what the gateway said"), max_length=200, blank=True)
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("taken by"),
    )
    drawer = models.ForeignKey(
        Drawer,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="payments",
        verbose_name=_("cash drawer"),
    )
    created_at = models.DateTimeField(_("created"))
    captured_at = models.DateTimeField(_("captured at"), null=True, blank=True)
    disputed_at = models.DateTimeField(_("disputed since"), null=True, blank=True)
    in_books = models.BooleanField(default=False, db_default=False, editable=False)
    """It has its receipt: what has none yet is found by this, however much came before."""
    next_check_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        permissions = [
            ("take_payment", _("Can take money at the counter")),
            ("refund", _("Can give money back, and decide about payments that don't match")),
            ("override_payment", _("Can record that a payment arrived, or failed")),
            ("view_money", _("Can see the clinic's money as a whole")),
            ("export_money", _("Can export payments, refunds and the ledger")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["booking"], condition=Q(outcome=Outcome.BOUGHT), name="payment_buys_once"
            ),
            models.UniqueConstraint(
                fields=["gateway", "gateway_payment"],
                condition=~Q(gateway_payment=""),
                name="payment_captured_once",
            ),
            models.UniqueConstraint(
                fields=["gateway", "claimed_as"], condition=~Q(claimed_as=""), name="payment_claimed_once"
            ),
            models.UniqueConstraint(
                fields=["booking", "gateway", "for_app"],
                condition=Q(status__in=OPEN),
                name="payment_one_open_attempt",
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="payment_known_status"),
            models.CheckConstraint(
                condition=Q(refunded_minor__lte=F("captured_minor")), name="payment_refunded_within_captured"
            ),
            models.CheckConstraint(
                condition=Q(outcome="") | Q(status=Status.CAPTURED, outcome__in=Outcome.values),
                name="payment_outcome_of_captured",
            ),
        ]
        indexes = [
            models.Index(fields=["next_check_at"], condition=UNSURE, name="payment_to_look_at"),
            models.Index(fields=["captured_at"], condition=CAPTURED, name="payment_by_day"),
            models.Index(fields=["created_at"], condition=~CAPTURED, name="payment_unpaid_by_day"),
            models.Index(
                fields=["captured_at", "id"],
                condition=Q(status=Status.CAPTURED, in_books=False),
                name="payment_without_receipt",
            ),
            models.Index(
                fields=["created_at"],
                condition=Q(outcome__in=RETURNED, refunded_minor__lt=F("captured_minor")),
                name="payment_owed_back",
            ),
        ]

    def __str__(self):
        return f"{self.amount} · {self.get_status_display()}"

    @property
    def amount(self) -> str:
        return money.display(self.captured_minor or self.amount_minor, self.currency)

    @property
    def money_id(self) -> str:
        """What its gateway calls this money; what a person says it does, until the gateway has spoken."""
        return self.gateway_payment or self.claimed_as

    @property
    def left_minor(self) -> int:
        """What may still be given back, in minor units."""
        return self.captured_minor - self.refunded_minor

    @property
    def rest_minor(self) -> int:
        """What will be left of it, also where the sweep has still to make a cancelled booking's refund."""
        percent = self.booking.refund_percent or 0
        if not percent or self.refunds.filter(cause="cancel").exists():
            return self.left_minor
        return self.left_minor - self.back(percent)

    def back(self, percent: int) -> int:
        """Minor units that `percent` of it gives back: part of a unit stays, and never more than is left."""
        return min(self.captured_minor * percent // 100, self.left_minor)


class RefundQuerySet(BookedOnceQuerySet):
    def of(self, booking):
        """What goes back to a patient, with what it was paid by, the oldest first."""
        return self.filter(payment__booking=booking).select_related("payment").order_by("pk")

    def of_all(self, bookings):
        """The same of many bookings at once."""
        return self.filter(payment__booking__in=bookings).select_related("payment").order_by("pk")

    def handed_back_on(self, day):
        """What went back by hand on one of the clinic's days, with its drawer."""
        by_hand = self.filter(status=RefundStatus.DONE, done_at__date=day).exclude(payment__method="")
        return by_hand.select_related("payment", "drawer__opened_by")

    def without_credit_note(self):
        """Money that went back and is not in the books yet, of payments that are, in the order in which it went."""
        gone = self.unbooked().filter(status=RefundStatus.DONE, payment__in_books=True)
        return gone.order_by("done_at", "pk")

    def with_visit(self):
        return self.select_related(
            "payment__receipt__series", "payment__booking__patient", "payment__booking__schedule__doctor"
        )

    def under_way(self):
        return self.filter(status__in=UNDER_WAY)

    def not_booked(self):
        """Reserved, and not in the ledger: under way, or done a moment ago."""
        return self.filter(Q(status__in=UNDER_WAY) | Q(status=RefundStatus.DONE, receipt=None))

    def failed(self):
        return self.filter(status=RefundStatus.FAILED)

    def by_hand(self):
        """Waiting to be handed back at the desk."""
        return self.filter(status=RefundStatus.BY_HAND)

    def matching(self, key: str, gateway_refund: str):
        """The refund that a gateway's event speaks of, by our key or by the gateway's id."""
        names = Q(key=key) if key else Q(pk=None)
        return self.filter(names | Q(gateway_refund=gateway_refund) if gateway_refund else names)

    def named(self, keys, gateway_refunds):
        """Those of our keys, or of the gateway's ids."""
        return self.filter(Q(key__in=keys) | Q(gateway_refund__in=gateway_refunds))

    def done_between(self, since, until):
        """What went back in a span of time."""
        return self.filter(status=RefundStatus.DONE, done_at__gte=since, done_at__lt=until)

    def sending(self):
        """In somebody's hands at this moment."""
        return self.filter(status=RefundStatus.SENDING)

    def unsent(self):
        """Due, and never tried: of these the gateway cannot have heard."""
        return self.filter(status=RefundStatus.DUE, tries=0)

    def sent(self):
        """The gateway has taken them on, or done them."""
        return self.filter(status__in=(RefundStatus.PENDING, RefundStatus.DONE))

    def to_send(self, now):
        """Due ones; those whose sender died, when its lease is over; and those on their way for
        long, to be asked after (the same call under the same key sends nothing twice). None of a
        payment that is disputed: the bank may take that money by itself."""
        undisputed = Payment.objects.filter(pk=OuterRef("payment_id"), disputed_at=None)
        # EXISTS and no join: an UPDATE of a join selects its rows before it waits for them.
        return self.filter(Exists(undisputed), status__in=SENDABLE, next_try_at__lte=now)


class Refund(models.Model):
    """Money going back, once per payment and cause. The gateway call repeats under the same key."""

    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds", verbose_name=_("payment"))
    cause = models.CharField(_("cause"), max_length=60)
    amount_minor = models.PositiveIntegerField(_("amount"))
    status = models.CharField(_("status"), max_length=8, choices=RefundStatus, default=RefundStatus.DUE)
    drawer = models.ForeignKey(
        Drawer, models.PROTECT, null=True, blank=True, related_name="refunds", verbose_name=_("cash drawer")
    )
    gateway_refund = models.CharField(_("the gateway's refund"), max_length=255, blank=True)
    dispute = models.ForeignKey(
        Dispute, models.PROTECT, null=True, blank=True, related_name="refunds", verbose_name=_("dispute")
    )
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"))
    reason = models.CharField(_("what the gateway said"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"))
    done_at = models.DateTimeField(_("done"), null=True, blank=True)
    in_books = models.BooleanField(default=False, db_default=False, editable=False)
    """It has its credit note."""

    objects = RefundQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.UniqueConstraint(fields=["payment", "cause"], name="refund_once_per_cause"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_of_something"),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(status__in=SENDABLE),
                name="refund_todo",
            ),
            models.Index(fields=["done_at"], condition=Q(status=RefundStatus.DONE), name="refund_by_day"),
            models.Index(
                fields=["created_at"], condition=~Q(status=RefundStatus.DONE), name="refund_undone_by_day"
            ),
            models.Index(
                fields=["done_at", "id"],
                condition=Q(status=RefundStatus.DONE, in_books=False),
                name="refund_without_credit_note",
            ),
            models.Index(
                fields=["gateway_refund"], condition=~Q(gateway_refund=""), name="refund_of_gateway"
            ),
        ]

    def __str__(self):
        return f"{self.amount} · {self.get_status_display()}"

    @property
    def amount(self) -> str:
        return money.display(self.amount_minor, self.payment.currency)

    @property
    def in_words(self) -> str:
        """What became of it, in a few words: "₹500 sent back on 24 November"."""
        if self.status == RefundStatus.DONE:
            said = {
                "amount": self.amount,
                "day": formats.date_format(timezone.localtime(self.done_at), "j F"),
            }
            if self.dispute_id:
                return gettext("%(amount)s went back through your bank on %(day)s") % said
            return gettext("%(amount)s sent back on %(day)s") % said
        if self.waits_for_bank:
            return gettext("%(amount)s waits until your bank has closed your complaint") % {
                "amount": self.amount
            }
        words = {
            RefundStatus.BY_HAND: gettext("%(amount)s waits for you at the desk"),
            RefundStatus.FAILED: gettext(
                "%(amount)s could not be sent back yet: the clinic is looking at it"
            ),
        }
        return words.get(self.status, gettext("%(amount)s on its way back")) % {"amount": self.amount}

    @property
    def why(self) -> str:
        """Why it goes back, in a patient's words; "" where the page says that anyway."""
        if self.dispute_id:
            return _("You complained to your bank about this payment.")
        if self.cause == Outcome.SURPLUS:
            return _("It was paid twice, or too late.")
        return _("The clinic decided to give it back.") if self.cause.startswith("staff:") else ""

    @property
    def tone(self) -> str:
        return {RefundStatus.DONE: "free", RefundStatus.FAILED: "late"}.get(self.status, "held")

    @property
    def waits_for_bank(self) -> bool:
        """Not sent as long as the payer's bank disputes the payment."""
        return self.status in SENDABLE and self.payment.disputed_at is not None

    @property
    def is_ended(self) -> bool:
        """Sent back, or failed for good: nothing will happen by itself."""
        return self.status not in UNDER_WAY
