"""The arrival book: what a watched source held for each partition when it was last looked at.

A book lies beside the table that captures the source, as `_arrivals/book.json` in its folder, and outlasts restarts.
One writes it (the sensor `arrivals`), others read it. A book that is lost or damaged costs two looks at the source.

Belongs here: what a book says, its form as text, and what follows from it for a schedule. Does not belong here: how
its entries come about (`watching.py`), or looking at sources (`snapshots/`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from batch_platform.errors import LakeError
from batch_platform.lake.store import Lake
from batch_platform.schedules.facts import Arrival, Made
from batch_platform.telemetry.logs import log

PATH = "_arrivals/book.json"
_FORMAT = 1

EntryT = TypeVar("EntryT", "Seen", "Asked")


@dataclass(frozen=True)
class Seen:
    """What a source held for one partition.

    Args:
        token: what it looked like: sizes and times of files, a count and a watermark. It costs little to tell.
        since: when it was first seen to look so, in seconds since 1970.
        content: stands for the content, once it looked so for long enough: see `content_of`. Before that, for the
            content that was there earlier; empty if there was none.
        settled: whether `content` is that of `token`; empty then means that it turned out to hold nothing.
        parts: how many files or rows.
        size_bytes: their size; 0 where that is not known.
    """

    token: str
    since: float
    content: str = ""
    settled: bool = False
    parts: int = 0
    size_bytes: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether something is there, and has looked the same for long enough."""
        return self.settled and bool(self.content)


@dataclass(frozen=True)
class Asked:
    """A partition that somebody asked for by name.

    Args:
        number: of the event, in the order in which Dagster stored them.
        at: when, in seconds since 1970.
        reason: what they said.
    """

    number: int
    at: float
    reason: str = ""


@dataclass(frozen=True)
class ArrivalBook:
    """What is known of one table's source.

    Args:
        watched: whether the source can be watched; otherwise only an attempt can tell what it holds.
        seen: partition -> what the source holds for it.
        asked: partition -> who asked for it last, until it was tried or turned out to be captured already.
        early: partitions that the source holds something for, and that do not exist yet.
        problem: why the source could not be looked at last time; empty: it could.
    """

    watched: bool = True
    seen: Mapping[str, Seen] = field(default_factory=dict)
    asked: Mapping[str, Asked] = field(default_factory=dict)
    early: tuple[str, ...] = ()
    problem: str = ""

    def to_json(self) -> str:
        """The book as text."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ArrivalBook:
        """The book that `to_json` wrote.

        Raises:
            ValueError: it is no such text.
        """
        try:
            raw: dict[str, Any] = json.loads(text)
            if raw["format"] != _FORMAT:
                raise ValueError("another format")
            return cls(
                bool(raw["watched"]),
                {key: _typed(Seen, entry) for key, entry in raw["seen"].items()},
                {key: _typed(Asked, entry) for key, entry in raw["asked"].items()},
                tuple(str(key) for key in raw["early"]),
                str(raw["problem"]),
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(str(error)) from error


def _typed(kind: type[EntryT], raw: Mapping[str, Any]) -> EntryT:
    """An entry whose values are of the types that it declares, whatever the text says."""
    types = {"str": str, "int": int, "float": float, "bool": bool}
    return kind(**{item.name: types[str(item.type)](raw[item.name]) for item in fields(kind)})


def content_of(sources: Mapping[str, str]) -> str:
    """Stands for the files of a partition, path -> sha256: equal if they are the same ones with the same bytes.

    A Delta table is the same one at whatever version: `delta:orders@12` may hold what `delta:orders@11` held.
    """
    named = (
        (path.rpartition("@")[0] if path.startswith("delta:") else path, sha256) for path, sha256 in sources.items()
    )
    joined = "\0".join([f"{path}\0{sha256}" for path, sha256 in sorted(named)])
    return hashlib.sha256(joined.encode()).hexdigest()


def read_book(lake: Lake, table: str) -> ArrivalBook | None:
    """The book of a table; None if there is none, or none that can be read: the log tells of that."""
    try:
        text = lake.read_text(table, PATH)
        return None if text is None else ArrivalBook.from_json(text)
    except (LakeError, ValueError) as error:
        log("arrival_book_unreadable", level=logging.WARNING, table=table, error=type(error).__name__)
        return None


def write_book(lake: Lake, table: str, book: ArrivalBook) -> None:
    """Put a book in the place of the one before, whole or not at all.

    Raises:
        LakeError: the store refuses or is unreachable; the one before stays.
    """
    lake.put_text(table, PATH, book.to_json())


def arrivals(book: ArrivalBook, made: Mapping[str, Made]) -> dict[str, Arrival]:
    """What has arrived and is complete, by partition.

    A source that cannot be watched has only what was asked for, which counts as changed until it was tried.

    Args:
        book: what is known of the source.
        made: the partitions that the table holds; others count as not captured.
    """
    found = {
        key: Arrival(seen.content[:16], _is_changed(seen, made.get(key)), key in book.asked)
        for key, seen in book.seen.items()
        if seen.is_complete
    }
    if not book.watched:
        found |= {key: Arrival(f"asked-{asked.number}", asked=True) for key, asked in book.asked.items()}
    return dict(sorted(found.items()))


def read_arrivals(lake: Lake, table: str, made: Mapping[str, Made]) -> dict[str, Arrival]:
    """What has arrived for a table according to its book; nothing if there is none, or none that can be read.

    Args:
        lake: where the table lies.
        table: its name.
        made: the partitions that it holds; those within its lookback and those that were asked for are enough.
    """
    book = read_book(lake, table)
    return {} if book is None else arrivals(book, made)


def _is_changed(seen: Seen, made: Made | None) -> bool:
    return made is None or content_of(made.sources) != seen.content
