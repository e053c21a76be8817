"""Tables with deadlines and what they hold, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime

from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.decision import Decision, decide
from batch_platform.schedules.facts import Facts, Made
from batch_platform.schedules.history import Failure, Underway
from batch_platform.schedules.memory import Memory
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Input, Scheduled
from batch_platform.schedules.slo import Slo


@dataclass
class Shelf:
    """Tables in memory."""

    held: dict[str, dict[str, Made]] = field(default_factory=dict)

    def put(self, table: str, *keys: str, **made: Mapping[str, object]) -> None:
        """Partitions that are there."""
        self.held.setdefault(table, {}).update({key: Made(f"{table}{key}", **made) for key in keys})  # type: ignore[arg-type]

    def live(self, table: str) -> AbstractSet[str]:
        """The keys that are there."""
        return self.held.get(table, {}).keys()

    def made(self, table: str, keys: Iterable[str]) -> dict[str, Made]:
        """Those of the keys that are there."""
        return {key: self.held[table][key] for key in keys if key in self.live(table)}

    def stretch(self, table: str, first: str, last: str) -> list[str]:
        """Their digests."""
        return [made.digest for key, made in sorted(self.held.get(table, {}).items()) if first <= key <= last]


@dataclass
class Past:
    """What happened, as a test says."""

    failures: dict[tuple[str, str, str], Failure] = field(default_factory=dict)
    runs: dict[tuple[str, str], Underway] = field(default_factory=dict)
    first: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def failure(self, table: str, partition: str, check: str) -> Failure | None:
        """The newest failure."""
        return self.failures.get((table, partition, check))

    def underway(self, table: str, partition: str) -> Underway | None:
        """The run at work."""
        return self.runs.get((table, partition))

    def first_made(self, table: str, partition: str) -> datetime | None:
        """When it was there first."""
        return self.first.get((table, partition))


def table_of(
    name: str,
    calendar: Calendar,
    ready: str,
    slo: Slo | None = None,
    reads: Iterable[str] = (),
    **rules: object,
) -> Scheduled:
    """A table that reads the same partition of others; a source if it reads none."""
    inputs = tuple(Input(read, lambda key: [key]) for read in reads)
    declared = Rules.declared(calendar.cadence, name, **rules)  # type: ignore[arg-type]
    return Scheduled(
        name, calendar, Offset.parse(ready), declared, inputs=inputs, slo=slo, source=not inputs, watched=not inputs
    )


def decided(tables: Iterable[Scheduled], facts: Facts, memory: Memory | None = None) -> tuple[Decision, Facts]:
    """What follows from the facts; sources are watched, and nothing new has arrived, unless the facts say otherwise."""
    known = list(tables)
    arrived = {table.table: facts.arrived.get(table.table, {}) for table in known if table.source}
    facts = replace(facts, arrived=arrived)
    return decide(known, facts, memory or Memory()), facts


DAYS = Calendar(Cadence.DAILY, "2026-03-01", "Europe/Berlin")
