"""A table as its schedule sees it: its partitions, when each can be made, from what, and by when.

Belongs here: the declaration, the same for every stage. Does not belong here: what a stage computes, or what is the
case at some moment (`facts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from graphlib import TopologicalSorter

from batch_platform.partitions import Calendar, Offset
from batch_platform.schedules.facts import Made
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.slo import Slo
from batch_platform.settings import Settings
from batch_platform.timelines.lags import newest_known
from batch_platform.timelines.lookbacks import Lookback

WHOLE_TABLE = ""
"""Stands for the partition key of a table that has no partitions."""


class Role(StrEnum):
    """What an input is to its reader.

    `partitions`: all that are read must be there. `undated`: a table without partitions, which must be there.
    `model`: the version that should serve; a reader waits for it as long as its deadline allows, then goes on with
    the one before.
    """

    PARTITIONS = "partitions"
    UNDATED = "undated"
    MODEL = "model"


@dataclass(frozen=True)
class Input:
    """One input of a table.

    Args:
        table: its name.
        keys: own partition -> the input's partitions that it reads, in order; `[""]` for a table without partitions.
        role: what it is to its reader.
    """

    table: str
    keys: Callable[[str], Sequence[str]] = field(compare=False, repr=False)
    role: Role = Role.PARTITIONS


@dataclass(frozen=True)
class Scheduled:
    """One table that the platform makes, partition by partition.

    Args:
        table: its name, which is its asset key.
        beside: the tables that the same step writes.
        calendar: its partitions; None for a table without.
        ready: when a partition can be made at the earliest, relative to its start: `available` of a snapshot,
            `known_at` of features and predictions, the start of a model's serving window.
        inputs: what it is made from; none for a snapshot.
        past: own partition -> the earlier ones of the same table that it reads, too; None: it does not read itself.
        rules: when it is made without anybody asking.
        slo: by when each partition must be there; None if nobody said.
        pipeline: the pipeline that declares it.
        owners: who answers for it.
        code: a digest of the SQL or outputs that make it now; empty if none is recorded with its partitions.
        source: whether it captures a source from outside, so that its partitions exist when they have arrived.
        watched: whether its source can be looked at without capturing it, so that nothing is tried before it arrived.
        held: for a table that does not lie in the lake, what holds its partitions: model versions lie in the registry.
        serving: for a prediction table, the versions that would score its partitions now: partition -> version, None
            if there is none; for `rerun_on: [model]`.
    """

    table: str
    calendar: Calendar | None
    ready: Offset
    rules: Rules
    beside: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    past: Callable[[str], Sequence[str]] | None = field(default=None, compare=False, repr=False)
    slo: Slo | None = None
    pipeline: str = ""
    owners: tuple[str, ...] = ()
    code: str = ""
    source: bool = False
    watched: bool = False
    held: Callable[[Settings], Mapping[str, Made]] | None = field(default=None, compare=False, repr=False)
    serving: Callable[[Settings], Callable[[str], str | None]] | None = field(default=None, compare=False, repr=False)

    @property
    def team(self) -> str:
        """The first team among its owners; empty if there is none."""
        return next((owner.removeprefix("team:") for owner in self.owners if owner.startswith("team:")), "")

    def newest(self, now: datetime) -> str:
        """The newest partition that can be made at `now`; it may lie before the first one."""
        if self.calendar is None:
            return WHOLE_TABLE
        return min(newest_known(self.calendar, self.ready, now), self.calendar.latest(now))

    def within(self, back: Lookback, now: datetime) -> list[str]:
        """The partitions from the newest that can be made at `now` as far back as `back` reaches."""
        if self.calendar is None:
            return [WHOLE_TABLE]
        newest = self.newest(now)
        return self.calendar.keys_between(max(self.calendar.first, back.oldest(self.calendar, newest)), newest)


def in_order(tables: Sequence[Scheduled]) -> list[Scheduled]:
    """Every table after those that it reads; otherwise by name.

    Raises:
        ValueError: tables read one another in a circle.
    """
    known = {table.table: table for table in sorted(tables, key=lambda table: table.table)}
    graph = {name: [read.table for read in table.inputs if read.table in known] for name, table in known.items()}
    return [known[name] for name in TopologicalSorter(graph).static_order()]
