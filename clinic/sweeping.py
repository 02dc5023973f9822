"""How the worker does what is due: item by item, and it stops between two of them."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue

log = logging.getLogger("clinic")

_orders = SimpleQueue()  # the one queue that a signal handler may put into at any moment


def stop(*_signal) -> None:
    """Asks this process to end after the item in hand. Safe as a signal handler."""
    _orders.put("stop")


def stopping() -> bool:
    return not _orders.empty()


def rest(seconds: float) -> None:
    """Waits, but no longer than until somebody asks to stop."""
    with suppress(Empty):
        _orders.put(_orders.get(timeout=seconds))


def each(do: Callable, items: Iterable) -> int:
    """Does every item; returns how many (or the sum of what `do` counts).

    One that fails keeps no other waiting: the rest are done first, then all failures are raised
    together, and as the work is rows in a state, the next pass finds it again. When the worker
    is asked to stop, the item in hand is finished and no other begun.
    """
    done, errors = 0, []
    for item in items:
        if stopping():
            break
        try:
            done += int(do(item))
        except Exception as error:  # whatever is wrong with this one, the others are due too
            errors.append(error)
    if errors:
        raise ExceptionGroup(f"{len(errors)} of them failed", errors)
    return done
