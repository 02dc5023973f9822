"""The doctors, accounts and patients of the sample clinic. Invented, one and all."""

import random
from dataclasses import dataclass
from datetime import time, timedelta
from decimal import Decimal

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.utils import timezone
from django.utils.text import slugify

from clinic import money
from clinic.membership_models import Plan, Rule
from clinic.models import Doctor, Patient, User
from payments.sample.services import add_services
from schedules.states import Kind

PASSWORD = "welcome-to-the-clinic"
ACCOUNTS = {  # address: name, role
    "patient@demo.clinic": ("Meera Joshi", ""),
    "reception@demo.clinic": ("Prakash Tamang", "Reception"),
    "doctor@demo.clinic": ("Dr. Ananya Iyer", "Doctor"),
    "manager@demo.clinic": ("Shabnam Sheikh", "Manager"),
}
MORNING, NOON, EVENING = (time(9), time(12)), (time(13), time(16)), (time(17), time(20))
AFTERNOON = time(13), time(18)
EARLY, LATE = (time(8), time(11)), (time(18), time(21))


@dataclass(frozen=True)
class Profile:
    """One doctor as the clinic's leaflet has them. `fee` in major units; `days` from Monday = 0."""

    name: str
    specialty: str
    qualifications: str
    languages: str
    fee: int
    capacity: int
    hours: tuple
    days: tuple
    about: str
    kept_for_desk: int = 0
    follow_up_days: int = 0
    slot_minutes: int = 0
    """So long is each exact time; 0: numbers."""
    by_minutes: bool = False
    """Services share the minutes of `hours`, each at a start of its own."""
    by_video: tuple = ()
    """Those of `hours` in which patients are seen by video."""

    @property
    def kind(self) -> Kind:
        if self.by_minutes:
            return Kind.POOL
        return Kind.SLOT if self.slot_minutes else Kind.TOKEN

    @property
    def slug(self) -> str:
        return slugify(self.name.removeprefix("Dr. "))


ALL_WEEK, NOT_SUNDAY, ALTERNATE = tuple(range(7)), tuple(range(6)), (0, 2, 4, 5)
DOCTORS = [
    Profile(
        "Dr. Ananya Iyer", "General medicine", "MBBS, MD (Medicine)", "English, Hindi, Tamil",
        500, 15, (MORNING, EVENING), ALL_WEEK,
        "Fevers, coughs, diabetes and blood pressure, and everything that you are not sure whom to ask about. "
        "Bring your last reports and the strips of what you take.",
        kept_for_desk=2,
    ),
    Profile(
        "Dr. Rajesh Shrestha", "General medicine", "MBBS, MD (Internal Medicine)", "Nepali, Hindi, English",
        400, 20, (EARLY, LATE), NOT_SUNDAY,
        "Twenty years in a district hospital, now here every morning before work and every evening after it. "
        "Looks after thyroid, asthma and long-standing illness.",
    ),
    Profile(
        "Dr. Kavita Deshpande", "Paediatrics", "MBBS, DCH, MD (Paediatrics)", "Marathi, Hindi, English",
        600, 12, (MORNING, EVENING), NOT_SUNDAY,
        "Newborns to teenagers: vaccinations, growth, feeding, fevers at night. "
        "Please bring the vaccination card. There is a corner with toys.",
        follow_up_days=7,
    ),
    Profile(
        "Dr. Imran Qureshi", "Paediatrics", "MBBS, MD (Paediatrics)", "Urdu, Hindi, English",
        550, 12, (NOON, LATE), ALTERNATE,
        "Allergies, wheezing and the school years. Explains everything twice, once to the parents "
        "and once to the child.",
        follow_up_days=5,
    ),
    Profile(
        "Dr. Sunita Gurung", "Gynaecology", "MBBS, MS (Obstetrics and Gynaecology)", "Nepali, Hindi, English",
        800, 10, (MORNING, NOON), NOT_SUNDAY,
        "Pregnancy from the first visit to the last, periods that trouble you, and the years after them. "
        "A woman assists at every examination.",
        kept_for_desk=1,
    ),
    Profile(
        "Dr. Harpreet Kaur Gill", "Dermatology", "MBBS, MD (Dermatology)", "Punjabi, Hindi, English",
        700, 14, (NOON, EVENING), NOT_SUNDAY,
        "Acne, eczema, hair loss and patches that do not go away. "
        "Come without make-up, and with the creams that you have tried.",
    ),
    Profile(
        "Dr. Arjun Nair", "Orthopaedics", "MBBS, MS (Orthopaedics)", "Malayalam, Hindi, English",
        900, 10, (EVENING,), NOT_SUNDAY,
        "Backs, knees, shoulders and sports injuries. X-rays are taken two doors down, "
        "so that one visit is usually enough.",
    ),
    Profile(
        "Dr. Pemba Sherpa", "Orthopaedics", "MBBS, MS (Orthopaedics), Fellowship in Spine Surgery",
        "Nepali, Hindi, English",
        1200, 8, (EARLY, LATE), ALTERNATE,
        "Second opinions on operations, and everything that can be done before one. "
        "Half an hour is yours alone: bring all your films, or hold them to the camera in the evening.",
        slot_minutes=30, by_video=(LATE,),
    ),
    Profile(
        "Sushila Maharjan", "Physiotherapy", "BPT, MPT (Musculoskeletal)", "Nepali, Newari, Hindi, English",
        0, 0, (MORNING, AFTERNOON), NOT_SUNDAY,
        "Necks, shoulders and backs that desk work has made stiff, and the weeks after an operation. "
        "Wear something loose, and bring what the surgeon wrote.",
        by_minutes=True,
    ),
    Profile(
        "Dr. Vikram Kulkarni", "Physiotherapy", "MBBS, MD (Physical Medicine and Rehabilitation)",
        "Marathi, Hindi, English",
        0, 0, (MORNING, AFTERNOON), ALTERNATE,
        "Strokes, falls and sports injuries: what comes back, how, and by when. "
        "Family members are welcome and learn the exercises too.",
        by_minutes=True,
    ),
]  # fmt: skip

