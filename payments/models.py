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
from clinic.transactions import LockingQuerySet
from payments import due_models, ledger_models  # noqa: F401  (Django looks for models here)
from payments.drawer_models import Drawer
from payments.inbox_models import GatewayEvent  # noqa: F401  (its readers look for it here)
from payments.states import (
    OPEN,
    RECEIPTED,
    RETURNED,
    SENDABLE,
    UNDER_WAY,
    Method,
    Outcome,
    RefundStatus,
    Status,
)


class PaymentQuerySet(LockingQuerySet):
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

    def at_counter(self):
        return self.exclude(method="")

    def net_by_currency(self):
        """Rows of currency and net: captured less given back, or about to be."""
        net = models.Sum(F("captured_minor") - F("refunded_minor"))
        return self.order_by("currency").values("currency").annotate(net=net)

    def unsettled(self):
        return self.filter(outcome="")

    def to_look_at(self, now):
        """Attempts whose gateway is to be asked: authorised ones, those whose hold is over, and those
        that ended where no gateway can end them."""
        return self.unsettled().filter(next_check_at__lte=now)

    def of_money(self, gateway: str, gateway_payment: str):
        """The one payment of this money, if the gateway named any."""
        return self.filter(gateway=gateway, gateway_payment=gateway_payment).exclude(gateway_payment="")

    def without_own_refund(self):
        """Whose refund was not made by us yet, whatever somebody gave back at the gateway."""
        return self.exclude(Exists(Refund.objects.filter(payment=OuterRef("pk"), cause=OuterRef("outcome"))))

    def owed_back(self):
        """Captured payments that bought nothing."""
        return self.captured().filter(outcome__in=RETURNED)

    def without_receipt(self):
        """Judged money that is not in the books yet, in the order in which it came."""
        return self.captured().filter(outcome__in=RECEIPTED, receipt=None).order_by("captured_at", "pk")

    def with_visit(self):
        return self.select_related("booking__patient", "booking__schedule__doctor")

    def matching(self, gateway: str, key: str, reference: str, gateway_payment: str):
        """The attempts that a gateway's event may speak of, by any of its names."""
        names = Q()
        for name, value in {"reference": reference, "gateway_payment": gateway_payment}.items():
            if value:
                names |= Q(**{name: value})
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
    next_check_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        permissions = [
            ("take_payment", _("Can take money at the counter")),
            ("refund", _("Can give money back, and decide about payments that don't match")),
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
            models.Index(fields=["next_check_at"], condition=Q(outcome=""), name="payment_to_look_at"),
        ]

    def __str__(self):
        return f"{self.amount} · {self.get_status_display()}"

    @property
    def amount(self) -> str:
        return money.display(self.captured_minor or self.amount_minor, self.currency)

    @property
    def left_minor(self) -> int:
        """What may still be given back, in minor units."""
        return self.captured_minor - self.refunded_minor

    def back(self, percent: int) -> int:
        """Minor units that `percent` of it gives back: part of a unit stays, and never more than is left."""
        return min(self.captured_minor * percent // 100, self.left_minor)


class PaymentEvent(models.Model):
    """One thing that happened to a payment, never edited (append-only by trigger)."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="events", verbose_name=_("payment"))
    at = models.DateTimeField(_("when"))
    kind = models.CharField(_("what"), max_length=40)
    amount_minor = models.PositiveIntegerField(_("amount"), default=0)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("who"),
    )
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("payment event")
        verbose_name_plural = _("payment events")

    def __str__(self):
        return self.kind


class RefundQuerySet(LockingQuerySet):
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
        return self.filter(status=RefundStatus.DONE, receipt=None, payment__receipt__isnull=False).order_by(
            "done_at", "pk"
        )

    def with_visit(self):
        return self.select_related(
            "payment__receipt__series", "payment__booking__patient", "payment__booking__schedule__doctor"
        )

    def under_way(self):
        return self.filter(status__in=UNDER_WAY)

    def failed(self):
        return self.filter(status=RefundStatus.FAILED)

    def by_hand(self):
        """Waiting to be handed back at the desk."""
        return self.filter(status=RefundStatus.BY_HAND)

    def matching(self, key: str, gateway_refund: str):
        """The refund that a gateway's event speaks of, by our key or by the gateway's id."""
        names = Q(key=key) if key else Q(pk=None)
        return self.filter(names | Q(gateway_refund=gateway_refund) if gateway_refund else names)

    def sending(self):
        """In somebody's hands at this moment."""
        return self.filter(status=RefundStatus.SENDING)

    def to_send(self, now):
        """Due ones; those whose sender died, when its lease is over; and those on their way for
        long, to be asked after (the same call under the same key sends nothing twice)."""
        return self.filter(status__in=SENDABLE, next_try_at__lte=now)


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
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_try_at = models.DateTimeField(_("next try"))
    reason = models.CharField(_("what the gateway said"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"))
    done_at = models.DateTimeField(_("done"), null=True, blank=True)

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
            return gettext("%(amount)s sent back on %(day)s") % said
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
        if self.cause == Outcome.SURPLUS:
            return _("It was paid twice, or too late.")
        return _("The clinic decided to give it back.") if self.cause.startswith("staff:") else ""

    @property
    def tone(self) -> str:
        return {RefundStatus.DONE: "free", RefundStatus.FAILED: "late"}.get(self.status, "held")

    @property
    def is_ended(self) -> bool:
        """Sent back, or failed for good: nothing will happen by itself."""
        return self.status not in UNDER_WAY


class Customer(models.Model):
    """A gateway's id for an account, made once and reused."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="customers")
    gateway = models.CharField(max_length=20)
    reference = models.CharField(max_length=255)

    class Meta:
        verbose_name = _("gateway customer")
        verbose_name_plural = _("gateway customers")
        constraints = [models.UniqueConstraint(fields=["user", "gateway"], name="customer_once")]

    def __str__(self):
        return self.reference
