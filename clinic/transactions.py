"""How this product locks, retries and tells the time (DESIGN §4).

Lock order, everywhere: GatewayEvent → Doctor → Schedule(s) by pk → Membership → Payment → Refund → Drawer → ReceiptSeries.
"""

import functools
import random
import time

from django.db import OperationalError, connections, models, transaction

from clinic.errors import BUSY, RETRY_SQLSTATES, Refused, sqlstate

TRIES = 5


class StartOver(Exception):
    """The rows changed between finding and locking them: roll back and begin again."""


def action(func):
    """One durable transaction around `func`, started over on a deadlock or a StartOver; after
    five tries it is Refused (BUSY, 503).

    The outermost transaction is the action's own, so a retry repeats everything that was
    undone. Actions compose steps; they never call each other.
    """

    @functools.wraps(func)
    def run(*args, **kwargs):
        for left in reversed(range(TRIES)):
            try:
                with transaction.atomic(durable=True):
                    return func(*args, **kwargs)
            except (OperationalError, StartOver) as error:
                if not (isinstance(error, StartOver) or sqlstate(error) in RETRY_SQLSTATES):
                    raise
                if not left:
                    raise Refused("BUSY", BUSY, status=503, retry_after=2) from error
            time.sleep(random.uniform(0.005, 0.05) * (TRIES - left))

    return run


class LockingQuerySet(models.QuerySet):
    def locked(self, *, skip_locked=False):
        """The rows, bare and locked until the transaction ends, in pk order.

        No joins, annotations or subqueries: those would come from the snapshot that the
        statement began with, even where the locked row itself is fresh. Raises outside a
        transaction, also on SQLite, which would take it silently.
        """
        connection = connections[self.db]
        if not connection.in_atomic_block:
            raise transaction.TransactionManagementError("locked() needs a transaction")
        if self.query.annotations or self.query.select_related:
            raise ValueError("locked() takes bare rows: annotate or join after the lock")
        return self.select_for_update(
            of=("self",) if connection.features.has_select_for_update_of else (),
            no_key=connection.features.has_select_for_no_key_update,
            skip_locked=skip_locked and connection.features.has_select_for_update_skip_locked,
        ).order_by("pk")
