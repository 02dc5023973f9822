"""gunicorn's configuration for the negative control: the real product, but nothing is locked.

The storm must then oversell, in a database without the constraints. If it doesn't, the storm
proves nothing.
"""


def post_worker_init(worker):
    from clinic.transactions import LockingQuerySet

    LockingQuerySet.locked = lambda rows, **_how: rows.order_by("pk")