GIVEN = (
    "Aarav Aditi Aisha Akash Amina Amit Anil Anjali Arun Asha Bikash Bimala Chandra Deepa Devika Dinesh "
    "Farhan Fatima Gaurav Geeta Gopal Hari Indira Irfan Ishaan Jaya Jyoti Kabir Kamala Karan Kiran Krishna "
    "Lakshmi Lalita Leela Madan Manju Maya Mohan Nabin Nandini Naresh Neha Nisha Om Padma Pooja Pradeep Priya "
    "Radha Rahul Rakesh Rekha Rohan Roshni Sabina Sagar Salma Sandeep Sarita Shanti Shreya Sita Suman Suresh "
    "Tara Usha Varun Vijay Yamini Zoya"
)
FAMILY = (
    "Adhikari Agarwal Ansari Bajracharya Banerjee Basnet Bhandari Chaudhary Chettri Das Deshmukh Dhakal Fernandes "
    "Ghosh Gupta Gurung Hussain Jadhav Jha Joshi Kapoor Karki Khan Kulkarni Kumar Lama Magar Mehta Mishra Nair "
    "Pandey Patel Patil Poudel Rai Rana Rao Reddy Sharma Shrestha Singh Tamang Thapa Tiwari Verma Yadav"
)


def open_the_clinic() -> None:
    """Makes the doctors, an account for every role, and the patients who are known here."""
    accounts = add_accounts()
    Doctor.objects.bulk_create(
        Doctor(
            name=profile.name,
            slug=profile.slug,
            specialty=profile.specialty,
            qualifications=profile.qualifications,
            languages=profile.languages,
            about=profile.about,
            room=str(number),
            prefix=prefix,
            fee_minor=money.to_minor(Decimal(profile.fee), settings.CLINIC_CURRENCY),
            follow_up_days=profile.follow_up_days,
            user=accounts["doctor@demo.clinic"] if number == 1 else None,
        )
        for number, (prefix, profile) in enumerate(zip("ABCDEFGHIJ", DOCTORS, strict=True), start=1)
    )
    mother = accounts["patient@demo.clinic"]
    Patient.objects.bulk_create(
        [
            Patient(
                account=mother, relationship="self", name=mother.name, phone="+919820012345", age=34,
                sex="female", email=mother.email,
            ),
            Patient(account=mother, relationship="child", name="Kabir Joshi", phone="+919820012345", age=6, sex="male"),
            *strangers(150),
        ]
    )  # fmt: skip
    add_plans(mother)
    add_services()


def add_plans(mother: User) -> None:
    """What one may join. The sample family has Care Plus, and its child's doctor is Dr. Qureshi."""
    _standard, care_plus, _welcome = Plan.objects.bulk_create(
        [
            Plan(name="Standard", words="₹100 a month. Reminders, receipts and your family in one place; visits cost the usual fee."),
            Plan(
                name="Care Plus", rule=Rule.FREE_WITH_RELATION,
                words="₹600 a month for the whole family. Visits to the doctor who looks after you are free; with other doctors you pay the usual fee.",
            ),
            Plan(
                name="Welcome", rule=Rule.TRIAL, free_visits=1, free_days=60,
                words="For families who are new here: the first visit within 60 days is free. It costs nothing and ends by itself.",
            ),
        ]
    )  # fmt: skip
    today = timezone.localdate()
    care_plus.memberships.create(
        account=mother, starts_on=today - timedelta(days=40), ends_on=today + timedelta(days=325)
    )
    child = Patient.objects.get(account=mother, relationship="child")
    child.care_relations.create(doctor=Doctor.objects.get(slug="imran-qureshi"))


def add_accounts() -> dict[str, User]:
    """One account per role, its address verified; all have the same password, hashed once."""
    password = make_password(PASSWORD)
    for address, (name, role) in ACCOUNTS.items():
        user = User.objects.create(email=address, name=name, is_staff=bool(role), password=password)
        EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
        user.groups.set(Group.objects.filter(name=role))
    return {user.email: user for user in User.objects.filter(email__in=ACCOUNTS)}


def strangers(count: int) -> list[Patient]:
    """Patients who came to the desk once, the same ones every time; every fifth shares a phone with
    the one before, as families do."""
    lots = random.Random(7)
    given, family = GIVEN.split(), FAMILY.split()
    people, phone = [], ""
    for number in range(count):
        if number % 5 or not phone:
            phone = f"+9198{lots.randrange(20_000_000, 99_999_999)}"
        name = f"{lots.choice(given)} {lots.choice(family)}"
        people.append(Patient(name=name, phone=phone, age=lots.randint(1, 84)))
    return people
