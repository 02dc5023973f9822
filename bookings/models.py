"""Who is booked where, and the audit of every change."""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from bookings.states import LIVE, NEW, NO_VISIT, OCCUPYING, OWING, WAITING, Channel, Status
from clinic import money
from clinic.membership_models import Membership
from clinic.models import Patient, Service
from clinic.transactions import LockingQuerySet
from schedules.models import Schedule
from schedules.states import Mode


def new_public_id() -> str:
    """128 random bits and nothing about when or by whom: the only id in a patient's URL."""
    return secrets.token_urlsafe(16)


LINE = (
    "public_id", "status", "queue_number", "priority", "hold_expires_at", "price_minor", "currency",
    "due_minor", "discount_minor", "pay_at_desk", "free_reason", "start_at", "mode", "refund_percent", "refund_due_at", "schedule__prefix", "schedule__now_serving", "schedule__capacity",
    "end_at", "service_name", "minutes", "schedule__starts_at", "schedule__ends_at", "schedule__doctor__name", "schedule__doctor__room",
)  # fmt: skip


class BookingQuerySet(LockingQuerySet):
    def live(self):
        """Bookings that still have something ahead of them."""
        return self.filter(status__in=LIVE)

    def occupying(self):
        """Bookings that have a place for good."""
        return self.filter(status__in=OCCUPYING)

    def waiting(self):
        """Has a number, was not called yet."""
        return self.filter(status__in=WAITING)

    def in_line(self):
        """Has a number or a time, and was not sent home yet: waiting, or with the doctor."""
        return self.filter(status__in=[*WAITING, Status.IN_CONSULTATION])

    def held(self):
        """Places kept for who still pays, or no longer: with `hold_expires_at` past they are lapsed."""
        return self.filter(status=Status.HELD)

    def lapsed(self, now):
        """Holds whose time is up, whether or not a sweep has seen them."""
        return self.filter(status=Status.HELD, hold_expires_at__lte=now)

    def with_place(self, now):
        """Who has or holds a place that counts; a hold whose time is up has none, swept or not."""
        return self.filter(units__gt=0).exclude(status=Status.HELD, hold_expires_at__lte=now)

    def timed(self, now):
        """Times that somebody has or holds in a window, as intervals."""
        return self.with_place(now).filter(start_at__isnull=False)

    def owing(self):
        """Whose place is theirs, and whose price is still to be paid at the desk."""
        return self.filter(status__in=OWING, due_minor__gt=0)

    def paid_visits(self):
        """Consultations that took place and were paid for: what a free follow-up follows. A service has
        none: it ends with itself."""
        paid = self.filter(status=Status.COMPLETED, free_reason="", due_minor=0, service=None)
        return paid.filter(price_minor__gt=F("discount_minor"))

    def with_visit(self):
        """Bookings that are or were a visit to come to."""
        return self.exclude(status__in=NO_VISIT)

    def paying(self, now):
        """Holds whose time is not up: their places are neither free nor sold."""
        return self.filter(status=Status.HELD, hold_expires_at__gt=now)

    def on(self, day):
        return self.filter(schedule__date=day)

    def standing_at(self, status, now):
        """What is in this status at `now`: a hold whose time is up has expired, whatever its row says."""
        lapsed = Q(status=Status.HELD, hold_expires_at__lte=now)
        if status == Status.EXPIRED:
            return self.filter(Q(status=status) | lapsed)
        return self.filter(status=status).exclude(lapsed)

    def visible_to(self, user):
        """What `user` may see by its link: staff all, an account its own, everyone a guest's."""
        if user.is_staff and user.has_perm("bookings.view_booking"):
            return self
        return self.own_of(user)

    def own_of(self, user):
        """What `user` may change by its link: an account its own, everyone a guest's. Staff have admin."""
        mine = Q(booked_by=None)
        return self.filter(mine | Q(booked_by=user) if user.is_authenticated else mine)

    def seen_by(self, user):
        """What staff see in admin: those who may open windows see all, a doctor their own patients."""
        return self if user.has_perm("schedules.add_schedule") else self.filter(schedule__doctor__user=user)

    def with_token(self, prefix: str, number: int):
        """Bookings with a number as people say it: A7, a7, 7."""
        numbered = self.filter(queue_number=number)
        return numbered.filter(schedule__prefix__iexact=prefix) if prefix else numbered

    def of_account(self, account):
        """What an account booked, or the desk for one of its people; the latest visit first."""
        theirs = Q(booked_by=account) | Q(booked_by=None, patient__account=account)
        return self.filter(theirs).order_by("-schedule__starts_at", "-pk")

    def for_page(self):
        return self.select_related("schedule__doctor", "patient")

    def for_line(self):
        """As much as the live page's fragment says, and nothing of the patient: phones ask for it all day."""
        return self.select_related("schedule__doctor").only(*LINE)


