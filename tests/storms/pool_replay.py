"""Judges a storm on pools by what was written down under each lock. It imports nothing of the product.

A pool is an integer here: one bit for each of its minutes. That is too slow and too simple to share a mistake with
the arithmetic of spans that it judges.

    {"pool": 7, "at": 123, "window": [0, 180], "capacity": 180, "step": 5, "taken": [[0, 40]],
     "minutes": 40, "start": 20, "answer": "OVERLAP"}

Times are minutes since the pool's start, `at` is any clock that all writers share, `answer` is "sold", "freed" or the code
of a refusal.
"""

import json
from collections import defaultdict
from pathlib import Path


def replay(log: Path) -> list[str]:
    """What was wrong, one line each; the decisions of each pool are judged in the order of its lock."""
    by_pool = defaultdict(list)
    for line in log.read_text().splitlines():
        decision = json.loads(line)
        by_pool[decision["pool"]].append(decision)
    return [
        f"pool {pool}: {wrong}"
        for pool, decisions in by_pool.items()
        for wrong in judge(sorted(decisions, key=lambda decision: decision["at"]))
    ]


def judge(decisions: list[dict]) -> list[str]:
    """As `replay`, for the decisions of one pool in their order."""
    wrongs, taken = [], set()
    for decision in decisions:
        asked = decision["start"], decision["start"] + decision["minutes"]
        seen = {tuple(span) for span in decision["taken"]}
        if seen != taken:
            wrongs.append(f"{asked}: saw {sorted(seen)} under the lock, but {sorted(taken)} was sold")
            taken = seen
        if decision["answer"] == "freed":
            taken = taken - {asked}
            continue
        why_not = refusal(decision, taken)
        if decision["answer"] == "sold":
            wrongs += [f"{asked}: sold, although {why_not}; taken {sorted(taken)}"] * bool(why_not)
            taken = taken | {asked}
            continue
        if not why_not:
            wrongs.append(f"{asked}: {decision['answer']}, although it was free; taken {sorted(taken)}")
    return wrongs


def refusal(decision: dict, taken: set) -> str:
    """Why this start can't be sold; "" if it can."""
    start, minutes = decision["start"], decision["minutes"]
    mask, (first, last) = bits(start, start + minutes), decision["window"]
    if start < first or start + minutes > last:
        return "it leaves the window"
    if start % decision["step"] and start not in {end for _start, end in taken}:
        return "it is off the grid"
    if any(mask & bits(*span) for span in taken):
        return "somebody has a minute of it"
    if sum(end - start for start, end in taken) + minutes > decision["capacity"]:
        return "the minutes are used up"
    return ""


def bits(start: int, end: int) -> int:
    return (1 << max(end, 0)) - (1 << max(start, 0))
