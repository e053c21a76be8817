"""How partitions that may be made become runs: few of them, each an unbroken stretch, what is urgent first.

Belongs here: the grouping. Does not belong here: which partitions may be made (`decision.py`), or starting runs
(`automation/`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from batch_platform.partitions import Cadence, Calendar
from batch_platform.schedules.owed import Reason

LONGEST = {Cadence.HOURLY: 336, Cadence.DAILY: 62, Cadence.WEEKLY: 53, Cadence.MONTHLY: 12}
"""The most partitions of one run: enough to make runs cheap, few enough to show progress and to stop in between."""


class Priority(IntEnum):
    """The order in which queued runs start, the highest first: Dagster's own numbers."""

    CRITICAL = 20
    LIVE = 10
    HEALING = 0
    BACKFILL = -10


@dataclass(frozen=True)
class PlannedRun:
    """One run to start.

    Args:
        tables: what it makes, each table after those that it reads.
        keys: the partitions, an unbroken stretch of one calendar; `("",)` for a table without partitions.
        priority: its place in the queue.
        reasons: why its partitions must be made, in words.
        identity: stands for what it would be made from and for the attempt: the same run is not started twice.
    """

    tables: tuple[str, ...]
    keys: tuple[str, ...]
    priority: Priority
    reasons: tuple[Reason, ...]
    identity: str

    def __str__(self) -> str:
        stretch = self.keys[0] if len(self.keys) == 1 else f"{self.keys[0]} to {self.keys[-1]}"
        place = f" [{stretch}]" if self.keys[0] else ""
        return f"{', '.join(self.tables)}{place}: {', '.join(self.reasons)}"


def stretches(calendar: Calendar | None, keys: Iterable[str]) -> list[list[str]]:
    """Partition keys cut where one of the calendar is left out, and into pieces no longer than `LONGEST`."""
    found: list[list[str]] = []
    before: str | None = None
    for key in sorted(keys):
        unbroken = calendar is not None and before is not None and calendar.shift(before, 1) == key
        if calendar is not None and unbroken and len(found[-1]) < LONGEST[calendar.cadence]:
            found[-1].append(key)
        else:
            found.append([key])
        before = key
    return found


def identity(table: str, version: tuple[int, int], parts: Sequence[tuple[str, str, int]]) -> str:
    """Stands for a run: what was decided and could not be remembered is decided as the same run again.

    Args:
        table: the table.
        version: when the memory of attempts began, and the table's version: a memory may be lost, and a file may go
            back to what it was.
        parts: table and key, cause and number of the attempt of each partition.
    """
    joined = hashlib.sha256(repr((table, *version)).encode())
    for part in parts:
        joined.update(repr(part).encode())
    return joined.hexdigest()[:24]
