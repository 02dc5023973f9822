"""Bad configuration is refused, and every refusal says what to do."""

import pytest
from django.core.checks import ERROR, run_checks
from django.core.exceptions import ImproperlyConfigured

from clinic.checks import refuse_to_start
from payments.checks import NEEDS

OURS = "clinic.E", "clinic.W", "payments.E"
LOCAL_MEMORY = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
LIVE = {
    "DEBUG": False,
    "ALLOWED_HOSTS": ["clinic.example"],
    "SITE_URL": "https://clinic.example",
    "DATABASE": {"ENGINE": "django.db.backends.postgresql"},
    "CACHES": {"default": {"BACKEND": "clinic.cache.DatabaseCache"}},
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "PAYMENT_GATEWAYS": ["stripe"],
    "STRIPE_SECRET_KEY": "sk_live_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
}
RAZORPAY = {
    "PAYMENT_GATEWAYS": ["razorpay"],
    "RAZORPAY_KEY_ID": "rzp_live_1",
    "RAZORPAY_KEY_SECRET": "secret",
    "RAZORPAY_WEBHOOK_SECRET": "another",
}


@pytest.fixture
def found(settings):
    """Runs the checks under other settings; gives our own findings by id."""

    settings.DEBUG = True

    def run(**changes):
        for name, value in changes.items():
            setattr(settings, name, value)
        return {check.id: check for check in run_checks() if str(check.id).startswith(OURS)}

    return run


def test_the_demo_and_a_live_clinic_are_fine(found):
    assert found() == {}
    assert found(**LIVE) == {}
    assert found(**LIVE | RAZORPAY) == {}


@pytest.mark.parametrize(
    ("id", "changes"),
    [
        ("clinic.E001", {"CLINIC_CURRENCY": "RUPEES"}),
        ("clinic.E001", {"CLINIC_CURRENCY": "RS"}),
        ("clinic.E002", {"CLINIC_ACCENT": "red; } body { display: none"}),
        ("clinic.E003", {"PHONENUMBER_DEFAULT_REGION": "IND"}),
        ("clinic.E004", {"HOLD_MINUTES": 0}),
        ("clinic.E008", {"START_GRID_MINUTES": 0}),
        ("clinic.E005", {"SITE_URL": "clinic.example"}),
        ("clinic.E005", {"SITE_URL": "https://clinic.example/booking"}),
        ("clinic.E006", {"SITE_URL": "http://127.0.0.1:8000"}),
        ("payments.E001", {"PAYMENT_GATEWAYS": ["stripe", "paypal"]}),
        ("payments.E002", {"PAYMENT_GATEWAYS": ["demo"]}),
        ("payments.E003", {"STRIPE_SECRET_KEY": ""}),
        ("payments.E003", {"STRIPE_WEBHOOK_SECRET": ""}),
        ("payments.E003", {"STRIPE_WEBHOOK_SECRET": "  "}),
        ("payments.E004", {"STRIPE_SECRET_KEY": "sk_test_1"}),
        ("payments.E004", {"STRIPE_SECRET_KEY": "rk_test_1"}),
        ("payments.E003", {"PAYMENT_GATEWAYS": ["razorpay"]}),
        *[("payments.E003", RAZORPAY | {key: " "}) for key in NEEDS["razorpay"]],
        ("payments.E004", RAZORPAY | {"RAZORPAY_KEY_ID": "rzp_test_1"}),
    ],
)
def test_it_is_refused_with_the_fix(found, id, changes):
    errors = found(**LIVE | changes)
    assert [*errors] == [id]
    assert errors[id].level == ERROR
    assert errors[id].hint
    with pytest.raises(ImproperlyConfigured, match=id):
        refuse_to_start()


@pytest.mark.parametrize(
    ("id", "changes"),
    [
        ("clinic.W001", {"DATABASE": {"ENGINE": "django.db.backends.sqlite3"}}),
        ("clinic.W002", {"CACHES": LOCAL_MEMORY}),
        ("clinic.W003", {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
    ],
)
def test_it_is_warned_of_and_starts(found, id, changes):
    warnings = found(**LIVE | changes)
    assert [*warnings] == [id]
    assert warnings[id].hint
    refuse_to_start()


def test_a_gateway_that_is_not_enabled_needs_no_keys(found):
    assert (
        found(**LIVE | {"PAYMENT_GATEWAYS": [], "STRIPE_SECRET_KEY": "", "STRIPE_WEBHOOK_SECRET": ""}) == {}
    )


def test_a_developer_may_use_stripes_test_mode(found):
    assert (
        found(PAYMENT_GATEWAYS=["demo", "stripe"], STRIPE_SECRET_KEY="sk_test_1", STRIPE_WEBHOOK_SECRET="w")
        == {}
    )


def test_a_staging_copy_accepts_test_keys_by_name(found):
    found(**LIVE | {"STRIPE_SECRET_KEY": "sk_test_1", "SILENCED_SYSTEM_CHECKS": ["payments.E004"]})
    refuse_to_start()
