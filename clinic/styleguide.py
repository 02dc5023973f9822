"""The look of everything, without a database: /styleguide/, only with DEBUG."""

from datetime import datetime, time, timedelta
from types import SimpleNamespace as Sample

from django import forms
from django.http import Http404
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

PAGES = ("home", "doctor", "book", "token")


@require_safe
def styleguide(request):
    """All pieces in all their states; ?page=home|doctor|book|token shows them composed."""
    page = request.GET.get("page")
    if page and page not in PAGES:
        raise Http404
    return render(request, f"styleguide/{page}.html" if page else "styleguide.html", samples())


def samples():
    today = timezone.localdate()
    now = timezone.now()

    def at(hour, minute=0, *, days=0):
        moment = datetime.combine(today + timedelta(days=days), time(hour, minute))
        return timezone.make_aware(moment)

    rao = doctor("Dr Anjali Rao", "General physician", "2", "anjali-rao")
    shrestha = doctor("Dr Bikash Shrestha", "Child specialist", "4", "bikash-shrestha")
    iyer = doctor("Dr Meenakshi Iyer", "Skin specialist", "1", "meenakshi-iyer")
    qureshi = doctor("Dr Imran Qureshi", "Heart specialist", "5", "imran-qureshi")

    morning = window(rao, at(9), at(12), left=9, fee=50000)
    evening = window(rao, at(17), at(20), left=1, fee=50000)
    full = window(
        shrestha, at(10), at(13), left=0, fee=60000,
        why_not=_("Full. The next free place is tomorrow at 10:00."), code="FULL",
    )  # fmt: skip
    past = window(
        rao, at(7), at(8, 30), left=4, fee=50000,
        why_not=_("Booking closed at 8:00. Walk-ins are still welcome at the desk."), code="PAST",
    )  # fmt: skip
    away = window(
        iyer, at(14), at(16), left=0, fee=80000,
        why_not=_("Dr Iyer is away until Thursday."), code="CLOSED",
    )  # fmt: skip
    asha = patient("Asha Gurung", "+977 984-1234567", 34)
    kabir = patient("Kabir Gurung", "+977 984-1234567", 6)
    mine = booking(morning, asha, now, "A7", "confirmed")

    return {
        "morning": morning, "evening": evening, "full": full, "past": past, "away": away,
        "children": window(shrestha, at(15), at(18), left=12, fee=60000, capacity=20),
        "skin": window(iyer, at(11), at(13, 30), left=5, fee=80000, capacity=12),
        "heart": window(qureshi, at(16), at(19), left=2, fee=120000, capacity=10, pay_at_desk=True),
        "specialties": ["General", "Children", "Skin", "Heart", "Women", "Eyes"],
        "days": days(today),
        "slots": slot_groups(at),
        "asha": asha, "kabir": kabir, "booking": mine,
        "held": booking(morning, asha, now, "", "held"),
        "until": now + timedelta(minutes=12, seconds=20),
        "tickets": tickets(mine, booking(morning, asha, now, "", "held")),
        "form": PersonForm({"name": "", "phone": "98412", "age": "34"}),
        "new_form": PersonForm(),
        "queue": queue(morning, now),
        "board": BOARD,
        "receipt_lines": [Sample(label=_("Visit, Dr Anjali Rao, token A7"), minor=50000)],
        "now": now,
    }  # fmt: skip


def doctor(name, specialty, room, slug):
    return Sample(name=name, specialty=specialty, room=room, slug=slug)


def patient(name, phone, age_now):
    return Sample(name=name, phone=phone, age_now=age_now)


def window(doctor, starts_at, ends_at, *, left, fee, capacity=15, why_not="", code="", pay_at_desk=False):
    return Sample(
        doctor=doctor, kind="token", mode="in_person", starts_at=starts_at, ends_at=ends_at, capacity=capacity,
        online_left=left, fee_minor=fee, currency="INR", why_not=why_not, why_not_code=code,
        pay_at_desk=pay_at_desk,
        url="?page=book",
    )  # fmt: skip


def booking(schedule, patient, now, token_label, status, **more):
    fields = {
        "due_minor": 0,
        "free_reason": "",
        "mode": "in_person",
        "asked_minor": schedule.fee_minor,
        "discount_minor": 0,
        "service_line": "",
        "starts": schedule.starts_at,
        "ends": schedule.ends_at,
        **more,
    }
    return Sample(
        public_id=f"sample-{token_label or status}", status=status, token_label=token_label, label=token_label,
        schedule=schedule, patient=patient, price_minor=schedule.fee_minor, currency="INR",
        hold_expires_at=now + timedelta(minutes=12), created_at=now, **fields,
    )  # fmt: skip


