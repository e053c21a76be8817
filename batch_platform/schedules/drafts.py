"""Runs in the making: partitions that may be made are put into as few of them as can be.

Belongs here: which partitions share a run, and which run a table joins that reads what it makes. Does not belong here:
which partitions may be made (`decision.py`), or what a run is called (`runs.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from batch_platform.schedules.facts import Facts
from batch_platform.schedules.holds import Held, Hold
from batch_platform.schedules.runs import Priority, stretches
from batch_platform.schedules.scheduled import Scheduled


@dataclass
class Draft:
    """A run that later tables may still join."""

    table: Scheduled
    keys: list[str]
    priority: Priority
    tables: list[str] = field(default_factory=list)
    places: list[tuple[str, str]] = field(default_factory=list)
    joined: set[str] = field(default_factory=set)

    def may_take_in(self, other: Draft) -> bool:
        """Whether another run could be part of this one."""
        alike = self.table.calendar is not None and self.table.calendar == other.table.calendar
        return (
            alike and self.keys == other.keys and self.table.pipeline == other.table.pipeline and self._as_urgent(other)
        )

    def _as_urgent(self, other: Draft) -> bool:
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


def join_runs(
    table: Scheduled,
    free: dict[str, list[Held]],
    drafts: Sequence[Draft],
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


def draft_runs(
    table: Scheduled,
    ripe: Sequence[str],
    moving: AbstractSet[str],
    facts: Facts,
    drafts: list[Draft],
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
            draft = Draft(table, stretch, priority)
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
