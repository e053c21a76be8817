"""Partitions that are not as they should be, as plain values: what alerts are made from.

Belongs here: the values. Does not belong here: where they come from (`reading.py`), or what is wrong enough to tell
somebody (`finding.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from batch_platform.partitions.places import place as named
from batch_platform.schedules.holds import Held, Hold

_IN_WORK = frozenset(
    {Hold.RUNNING, Hold.HEALING, Hold.INPUT_RUNNING, Hold.INPUT_OWED, Hold.MODEL, Hold.WINDOW, Hold.CLOSED, Hold.TURN}
)


def is_in_work(held: Held | None) -> bool:
    """Whether what a partition waits for ends without anybody doing anything."""
    # A model with a detail is one that nobody trains.
    return held is not None and held.hold in _IN_WORK and not (held.hold is Hold.MODEL and held.detail)


@dataclass(frozen=True)
class Cause:
    """The last thing that a partition waits for: what it waits for may wait for something else, to the end.

    Args:
        key: what alerts are grouped by: one for all that has this cause, and the same as long as it lasts.
        table: where it is; empty for what is no table's.
        partition: the partition there, if one.
        text: what is the matter, one line that begins with the place.
        passing: whether it is only work going on, which ends without anybody doing anything: no cause of its own if
            something else was wrong before.
    """

    key: str
    table: str
    partition: str
    text: str
    passing: bool = False

    def __str__(self) -> str:
        return named(self.table, self.partition) if self.table else self.key


@dataclass(frozen=True)
class Fault:
    """What a check found wrong with a partition.

    Args:
        check: its name; `produced` where the partition could not be made at all.
        text: what it said, one line.
        since: when; None: not known.
    """

    check: str
    text: str
    since: datetime | None = None


@dataclass(frozen=True)
class State:
    """One partition that is not as it should be.

    Args:
        table: its table.
        partition: its key; empty for a table without partitions.
        cause: why, in the end.
        there: whether the table holds it, as wrong as it may be.
        due: its deadline; None: it has none.
        warn: when it became a worry; None: at its deadline.
        held: what it waits for itself; None: nothing.
        fault: the check that failed on it, if its newest result is a failure.
        planned: whether a backfill that somebody planned is making it: then nobody is told meanwhile.
    """

    table: str
    partition: str
    cause: Cause
    there: bool = False
    due: datetime | None = None
    warn: datetime | None = None
    held: Held | None = None
    fault: Fault | None = None
    planned: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """The table and the partition."""
        return self.table, self.partition

    @property
    def goes_on(self) -> bool:
        """Whether nothing needs to be done: it runs, is tried again, or its turn comes."""
        return is_in_work(self.held) or (self.held is not None and self.held.hold is Hold.BACKOFF)
