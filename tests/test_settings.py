"""One scheme of environment variables, and `.env.example` tells it whole."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from clinic.settings import env

EXAMPLE = Path(settings.BASE_DIR, ".env.example").read_text()
LINE = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$")
LIVE = {
    "SECRET_KEY": "k" * 60,
    "ALLOWED_HOSTS": "clinic.example",
    "SITE_URL": "https://clinic.example",
    "DATABASE_URL": "postgres://clinic:secret@127.0.0.1/clinic",
}


def started(code="import clinic.wsgi", **environment):
    """A Python that reads the settings with nothing but this environment; its exit code and words."""
    bare = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "clinic.settings"}
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=settings.BASE_DIR, env=bare | environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return answer.returncode, answer.stdout + answer.stderr


def value(name, **environment):
    code, said = started(f"from django.conf import settings; print(repr(settings.{name}))", **environment)
    assert code == 0, said
    return said.strip()


def test_the_example_has_every_variable_once_and_no_other():
    named = [found[1] for line in EXAMPLE.splitlines() if (found := LINE.match(line))]
    assert sorted(named) == sorted(env.scheme)


def test_every_variable_of_the_example_has_a_line_of_why():
    for block in EXAMPLE.split("\n\n"):
        lines = block.splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            if LINE.match(line):
                assert before.startswith("# "), line


def test_what_the_example_leaves_out_stands_there_with_its_default():
    for line in EXAMPLE.splitlines():
        if line.startswith("#") and (found := LINE.match(line)):
            cast, default = env.scheme[found[1]]
            written = found[2].split(",") if cast is list and found[2] else cast(found[2] or "")
            assert written == (default or cast()) or (cast is bool and not default and found[2] == "0"), line


def test_a_live_clinic_starts():
    code, said = started(**LIVE)
    assert code == 0, said


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL"])
@pytest.mark.parametrize("empty", ["", "  "])
def test_it_does_not_start_without_what_a_clinic_needs(name, empty):
    code, said = started(**LIVE | {name: empty})
    assert code != 0
    assert f"Set {name} in the environment" in said


def test_the_web_server_does_not_start_with_pretend_money():
    code, said = started(**LIVE, PAYMENT_GATEWAYS="demo")
    assert code != 0
    assert "payments.E002" in said and "Take demo out of PAYMENT_GATEWAYS" in said


def test_pretend_money_cannot_be_accepted():
    code, said = started(**LIVE, PAYMENT_GATEWAYS="demo", ACCEPTED_CHECKS="payments.E002")
    assert code != 0
    assert "ACCEPTED_CHECKS has payments.E002" in said


def test_a_time_zone_that_does_not_exist_is_named():
    code, said = started(**LIVE, CLINIC_TIME_ZONE="Mars/Base")
    assert code != 0
    assert "CLINIC_TIME_ZONE is 'Mars/Base'" in said


def test_a_secret_may_come_from_a_file_that_ends_with_a_newline(tmp_path):
    (tmp_path / "key").write_text("s" * 60 + "\n")
    assert value("SECRET_KEY", **LIVE, SECRET_KEY_FILE=str(tmp_path / "key")) == repr("s" * 60)


def test_a_list_may_be_typed_with_blanks():
    assert value("PAYMENT_GATEWAYS", DEBUG="1", PAYMENT_GATEWAYS="demo, stripe") == "['demo', 'stripe']"


def test_only_the_web_process_gives_up_on_slow_statements():
    web = value("DATABASES['default']['OPTIONS']", **LIVE, CLINIC_PROCESS="web")
    command = value("DATABASES['default']['OPTIONS']", **LIVE)
    assert "statement_timeout=5s" in web and "'pool'" in web
    assert "statement_timeout" not in command and "'pool'" not in command


def test_behind_pgbouncer_no_startup_options_are_sent():
    assert "'options'" not in value("DATABASES['default']['OPTIONS']", **LIVE, DATABASE_OPTIONS_BY_ROLE="1")
