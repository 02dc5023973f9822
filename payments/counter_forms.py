"""A walk-in as it is typed: which window, who, paid how."""

from uuid import uuid4

from django import forms
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from phonenumber_field.formfields import PhoneNumberField

from bookings.desk_queries import live_places
from bookings.menu_queries import Item
from bookings.minutes_queries import why_not
from bookings.models import Booking
from bookings.price_queries import standings
from bookings.price_rules import Quote, Standing, quote
from bookings.states import Status
from bookings.steps import Guest
from clinic import money
from clinic.errors import Refused
from clinic.models import Patient, Service
from clinic.templatetags.clinic import clinic_time, minutes_long
from payments.states import Method
from schedules.models import Schedule
from schedules.states import Status as Window

NEW = "new"


def in_words(window: Schedule) -> str:
    """A window in one line; `left` comes from `with_left`."""
    left = _("%(left)d left") % {"left": window.left} if window.left > 0 else _("full")
    left = left if window.status == Window.OPEN else window.get_status_display()
    return f"{window.doctor} · {window.hours} · {left} · {money.display(window.fee_minor, window.currency)}"


def pool_in_words(item: Item) -> str:
    left = _("%(left)d minutes left") % {"left": item.pool.remaining}
    left = left if item.window.status == Window.OPEN else item.window.get_status_display()
    return f"{item.window.doctor} · {item.window.hours} · {left}"


def item_in_words(item: Item) -> str:
    """A service in one line, with the first time at which it fits."""
    fits = (
        _("from %(time)s") % {"time": clinic_time(localtime(item.first))} if item.first else _("no time left")
    )
    price = money.display(item.service.price_minor, item.window.currency)
    return f"{item.service} · {minutes_long(item.service.minutes)} · {fits} · {price}"


