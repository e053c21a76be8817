"""In which runs Dagster will make the partitions of a backfill, and in which order.

Dagster launches what waits for nothing, then, as partitions get there, what waited for them. Tables with the same
partitions go into one run if each partition reads only its own of the others, or if all partitions of both are made;
each unbroken stretch is a run.

Belongs here: foretelling that, for the estimate. Does not belong here: launching (`automation/backfilling.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from batch_platform.partitions import Calendar
from batch_platform.schedules.scheduled import Input, Scheduled

Waves = dict[str, dict[str, int]]


@dataclass(frozen=True)
class BackfillRun:
    """One run to be expected.

    Args:
        wave: those of one wave wait for nothing but earlier waves: they can run side by side; from 0.
        tables: what it makes.
        first: its first partition; empty for tables without partitions.
        last: its last one.
        partitions: how many it makes of each table.
        seconds: how long it is expected to take.
    """

    wave: int
    tables: tuple[str, ...]
    first: str
    last: str
    partitions: int
    seconds: float = 0.0


def runs_of(ordered: Sequence[Scheduled], making: Mapping[str, Sequence[str]]) -> list[BackfillRun]:
    """The runs that make these partitions, wave by wave."""
    waves: Waves = {}
    calendars = {table.table: table.calendar for table in ordered}
    for table in ordered:
        if making.get(table.table):
            waves[table.table] = _waves(table, calendars, making, waves)
    grouped: dict[tuple[int, Calendar | None, tuple[str, ...]], list[str]] = {}
    for name, own in waves.items():
        for wave in sorted(set(own.values())):
            keys = tuple(key for key in making[name] if own[key] == wave)
            grouped.setdefault((wave, calendars[name], keys), []).append(name)
    found = [
        BackfillRun(wave, tuple(names), piece[0], piece[-1], len(piece))
        for (wave, calendar, keys), names in grouped.items()
        for piece in unbroken(calendar, keys)
    ]
    return sorted(found, key=lambda run: (run.wave, run.tables, run.first))


def unbroken(calendar: Calendar | None, keys: Sequence[str]) -> list[list[str]]:
    """Sorted keys cut where one of the calendar is left out."""
    found: list[list[str]] = []
    for key in keys:
        if calendar is not None and found and calendar.shift(found[-1][-1], 1) == key:
            found[-1].append(key)
        else:
            found.append([key])
    return found


def _waves(
    table: Scheduled,
    calendars: Mapping[str, Calendar | None],
    making: Mapping[str, Sequence[str]],
    waves: Waves,
) -> dict[str, int]:
    reads = [read for read in table.inputs if read.table in waves]
    joining = {read.table for read in reads if _may_join(table, read, calendars, making, waves)}
    found = _counted(making[table.table], reads, waves, joining)
    together = all(
        _keys_at(wave, found) == _keys_at(wave, waves[name])
        for name in joining
        for wave in set(found.values()) & set(waves[name].values())
    )
    return found if together else _counted(making[table.table], reads, waves, set())


def _may_join(
    table: Scheduled,
    read: Input,
    calendars: Mapping[str, Calendar | None],
    making: Mapping[str, Sequence[str]],
    waves: Waves,
) -> bool:
    """Whether a table can go into the runs of one that it reads: it reads only its own key of it, or all is made of
    both, at once."""
    if table.calendar is None or calendars[read.table] != table.calendar:
        return False
    keys = making[table.table]
    at_once = tuple(making[read.table]) == tuple(keys) and len(set(waves[read.table].values())) == 1
    return at_once or all(list(read.keys(key)) == [key] for key in keys)


def _keys_at(wave: int, waves: Mapping[str, int]) -> set[str]:
    return {key for key, own in waves.items() if own == wave}


def _counted(keys: Sequence[str], reads: Sequence[Input], waves: Waves, joining: AbstractSet[str]) -> dict[str, int]:
    """Partition -> its wave: after all that it reads, but with those of the tables whose runs it joins."""
    found: dict[str, int] = {}
    for key in keys:
        wave = 0
        for read in reads:
            known, step = waves[read.table], 0 if read.table in joining else 1
            wave = max(wave, max((known[own] + step for own in read.keys(key) if own in known), default=0))
        found[key] = wave
    return found