def days(today):
    words = ["9 left", "24 left", "full", "12 left", "30 left", "closed", "none"] * 2
    tones = {"full": "full", "closed": "over", "none": "over"}
    return [
        Sample(
            date=today + timedelta(days=n), is_today=n == 0, selected=n == 0, word=word,
            tone=tones.get(word, "free"), url="?page=doctor" if word not in tones else "",
        )
        for n, word in enumerate(words)
    ]  # fmt: skip


def slot_groups(at):
    states = ["past", "booked", "free", "free", "held", "free", "booked", "free", "free"]
    words = {"past": _("past"), "booked": _("taken"), "held": _("held")}
    return [
        Sample(
            label=label, mode="in_person", fee_minor=80000, currency="INR",
            slots=[
                Sample(
                    starts_at=at(hour + n // 3, n % 3 * 20), state=state, word=words.get(state),
                    url="#", selected=hour == 9 and n == 5, mark=_("suggested") if n == 2 else "",
                )
                for n, state in enumerate(states)
            ],
        )
        for label, hour in ((_("Morning"), 9), (_("Evening"), 17))
    ]  # fmt: skip


def tickets(mine, held):
    def ticket(tone, word, step, *, of=mine, serving="A4", ahead=2, minutes=24, progress=60):
        return Sample(
            booking=of, token_label=of.token_label, label=of.label, now_serving=serving, ahead=ahead,
            estimate_minutes=minutes, status_word=word, next_step=step, tone=tone,
            progress=progress, is_in_line=tone in ("yours", "wait", "late"),
        )  # fmt: skip

    return {
        "held": ticket("held", _("Your place is held"), _("Pay before 10:42 to get your number."), of=held),
        "yours": ticket("yours", _("It's your turn"), _("Please go to room 2."), serving="A7", ahead=0, minutes=None, progress=100),
        "wait": ticket("wait", _("Your place is booked"), _("Two people are ahead of you. Be in the waiting room by 9:40.")),
        "late": ticket("late", _("Running 20 minutes late"), _("Your number keeps its place."), minutes=52, progress=35),
        "over": ticket("over", _("Visit finished"), _("Get well soon. Your next visit before 12 May is free.")),
        "sorry": ticket("sorry", _("Sorry, the last place went a moment earlier"), _("Your ₹500 is on its way back. It arrives within 5 days."), of=held),
    }  # fmt: skip


def queue(schedule, now):
    people = [
        ("A3", "Sunita Tamang", 52, "completed", "over", _("done"), []),
        ("A4", "Rajesh Kumar Yadav", 41, "in_consultation", "yours", _("with the doctor"), [(_("Complete"), True)]),
        ("A5", "Fatima Sheikh", 29, "checked_in", "free", _("here"), [(_("Call"), True), (_("No-show"), False)]),
        ("A6", "Om Prakash Thapa", 67, "confirmed", "full", _("not here yet"), [(_("Check in"), False)]),
        ("A7", "Asha Gurung", 34, "confirmed", "full", _("not here yet"), [(_("Check in"), False)]),
        ("", "Lakshmi Nair", 45, "held", "held", _("paying, until 10:42"), []),
    ]  # fmt: skip
    return [
        Sample(
            booking=booking(schedule, patient(name, "+977 980-0000000", age), now, label, status),
            tone=tone,
            word=word,
            now=status == "in_consultation",
            paid=status != "held",
            actions=[Sample(url="#", label=text, main=main) for text, main in actions],
        )
        for label, name, age, status, tone, word, actions in people
    ]


BOARD = [
    Sample(room="1", doctor_name="Dr Iyer", now_serving="C2", next=["C3", "C4", "C6"], word="", tone=""),
    Sample(room="2", doctor_name="Dr Rao", now_serving="A4", next=["A5", "A6", "A7"], word="about 20 minutes late", tone="late"),
    Sample(room="4", doctor_name="Dr Shrestha", now_serving="", next=["B1"], word="starts at 10:00", tone="over"),
]  # fmt: skip


class PersonForm(forms.Form):
    name = forms.CharField(
        label="Patient's full name",
        error_messages={"required": "Write the name of the person who will see the doctor."},
    )
    phone = forms.CharField(
        label="Mobile number",
        help_text="We send the token here. Nothing else.",
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )
    age = forms.IntegerField(label="Age in years", required=False)
    visit = forms.ChoiceField(
        label="Is this the first visit to this doctor?",
        widget=forms.RadioSelect,
        choices=[("yes", "Yes"), ("no", "No, I have been here before")],
        error_messages={"required": "Say whether this is the first visit."},
    )
    consent = forms.BooleanField(
        label="The clinic may keep these details to plan and bill the visit.",
        error_messages={"required": "We can book only with your consent."},
    )

    def clean_phone(self):
        if len(self.cleaned_data["phone"]) < 10:
            raise forms.ValidationError("The number is too short: it has 10 digits, as in 9841234567.")
        return self.cleaned_data["phone"]
