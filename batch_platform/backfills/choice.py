"""Which tables a backfill is about: names, with what they need (`+name`) or what is made from them (`name+`).

Belongs here: the notation, and the partitions of each table. Does not belong here: their state (`states.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from batch_platform.backfills.stretch import Stretch
from batch_platform.errors import ConfigurationError
from batch_platform.schedules.scheduled import WHOLE_TABLE, Role, Scheduled

EVERYTHING = "*"


@dataclass(frozen=True)
class Choice:
    """The tables of a backfill.

    Args:
        named: those whose partitions in the stretch are meant.
        needing: those whose inputs are meant, too, whatever their age.
        needed: those inputs.
    """

    named: frozenset[str]
    needing: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Sequence[str], tables: Mapping[str, Scheduled]) -> Choice:
        """The tables that somebody names: by table, by pipeline, or all of them with `*`.

        Raises:
            ConfigurationError: there is no such table and no such pipeline.
        """
        above = {name: {read.table for read in table.inputs if read.table in tables} for name, table in tables.items()}
        below = {name: {reader for reader, inputs in above.items() if name in inputs} for name in tables}
        named: set[str] = set()
        needing: set[str] = set()
        for name in names:
            meant = _tables(name.removeprefix("+").removesuffix("+"), tables)
            if name.endswith("+"):
                meant |= _reached(meant, below.__getitem__)
            named |= meant
            if name.startswith("+"):
                needing |= meant | _reached(meant, above.__getitem__)
        needed = {read for name in needing for read in above[name]}
        return cls(frozenset(named), frozenset(needing), frozenset(needed))


def _tables(name: str, tables: Mapping[str, Scheduled]) -> set[str]:
    if name == EVERYTHING:
        return set(tables)
    if name in tables:
        return {name}
    pipelines = {table.pipeline for table in tables.values()}
    if name in pipelines:
        return {table.table for table in tables.values() if table.pipeline == name}
    beside = next((table.table for table in tables.values() if name in table.beside), None)
    if beside is not None:
        raise ConfigurationError(f"{name} is written with {beside}", fix=f"name {beside}")
    close = get_close_matches(name, [*tables, *pipelines], 3, 0.5) or sorted(pipelines)
    raise ConfigurationError(
        f"there is no table and no pipeline {name[:80]!r}", fix=f"did you mean {' or '.join(close) or 'none: add one'}?"
    )


def _reached(starts: Iterable[str], steps: Callable[[str], set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        new = steps(waiting.pop()) - found
        found |= new
        waiting += new
    return found


def targets(ordered: Sequence[Scheduled], choice: Choice, stretch: Stretch, now: datetime) -> dict[str, list[str]]:
    """Table -> its partitions that a backfill is about, oldest first; tables after those that they read.

    Of a table that is named: those that begin in the stretch. Of a model that chosen predictions use: the windows that
    serve them. Of a table that is needed: those that are read. None that cannot be made yet.
    """
    read: dict[str, set[str]] = {}
    served: dict[str, set[str]] = {}
    found: dict[str, list[str]] = {}
    for table in reversed(ordered):
        name = table.table
        own = read.pop(name, set())
        if name in choice.named:
            own |= served.get(name) or set(_begun(table, stretch, now))
        keys = sorted(_possible(table, own, now))
        if keys:
            found[name] = keys
        for reading in table.inputs:
            places = {place for key in keys for place in reading.keys(key)}
            if name in choice.needing:
                read.setdefault(reading.table, set()).update(places)
            if reading.role is Role.MODEL:
                served.setdefault(reading.table, set()).update(places)
    return {table.table: found[table.table] for table in ordered if table.table in found}


def _begun(table: Scheduled, stretch: Stretch, now: datetime) -> list[str]:
    return [WHOLE_TABLE] if table.calendar is None else stretch.keys(table.calendar, now)


def _possible(table: Scheduled, keys: Iterable[str], now: datetime) -> Iterable[str]:
    if table.calendar is None:
        return keys
    first, newest = table.calendar.first, table.newest(now)
    return (key for key in keys if first <= key <= newest)
