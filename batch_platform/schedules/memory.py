"""What was tried for partitions that are still to be made, so that none is tried again and again.

Belongs here: the attempts, when the next may follow, and their form as text, in which they outlast a restart. Does
not belong here: who decides by them (`holds.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

_FORMAT = 2
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True)
class Tried:
    """The attempts to make one partition from the same inputs.

    Args:
        cause: stands for these inputs; see `owed.Owed`.
        attempts: how many there were.
        at: when the last one was asked for, in whole seconds.
    """

    cause: str
    attempts: int
    at: datetime

    @property
    def next_at(self) -> datetime:
        """When the next may follow: after 1, 4, 16 minutes, then every hour."""
        pause = _LONGEST_PAUSE if self.attempts > 4 else min(_FIRST_PAUSE * 4 ** (self.attempts - 1), _LONGEST_PAUSE)
        return self.at + pause


@dataclass(frozen=True)
class Memory:
    """What one look leaves to the next.

    Args:
        tried: table and partition -> its attempts.
        begun: when remembering began, in whole seconds since 1970; 0: nothing was ever remembered.
    """

    tried: Mapping[tuple[str, str], Tried] = field(default_factory=dict)
    begun: int = 0


def tried_again(memory: Memory, place: tuple[str, str], cause: str, now: datetime) -> Tried:
    """The attempts with one more; they are counted anew when the cause is another."""
    before = memory.tried.get(place)
    count = before.attempts if before is not None and before.cause == cause else 0
    return Tried(cause, count + 1, now.astimezone(UTC).replace(microsecond=0))


def to_text(memory: Memory) -> str:
    """The memory as a sensor's cursor holds it."""
    entries = [
        [table, key, tried.cause, tried.attempts, int(tried.at.timestamp())]
        for (table, key), tried in sorted(memory.tried.items())
    ]
    return json.dumps({"format": _FORMAT, "begun": memory.begun, "tried": entries}, separators=(",", ":"))


def from_text(text: str | None) -> Memory:
    """The memory that `to_text` wrote; an empty one from a text that is not such: then partitions are tried anew."""
    try:
        found = json.loads(text or "{}")
        if found.get("format") != _FORMAT:
            return Memory()
        tried = {
            (str(table), str(key)): Tried(str(cause), int(attempts), datetime.fromtimestamp(int(at), UTC))
            for table, key, cause, attempts, at in found["tried"]
        }
        return Memory(tried, int(found["begun"]))
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, OSError, RecursionError):
        return Memory()
