"""One fact becomes a delivery for each address that is told of it."""

import json
from datetime import datetime
from hashlib import sha256

from django.conf import settings
from django.utils.module_loading import import_string

from clinic.hook_models import EVENTS, Delivery, Hook
from clinic.notice_models import Notice


def spread(notice: Notice, now: datetime) -> bool:
    """Writes a delivery for each active webhook that is told of this; False where there is none.

    Done twice, after a crash, it changes nothing: the message's id comes from the notice's key. The
    content is read now and stays: `settings.HOOK_FACTS` names who knows it, by the kind's first word.
    """
    event = EVENTS[notice.kind]
    hooks = [hook for hook in Hook.objects.active() if event in hook.events]
    facts = import_string(settings.HOOK_FACTS[notice.kind.partition("-")[0]])
    data = facts(notice.about) if hooks else None
    if data is None:
        return False
    body = json.dumps({"type": event, "timestamp": notice.created_at.isoformat(), "data": data})
    message = f"msg_{sha256(notice.key.encode()).hexdigest()[:32]}"
    rows = [Delivery(hook=hook, message=message, event=event, body=body, due_at=now) for hook in hooks]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)
    return True