class WalkInForm(forms.Form):
    """At most three things to say: a phone number, who it is, how they pay; of a service, also when.

    Somebody who was here before is chosen by phone, from everyone on that number; somebody new
    is typed in. `windows` are today's, with what is left; of those whose minutes are shared the `menu`
    is chosen from. `may_add_place` opens a full window.
    """

    request_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    schedule = forms.TypedChoiceField(
        label=gettext_lazy("What for?"),
        error_messages={"invalid_choice": gettext_lazy("Choose a doctor's hours, or a service.")},
    )
    start = forms.DateTimeField(label=gettext_lazy("When?"), required=False)
    minutes = forms.IntegerField(min_value=0, required=False, widget=forms.HiddenInput)
    phone = PhoneNumberField(
        label=gettext_lazy("Phone"),
        required=False,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off", "inputmode": "tel"}),
        error_messages={"invalid": gettext_lazy("This is no phone number. Leave it empty if there is none.")},
    )
    patient = forms.CharField(required=False)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120, required=False)
    age = forms.IntegerField(label=gettext_lazy("Age"), min_value=0, max_value=130, required=False)
    method = forms.ChoiceField(
        label=gettext_lazy("Paid by"), choices=Method.choices, initial=Method.CASH, widget=forms.RadioSelect
    )
    price = forms.IntegerField(min_value=0, required=False, widget=forms.HiddenInput)
    extra_place = forms.CharField(label=gettext_lazy("Why one more place?"), max_length=150, required=False)

    def __init__(self, *args, windows: list[Schedule], menu: list[Item], may_add_place: bool, **kwargs):
        super().__init__(*args, **kwargs)
        self.windows = {str(window.pk): window for window in windows if not window.has_minutes}
        self.pools = {str(window.pk): window for window in windows if window.has_minutes}
        self.offer(menu)
        self.fields["schedule"].coerce = self._meant
        self.may_add_place = may_add_place
        for name in ("name", "age", "extra_place"):
            self.fields[name].widget.attrs["autocomplete"] = "off"
        self.fields["age"].widget.attrs["inputmode"] = "numeric"

    def offer(self, menu: list[Item]) -> None:
        """Puts services to choose from into the form; again after a refusal, when other times are free."""
        self.items = {item.key: item for item in menu}
        groups = {}
        for item in menu:
            groups.setdefault(pool_in_words(item), []).append((item.key, item_in_words(item)))
        plain = [(pk, in_words(window)) for pk, window in self.windows.items()]
        self.groups = [("", plain), *groups.items()]
        self.fields["schedule"].choices = [*plain, *groups.items()]

    def _meant(self, key: str) -> Schedule | Item | None:
        return self.windows.get(key) or self.items.get(key)

    # --- What the page shows --------------------------------------------------------------

    @property
    def meant(self) -> Schedule | Item | None:
        """The chosen window or service, as far as one is chosen."""
        return self._meant(self.key)

    @property
    def key(self) -> str:
        """Of what is chosen, or was asked for."""
        return str(self["schedule"].value())

    @property
    def item(self) -> Item | None:
        """The chosen service, if it is one."""
        return self.meant if isinstance(self.meant, Item) else None

    @property
    def service(self) -> Service | None:
        return self.item and self.item.service

    @property
    def window(self) -> Schedule | None:
        """The chosen window, or the service's."""
        return self.item.window if self.item else self.meant

    @property
    def pool(self) -> Schedule | None:
        """The window whose minutes are shared, where only that was said, and no service yet."""
        return self.pools.get(self.key)

    @property
    def starts(self) -> list[dict]:
        """The times at which the chosen service fits, as the page lists them; one is chosen."""
        starts, posted = self.item.starts if self.item else [], self.fields["start"].to_python
        try:
            chosen = posted(self["start"].value())
        except forms.ValidationError:
            chosen = None
        chosen = chosen if chosen in starts else self.item and self.item.first
        return [{"at": at, "suggested": at in self.item.suggested, "chosen": at == chosen} for at in starts]

    @cached_property
    def number(self) -> str:
        """The phone number that is typed, once it is one."""
        try:
            return self.fields["phone"].clean(self["phone"].value()) or ""
        except forms.ValidationError:
            return ""

    @cached_property
    def people(self) -> list[Patient]:
        """Everyone on the phone number that is typed, each person once: a guest who booked online
        three times is three patients. The one with a place in this window comes first, and has
        it as `place`; then the latest."""
        if not self.number:
            return []
        found = list(Patient.objects.on_phone(self.number).order_by("-pk")[:50])
        places = live_places([patient.pk for patient in found], self.window.pk) if self.window else {}
        each = {}
        for patient in sorted(found, key=lambda p: p.pk not in places):
            patient.place = places.get(patient.pk)
            patient.years = patient.age_on(timezone.localdate())
            each.setdefault((patient.name.casefold(), patient.years), patient)
        people = list(each.values())
        known = standings(self.window, people) if self.window and people else {}
        for patient in people:
            patient.quote = self._quote(patient, known.get(patient.pk))
        return people

    def _quote(self, patient: Patient, known: Standing | None) -> Quote | None:
        """What the window costs them. A place that they hold was priced when they took it."""
        if patient.place and patient.place.status == Status.HELD:
            return Quote(patient.place.price_minor, patient.place.currency)
        return quote(self.window, known, self.service) if known else None

    @property
    def quote(self) -> Quote | None:
        """What the chosen window costs who is chosen, or somebody new."""
        chosen = next((person for person in self.people if str(person.pk) == self.chosen), None)
        if chosen:
            return chosen.quote
        return quote(self.window, Standing(), self.service) if self.window else None

    @property
    def chosen(self) -> str:
        """The person whose radio is set: the posted one, or the only one there is."""
        posted = self["patient"].value()
        if posted == NEW or posted in (str(person.pk) for person in self.people):
            return posted
        if self["name"].value():
            return NEW
        return str(self.people[0].pk) if len(self.people) == 1 else ""

    @property
    def focus(self) -> str:
        """The field that the keyboard goes to: the first wrong one, else what is still missing."""
        order = ("schedule", "start", "phone", "patient", "name", "age", "extra_place")
        wrong = next((name for name in order if name in self.errors), "")
        if self.pool and not wrong:
            return "schedule"
        return wrong or ("" if not self["phone"].value() else "patient" if self.people else "name")

    @property
    def is_full(self) -> bool:
        """No place is left, and the person chosen has none of their own waiting to be paid."""
        holds = [str(p.pk) for p in self.people if p.place and p.place.status == Status.HELD]
        return bool(self.window) and not self.item and self.window.left <= 0 and self.chosen not in holds

    def refuse(self, refusal: Refused) -> None:
        """Says why the counter refused; where the patient has a number already, shows it, and where a
        time is taken, the next ones."""
        about = "start" if "start" in refusal.details else None
        self.add_error("schedule" if refusal.code in ("FULL", "CLOSED") else about, refusal.message)
        self.has_already = refusal.details.get("booking")
        self.instead = [localtime(one.start) for one in refusal.details.get("suggestions", [])]
        if refusal.code == "FULL":
            self.window.left = 0

    # --- What was meant -------------------------------------------------------------------

    def clean(self):
        typed = super().clean()
        if "phone" in self.errors or "schedule" in self.errors:
            return typed
        chosen = typed.get("patient")
        if chosen and chosen != NEW:
            self._clean_known(chosen)
        elif not chosen and any(person.pk != self.just_made for person in self.people):
            self.add_error("patient", _("Choose who it is."))
        else:
            self._clean_new()
        if typed.get("extra_place") and not self.may_add_place:
            self.add_error("extra_place", _("Only a manager can add a place."))
        if self.item and not typed.get("start") and "start" not in self.errors:
            self.add_error("start", _("Choose a time.") if self.item.starts else self.no_time)
        return typed

    @property
    def whose(self) -> str:
        """Whose minutes the chosen service takes, in words: a closed list hides its groups."""
        return pool_in_words(self.item)

    @property
    def no_time(self) -> str:
        return why_not(self.item.service.minutes, self.item.pool.remaining)

    def sale(self) -> dict:
        """What `counter.walk_in` is asked for."""
        typed, meant = self.cleaned_data, self.cleaned_data["schedule"]
        asked = {name: typed[name] for name in ("who", "method", "request_key", "extra_place")}
        asked["shown"] = typed["price"]
        if not isinstance(meant, Item):
            return asked | {"schedule_id": meant.pk}
        wanted = {"service_id": meant.service.pk, "start_at": typed["start"], "minutes": typed["minutes"]}
        return asked | wanted | {"schedule_id": meant.window.pk}

    @cached_property
    def just_made(self) -> int | None:
        """Whom this very form made: it was sent twice, and the counter returns the same booking."""
        same = Booking.objects.filter(request_key=self.cleaned_data.get("request_key"))
        return same.values_list("patient", flat=True).first()

    def _clean_known(self, chosen):
        everyone = {str(person.pk): person for person in self.people}
        if chosen in everyone:
            self.cleaned_data["who"] = everyone[chosen]
        else:
            self.add_error("patient", _("This person is not on that number. Choose again."))

    def _clean_new(self):
        typed = self.cleaned_data
        if not typed.get("name"):
            self.add_error("name", _("Write the patient's name."))
        if typed.get("age") is None and "age" not in self.errors:
            self.add_error("age", _("Write the age in years; 0 for a baby."))
        if not self.errors:
            phone = typed["phone"].as_e164 if typed["phone"] else ""
            typed["who"] = Guest(name=typed["name"], phone=phone, age=typed["age"])
