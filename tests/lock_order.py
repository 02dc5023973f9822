"""A witness of every lock that a transaction takes on PostgreSQL (DESIGN §4), for the whole suite."""

import re
import threading
from collections import Counter

RANK = {
    "payments_gatewayevent": 0,
    "clinic_doctor": 1,
    "schedules_schedule": 2,
    "clinic_membership": 3,
    "payments_payment": 4,
    "payments_refund": 5,
    "payments_drawer": 6,
    "payments_receiptseries": 7,
}
GUARDED = {"status", "units", "schedule_id", "queue_number"}
"""Columns of a booking that change only under its schedule's lock."""

LOCKING = re.compile(r'^SELECT .* FROM "(\w+)" .*FOR (?:NO KEY )?UPDATE')
BARE = re.compile(
    r'^SELECT [^()]* FROM "(\w+)"(?: WHERE (?!.*(?:SELECT|JOIN) ).*)?'
    r'(?: ORDER BY "\1"."id" ASC(?: LIMIT \d+)?| LIMIT 21)'  # 21: get(), which wants a single row
    r' FOR NO KEY UPDATE OF "\1"(?: SKIP LOCKED)?$'
)
WRITING = re.compile(r'^(UPDATE|DELETE FROM|INSERT INTO) "(\w+)"')


class LockOrder:
    """An execute wrapper. `wrongs` tells what broke a rule, in sentences.

    A transaction is the outermost atomic block that isn't the test's own. A test that holds
    several actions in one block of its own is judged as one transaction.
    """

    def __init__(self):
        self.wrongs = []
        self.seen = Counter()
        self._now = threading.local()

    def __call__(self, execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        blocks = context["connection"].atomic_blocks
        outermost = next((block for block in blocks if not block._from_testcase), None)
        if outermost is not None:
            self.judge(outermost, str(sql), params or ())
        return answer

    def judge(self, transaction, sql: str, params) -> None:
        if getattr(self._now, "transaction", None) is not transaction:
            self._now.transaction, self._now.rows, self._now.selected = transaction, [], set()
        locking, writing = LOCKING.match(sql), WRITING.match(sql)
        if locking:
            table = locking[1]
            self._now.selected.add(table)
            if table in RANK and not BARE.match(sql):
                self.wrongs.append(f"a locking query that is not .locked() of bare rows: {sql}")
            self._acquire(table, sql, params)
        elif writing and writing[2] == "bookings_booking":
            self._guard(writing[1], sql)
        elif writing and writing[1] != "INSERT INTO":  # a new row is nobody else's
            self._acquire(writing[2], sql, params)

    def _acquire(self, table: str, sql: str, params) -> None:
        if table not in RANK:
            return
        self.seen[table] += 1
        rows = [(table, pk) for pk in _pks(table, sql, params)]
        new = [row for row in rows if row not in self._now.rows]
        later = [held for held in self._now.rows if any(_after(held, row) for row in new)]
        if later:
            self.wrongs.append(f"{new} locked after {later}: {sql}")
        self._now.rows += new

    def _guard(self, verb: str, sql: str) -> None:
        columns = set(re.findall(r'"(\w+)" = ', sql.partition(" WHERE ")[0]))
        if (verb != "UPDATE" or columns & GUARDED) and "schedules_schedule" not in self._now.selected:
            self.wrongs.append(f"a booking's place changed without its schedule's lock: {sql}")


def _pks(table: str, sql: str, params) -> list:
    """The primary keys that the statement names; [None] where it looks for something else."""
    found = re.search(rf'"{table}"\."id" (?:= %s|IN \([%s, ]+\))', sql)
    if not found:
        return [None]
    first = sql[: found.start()].count("%s")
    return sorted(params[first : first + found[0].count("%s")])


def _after(held, wanted) -> bool:
    """Whether `held` stands later in the order than `wanted`; windows go by their keys."""
    if held[0] == wanted[0] == "schedules_schedule" and None not in (held[1], wanted[1]):
        return held[1] > wanted[1]
    return RANK[held[0]] > RANK[wanted[0]]
