"""The sensor `arrivals`: keeps the book of what sources hold, and lets people see what has arrived.

Each look compares what a source holds with what was seen before; no event of a file system or database is followed,
so none can be lost. What is captured when is decided elsewhere, from the books.

Belongs here: looking at all sources, one slow or broken one not keeping the others from it; telling Dagster. Does not
belong here: when something has arrived (`schedules/watching.py`), how a kind of source is looked at (`snapshots/`),
or what people say has arrived (`asks.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial

import dagster as dg

from batch_platform.automation import clock
from batch_platform.automation.asks import SEEN, heard, met
from batch_platform.automation.declared import Declaration
from batch_platform.automation.reporting import asset_key
from batch_platform.automation.side_by_side import SideBySide
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.partitions.places import place
from batch_platform.schedules.arrival_book import ArrivalBook, Asked, content_of, read_book, write_book
from batch_platform.schedules.watching import Look, Watched, look, told
from batch_platform.settings import Settings

NAME = "arrivals"
INTERVAL_SECONDS = 10

PATIENCE_SECONDS = 5.0
"""How long a tick waits for its looks; those that take longer are asked for in the next one."""

_SHOWN = 5


def watched_of(tree: dg.ComponentTree) -> tuple[Watched, ...]:
    """Every table of the project that captures a source from outside, by name.

    Raises:
        ConfigurationError: a declaration cannot mean what it says.
    """
    found: list[Watched] = []
    for component in tree.get_all_components(of_type=Declaration):  # type: ignore[type-abstract]
        with component.declaring():
            found += component.watched(tree.load_context)
    return tuple(sorted(found, key=lambda watched: watched.table.table))


def arrivals_sensor(watched: Callable[[], Sequence[Watched]]) -> dg.SensorDefinition:
    """The sensor.

    Args:
        watched: the tables and their sources; called once, when the sensor looks for the first time.
    """
    tables = cache(watched)
    looks: SideBySide[Noted] = SideBySide()

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks at the sources of snapshots, and notes what has arrived and is complete.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        tick = tick_of(context.instance, tables(), looks, _number(context.cursor), clock.now())
        for line in tick.lines:
            context.log.warning(line)
        return dg.SensorResult(
            asset_events=list(tick.events), skip_reason=_summary(tables(), tick), cursor=str(tick.heard)
        )

    return arrivals


@dataclass(frozen=True)
class Noted:
    """A look that is over, and the asks that stand in its book or were met: it may have begun in an earlier tick.

    Args:
        look: what it led to.
        asks: their numbers.
    """

    look: Look
    asks: frozenset[int]


@dataclass(frozen=True)
class Tick:
    """What one look at all sources led to.

    Args:
        events: what has arrived, for people to see.
        lines: what they should know of: sources that cannot be looked at, partitions that do not exist yet.
        heard: the number of the last event about what has arrived that need not be read again.
    """

    events: tuple[dg.AssetObservation, ...]
    lines: tuple[str, ...]
    heard: int


def tick_of(
    instance: dg.DagsterInstance, tables: Sequence[Watched], looks: SideBySide[Noted], after: int, now: datetime
) -> Tick:
    """Look at all sources at once, as far as they answer in time.

    Args:
        instance: Dagster.
        tables: the tables and their sources.
        looks: those that were started earlier and have not ended.
        after: the number of the last event that was read before.
        now: the moment.
    """
    lake = Settings.from_environment().lake
    said = heard(instance, (watched.table for watched in tables), after, now)
    for watched in tables:
        name = watched.table.table
        if not looks.is_running(name):
            looks.start(name, partial(_noted, watched, lake, instance, said.asked.get(name, {}), now))
    done = looks.take(PATIENCE_SECONDS)
    over = {name: future.result() for name, future in done.items() if future.exception() is None}
    noted = frozenset[int]().union(*(each.asks for each in over.values()))
    asks = {ask.number for asked in said.asked.values() for ask in asked.values()}
    found = {name: each.look for name, each in over.items()}
    lines = [*said.refused, *_failures(done), *_lines(found)]
    lines += [f"{name}: still being looked at, since {since:.0f} s" for name, since in looks.late().items()]
    events = tuple(event for name, result in sorted(found.items()) for event in _events(name, result))
    # What could not be noted is read again: an ask twice is one.
    return Tick(events, tuple(lines), min([said.newest, *(number - 1 for number in asks - noted)]))


def _noted(
    watched: Watched, lake: Lake, instance: dg.DagsterInstance, asked: Mapping[str, Asked], now: datetime
) -> Noted:
    return Noted(look_once(watched, lake, instance, asked, now), frozenset(ask.number for ask in asked.values()))


def look_once(
    watched: Watched, lake: Lake, instance: dg.DagsterInstance, asked: Mapping[str, Asked], now: datetime
) -> Look:
    """Look at one source, and bring its book up to date.

    Raises:
        LakeError: the book cannot be written.
    """
    table = watched.table.table
    before = read_book(lake, table)
    book = before or ArrivalBook()
    asks = {**book.asked, **asked}
    over = met(instance, table, asks)
    open_asks = {key: ask for key, ask in asks.items() if key not in over}
    result = look(watched, replace(book, asked=open_asks), now)
    held = _captured(lake, table, result.book)
    book = replace(result.book, asked={key: ask for key, ask in open_asks.items() if key not in held})
    # Where nothing can be watched and nobody asked, no book says as much.
    if book != before and not (before is None and book == ArrivalBook(watched=False)):
        write_book(lake, table, book)
    return replace(result, book=book)


def _captured(lake: Lake, table: str, book: ArrivalBook) -> set[str]:
    """The partitions that were asked for, and were captured with the very content that is there."""
    complete = [key for key in book.asked if key in book.seen and book.seen[key].is_complete]
    if not complete:
        return set()
    records = {key: found.record for key, found in Table(lake, table).records(complete).items()}
    contents = {key: {read.path: read.sha256 for read in record.sources} for key, record in records.items()}
    return {key for key, sources in contents.items() if content_of(sources) == book.seen[key].content}


def _events(table: str, result: Look) -> Iterator[dg.AssetObservation]:
    for key in result.arrived:
        seen = result.book.seen[key]
        yield dg.AssetObservation(
            asset_key(table),
            partition=key or None,
            description="arrived, and complete",
            metadata={"parts": seen.parts, "bytes": seen.size_bytes, "token": seen.content[:16]},
            tags={SEEN: "true"},
        )


def _failures(done: Mapping[str, Future[Noted]]) -> Iterator[str]:
    for name, future in sorted(done.items()):
        error = future.exception()
        if isinstance(error, Exception):
            yield f"{name}: {told(error)}"


def _lines(found: Mapping[str, Look]) -> Iterator[str]:
    for name, result in sorted(found.items()):
        book = result.book
        if book.problem:
            yield f"{name}: {book.problem}"
        if book.early:
            yield f"{name}: there is something for partitions that do not exist yet: {_some(book.early)}"
        absent = [key for key in book.asked if book.watched and key not in book.seen]
        if absent and not book.problem:
            yield f"{name}: asked for, but the source holds nothing complete for {_some(absent)}"


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more


def _summary(tables: Iterable[Watched], tick: Tick) -> str:
    count = sum(watched.watch is not None for watched in tables)
    arrived = [place("/".join(event.asset_key.path), event.partition or "") for event in tick.events]
    what = f"arrived: {_some(arrived)}" if arrived else "nothing has arrived"
    return "; ".join([f"looked at {count} sources, {what}", *tick.lines[:_SHOWN]])


def _number(cursor: str | None) -> int:
    """The cursor's number; of a text that is none of ours, 0: asks are read again, which changes nothing."""
    return int(cursor) if cursor and cursor.isdecimal() else 0
