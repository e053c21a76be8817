"""What to start now: from declarations, facts and what was tried, without any side effect.

The platform compares what tables hold with what they should hold, and starts what makes them equal. It follows no
events: a message that was lost, repeated or out of order, a restart or a deploy change nothing.

Belongs here: putting the rules together, table by table. Does not belong here: the rules themselves (`owed.py`,
`holds.py`, `urgency.py`, `runs.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from batch_platform.schedules.facts import Facts
from batch_platform.schedules.holds import Held, Hold, held_by_itself, unmet
from batch_platform.schedules.memory import Memory, Tried, tried_again
from batch_platform.schedules.owed import Owed, Reason, demands, owed
from batch_platform.schedules.quotas import within_quotas
from batch_platform.schedules.runs import PlannedRun, Priority, identity, stretches
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


@dataclass
class _Draft:
    """A run that later tables may still join."""

    table: Scheduled
    keys: list[str]
    priority: Priority
    tables: list[str] = field(default_factory=list)
    places: list[tuple[str, str]] = field(default_factory=list)
    joined: set[str] = field(default_factory=set)

    def may_take_in(self, other: _Draft) -> bool:
        """Whether another run could be part of this one."""
        alike = self.table.calendar is not None and self.table.calendar == other.table.calendar
        return (
            alike and self.keys == other.keys and self.table.pipeline == other.table.pipeline and self._as_urgent(other)
        )

    def _as_urgent(self, other: _Draft) -> bool:
        return (self.priority is Priority.HEALING) == (other.priority is Priority.HEALING)

    def join(self, table: Scheduled) -> None:
        """Make the same partitions of a table that reads what this run makes."""
        self.take_in(table)
        self.joined.add(table.table)

    def take_in(self, table: Scheduled) -> None:
        """Make the same partitions of one more table; a run is as urgent as the most urgent of its tables."""
        self.tables.append(table.table)
        self.places += [(table.table, key) for key in self.keys]
        if self.priority is not Priority.HEALING:
            self.priority = max(self.priority, _urgency(table))


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
    drafts: list[_Draft] = []
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
        _join(table, free, drafts, expected)
        for key, inputs in free.items():
            expected[table.table, key] = inputs[0] if inputs else None
        ripe = [key for key, inputs in free.items() if not inputs]
        _draft(table, ripe, moving, facts, drafts, expected)
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


def _join(
    table: Scheduled,
    free: dict[str, list[Held]],
    drafts: Sequence[_Draft],
    expected: dict[tuple[str, str], Held | None],
) -> None:
    """Make partitions in the very runs that make the inputs which they wait for; they leave `free`."""
    moving = frozenset(free)
    for draft in drafts:
        same = table.calendar is not None and table.calendar == draft.table.calendar
        if not same or not all(key in free for key in draft.keys):
            continue
        made = set(draft.places)
        waited = [(held.table, held.partition) for key in draft.keys for held in free[key]]
        if waited and made.issuperset(waited) and _past_elsewhere(table, draft.keys, moving) is None:
            draft.join(table)
            for key in draft.keys:
                del free[key]
                expected[table.table, key] = None


def _past_elsewhere(table: Scheduled, keys: Sequence[str], moving: AbstractSet[str]) -> str | None:
    """A partition that some keys of a table which reads itself need, and that is about to be made in another run."""
    if table.past is None:
        return None
    elsewhere = moving - set(keys)
    return next((own for key in keys for own in table.past(key) if own in elsewhere), None)


def _draft(
    table: Scheduled,
    ripe: Sequence[str],
    moving: AbstractSet[str],
    facts: Facts,
    drafts: list[_Draft],
    expected: dict[tuple[str, str], Held | None],
) -> None:
    """Runs of the partitions that have all they need: those of today by themselves, older ones while none are made."""
    live = [key for key in ripe if _is_live(table, key, facts.now)]
    if live and table.past is not None:
        live = list(ripe)  # what today reads of its own past is made in the same run, one after the other
    older = [key for key in ripe if key not in live]
    busy = sorted(key for key in facts.running.get(table.table, ()) if key and not _is_live(table, key, facts.now))
    if older and busy:
        for key in older:
            expected[table.table, key] = Held(Hold.HEALING, table.table, busy[0])
        older = []
    for keys, priority in ((live, _urgency(table)), (older, Priority.HEALING)):
        for stretch in stretches(table.calendar, keys):
            earlier = _past_elsewhere(table, stretch, moving)
            if earlier is not None:
                for key in stretch:
                    expected[table.table, key] = Held(Hold.INPUT_OWED, table.table, earlier)
                continue
            draft = _Draft(table, stretch, priority)
            # Tables of one pipeline share a run where they can: what reads several of them can then join it.
            twin = next((other for other in drafts if other.may_take_in(draft)), None)
            if twin is None:
                drafts.append(draft)
            (twin or draft).take_in(table)


def _urgency(table: Scheduled) -> Priority:
    return Priority.CRITICAL if table.slo is not None and table.slo.critical else Priority.LIVE


def _is_live(table: Scheduled, key: str, now: datetime) -> bool:
    """Whether somebody may be waiting for a partition: it is the newest, or can still be there by its deadline."""
    if table.calendar is None or key >= table.newest(now):
        return True
    return table.slo is not None and table.slo.due_at(table.calendar, key).timestamp() > now.timestamp()


def _conclude(
    drafts: Sequence[_Draft],
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
