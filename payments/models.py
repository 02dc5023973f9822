"""Money: attempts to collect it. Minor units throughout. Refunds, receipts, drawers have files of their own."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, When
from django.utils.translation import gettext_lazy as _

from bookings.models import Booking
from clinic import money
from payments import due_models  # noqa: F401  (Django looks for models here)
from payments.customer_models import Customer  # noqa: F401  (its readers look for it here)
from payments.drawer_models import Drawer
from payments.history_models import PaymentEvent  # noqa: F401  (its readers look for it here)
from payments.inbox_models import GatewayEvent  # noqa: F401  (its readers look for it here)
from payments.ledger_models import BookedOnceQuerySet
from payments.refund_models import Refund
from payments.states import (
    OPEN,
    RECEIPTED,
    RETURNED,
    TELLING,
    EntryKind,
    Method,
    Outcome,
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

    def under_review(self):
        """Money that came and fits nothing, so that a person looks at it."""
        return self.captured().filter(outcome=Outcome.REVIEW)

    def bought(self):
        """What paid for the places that people have, or had."""
        return self.filter(outcome=Outcome.BOUGHT)

    def with_rest(self):
        """Of which something is left to give back."""
        return self.filter(refunded_minor__lt=F("captured_minor"))

    def tries_of(self, bookings):
        """Rows of booking, status and outcome."""
        return self.filter(booking__in=bookings).values_list("booking", "status", "outcome")

    def telling(self):
        """Attempts that say how a booking stands, the one that says most first."""
        rank = Case(*(When(status=status, then=rank) for rank, status in enumerate(TELLING)))
        return self.filter(status__in=TELLING).order_by(rank, "pk")

    def spoken_of(self):
        """What a person means who speaks of a booking's payment: the money that came, else the newest attempt."""
        return self.order_by(Case(When(status=Status.CAPTURED, then=0), default=1), "-pk")

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