class Booking(models.Model):
    """A place in a window. Status, units and schedule change only in `steps.move`."""

    public_id = models.CharField(max_length=22, unique=True, default=new_public_id, editable=False)
    request_key = models.UUIDField(unique=True, null=True, blank=True, editable=False)
    external_id = models.CharField(
        _("number in the system before"), max_length=64, unique=True, null=True, blank=True, editable=False
    )
    request_digest = models.CharField(max_length=64, blank=True, editable=False)
    schedule = models.ForeignKey(Schedule, models.PROTECT, related_name="bookings", verbose_name=_("window"))
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="bookings", verbose_name=_("patient"))
    booked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="bookings",
        verbose_name=_("account"),
    )
    channel = models.CharField(_("booked"), max_length=7, choices=Channel, default=Channel.ONLINE)
    mode = models.CharField(_("mode"), max_length=9, choices=Mode, default=Mode.IN_PERSON)
    service = models.ForeignKey(
        Service, models.PROTECT, null=True, blank=True, related_name="bookings", verbose_name=_("service")
    )
    service_name = models.CharField(_("service as sold"), max_length=120, blank=True)
    minutes = models.PositiveSmallIntegerField(_("minutes as sold"), null=True, blank=True)
    start_at = models.DateTimeField(_("starts"), null=True, blank=True)
    end_at = models.DateTimeField(_("ends"), null=True, blank=True)
    price_minor = models.PositiveIntegerField(_("price"))
    currency = models.CharField(_("currency"), max_length=3)
    free_reason = models.CharField(_("free because"), max_length=120, blank=True)
    membership = models.ForeignKey(
        Membership,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="bookings",
        verbose_name=_("free with the plan"),
        help_text=_("A trial's free visits are counted from here."),
    )
    pay_at_desk = models.BooleanField(_("pays at the desk"), default=False)
    due_minor = models.PositiveIntegerField(_("still to be paid at the desk"), default=0, editable=False)
    discount_minor = models.PositiveIntegerField(_("let off"), default=0, editable=False)
    consent_version = models.CharField(_("consent given to"), max_length=20, blank=True)
    status = models.CharField(_("status"), max_length=15, choices=Status)
    units = models.PositiveIntegerField(default=0, editable=False)
    hold_expires_at = models.DateTimeField(_("held until"), null=True, blank=True)
    queue_number = models.PositiveIntegerField(_("number"), null=True, blank=True)
    numbered_at = models.DateTimeField(null=True, blank=True)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("Higher is called earlier."))
    refund_rules = models.JSONField(_("refund rules as sold"), default=list, blank=True)
    refund_percent = models.PositiveSmallIntegerField(_("refund, percent"), null=True, blank=True)
    refund_due_at = models.DateTimeField(_("refund due"), null=True, blank=True)
    moved = models.PositiveSmallIntegerField(_("times moved by the patient"), default=0, editable=False)
    refund_at_most = models.PositiveSmallIntegerField(
        _("refund at most, percent"),
        default=100,
        editable=False,
        help_text=_("What a cancellation would have given back when the patient moved the visit."),
    )
    cancel_reason = models.CharField(_("reason"), max_length=200, blank=True)
    created_at = models.DateTimeField()
    checked_in_at = models.DateTimeField(null=True, blank=True)
    called_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = BookingQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = _("booking")
        verbose_name_plural = _("bookings")
        permissions = [("run_desk", _("Can check in, call, finish and cancel patients"))]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "queue_number"], name="booking_number_once"),
            models.UniqueConstraint(
                fields=["schedule", "patient"],
                condition=Q(status__in=LIVE, service=None),
                name="booking_patient_once",
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="booking_known_status"),
            models.CheckConstraint(
                condition=~Q(status=Status.HELD) | Q(hold_expires_at__isnull=False),
                name="booking_hold_expires",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=OCCUPYING)
                | Q(start_at__isnull=False)
                | Q(queue_number__isnull=False),
                name="booking_token_has_number",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[*OCCUPYING, Status.HELD]) | Q(units=0),
                name="booking_gone_takes_nothing",
            ),
            models.CheckConstraint(
                condition=Q(start_at=None, end_at=None)
                | Q(start_at__isnull=False, end_at__isnull=False, start_at__lt=F("end_at")),
                name="booking_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(due_minor=0) | Q(pay_at_desk=True) & ~Q(status=Status.HELD),
                name="booking_owes_at_desk",
            ),
            models.CheckConstraint(
                condition=Q(due_minor__lte=F("price_minor") - F("discount_minor")),
                name="booking_due_within_price",
            ),
            models.CheckConstraint(
                condition=Q(membership=None) | ~Q(free_reason=""), name="booking_plan_makes_free"
            ),
            models.CheckConstraint(
                condition=Q(refund_percent=None) | Q(refund_percent__lte=100),
                name="booking_refund_at_most_all",
            ),
        ]
        indexes = [
            models.Index(fields=["hold_expires_at"], condition=Q(status=Status.HELD), name="booking_held"),
            models.Index(fields=["schedule", "status"], name="booking_of_schedule"),
            models.Index(
                fields=["refund_due_at"], condition=Q(refund_due_at__isnull=False), name="booking_refund_due"
            ),
            models.Index(fields=["schedule"], condition=Q(due_minor__gt=0), name="booking_owing"),
        ]

    def __str__(self):
        return f"{self.label or self.get_status_display()} · {self.schedule}"

    def get_absolute_url(self):
        return reverse("booking", args=[self.public_id])

    @property
    def size(self) -> int:
        """What this booking takes of its window's capacity while it has a place."""
        return self.minutes or 1

    @property
    def token_label(self) -> str:
        return self.schedule.label(self.queue_number)

    @property
    def label(self) -> str:
        """What people call this place: its number, or its time. "" before there is one."""
        if self.start_at:
            return f"{timezone.localtime(self.start_at):%H:%M}"
        return self.token_label

    @property
    def price(self) -> str:
        return money.display(self.price_minor, self.currency)

    def is_own_of(self, user) -> bool:
        """As in `own_of`."""
        return self.booked_by_id in (None, user.pk)

    @property
    def gives_back(self) -> bool:
        """Whether a cancellation may owe money: what is only held, was free or is not paid yet has none."""
        return self.status != Status.HELD and not self.free_reason and self.charged_minor > 0

    def hold_lapsed(self, now) -> bool:
        return self.status == Status.HELD and self.hold_expires_at <= now

    # --- What it costs, minor units -------------------------------------------------------

    @property
    def asked_minor(self) -> int:
        """The price as sold, less what was let off."""
        return self.price_minor - self.discount_minor

    @property
    def charged_minor(self) -> int:
        """What of it is not to be paid at the desk: paid, once the place is theirs."""
        return self.asked_minor - self.due_minor

    @property
    def due(self) -> str:
        """What is to be paid for it now: at the desk, or to get a held place."""
        return money.display(self.due_minor or self.price_minor, self.currency)

    @property
    def is_paid(self) -> bool:
        return self.status in OCCUPYING and not self.free_reason and self.charged_minor > 0

    @property
    def owes(self) -> bool:
        """As in `owing`."""
        return self.due_minor > 0 and self.status in OWING

    @property
    def may_pay_at_desk(self) -> bool:
        """Whether a patient may choose to pay when they come: as the service says, else as the clinic does."""
        own = self.service.pay_at_desk if self.service else None
        return settings.PAY_AT_DESK if own is None else own

    @property
    def to_collect_minor(self) -> int:
        """What the counter may take for it: what is owed, or the price of a place not paid (in time); else 0."""
        if self.owes:
            return self.due_minor
        return self.price_minor if self.status in (Status.HELD, Status.EXPIRED) else 0

    def awaits_money(self, now: datetime) -> bool:
        """Somebody may pay for it: a place that is still held, or one that is owed for."""
        return self.owes or (self.status == Status.HELD and not self.hold_lapsed(now))

    def pay_until(self, begun: datetime) -> datetime:
        """Until when an attempt to pay that was begun then may be paid: while the place is held, or,
        where the desk would take the money too, for as long as a place is held."""
        return begun + timedelta(minutes=settings.HOLD_MINUTES) if self.pay_at_desk else self.hold_expires_at

    @property
    def starts(self):
        """When the patient is expected: their own time, or the window's start for a token."""
        return self.start_at or self.schedule.starts_at

    @property
    def ends(self):
        """Until when the visit is planned: the end of their own time, or the window's for a token."""
        return self.end_at or self.schedule.ends_at

    @property
    def service_line(self) -> str:
        """What was sold and how long it takes: "ECG · 25 minutes". "" for a visit that names no service."""
        if not self.service_name:
            return ""
        said = {"service": self.service_name, "minutes": self.minutes}
        return (
            ngettext("%(service)s · %(minutes)d minute", "%(service)s · %(minutes)d minutes", self.minutes)
            % said
        )


class BookingEvent(models.Model):
    """One change of status, never edited: who, when, why (append-only by trigger)."""

    booking = models.ForeignKey(Booking, models.PROTECT, related_name="events", verbose_name=_("booking"))
    at = models.DateTimeField(_("when"))
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("who"),
    )
    from_status = models.CharField(
        _("from"), max_length=15, choices=[(NEW, _("new")), *Status.choices], blank=True
    )
    to_status = models.CharField(_("to"), max_length=15, choices=Status)
    cause = models.CharField(_("why"), max_length=200)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("booking event")
        verbose_name_plural = _("booking events")

    def __str__(self):
        return f"{self.from_status or NEW} → {self.to_status}"
