"""In which state each partition of a backfill is, and which of them it has to make.

Belongs here: one state for each partition. Does not belong here: what making them takes (`cost.py`, `runs.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from enum import StrEnum

from batch_platform.schedules.facts import Facts
from batch_platform.schedules.owed import Reason, change
from batch_platform.schedules.rules import RerunOn
from batch_platform.schedules.scheduled import Scheduled


class State(StrEnum):
    """What is the case with a partition; exactly one holds.

    `valid`: it is there, made by today's code from what its inputs hold now. `follows`: it is valid, but something
    that it was made from is made again in the same backfill. `running`: it is queued or running already.
    """

    VALID = "valid"
    RUNNING = "running"
    MISSING = "missing"
    FAILED = "failed"
    SOURCE = "source changed"
    INPUTS = "input changed"
    CODE = "code changed"
    MODEL = "model changed"
    FOLLOWS = "follows"


_CHANGED = {Reason.INPUTS: State.INPUTS, Reason.CODE: State.CODE, Reason.MODEL: State.MODEL}
OUTDATED = (State.SOURCE, State.INPUTS, State.CODE, State.MODEL, State.FOLLOWS)
"""There, but not what it would be if it were made now."""

States = Mapping[str, Mapping[str, State]]


def states_of(
    ordered: Sequence[Scheduled], wanted: Mapping[str, Sequence[str]], facts: Facts, *, everything: bool = False
) -> dict[str, dict[str, State]]:
    """Table -> partition -> its state, for all partitions of a backfill.

    Args:
        ordered: tables, each after those that it reads.
        wanted: table -> its partitions.
        facts: what is the case.
        everything: whether valid partitions are made again, too.
    """
    found: dict[str, dict[str, State]] = {}
    made_again: dict[str, set[str]] = {}
    for table in ordered:
        keys = wanted.get(table.table)
        if keys:
            own = _by_itself(table, keys, facts)
            for key in _following(table, own, made_again):
                own[key] = State.FOLLOWS
            found[table.table] = own
            made_again[table.table] = set(to_make(own, everything=everything))
    return found


def to_make(states: Mapping[str, State], *, everything: bool) -> list[str]:
    """The partitions of one table that a backfill makes, oldest first."""
    left_out = {State.RUNNING} if everything else {State.RUNNING, State.VALID}
    return [key for key, state in states.items() if state not in left_out]


def _by_itself(table: Scheduled, keys: Sequence[str], facts: Facts) -> dict[str, State]:
    name = table.table
    live = facts.books.live(name)
    arrived = facts.arrived.get(name, {})
    made = (
        {} if table.source or table.held is not None else facts.books.made(name, [key for key in keys if key in live])
    )
    told = replace(table, rules=replace(table.rules, rerun_on=frozenset(RerunOn)))
    found: dict[str, State] = {}
    for key in keys:
        if facts.is_running(name, key):
            found[key] = State.RUNNING
        elif facts.blocked(name, key) is not None:
            found[key] = State.FAILED
        elif key not in live:
            found[key] = State.MISSING
        elif key in arrived and arrived[key].changed:
            found[key] = State.SOURCE
        elif key in made:
            reason = change(told, key, made[key], facts)
            found[key] = _CHANGED[reason] if reason is not None else State.VALID
        else:
            found[key] = State.VALID
    return found


def _following(
    table: Scheduled, states: Mapping[str, State], made_again: Mapping[str, AbstractSet[str]]
) -> Iterable[str]:
    """The valid partitions that read one which is made again. A version once trained is not trained again for that."""
    reads = [read for read in table.inputs if made_again.get(read.table)]
    if not reads or table.held is not None:
        return []
    valid = [key for key, state in states.items() if state is State.VALID]
    return [key for key in valid if any(not made_again[read.table].isdisjoint(read.keys(key)) for read in reads)]
