"""Keys of machines: shown once, kept as a fingerprint, limited, and gone when revoked."""

import re
from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from clinic.api_key_actions import revoke_key
from clinic.api_key_models import ApiKey, Scope, digest_of
from clinic.api_key_queries import key_of
from clinic.errors import Refused
from tests import factories as f

pytestmark = pytest.mark.django_db


def asking(key="", **headers):
    """A request with this key."""
    return RequestFactory().get("/", headers={"Authorization": f"Bearer {key}"} | headers)


def test_a_key_opens_and_says_whose_it_is_and_what_it_may():
    row, key = f.api_key()
    found = key_of(asking(key))
    assert found == row and found.account == row.account
    assert found.may(Scope.BOOK) and not found.may(Scope.MANAGE)


def test_a_key_is_not_kept():
    row, key = f.api_key()
    kept = [str(getattr(row, field.attname)) for field in ApiKey._meta.concrete_fields]
    secret = key.split("_", 2)[2]  # which may have one of its own
    assert len(key) > 50 and not any(secret in value for value in kept)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda key: "",
        lambda key: key[:-1],
        lambda key: key + "a",
        lambda key: key[:12] + "x" * 43,
        lambda key: "ck_",
        lambda key: "ck_" + "\x00" * 60,
        lambda key: key.removeprefix("ck_"),
        lambda key: key.upper(),
    ],
)
def test_anything_else_opens_nothing(wrong):
    row, key = f.api_key()
    assert key_of(asking(wrong(key))) is None
    row.refresh_from_db()
    assert row.last_used_at is None


def test_another_way_to_send_it_is_not_heard():
    _row, key = f.api_key()
    assert key_of(RequestFactory().get("/", headers={"X-Api-Key": key})) is None
    assert key_of(asking(Authorization=f"Basic {key}")) is None
    assert key_of(RequestFactory().get(f"/?key={key}")) is None


def test_a_revoked_key_opens_nothing_from_the_next_request_on():
    row, key = f.api_key()
    manager = f.staff("Manager")
    assert revoke_key(row.pk, actor=manager) is True
    assert key_of(asking(key)) is None
    assert revoke_key(row.pk, actor=f.user()) is False
    row.refresh_from_db()
    assert row.revoked_by == manager


def test_a_key_works_until_it_expires():
    _row, key = f.api_key(expires_at=timezone.now() + timedelta(hours=1))
    _old, expired = f.api_key(expires_at=timezone.now())
    assert key_of(asking(key)) and key_of(asking(expired)) is None


def test_a_key_ends_with_its_account():
    row, key = f.api_key()
    row.account.is_active = False
    row.account.save(update_fields=["is_active"])
    assert key_of(asking(key)) is None


def test_last_used_is_written_at_most_once_a_minute(django_assert_num_queries):
    row, key = f.api_key()
    with django_assert_num_queries(2):
        key_of(asking(key))
    row.refresh_from_db()
    first = row.last_used_at
    with django_assert_num_queries(1):
        key_of(asking(key))
    row.refresh_from_db()
    assert row.last_used_at == first
    ApiKey.objects.filter(pk=row.pk).update(last_used_at=first - timedelta(minutes=2))
    key_of(asking(key))
    row.refresh_from_db()
    assert row.last_used_at >= first


def test_a_key_past_its_limit_waits_and_no_other_with_it():
    _row, key = f.api_key(per_minute=2)
    _other, another = f.api_key()
    assert key_of(asking(key)) and key_of(asking(key))
    with pytest.raises(Refused) as refusal:
        key_of(asking(key))
    assert refusal.value.status == 429 and refusal.value.details["retry_after"] == 60
    assert key_of(asking(another))


# --- In admin -----------------------------------------------------------------------------


@pytest.fixture
def manager(client):
    account = f.staff("Manager")
    client.force_login(account)
    return account


def typed(account, **fields):
    return {
        "name": "Kiosk",
        "account": account.pk,
        "scopes": ["book"],
        "per_minute": 60,
        "until": "",
    } | fields


def test_a_manager_makes_a_key_and_sees_it_once(client, manager):
    page = client.post(reverse("admin:clinic_apikey_add"), typed(manager))
    assert "no-store" in page["Cache-Control"]
    [key] = re.findall(r"ck_[0-9a-f]{8}_[\w-]{43}", page.content.decode())
    row = ApiKey.objects.get()
    assert row.digest == digest_of(key) and key_of(asking(key)) == row
    assert (row.created_by, row.scopes, row.per_minute) == (manager, ["book"], 60)
    for name, arguments in [("changelist", []), ("change", [row.pk]), ("history", [row.pk])]:
        page = client.get(reverse(f"admin:clinic_apikey_{name}", args=arguments)).content.decode()
        assert key not in page and row.digest not in page
    assert (
        "Made: book, pay, move and cancel"
        in client.get(reverse("admin:clinic_apikey_history", args=[row.pk])).content.decode()
    )


def test_a_last_day_lasts_to_its_end(client, manager):
    today = timezone.localdate()
    client.post(reverse("admin:clinic_apikey_add"), typed(manager, until=today.isoformat()))
    ends = timezone.localtime(ApiKey.objects.get().expires_at)
    assert (ends.date(), ends.hour, ends.minute) == (today + timedelta(days=1), 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": ["free-times"]},  # which are everybody's
        {"name": ""},
        {"per_minute": 0},
        {"until": "2020-01-01"},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(client, manager, wrong):
    page = client.post(reverse("admin:clinic_apikey_add"), typed(manager, **wrong))
    assert page.status_code == 200 and not ApiKey.objects.exists()


def test_nobody_makes_themselves_a_key_to_more_than_they_may(client, manager):
    operator = f.user(is_staff=True, is_superuser=True)
    client.post(reverse("admin:clinic_apikey_add"), typed(operator))
    assert not ApiKey.objects.exists()
    client.post(reverse("admin:clinic_apikey_add"), typed(f.user()))  # no staff
    assert not ApiKey.objects.exists()


def test_a_manager_revokes_a_key_after_being_asked(client, manager):
    row, key = f.api_key()
    url = reverse("admin:clinic_apikey_revoke", args=[row.pk])
    client.get(url)
    assert key_of(asking(key))
    client.post(url)
    assert key_of(asking(key)) is None
    page = client.get(reverse("admin:clinic_apikey_change", args=[row.pk])).content.decode()
    assert "revoked" in page and url not in page


@pytest.mark.parametrize("role", ["Reception", "Doctor"])
def test_others_neither_see_nor_make_nor_revoke_keys(client, role):
    row, _key = f.api_key()
    client.force_login(f.staff(role))
    for name, arguments in [("changelist", []), ("add", []), ("change", [row.pk]), ("revoke", [row.pk])]:
        url = reverse(f"admin:clinic_apikey_{name}", args=arguments)
        assert client.get(url).status_code == client.post(url).status_code == 403
    assert ApiKey.objects.get() == row and not ApiKey.objects.exclude(revoked_at=None).exists()
