"""The settings of workers that are killed, and two changes to the product: leases are short, so that a
storm need not wait two minutes for each row that a dead worker had in hand; and a bug may be planted.
"""

import os
import time
from datetime import timedelta

from django.apps import AppConfig

from clinic.settings import *  # noqa: F403
from clinic.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.storms.killable.Killable"]
LEASE = timedelta(seconds=6)


class Killable(AppConfig):
    name = "tests.storms"

    def ready(self):
        from clinic import notice_actions, notice_sweeps
        from payments import actions

        notice_actions.LEASE = actions.LEASE = LEASE
        if bug := os.environ.get("PLANTED"):
            notice_sweeps.send = {"forgetful": forgetful, "unclaimed": unclaimed}[bug]


def forgetful(notice) -> bool:
    """Says that it is sent before it is: what a dead worker had in hand is lost."""
    from clinic import notice_actions
    from clinic.notice_models import Notice, State

    message = notice_actions.messages_of([notice])[notice.pk]
    worth_it = bool(message.email) and not message.moot
    said = State.SENT if worth_it else State.DROPPED
    if Notice.objects.filter(pk=notice.pk, status=State.DUE).update(status=said) and worth_it:
        dawdle(0.05)
        notice_actions._carry(notice, message)
    return True


def dawdle(seconds: float) -> None:
    """Takes so much of a life, so that some end here for certain."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def unclaimed(notice) -> bool:
    """Sends what another worker is sending just now."""
    from clinic import notice_actions
    from clinic.notice_models import Notice, State

    message = notice_actions.messages_of([notice])[notice.pk]
    sent = not message.moot and notice_actions._carry(notice, message)
    Notice.objects.filter(pk=notice.pk).update(status=State.SENT if sent else State.DROPPED)
    return True
