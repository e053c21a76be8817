"""Two sets of rows held against each other, and their differences in words.

Belongs here: which rows and cells differ. Does not belong here: where either side comes from (`unit_test.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RELATIVE = 1e-9
"""How far two floats may lie apart, relative to the larger one."""

ABSOLUTE = 1e-12
"""How far they may lie apart at least: the sum of floats that cancel out is seldom zero."""

Row = Mapping[str, object]


@dataclass(frozen=True)
class Expected:
    """A row that should be there: its cells, and where it is written."""

    cells: Row
    where: str


def differences(expected: Sequence[Expected], found: Sequence[Row], *, ordered: bool = False) -> list[str]:
    """What differs, one text for each row: cells that differ, rows that are missing, rows that nobody expected.

    Only the columns that a row expects are looked at. Every row found stands for one expected row at most.

    Args:
        expected: the rows that should be there.
        found: the rows that are there.
        ordered: whether the first row expected must be the first found, and so on.
    """
    pairs = _by_position if ordered else _by_likeness
    partners = pairs(expected, found)
    taken = set(partners.values())
    told = []
    for place, row in enumerate(expected):
        if place not in partners:
            told.append(f"missing ({row.where}): {_shown(row.cells)}")
        elif differing := _differing(row.cells, found[partners[place]]):
            told.append("\n".join([f"differs ({row.where}): {_named(row.cells, differing)}", *differing.values()]))
    columns = [name for name in (found[0] if found else ()) if not expected or name in expected[0].cells]
    for place, other in enumerate(found):
        if place not in taken:
            told.append(f"unexpected: {_shown({name: other[name] for name in columns})}")
    return told


def same(one: object, other: object) -> bool:
    """Whether two cells are equal: floats within `RELATIVE`, NULL and NaN to themselves, all else exactly."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE) or (math.isnan(one) and math.isnan(other))
    return one is None and other is None if one is None or other is None else one == other


def _by_position(expected: Sequence[Expected], found: Sequence[Row]) -> dict[int, int]:
    return {place: place for place in range(min(len(expected), len(found)))}


def _by_likeness(expected: Sequence[Expected], found: Sequence[Row]) -> dict[int, int]:
    """Partners of the rows: equal ones first, then those that differ least, if half of their cells agree."""
    partners: dict[int, int] = {}
    free = dict.fromkeys(range(len(found)))
    for partner in (_equal, _alike):
        for place, row in enumerate(expected):
            chosen = None if place in partners else partner(row.cells, found, list(free))
            if chosen is not None:
                partners[place] = chosen
                del free[chosen]
    return partners


def _equal(cells: Row, found: Sequence[Row], free: Sequence[int]) -> int | None:
    return next((other for other in free if not _differing(cells, found[other])), None)


def _alike(cells: Row, found: Sequence[Row], free: Sequence[int]) -> int | None:
    counts = {other: len(_differing(cells, found[other])) for other in free}
    nearest = min(counts, key=lambda other: counts[other], default=None)
    return nearest if nearest is not None and counts[nearest] * 2 <= len(cells) else None


def _differing(cells: Row, found: Row) -> dict[str, str]:
    return {
        name: f"    {name}: expected {_cell(cell)}, found {_cell(found[name])}"
        for name, cell in cells.items()
        if not same(cell, found[name])
    }


def _named(cells: Row, differing: Mapping[str, str]) -> str:
    """The row by its first three cells that agree: those that a person writes first are those that name it."""
    agreeing = [name for name in cells if name not in differing][:3]
    return _shown({name: cells[name] for name in agreeing})


def _shown(cells: Row) -> str:
    return "{" + ", ".join(f"{name}: {_cell(value)}" for name, value in cells.items()) + "}"


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    return repr(value) if isinstance(value, str) else str(value)
