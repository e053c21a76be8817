"""The book as text, in which it outlasts a restart: what a sensor's cursor holds.

Belongs here: that form. Does not belong here: what it means (`book.py`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from batch_platform.alerts.book import Book, Entry, Told, Trouble
from batch_platform.alerts.severity import Severity

_FORMAT = 1


def to_text(book: Book) -> str:
    """The book as JSON; it holds names of addresses, never addresses."""
    content = {
        "format": _FORMAT,
        "entries": [_entry(entry) for _, entry in sorted(book.entries.items())],
        "troubles": {
            name: [trouble.text, trouble.attempts, _seconds(trouble.next_at)]
            for name, trouble in sorted(book.troubles.items())
        },
        "blind_since": _seconds(book.blind_since),
        "lost": book.lost,
    }
    return json.dumps(content, separators=(",", ":"))


def from_text(text: str | None) -> Book:
    """The book that `to_text` wrote; an empty one from a text that is not such: then everything is told anew."""
    try:
        found = json.loads(text or "{}")
        if found.get("format") != _FORMAT:
            return Book()
        entries = [_read(raw) for raw in found["entries"]]
        troubles = {name: Trouble(why, count, _moment(at)) for name, (why, count, at) in found["troubles"].items()}
        return Book({entry.key: entry for entry in entries}, troubles, _maybe(found["blind_since"]), found["lost"])
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError):
        return Book()


def _entry(entry: Entry) -> list[Any]:
    told = {
        name: [
            None if one.severity is None else int(one.severity),
            _seconds(one.at),
            one.attempts,
            one.leaving,
            one.resolved,
        ]
        for name, one in sorted(entry.told.items())
    }
    return [
        entry.key,
        entry.alert_id,
        entry.headline,
        int(entry.severity),
        _seconds(entry.since),
        _seconds(entry.seen),
        _seconds(entry.grew),
        sorted(entry.scope),
        sorted(entry.tables),
        _seconds(entry.healed),
        entry.muted,
        told,
    ]


def _read(raw: list[Any]) -> Entry:
    key, alert_id, headline, severity, since, seen, grew, scope, tables, healed, muted, told = raw
    return Entry(
        key,
        alert_id,
        headline,
        Severity(severity),
        _moment(since),
        _moment(seen),
        _moment(grew),
        frozenset(scope),
        frozenset(tables),
        _maybe(healed),
        muted,
        {
            name: Told(None if urgent is None else Severity(urgent), _maybe(at), attempts, leaving, resolved)
            for name, (urgent, at, attempts, leaving, resolved) in told.items()
        },
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else round(moment.timestamp(), 3)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else _moment(seconds)
