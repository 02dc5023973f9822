"""Who is in the clinic: accounts, doctors, patients, services, and what a person must look at."""

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinic import (  # noqa: F401  (Django looks for models here)
    api_key_models,
    feed_models,
    hook_models,
    idempotency_models,
    membership_models,
    notice_models,
)
from clinic.transactions import LockingQuerySet


class UserManager(BaseUserManager):
    def create_user(self, email, password=None, **fields):
        if not email:
            raise ValueError("An account needs an e-mail address")
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email, password=None, **fields):
        """An operator who can sign in at once: their address counts as verified (DESIGN §7)."""
        user = self.create_user(email, password, is_staff=True, is_superuser=True, **fields)
        user.emailaddress_set.create(email=user.email, verified=True, primary=True)
        return user

    def get_by_natural_key(self, email):
        return self.get(email__iexact=email)


class User(AbstractUser):
    """An account, known by its e-mail address. Staff and doctors have one; patients may."""

    username = None
    first_name = None
    last_name = None
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")

    def save(self, **kwargs):
        """One person, one account: an address is the same in any spelling."""
        self.email = self.email.lower()
        super().save(**kwargs)

    def __str__(self):
        return self.name or self.email

    def get_full_name(self):
        return str(self)

    def get_short_name(self):
        return self.name.split(" ")[0] or self.email


class DoctorQuerySet(LockingQuerySet):
    def active(self):
        return self.filter(is_active=True)

    def of_patient(self, patient):
        """Who looks after them."""
        return self.filter(care_relations__patient=patient)

    def matching(self, words: str):
        """Doctors whose name or specialty holds every word."""
        found = self
        for word in words.split()[:6]:
            found = found.filter(models.Q(name__icontains=word) | models.Q(specialty__icontains=word))
        return found


class Doctor(models.Model):
    user = models.OneToOneField(
        User, models.SET_NULL, null=True, blank=True, related_name="doctor", verbose_name=_("account")
    )
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(_("address on the site"), unique=True)
    specialty = models.CharField(_("specialty"), max_length=80, db_index=True)
    qualifications = models.CharField(_("qualifications"), max_length=120, blank=True)
    about = models.TextField(_("about"), blank=True)
    languages = models.CharField(_("languages"), max_length=120, blank=True)
    room = models.CharField(
        _("room"), max_length=40, blank=True, help_text=_("Its number or name, without the word “room”.")
    )
    prefix = models.CharField(
        _("token prefix"), max_length=3, blank=True, help_text=_("“A” makes tokens A1, A2, …")
    )
    fee_minor = models.PositiveIntegerField(_("usual fee"), default=0, help_text=_("Minor units."))
    follow_up_days = models.PositiveSmallIntegerField(_("free follow-up within days"), default=0)
    is_active = models.BooleanField(_("shown to patients"), default=True)

    objects = DoctorQuerySet.as_manager()

    class Meta:
        ordering = ["specialty", "name"]
        verbose_name = _("doctor")
        verbose_name_plural = _("doctors")

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("doctor", args=[self.slug])


class PatientQuerySet(LockingQuerySet):
    def of(self, account):
        """The people an account books for: itself and its family."""
        return self.filter(account=account)

    def on_phone(self, phone):
        return self.filter(phone=phone)


class Patient(models.Model):
    """A person who is treated. Unclaimed (no account) when booked as a guest or at the desk."""

    class Sex(models.TextChoices):
        FEMALE = "female", _("female")
        MALE = "male", _("male")
        OTHER = "other", _("other")

    class Relationship(models.TextChoices):
        SELF = "self", _("myself")
        SPOUSE = "spouse", _("my husband or wife")
        CHILD = "child", _("my child")
        PARENT = "parent", _("my parent")
        OTHER = "other", _("someone else")

    account = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="patients", verbose_name=_("account")
    )
    relationship = models.CharField(_("relationship"), max_length=10, choices=Relationship, blank=True)
    name = models.CharField(_("name"), max_length=120)
    phone = PhoneNumberField(_("phone"), blank=True, db_index=True)
    email = models.EmailField(_("e-mail"), blank=True)
    date_of_birth = models.DateField(_("date of birth"), null=True, blank=True)
    age = models.PositiveSmallIntegerField(_("age when registered"), null=True, blank=True)
    sex = models.CharField(_("sex"), max_length=6, choices=Sex, blank=True)
    language = models.CharField(_("language"), max_length=10, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PatientQuerySet.as_manager()

    class Meta:
        verbose_name = _("patient")
        verbose_name_plural = _("patients")
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(relationship="self"), name="patient_one_self"
            ),
        ]

    def __str__(self):
        return self.name

    def age_on(self, day) -> int | None:
        """Years on a date: from the date of birth, else from the age once given."""
        if self.date_of_birth:
            born = self.date_of_birth
            return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
        return None if self.age is None else self.age + day.year - self.created_at.year


