"""What follows from a difference between a gateway's book and ours."""

import logging

from django.utils.translation import gettext as _

from clinic import money
from clinic.transactions import action
from payments import actions, steps
from payments.reconcile_queries import Difference, Fact

log = logging.getLogger("clinic")

SETTLED_LIKE_A_WEBHOOK = (Fact.CAME_UNSETTLED, Fact.WENT_UNKNOWN, Fact.WENT_UNSETTLED, Fact.CAME_BACK)
"""Their word is enough for these: the same event would have come by webhook."""


def settle(difference: Difference) -> None:
    """Does what the lost webhook would have done. Whatever fails stays a difference, and is logged."""
    if difference.fact not in SETTLED_LIKE_A_WEBHOOK or difference.payment is None:
        return
    try:
        actions.act_on(difference.gateway, difference.event)
    except Exception:  # the others are due too; this one goes to a person
        log.exception("reconcile", extra={"gateway": difference.gateway, "payment": difference.payment.pk})


@action
def ask_somebody(difference: Difference) -> None:
    """Raises a ReviewItem, once for a difference, unless somebody looks at its payment already."""
    if difference.in_review:
        return
    theirs, ours = (
        money.display(minor, difference.currency)
        for minor in (difference.theirs_minor, difference.ours_minor)
    )
    steps.review(
        difference.key,
        _("Our books and %(gateway)s's differ: %(fact)s")
        % {"gateway": difference.gateway, "fact": difference.fact.label},
        _(
            "%(gateway)s has %(theirs)s under %(name)s, and we have %(ours)s. Look it up on its own page, and write here what it was."
        )
        % {"gateway": difference.gateway, "theirs": theirs, "name": difference.name, "ours": ours},
        steps.admin_link(difference.payment) if difference.payment else "",
    )
