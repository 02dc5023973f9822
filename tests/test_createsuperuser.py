"""The first operator signs in without a mail server: Django's own command ends in our manager."""

import pytest
from django.core.management import call_command

from clinic.models import User


@pytest.mark.django_db
def test_the_first_operator_can_sign_in_at_once(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    call_command("createsuperuser", interactive=False, email="Owner@Clinic.example", verbosity=0)
    owner = User.objects.get(email="owner@clinic.example")
    assert owner.is_staff and owner.is_superuser and owner.check_password("correct horse battery")
    assert owner.emailaddress_set.filter(email=owner.email, verified=True, primary=True).exists()
