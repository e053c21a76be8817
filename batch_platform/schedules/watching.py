"""Watching a source: when what it holds for a partition has changed, and is complete.

Nothing has arrived before two looks, some seconds apart, saw the same: a file that is being written changes in
between. Only then is it read, and only its content decides: a file that was touched, or written again with the same
bytes, has not arrived again. Times of files are compared with one another and never with a clock.

Belongs here: the rules, and one look at one source through the interface that every watch fulfils. Does not belong
here: how a kind of source is looked at (`snapshots/`), or where the book lies (`arrival_book.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from batch_platform.errors import BatchPlatformError
from batch_platform.partitions import Window
from batch_platform.schedules.arrival_book import ArrivalBook, Seen, content_of
from batch_platform.schedules.scheduled import WHOLE_TABLE, Scheduled

SETTLE_SECONDS = 8.0
"""How long a source must look the same before it is read, unless its declaration says otherwise."""

AHEAD = 31
"""How many partitions that do not exist yet are looked for, to tell of them."""


Windows = Mapping[str, Window | None]
"""Partition -> what it covers; None for a table without partitions."""


@dataclass(frozen=True)
class Glimpse:
    """What a source looks like for one partition, told without reading it.

    Args:
        token: changes whenever the content may have changed.
        parts: how many files or rows.
        size_bytes: their size; 0 where that is not known.
    """

    token: str
    parts: int = 0
    size_bytes: int = 0


class Watch(Protocol):
    """Looks at one source. Looking changes nothing."""

    def glimpse(self, windows: Windows, ahead: Windows) -> Mapping[str, Glimpse]:
        """What the source looks like for each of these partitions; those for which it holds nothing are left out.

        Args:
            windows: the partitions that are watched.
            ahead: those that do not exist yet; to leave them out where they cost more is right.

        Raises:
            SourceError: it cannot be looked at.
        """
        ...

    def contents(self, key: str, window: Window | None) -> Mapping[str, str] | None:
        """What a capture would record of a partition: path -> sha256; nothing if the source holds nothing for it after
        all, None if it looks otherwise than at that glimpse.

        Raises:
            SourceError: it cannot be read.
        """
        ...


@dataclass(frozen=True)
class Watched:
    """A table whose source can be watched or asked for.

    Args:
        table: the table.
        watch: looks at its source; None if only an attempt can tell what it holds.
        settle_seconds: how long the source must look the same before it is read.
    """

    table: Scheduled
    watch: Watch | None
    settle_seconds: float = SETTLE_SECONDS


@dataclass(frozen=True)
class Look:
    """What a look led to.

    Args:
        book: the book as it stands now.
        arrived: the partitions whose content is another now, and complete.
    """

    book: ArrivalBook
    arrived: tuple[str, ...] = ()


def watched_keys(table: Scheduled, book: ArrivalBook, now: datetime) -> list[str]:
    """The partitions that are looked at: as far back as the table makes any by itself, and those asked for."""
    calendar = table.calendar
    if calendar is None:
        return [WHOLE_TABLE]
    newest = table.newest(now)
    back = min(reach.oldest(calendar, newest) for reach in (table.rules.horizon, table.rules.lookback))
    keys = calendar.keys_between(max(calendar.first, back), calendar.latest(now))
    return sorted({*keys, *(key for key in book.asked if calendar.first <= key <= calendar.latest(now))})


def early_keys(table: Scheduled, now: datetime) -> list[str]:
    """The next partitions that do not exist yet."""
    calendar = table.calendar
    if calendar is None:
        return []
    latest = max(calendar.latest(now), calendar.shift(calendar.first, -1))
    return [calendar.shift(latest, step) for step in range(1, AHEAD + 1)]


def look(watched: Watched, book: ArrivalBook, now: datetime) -> Look:
    """Look at a source once.

    A source that cannot be looked at is told in the book's `problem`; what was known of it stays.

    Args:
        watched: the table and its source.
        book: what was known until now.
        now: the moment.
    """
    table, watch = watched.table, watched.watch
    if watch is None:
        return Look(replace(book, watched=False, seen={}, early=(), problem=""))
    keys, ahead = watched_keys(table, book, now), early_keys(table, now)
    calendar = table.calendar
    windows = {key: calendar.window(key) if calendar else None for key in keys}
    try:
        glimpses = watch.glimpse(windows, {key: calendar.window(key) for key in ahead} if calendar else {})
    except Exception as error:
        return Look(replace(book, watched=True, problem=told(error)))
    seen, problem = {}, ""
    for key in keys:
        if key not in glimpses:
            continue
        seen[key] = glimpsed(book.seen.get(key), glimpses[key], now)
        if _is_ripe(seen[key], now, watched.settle_seconds):
            try:
                found = watch.contents(key, windows[key])
            except Exception as error:
                problem = problem or told(error)
                continue
            if found is not None:
                seen[key] = replace(seen[key], content=content_of(found) if found else "", settled=True)
    early = tuple(key for key in ahead if key in glimpses)
    arrived = _arrived(book.seen, seen)
    return Look(replace(book, watched=True, seen=seen, early=early, problem=problem), arrived)


def glimpsed(before: Seen | None, glimpse: Glimpse, now: datetime) -> Seen:
    """What is known of a partition after a glimpse: the same as before, or that it changed just now."""
    moment = now.timestamp()
    if before is not None and before.token == glimpse.token:
        # A clock that was set back must not make anything wait until it has caught up.
        return before if before.settled or before.since <= moment else replace(before, since=moment)
    content = before.content if before is not None else ""
    return Seen(glimpse.token, moment, content, False, glimpse.parts, glimpse.size_bytes)


def told(error: Exception) -> str:
    """An error as people may see it: foreign ones may hold addresses and passwords."""
    if isinstance(error, BatchPlatformError):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__} while the source was looked at"


def _is_ripe(seen: Seen, now: datetime, settle_seconds: float) -> bool:
    return not seen.settled and now.timestamp() - seen.since >= settle_seconds


def _arrived(before: Mapping[str, Seen], now: Mapping[str, Seen]) -> tuple[str, ...]:
    """The partitions that are complete, and hold other content than when they were so before."""
    return tuple(
        key for key, seen in now.items() if seen.settled and (key not in before or before[key].content != seen.content)
    )
