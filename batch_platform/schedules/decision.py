"""What to start now: from declarations, facts and what was tried, without any side effect.

The platform compares what tables hold with what they should hold, and starts what makes them equal. It follows no
events: a message that was lost, repeated or out of order, a restart or a deploy change nothing.

Belongs here: putting the rules together, table by table. Does not belong here: the rules themselves (`owed.py`,
`holds.py`, `urgency.py`, `drafts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_platform.schedules.drafts import Draft, draft_runs, join_runs
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.holds import Held, Hold, held_by_itself, unmet
from batch_platform.schedules.memory import Memory, Tried, tried_again
from batch_platform.schedules.owed import Owed, Reason, demands, owed
from batch_platform.schedules.quotas import within_quotas
from batch_platform.schedules.runs import PlannedRun, identity
from batch_platform.schedules.scheduled import Scheduled, in_order
from batch_platform.schedules.urgency import latest_starts

MOST_RUNS = 25
"""Runs that one decision starts at most; the next one goes on."""


@dataclass(frozen=True)
class Decision:
    """What to start, and why the rest waits.

    Args:
        runs: what to start, the most urgent first.
        memory: what was tried, with these runs; of partitions that need nothing any more, nothing.
        owed: table -> its partitions that must be made.
        held: table and partition -> what holds it; those that are started are not in here.
    """

    runs: tuple[PlannedRun, ...]
    memory: Memory
    owed: Mapping[str, Mapping[str, Owed]]
    held: Mapping[tuple[str, str], Held]


def decide(tables: Sequence[Scheduled], facts: Facts, memory: Memory) -> Decision:
    """Decide what to start.

    Args:
        tables: all tables that the platform makes.
        facts: what is the case.
        memory: what was tried before.
    """
    ordered = in_order(tables)
    needed = _needed(ordered, facts)
    starts = latest_starts(ordered, needed, facts)
    expected: dict[tuple[str, str], Held | None] = {}
    drafts: list[Draft] = []
    for table in ordered:
        if table.table in facts.unreadable:
            detail = facts.unreadable[table.table]
            for key in table.within(table.rules.horizon, facts.now):
                expected[table.table, key] = Held(Hold.UNREADABLE, table.table, key, detail)
            continue
        free: dict[str, list[Held]] = {}
        for key, reason in needed[table.table].items():
            place = (table.table, key)
            held = held_by_itself(table, key, reason, facts, memory, starts.get(place))
            inputs = [] if held else unmet(table, key, facts, expected, starts.get(place))
            expected[place] = held or _lasting(inputs)
            if held is None and expected[place] is None:
                free[key] = inputs
        moving = frozenset(free)
        join_runs(table, free, drafts, expected)
        for key, inputs in free.items():
            expected[table.table, key] = inputs[0] if inputs else None
        ripe = [key for key, inputs in free.items() if not inputs]
        draft_runs(table, ripe, moving, facts, drafts, expected)
    return _conclude(drafts, needed, expected, facts, memory)


def _needed(ordered: Sequence[Scheduled], facts: Facts) -> dict[str, dict[str, Owed]]:
    """What must be made of each table, and with it what that is made from, all the way up."""
    demanded: dict[str, set[str]] = {}
    needed: dict[str, dict[str, Owed]] = {}
    for table in reversed(ordered):
        unreadable = table.table in facts.unreadable
        needed[table.table] = {} if unreadable else owed(table, facts, demanded.get(table.table, set()))
        for name, key in demands(table, needed[table.table], facts.books):
            demanded.setdefault(name, set()).add(key)
    return needed


def _lasting(inputs: Sequence[Held]) -> Held | None:
    """The first input that no run of this decision can supply."""
    return next((held for held in inputs if held.hold is not Hold.INPUT_OWED), None)


def _conclude(
    drafts: Sequence[Draft],
    needed: Mapping[str, Mapping[str, Owed]],
    expected: Mapping[tuple[str, str], Held | None],
    facts: Facts,
    memory: Memory,
) -> Decision:
    held = {place: why for place, why in expected.items() if why is not None}
    kept: dict[tuple[str, str], Tried] = {
        place: tried for place, tried in memory.tried.items() if place[1] in needed.get(place[0], {})
    }
    begun = memory.begun or int(facts.now.timestamp())
    urgent_first = sorted(drafts, key=lambda draft: -draft.priority)
    start, wait = within_quotas(urgent_first, lambda draft: draft.table.team, facts.team_runs, facts.quotas)
    for draft in (*start[MOST_RUNS:], *wait):
        held |= {(table, key): Held(Hold.TURN, table, key) for table, key in draft.places}
    runs = []
    for draft in start[:MOST_RUNS]:
        # Tables that joined are tried once their input is there: if it is not, the failure is not theirs.
        tried = [(table, key) for table, key in draft.places if table not in draft.joined]
        for place in tried:
            kept[place] = tried_again(memory, place, needed[place[0]][place[1]].cause, facts.now)
        parts = [(f"{table}|{key}", kept[table, key].cause, kept[table, key].attempts) for table, key in tried]
        reasons: tuple[Reason, ...] = tuple(dict.fromkeys(needed[table][key].reason for table, key in draft.places))
        runs.append(
            PlannedRun(
                tuple(draft.tables),
                tuple(draft.keys),
                draft.priority,
                reasons,
                identity(draft.table.table, (begun, facts.version(draft.table.table)), parts),
            )
        )
    return Decision(tuple(runs), Memory(kept, begun), needed, held)
