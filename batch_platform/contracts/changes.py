"""One change between two contracts, as a value.

What belongs here: what can change, and how a change is told. What does not: finding changes (`diff.py`,
`rule_changes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ChangeKind(StrEnum):
    """What changed."""

    ADDED = "column added"
    REMOVED = "column removed"
    RETYPED = "type changed"
    ROLE = "role changed"
    UNIT = "unit changed"
    PERSONAL = "personal changed"
    REORDERED = "columns reordered"
    DESCRIPTION = "description changed"
    RULE_ADDED = "rule added"
    RULE_REMOVED = "rule removed"
    RULE_WIDENED = "rule widened"
    RULE_NARROWED = "rule narrowed"
    RULE_SHIFTED = "rule widened and narrowed"
    RULE_REWRITTEN = "rule rewritten"
    SEVERITY = "severity changed"
    RENAMED = "rule renamed"


@dataclass(frozen=True)
class Change:
    """One change: its kind, the column that it is about (none for several or the table), and a line that tells it.

    Attributes:
        breaking: whether readers of the stored rows can fail or misread them.
        stricter: whether rows or partitions may be rejected that would have been accepted before.
    """

    kind: ChangeKind
    column: str | None
    what: str
    breaking: bool = False
    stricter: bool = False

    def __str__(self) -> str:
        verdict = "breaking" if self.breaking else "compatible"
        place = f"{self.column}: " if self.column and not self.what.startswith(f"{self.column}: ") else ""
        return f"{verdict}: {place}{self.what}{' (may quarantine or stop more)' if self.stricter else ''}"