class ServiceCategory(models.Model):
    name = models.CharField(_("name"), max_length=80, unique=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        ordering = ["position", "name"]
        verbose_name = _("service category")
        verbose_name_plural = _("service categories")

    def __str__(self):
        return self.name


class ServiceQuerySet(LockingQuerySet):
    def offered(self):
        """What patients may choose: shown, and not removed."""
        return self.filter(visible=True, deleted_at=None)

    def by(self, doctor):
        return self.filter(doctors=doctor)

    def in_catalogue(self):
        """All but what was removed."""
        return self.filter(deleted_at=None)

    def matching(self, words: str):
        """Services whose name, description or category holds every word."""
        found = self
        for word in words.split()[:6]:
            name, about = models.Q(name__icontains=word), models.Q(description__icontains=word)
            found = found.filter(name | about | models.Q(category__name__icontains=word))
        return found

    def in_categories(self):
        """In the order of the clinic's list, with their categories; what has none comes last."""
        first = models.F("category__position").asc(nulls_last=True)
        return self.select_related("category").order_by(first, "category__name", *self.model._meta.ordering)


DAY = 24 * 60
"""In minutes. A window is within one day, so nothing longer could ever be booked."""


class Service(models.Model):
    """Something measured in minutes. A booking keeps its own copy of name, minutes and price."""

    code = models.SlugField(
        _("code"), unique=True, help_text=_("Short and lasting, for lists and files. Patients don't see it.")
    )
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True)
    category = models.ForeignKey(
        ServiceCategory,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="services",
        verbose_name=_("category"),
    )
    duration = models.PositiveSmallIntegerField(
        _("minutes"),
        validators=[
            MinValueValidator(1, _("A service takes at least one minute.")),
            MaxValueValidator(DAY, _("A service takes a day at most: 1440 minutes.")),
        ],
    )
    buffer = models.PositiveSmallIntegerField(
        _("minutes kept free after it"),
        default=0,
        validators=[MaxValueValidator(DAY, _("No more than a day: 1440 minutes."))],
        help_text=_("To clean up or rest. They are booked with it: patients read the sum."),
    )
    price_minor = models.PositiveIntegerField(_("price"), help_text=_("Minor units."))
    doctors = models.ManyToManyField(Doctor, related_name="services", blank=True, verbose_name=_("doctors"))
    position = models.PositiveSmallIntegerField(
        _("order"), default=0, help_text=_("Lower numbers stand first; equal ones by name.")
    )
    visible = models.BooleanField(_("shown to patients"), default=True)
    pay_at_desk = models.BooleanField(
        _("may be paid at the desk"),
        null=True,
        blank=True,
        choices=[(None, _("as the clinic does")), (True, _("yes")), (False, _("no: before the visit"))],
    )
    deleted_at = models.DateTimeField(_("removed"), null=True, blank=True, editable=False)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        ordering = ["position", "name"]
        verbose_name = _("service")
        verbose_name_plural = _("services")
        constraints = [
            models.CheckConstraint(condition=Q(duration__gt=0), name="service_takes_time"),
            models.CheckConstraint(
                condition=Q(duration__lte=DAY - F("buffer")),
                name="service_fits_a_day",
                violation_error_message=_("With the minutes kept free after it, it takes more than a day."),
            ),
        ]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("service", args=[self.code])

    def clean(self):
        """A code names one service for ever, in any spelling: history and files go by it."""
        others = Service.objects.filter(code__iexact=self.code).exclude(pk=self.pk)
        if other := others.first():
            raise ValidationError({"code": other.has_this_code})

    @property
    def has_this_code(self) -> str:
        """In words, why no other service can have its code."""
        if not self.deleted_at:
            return gettext("“%(service)s” has this code. Choose another one.") % {"service": self}
        day = formats.date_format(timezone.localdate(self.deleted_at), "j F Y")
        return gettext(
            "“%(service)s” had this code and was removed on %(day)s. Restore it, or choose another code."
        ) % {"service": self, "day": day}

    @property
    def minutes(self) -> int:
        """What it takes of a pool: duration and buffer."""
        return self.duration + self.buffer

    @property
    def is_offered(self) -> bool:
        """As in `offered`."""
        return self.visible and self.deleted_at is None


class ReviewItemQuerySet(LockingQuerySet):
    def open(self):
        return self.filter(resolved_at=None)


class ReviewItem(models.Model):
    """Something that a person must look at. `key` names the fact, so it is raised once."""

    key = models.CharField(max_length=120, unique=True)
    subject = models.CharField(_("what happened"), max_length=200)
    explanation = models.TextField(_("in plain words"))
    link = models.CharField(_("where to look"), max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    resolved_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("resolved by")
    )
    note = models.TextField(_("note"), blank=True)

    objects = ReviewItemQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("review item")
        verbose_name_plural = _("review items")
        indexes = [
            models.Index(fields=["created_at"], condition=models.Q(resolved_at=None), name="review_open")
        ]

    def __str__(self):
        return self.subject


class Heartbeat(models.Model):
    """When each sweep of the worker last finished, for /readyz."""

    sweep = models.CharField(max_length=80, primary_key=True)
    finished_at = models.DateTimeField()
    did = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)

    def __str__(self):
        return self.sweep


class CacheEntry(models.Model):
    """A row of clinic.cache. PostgreSQL flushes nothing for it (UNLOGGED): after a crash it is empty."""

    key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.FloatField(db_index=True)

    def __str__(self):
        return self.key
