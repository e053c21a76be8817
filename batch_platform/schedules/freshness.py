"""Whether partitions are there by their deadlines, each by itself: what `slo:` promises, held against what is the case.

A partition is judged by its own deadline and by what its table holds of it; what becomes of another partition, such as
a backfill of last year, changes nothing about it.

Belongs here: the state of a partition at a moment. Does not belong here: why it waits (`root_causes.py`), or telling
anybody (`automation/freshness.py`, `alerts/`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from batch_platform.errors import PartitionKeyError
from batch_platform.partitions import Calendar
from batch_platform.schedules.decision import Decision
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.history import History, NoHistory
from batch_platform.schedules.holds import Held
from batch_platform.schedules.root_causes import RootCause, root_cause
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.timelines.lags import newest_known


class State(StrEnum):
    """How a partition stands with regard to its deadline.

    `fresh`: it is there, made from what its inputs hold now. `outdated`: it is there, but something has changed since,
    and it must be made again. `due`: it is not there, and nobody worries yet. `warned`: it is not there, and its
    deadline is near. `overdue`: it is not there, and its deadline has passed.
    """

    FRESH = "fresh"
    OUTDATED = "outdated"
    DUE = "due"
    WARNED = "warned"
    OVERDUE = "overdue"

    @property
    def is_there(self) -> bool:
        """Whether the table holds the partition."""
        return self in (State.FRESH, State.OUTDATED)

    @property
    def is_worry(self) -> bool:
        """Whether somebody should look: it is late, or about to be."""
        return self in (State.WARNED, State.OVERDUE)


@dataclass(frozen=True)
class PartitionFreshness:
    """One partition of a table with an objective.

    Args:
        table: its table.
        partition: its key.
        state: how it stands.
        due: its deadline, in the time zone of its calendar.
        since: when its state began: the deadline of what is overdue, the warning of what is warned; else None.
        by: how far past its deadline it is, or was when it was there for the first time; zero if in time, or if that
            is not known.
        why: what it waits for in the end; None: nothing holds it, or nothing is known of it.
        root: the table and partition where the reason lies; its own if there is none.
        text: the reason, one line that begins with the place; empty for what is fresh.
        run_id: the run to look at; empty if there is none.
        kind: stands for the reason without its numbers and times: equal as long as it is the same.
    """

    table: str
    partition: str
    state: State
    due: datetime
    since: datetime | None = None
    by: timedelta = timedelta()
    why: Held | None = None
    root: tuple[str, str] = ("", "")
    text: str = ""
    run_id: str = ""
    kind: str = ""

    @property
    def late(self) -> bool:
        """Whether it missed its deadline, even if it is there by now."""
        return self.by > timedelta()


def state_of(warn: datetime, due: datetime, now: datetime, *, there: bool, changed: bool = False) -> State:
    """The state that follows from a partition's moments.

    Args:
        warn: when a missing partition becomes a worry; its deadline if not before.
        due: its deadline.
        now: the moment.
        there: whether the table holds the partition.
        changed: whether it must be made again.
    """
    if there:
        return State.OUTDATED if changed else State.FRESH
    if now.timestamp() >= due.timestamp():
        return State.OVERDUE
    return State.WARNED if now.timestamp() >= warn.timestamp() else State.DUE


def next_due(table: Scheduled, now: datetime) -> str:
    """The first partition whose deadline is still ahead, whether it is there or not.

    Raises:
        ValueError: the table has no objective.
    """
    if table.slo is None or table.calendar is None:
        raise ValueError(f"{table.table} has no deadline")
    past = newest_known(table.calendar, table.slo.due, now)
    return max(table.calendar.first, table.calendar.shift(past, 1))


def judged_keys(table: Scheduled, now: datetime) -> list[str]:
    """The partitions of a table that are judged: its horizon, and the one that is due next; none without an objective.

    The newest may not exist yet for Dagster.
    """
    calendar = table.calendar
    if table.slo is None or calendar is None:
        return []
    coming, newest = next_due(table, now), table.newest(now)
    oldest = min(table.rules.horizon.oldest(calendar, newest), coming)
    return calendar.keys_between(max(calendar.first, oldest), max(newest, coming))


def freshness(
    tables: Iterable[Scheduled],
    decision: Decision,
    facts: Facts,
    history: History | None = None,
    late: Collection[tuple[str, str]] = (),
) -> list[PartitionFreshness]:
    """How every partition with a deadline stands, table by table, oldest first.

    Args:
        tables: all tables; those without an objective are not judged, but others may wait for them.
        decision: what follows from these facts.
        facts: what is the case.
        history: what happened; nothing is known of it if left out.
        late: table and partition of what was overdue at an earlier look: it is judged whatever its age. What is there
            by now is judged once more, so that whoever remembers it can forget it.
    """
    known = {table.table: table for table in tables}
    return [
        judged(table, key, known, decision, facts, history or NoHistory())
        for table in known.values()
        for key in sorted({*judged_keys(table, facts.now), *_remembered(table, late)})
    ]


def judged(
    table: Scheduled,
    key: str,
    tables: dict[str, Scheduled],
    decision: Decision,
    facts: Facts,
    history: History,
) -> PartitionFreshness:
    """How one partition stands; `tables` are all of them, by name.

    Raises:
        ValueError: the table has no objective.
    """
    slo, calendar = table.slo, table.calendar
    if slo is None or calendar is None:
        raise ValueError(f"{table.table} has no deadline")
    there = key in facts.books.live(table.table)
    due, warn = slo.due_at(calendar, key), slo.warn_at(calendar, key)
    changed = key in decision.owed.get(table.table, {})
    state = state_of(warn, due, facts.now, there=there, changed=changed)
    place = (table.table, key)
    done = history.first_made(*place) if there else facts.now
    if state is State.FRESH:
        cause = RootCause(*place, None, "", "", "")
    else:
        cause = root_cause(place, tables, decision, facts, history, calendar.zone)
    return PartitionFreshness(
        *place,
        state,
        due,
        since={State.OVERDUE: due, State.WARNED: warn}.get(state),
        by=timedelta(seconds=max(0.0, done.timestamp() - due.timestamp())) if done else timedelta(),
        why=cause.why,
        root=(cause.table, cause.partition),
        text=cause.text,
        run_id=cause.run_id,
        kind=cause.kind,
    )


def _remembered(table: Scheduled, late: Collection[tuple[str, str]]) -> Iterable[str]:
    """Those of the remembered partitions that the table still has: its calendar may be another since."""
    return [key for name, key in late if name == table.table and table.slo and _has(table.calendar, key)]


def _has(calendar: Calendar | None, key: str) -> bool:
    try:
        return calendar is not None and calendar.window(key) is not None
    except PartitionKeyError:
        return False
