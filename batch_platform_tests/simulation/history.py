"""What ran in a simulation, and what became of it: what scenarios ask about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

Place = tuple[str, str]


@dataclass
class Run:
    """One run: what it makes, and what became of it."""

    tables: tuple[str, ...]
    keys: tuple[str, ...]
    asked: datetime
    reasons: tuple[str, ...] = ()
    priority: int = 0
    identity: str = ""
    ended: datetime | None = None
    made: dict[Place, datetime] = field(default_factory=dict)
    failed: dict[Place, str] = field(default_factory=dict)

    @property
    def places(self) -> list[Place]:
        return [(table, key) for table in self.tables for key in self.keys]


class History:
    """All runs of a deployment, in the order in which they were asked for.

    Args:
        zone: in which local times are told.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.runs: list[Run] = []

    def runs_of(self, table: str, keys: Collection[str] = ()) -> list[Run]:
        """The runs that made, or tried to make, a table, or some of its partitions."""
        return [run for run in self.runs if table in run.tables and (not keys or set(keys) & set(run.keys))]

    def made(self, table: str) -> Counter[str]:
        """How often each partition was made."""
        return Counter(key for run in self.runs for name, key in run.made if name == table)

    def tries(self, table: str, key: str) -> int:
        """How often a partition was tried."""
        return sum((table, key) in run.made or (table, key) in run.failed for run in self.runs)

    def first_made(self, table: str, key: str) -> datetime:
        """When a partition was there for the first time, on the local wall clock."""
        return min(run.made[table, key] for run in self.runs if (table, key) in run.made).astimezone(self.zone)
