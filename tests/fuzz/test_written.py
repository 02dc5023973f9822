"""The watcher itself sees what was written, and nothing that was taken back."""

import os

import psycopg
import pytest
from django.db import connection, transaction

from clinic.models import Patient
from tests import factories
from tests.fuzz.written import noted

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def test_what_is_committed_is_noted_once_and_what_is_rolled_back_is_not():
    url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"
    with noted(url) as written:
        with transaction.atomic():
            factories.patient()
            transaction.set_rollback(True)
        assert written.since() == []
        factories.patient()
        Patient.objects.update(name="Meera Rao")
        assert written.since() == ["INSERT clinic_patient", "UPDATE clinic_patient"]
        assert written.since() == []
    with psycopg.connect(url) as database:
        assert database.execute("SELECT to_regclass('fuzz_written')").fetchone() == (None,)
