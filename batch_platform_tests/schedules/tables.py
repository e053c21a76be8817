"""Two tables of days, one made from the other, and what is the case about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from batch_platform.lake.digest import combine
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.facts import Facts, Made, Read
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Input, Scheduled
from batch_platform_tests.simulation.books import MemoryBooks

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
DAYS = Calendar(Cadence.DAILY, "2025-03-01", ahead=0)
SOURCE, READER = "snapshots/orders", "features/orders"


def source(**changes: Any) -> Scheduled:
    """A table that captures a source: a day is available when it has ended."""
    table = Scheduled(SOURCE, DAYS, Offset.parse("1d"), Rules.declared(Cadence.DAILY, SOURCE), source=True)
    return replace(table, **changes)


def reader(keys: Callable[[str], list[str]] = lambda key: [key], **changes: Any) -> Scheduled:
    """A table that reads the day of its own key."""
    rules = Rules.declared(Cadence.DAILY, READER)
    table = Scheduled(READER, DAYS, Offset.parse("1d"), rules, inputs=(Input(SOURCE, keys),), code="v1")
    return replace(table, **changes)


def undated(**changes: Any) -> Scheduled:
    """A table without partitions that captures a source."""
    rules = Rules.declared(Cadence.DAILY, "snapshots/register")
    table = Scheduled("snapshots/register", None, Offset.parse("0d"), rules, source=True)
    return replace(table, **changes)


def facts(books: MemoryBooks, **changes: Any) -> Facts:
    """What is the case at noon of the 10th."""
    return replace(Facts(NOW, books), **changes)


def holding(contents: Mapping[str, Mapping[str, Made | str]]) -> MemoryBooks:
    """Books of tables; a text stands for a partition with that digest."""
    books = MemoryBooks()
    for table, partitions in contents.items():
        for key, made in partitions.items():
            books.commit(table, key, Made(made) if isinstance(made, str) else made)
    return books


def made_from(digest: str, *read: str, first: str, last: str | None = None) -> Made:
    """A partition of the reader that was made from inputs with these digests."""
    return Made(digest, {SOURCE: Read((first, last or first), combine(read))}, "v1")
