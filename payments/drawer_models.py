"""The cash drawer of one receptionist, from opening it to counting it. Minor units."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from clinic import money
from clinic.transactions import LockingQuerySet


class DrawerQuerySet(LockingQuerySet):
    def open(self):
        return self.filter(closed_at=None)

    def of(self, person):
        return self.filter(opened_by=person)

    def on(self, day):
        """Drawers that were open on one of the clinic's days, the first opened first."""
        still_open = Q(closed_at=None) | Q(closed_at__date__gte=day)
        return self.filter(still_open, opened_at__date__lte=day).order_by("opened_at", "pk")


class Drawer(models.Model):
    """Cash from opening to counting. Closed, it never changes; what was expected is kept as it was then."""

    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="drawers", verbose_name=_("whose")
    )
    opened_at = models.DateTimeField(_("opened"))
    currency = models.CharField(_("currency"), max_length=3)
    float_minor = models.PositiveIntegerField(_("in it at first"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("counted by"),
    )
    expected_minor = models.IntegerField(_("expected"), null=True, blank=True)
    counted_minor = models.PositiveIntegerField(_("counted"), null=True, blank=True)
    note = models.CharField(_("why it differs"), max_length=200, blank=True)

    objects = DrawerQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("cash drawer")
        verbose_name_plural = _("cash drawers")
        constraints = [
            models.UniqueConstraint(
                fields=["opened_by"], condition=Q(closed_at=None), name="drawer_one_open_each"
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, closed_by=None, expected_minor=None, counted_minor=None)
                | Q(
                    closed_at__isnull=False,
                    closed_by__isnull=False,
                    expected_minor__isnull=False,
                    counted_minor__isnull=False,
                ),
                name="drawer_closed_is_counted",
            ),
            models.CheckConstraint(
                condition=Q(counted_minor=None) | Q(counted_minor=F("expected_minor")) | ~Q(note=""),
                name="drawer_difference_says_why",
            ),
        ]

    def __str__(self):
        return f"{self.opened_by} · {'open' if self.closed_at is None else self.counted}"

    @property
    def counted(self) -> str:
        return money.display(self.counted_minor, self.currency)

    @property
    def difference_minor(self) -> int | None:
        """Counted less expected: minus is missing. None while it is open."""
        return None if self.closed_at is None else self.counted_minor - self.expected_minor

    @property
    def difference(self) -> str:
        return "" if self.closed_at is None else money.signed(self.difference_minor, self.currency)
