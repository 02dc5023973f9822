"""The books: receipts without gaps, and what doctors earn. Rows are added, never changed. Minor units throughout."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q, Sum
from django.utils.translation import gettext_lazy as _

from clinic import money
from clinic.models import Doctor
from clinic.transactions import LockingQuerySet
from payments.states import EntryKind, PayoutStatus, ReceiptKind


class BookedOnceQuerySet(LockingQuerySet):
    """Of payments and refunds, whose `in_books` says that they have their paper."""

    def unbooked(self):
        """Alone in its UPDATE, so that of two rivals the one who waited changes nothing: what another table
        tells is not read again after the wait."""
        return self.filter(in_books=False)


class ReceiptSeries(models.Model):
    """The numbers of one fiscal year, like CL/2026-27. Its row is the lock of everything that is booked."""

    name = models.CharField(_("series"), max_length=40, unique=True)
    last_number = models.PositiveIntegerField(_("last number"), default=0)

    objects = LockingQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("series of receipts")
        verbose_name_plural = _("series of receipts")

    def __str__(self):
        return self.name


class ReceiptQuerySet(models.QuerySet):
    def of(self, booking):
        """A booking's papers in the order of their numbers."""
        papers = self.filter(Q(payment__booking=booking) | Q(refund__payment__booking=booking))
        return papers.select_related("series").order_by("pk")


class Receipt(models.Model):
    """A paper with a number: money came (receipt), or went back (credit note). Append-only by trigger.

    `at` is when the money moved, `issued_at` when the number was given. What is printed stands in
    `snapshot`, so that a copy is the same for ever: clinic, tax_line, patient, lines, method, reference,
    and of a credit note the receipt that it `credits`.
    """

    series = models.ForeignKey(
        ReceiptSeries, models.PROTECT, related_name="receipts", verbose_name=_("series")
    )
    number = models.PositiveIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=11, choices=ReceiptKind)
    payment = models.OneToOneField(
        "payments.Payment", models.PROTECT, null=True, blank=True, verbose_name=_("payment")
    )
    refund = models.OneToOneField(
        "payments.Refund", models.PROTECT, null=True, blank=True, verbose_name=_("refund")
    )
    amount_minor = models.PositiveIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    at = models.DateTimeField(_("money moved"))
    issued_at = models.DateTimeField(_("issued"))
    snapshot = models.JSONField(_("as printed"), encoder=DjangoJSONEncoder)

    objects = ReceiptQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        constraints = [
            models.UniqueConstraint(fields=["series", "number"], name="receipt_number_once"),
            models.CheckConstraint(condition=Q(number__gt=0), name="receipt_counts_from_one"),
            models.CheckConstraint(
                condition=Q(kind=ReceiptKind.RECEIPT, payment__isnull=False, refund=None)
                | Q(kind=ReceiptKind.CREDIT_NOTE, payment=None, refund__isnull=False),
                name="receipt_of_one_thing",
            ),
        ]

    def __str__(self):
        return self.label

    @property
    def label(self) -> str:
        return f"{self.series.name}/{self.number:06}"

    @property
    def amount(self) -> str:
        return money.display(self.amount_minor, self.currency)

    @property
    def is_credit_note(self) -> bool:
        return self.kind == ReceiptKind.CREDIT_NOTE


class PayoutQuerySet(models.QuerySet):
    def of(self, doctor):
        return self.filter(doctor=doctor)

    def in_state(self, *states):
        return self.filter(status__in=states)

    def open(self):
        """Asked for or being paid: promised, and not in the ledger yet."""
        return self.in_state(PayoutStatus.REQUESTED, PayoutStatus.PROCESSING)

    def for_list(self):
        return self.select_related("doctor").order_by("requested_at", "pk")

    def paid(self):
        return self.in_state(PayoutStatus.COMPLETED)

    def moved_between(self, since, until):
        """Asked for, or ended, in a span of time."""
        asked = models.Q(requested_at__gte=since, requested_at__lt=until)
        return self.filter(asked | models.Q(ended_at__gte=since, ended_at__lt=until))

    def sums(self):
        """Rows of status, currency and sum."""
        return self.order_by().values("status", "currency").annotate(sum=Sum("amount_minor"))


