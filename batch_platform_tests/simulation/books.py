"""Tables in memory that keep what the lake's logs keep, and take a commit only where something changed, as these do."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace

from batch_platform.schedules.facts import Made


class MemoryBooks:
    """Implements `facts.Books`."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Made]] = {}
        self.versions: dict[str, int] = {}
        self._order: dict[str, list[str]] = {}

    def live(self, table: str) -> AbstractSet[str]:
        return self.tables.get(table, {}).keys()

    def made(self, table: str, keys: Iterable[str]) -> dict[str, Made]:
        held = self.tables.get(table, {})
        return {key: held[key] for key in keys if key in held}

    def stretch(self, table: str, first: str, last: str) -> list[str]:
        held = self.tables.get(table, {})
        order = self._order.get(table, [])
        if len(order) != len(held):
            order = self._order[table] = sorted(held)
        return [held[key].digest for key in order[bisect_left(order, first) : bisect_right(order, last)]]

    def version(self, table: str) -> int:
        return self.versions.get(table, -1)

    def commit(self, table: str, key: str, made: Made) -> bool:
        """Put a partition in its place; whether that changed anything."""
        held = self.tables.setdefault(table, {})
        if key in held and replace(held[key], seconds=0) == replace(made, seconds=0):
            return False
        held[key] = made
        self.versions[table] = self.version(table) + 1
        return True
