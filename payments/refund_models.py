"""Money that goes back. Minor units throughout."""

import uuid

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import formats, timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic import money
from payments.dispute_models import Dispute
from payments.drawer_models import Drawer
from payments.ledger_models import BookedOnceQuerySet
from payments.states import SENDABLE, UNDER_WAY, Outcome, RefundStatus


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

    def sent_by_gateway(self):
        """Without what a bank took in a dispute: of that the gateway lists no refund."""
        return self.filter(dispute=None)

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
        payments = self.model._meta.get_field("payment").related_model  # whose file imports this one
        undisputed = payments.objects.filter(pk=OuterRef("payment_id"), disputed_at=None)
        # EXISTS and no join: an UPDATE of a join selects its rows before it waits for them.
        return self.filter(Exists(undisputed), status__in=SENDABLE, next_try_at__lte=now)


class Refund(models.Model):
    """Money going back, once per payment and cause. The gateway call repeats under the same key."""

    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    payment = models.ForeignKey(
        "payments.Payment", models.PROTECT, related_name="refunds", verbose_name=_("payment")
    )
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
