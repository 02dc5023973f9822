"""What patients may have agreed with the clinic: plans, who is on which, and who is whose doctor."""

from datetime import date, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from clinic.transactions import LockingQuerySet


class Rule(models.TextChoices):
    """What a plan changes about the price of a visit (DESIGN §10)."""

    PAYS = "pays", _("pays the usual fee")
    FREE_WITH_RELATION = "free_with_relation", _("free with a doctor who looks after the patient")
    TRIAL = "trial", _("free at first: so many visits, or so many days")


class PlanQuerySet(models.QuerySet):
    def offered(self):
        """Plans that one may still join."""
        return self.filter(is_active=True)


class Plan(models.Model):
    name = models.CharField(_("name"), max_length=60, unique=True)
    words = models.TextField(
        _("in words for patients"), help_text=_("What it gives, what it costs, and how one joins.")
    )
    rule = models.CharField(_("what a visit costs"), max_length=20, choices=Rule, default=Rule.PAYS)
    free_visits = models.PositiveSmallIntegerField(
        _("free visits"), null=True, blank=True, help_text=_("Of a trial. Empty: any number.")
    )
    free_days = models.PositiveSmallIntegerField(
        _("free for days after joining"), null=True, blank=True, help_text=_("Of a trial. Empty: no limit.")
    )
    is_active = models.BooleanField(
        _("may be joined"), default=True, help_text=_("Off: who is on it stays on it, nobody new joins.")
    )

    objects = PlanQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        constraints = [
            models.CheckConstraint(condition=Q(rule__in=Rule.values), name="plan_known_rule"),
            models.CheckConstraint(
                condition=Q(rule=Rule.TRIAL) & (Q(free_visits__isnull=False) | Q(free_days__isnull=False))
                | ~Q(rule=Rule.TRIAL) & Q(free_visits=None, free_days=None),
                name="plan_trial_has_an_end",
                violation_error_message=_(
                    "A trial ends: after so many visits, so many days, or both. Other plans have neither."
                ),
            ),
        ]

    def __str__(self):
        return self.name


class MembershipQuerySet(LockingQuerySet):
    def in_force(self, day: date):
        """Those that cover a day of the clinic's."""
        return self.filter(Q(ends_on=None) | Q(ends_on__gte=day), starts_on__lte=day)

    def of(self, account_id):
        return self.filter(account_id=account_id)

    def with_used(self):
        """Annotates `used`: how many visits it made free, but for those that were cancelled."""
        bookings = self.model._meta.get_field("bookings").related_model  # this app imports no later one
        mine = bookings.objects.occupying().filter(membership=OuterRef("pk")).order_by()
        counted = mine.values("membership").annotate(visits=Count("pk")).values("visits")
        return self.annotate(used=Coalesce(Subquery(counted), 0))


class Membership(models.Model):
    """An account and all of its people are on a plan, on these days. Its row is the lock for a trial's
    free visits; how many were used is counted from the bookings."""

    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="memberships", verbose_name=_("account")
    )
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="memberships", verbose_name=_("plan"))
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(
        _("last day"), null=True, blank=True, help_text=_("Empty: until somebody ends it.")
    )

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_on", "-pk"]
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                name="membership_ends_after_start",
                violation_error_message=_("The last day is not before the first."),
            )
        ]
        indexes = [models.Index(fields=["account", "starts_on"], name="membership_of_account")]

    def __str__(self):
        return f"{self.plan}, {self.account}"

    def clean(self):
        """An account is on one plan at a time; the database refuses it too (migration 0005, triggers)."""
        if not (self.account_id and self.starts_on):
            return
        others = Membership.objects.of(self.account_id).exclude(pk=self.pk)
        others = others.filter(Q(ends_on=None) | Q(ends_on__gte=self.starts_on))
        if self.ends_on:
            others = others.filter(starts_on__lte=self.ends_on)
        if other := others.select_related("plan").first():
            raise ValidationError(overlapping(other))

    @property
    def free_until(self) -> date | None:
        """The last day of a trial's free days. None: no such day."""
        days = self.plan.free_days
        return None if days is None else self.starts_on + timedelta(days=days)


def overlapping(other: Membership | None = None) -> str:
    """Why an account cannot be on two plans on one day, in words."""
    if other is None:
        return _("This account is on a plan on some of these days. End that one first.")
    return _("This account is on %(plan)s on some of these days. End that one first.") % {"plan": other.plan}


class CareRelation(models.Model):
    """A doctor looks after a patient."""

    doctor = models.ForeignKey(
        "clinic.Doctor", models.PROTECT, related_name="care_relations", verbose_name=_("doctor")
    )
    patient = models.ForeignKey(
        "clinic.Patient", models.CASCADE, related_name="care_relations", verbose_name=_("patient")
    )
    since = models.DateField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("care relation")
        verbose_name_plural = _("care relations")
        constraints = [models.UniqueConstraint(fields=["doctor", "patient"], name="care_relation_once")]

    def __str__(self):
        return str(self.doctor)
