"""What was reported last of each partition with a deadline, so that only what has changed is reported again.

Belongs here: telling what is news, and its form as text, in which it outlasts a restart. Does not belong here: how
partitions stand (`freshness.py`), or reporting (`automation/freshness.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from batch_platform.schedules.freshness import PartitionFreshness, State

_FORMAT = 1
_MOST_LATE = 500
_ORDER = (State.OVERDUE, State.WARNED, State.OUTDATED, State.FRESH, State.DUE)

Place = tuple[str, str]


@dataclass(frozen=True)
class Reported:
    """What was reported.

    Args:
        marks: table and partition -> what stands for its last report.
        seen: up to when finished runs were looked at, in seconds since 1970; 0: never.
    """

    marks: Mapping[Place, str] = field(default_factory=dict)
    seen: float = 0.0

    @property
    def late(self) -> list[Place]:
        """What was reported as overdue: the 500 newest, so that this stays short whatever happens."""
        late = [place for place, mark in self.marks.items() if mark.startswith(f"{State.OVERDUE}:")]
        return sorted(late, key=lambda place: place[1])[-_MOST_LATE:]

    def doubting(self, places: Iterable[Place]) -> Reported:
        """The same, with some partitions that are reported again whatever their state."""
        doubted = {place: f"{self.marks[place].split(':')[0]}:" for place in places if place in self.marks}
        return replace(self, marks={**self.marks, **doubted})

    def to_text(self) -> str:
        """As text."""
        marks = [[*place, mark] for place, mark in sorted(self.marks.items())]
        return json.dumps({"format": _FORMAT, "marks": marks, "seen": self.seen}, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | None) -> Reported:
        """What `to_text` wrote; nothing from a text that is not such: then everything is reported once more."""
        try:
            found = json.loads(text or "{}")
            if found.get("format") != _FORMAT:
                return cls()
            return cls({(str(table), str(key)): str(mark) for table, key, mark in found["marks"]}, float(found["seen"]))
        except (ValueError, TypeError, AttributeError, KeyError):
            return cls()


def mark_of(told: PartitionFreshness) -> str:
    """Stands for a report: another state, reason or place gives another one, and so does an hour more, later a day."""
    days, hours = told.by // timedelta(days=1), told.by // timedelta(hours=1)
    parts = (*told.root, told.kind, told.run_id, days, 0 if days else hours)
    return f"{told.state}:{hashlib.sha256(repr(parts).encode()).hexdigest()[:10]}"


def news(
    found: Sequence[PartitionFreshness], reported: Reported, most: int
) -> tuple[list[PartitionFreshness], Reported]:
    """What has changed since it was reported, the worst first, and what is remembered once that is reported.

    Args:
        found: how all partitions stand that are judged; others are forgotten.
        reported: what was reported.
        most: how many are reported at most; the rest stays news.
    """
    marks = {(told.table, told.partition): mark_of(told) for told in found}
    changed = [told for told in found if reported.marks.get((told.table, told.partition)) != mark_of(told)]
    chosen = sorted(changed, key=lambda told: _ORDER.index(told.state))[:most]
    told_now = {(told.table, told.partition) for told in chosen}
    kept = {
        place: mark if place in told_now else reported.marks[place]
        for place, mark in marks.items()
        if place in told_now or place in reported.marks
    }
    return chosen, replace(reported, marks=kept)