class Payout(models.Model):
    """Money on its way to a doctor. Completed, it is in the ledger, once."""

    key = models.UUIDField(unique=True, editable=False)
    doctor = models.ForeignKey(Doctor, models.PROTECT, related_name="payouts", verbose_name=_("doctor"))
    amount_minor = models.PositiveIntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(
        _("status"), max_length=10, choices=PayoutStatus, default=PayoutStatus.REQUESTED
    )
    reference = models.CharField(_("the bank's reference"), max_length=120, blank=True)
    reason = models.CharField(_("why it was not paid"), max_length=200, blank=True)
    paid_on = models.DateField(_("the bank's date"), null=True, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("asked for by")
    )
    requested_at = models.DateTimeField(_("asked for"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = PayoutQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("payout")
        verbose_name_plural = _("payouts")
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payout_of_something"),
            models.CheckConstraint(condition=Q(status__in=PayoutStatus.values), name="payout_known_status"),
            models.CheckConstraint(
                condition=~Q(status=PayoutStatus.COMPLETED) | ~Q(reference=""),
                name="payout_paid_has_reference",
            ),
            models.CheckConstraint(
                condition=~Q(status=PayoutStatus.FAILED) | ~Q(reason=""), name="payout_failed_says_why"
            ),
            models.UniqueConstraint(
                fields=["reference"],
                condition=Q(status=PayoutStatus.COMPLETED),
                name="payout_reference_once",
            ),
        ]

    def __str__(self):
        return f"{self.code} · {self.amount} · {self.get_status_display()}"

    @property
    def code(self) -> str:
        """What a transfer carries, so that the bank's file finds it: "PO17-3F9A". Four signs of the key
        keep a mistyped number, or another clinic's, from matching."""
        return f"PO{self.pk}-{self.key.hex[:4].upper()}"

    @property
    def amount(self) -> str:
        return money.display(self.amount_minor, self.currency)


class LedgerEntryQuerySet(models.QuerySet):
    def of(self, doctor):
        return self.filter(doctor=doctor)

    def of_payment(self, payment):
        """What was earned by a payment, and what went back of it."""
        return self.filter(Q(payment=payment) | Q(refund__payment=payment))

    def total(self) -> int:
        """Their sum; the caller has chosen one currency."""
        return self.aggregate(sum=Sum("amount_minor"))["sum"] or 0

    def balances(self):
        """Rows of doctor, currency and what the clinic owes them: the sum of all entries, stored nowhere."""
        by_doctor = self.order_by("doctor__name", "currency").values("doctor", "doctor__name", "currency")
        return by_doctor.annotate(balance=Sum("amount_minor"))

    def for_statement(self):
        """In the order in which money moved, an earning before its share, with the visits they are about."""
        visits = "payment__booking__schedule", "refund__payment__booking__schedule", "actor", "payout"
        return self.select_related(*visits).order_by("at", "pk")


class LedgerEntry(models.Model):
    """One line of what the clinic owes a doctor: plus is theirs. Append-only by trigger."""

    doctor = models.ForeignKey(Doctor, models.PROTECT, related_name="ledger", verbose_name=_("doctor"))
    kind = models.CharField(_("what"), max_length=10, choices=EntryKind)
    amount_minor = models.IntegerField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    payment = models.ForeignKey(
        "payments.Payment",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger",
        verbose_name=_("payment"),
    )
    refund = models.ForeignKey(
        "payments.Refund",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger",
        verbose_name=_("refund"),
    )
    payout = models.OneToOneField(
        Payout, models.PROTECT, null=True, blank=True, related_name="entry", verbose_name=_("payout")
    )
    key = models.UUIDField(unique=True, null=True, blank=True, editable=False)
    at = models.DateTimeField(_("when"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("who"),
    )

    objects = LedgerEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        permissions = [
            ("view_own_earnings", _("Can see what they earned themselves")),
            ("adjust_ledger", _("Can adjust what a doctor earned")),
        ]
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger")
        constraints = [
            models.UniqueConstraint(fields=["payment", "kind"], name="ledger_payment_once"),
            models.UniqueConstraint(fields=["refund", "kind"], name="ledger_refund_once"),
            models.CheckConstraint(condition=Q(kind__in=EntryKind.values), name="ledger_known_kind"),
            models.CheckConstraint(
                condition=Q(kind=EntryKind.ADJUSTMENT, payment=None, refund=None, payout=None)
                | Q(
                    kind=EntryKind.PAYOUT, payment=None, refund=None, payout__isnull=False, amount_minor__lt=0
                )
                | Q(
                    kind__in=[EntryKind.EARNING, EntryKind.COMMISSION],
                    payment__isnull=False,
                    refund=None,
                    payout=None,
                )
                | Q(
                    kind__in=[EntryKind.REVERSAL, EntryKind.COMMISSION],
                    payment=None,
                    refund__isnull=False,
                    payout=None,
                ),
                name="ledger_has_its_cause",
            ),
            models.CheckConstraint(
                condition=~Q(kind=EntryKind.EARNING) | Q(amount_minor__gt=0), name="ledger_earning_adds"
            ),
            models.CheckConstraint(
                condition=~Q(kind=EntryKind.REVERSAL) | Q(amount_minor__lt=0), name="ledger_reversal_takes"
            ),
            models.CheckConstraint(
                condition=~Q(kind=EntryKind.ADJUSTMENT) | (~Q(reason="") & Q(actor__isnull=False)),
                name="ledger_adjustment_says_why",
            ),
        ]
        indexes = [
            models.Index(fields=["doctor", "id"], name="ledger_of_doctor"),
            models.Index(fields=["at"], name="ledger_by_day"),
        ]

    def __str__(self):
        return f"{self.amount} · {self.get_kind_display()}"

    @property
    def amount(self) -> str:
        """With its sign: "−₹500"."""
        return money.signed(self.amount_minor, self.currency)

    @property
    def cause(self) -> tuple:
        return self.payment_id, self.refund_id

    @property
    def visit(self):
        """The booking that it is about; None for an adjustment."""
        payment = self.refund.payment if self.refund else self.payment
        return payment and payment.booking
