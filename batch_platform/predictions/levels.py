"""How often the texts or truth values of a column occur.

Belongs here: levels and their counts, and adding them up. Does not belong here: numbers (`histogram.py`).

Up to `KEPT` different levels every count is exact. Of more, those whose checksums are smallest are kept, with exact
counts, and the rows of all others are counted together. A level that is kept at the end was among the smallest of every
part it occurs in, so the result is the same in whatever order parts are added up; it is a random choice of levels, not
of the frequent ones, so a column with more than `KEPT` different texts tells little by its levels.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

KEPT = 10_000
SHOWN = 100


@dataclass(frozen=True)
class Levels:
    """Levels with their counts; `other` is how many rows hold a level that was not kept."""

    counts: Mapping[str, int] = field(default_factory=dict)
    other: int = 0

    @staticmethod
    def of(counted: pa.StructArray) -> Levels:
        """The levels of texts, bytes or booleans that Arrow counted (`value_counts`); nulls are left out."""
        found: dict[str, int] = {}
        for value, count in zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True):
            if value is not None and count:
                name = _name(value)
                found[name] = found.get(name, 0) + count  # a dictionary may hold a level twice
        return _kept(found, 0)

    def merge(self, other: Levels) -> Levels:
        """The levels of both.

        Where one side left levels out, the other side's counts of those join `other`, too.
        """
        few, many = sorted((self.counts, other.counts), key=len)
        found = dict(many)
        for name, count in few.items():
            found[name] = found.get(name, 0) + count
        return _kept(found, self.other + other.other)

    @property
    def rows(self) -> int:
        """How many values there are."""
        return sum(self.counts.values()) + self.other

    def most(self, shown: int = SHOWN) -> Levels:
        """The most frequent levels (of equally frequent ones the first in the alphabet), all others counted together.

        With at most `KEPT` different levels these are exact.
        """
        first = sorted(self.counts.items(), key=lambda level: (-level[1], level[0]))
        return Levels(dict(first[:shown]), self.other + sum(count for _, count in first[shown:]))

    def to_json(self) -> dict[str, Any]:
        """The levels in types that JSON knows, in the order of the alphabet."""
        return {"levels": dict(sorted(self.counts.items())), "other": self.other}

    @staticmethod
    def from_json(found: dict[str, Any]) -> Levels:
        """The levels that `to_json` described.

        Raises:
            KeyError: it described none.
        """
        return Levels(dict(found["levels"]), int(found["other"]))


def _kept(found: dict[str, int], other: int) -> Levels:
    if len(found) <= KEPT:
        return Levels(found, other)
    order = sorted(found, key=lambda name: (zlib.crc32(name.encode("utf-8", "surrogatepass")), name))
    return Levels({name: found[name] for name in order[:KEPT]}, other + sum(found[name] for name in order[KEPT:]))


def _name(value: str | bytes | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.hex() if isinstance(value, bytes) else value
