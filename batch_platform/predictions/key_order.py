"""Evidence that a key is unique, gathered while rows pass by, so that nobody has to read the keys back.

Belongs here: runs of keys and what they prove together. Does not belong here: the check that reports it (`checks.py`),
or counting keys that prove nothing.

Features come from a query with a total order, mostly by their key. Where the keys of every file ascend strictly and no
two files overlap, no key stands twice: that takes one comparison per row and two keys per file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Context
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Key = tuple[int | float | str, ...]
"""One row's key in forms that sort as the values do and that JSON knows; see `_sortable`."""


@dataclass(frozen=True)
class KeyRun:
    """The keys of consecutive rows.

    Args:
        first: the first row's key; None where there is no row, or the first key lacks a value.
        last: the last row's key, likewise.
        rows: how many rows.
        strictly_ascending: every key is complete and greater than the one before it.
        nulls: rows whose key lacks a value.
    """

    first: Key | None = None
    last: Key | None = None
    rows: int = 0
    strictly_ascending: bool = True
    nulls: int = 0

    def then(self, following: KeyRun) -> KeyRun:
        """The run of these rows and those that follow them."""
        if not self.rows or not following.rows:
            return following if not self.rows else self
        rises = self.last is not None and following.first is not None and self.last < following.first
        return KeyRun(
            self.first,
            following.last,
            self.rows + following.rows,
            self.strictly_ascending and rises and following.strictly_ascending,
            self.nulls + following.nulls,
        )

    def to_json(self) -> dict[str, Any]:
        """The run in types that JSON knows."""
        return asdict(self)

    @staticmethod
    def from_json(found: dict[str, Any]) -> KeyRun:
        """The run that `to_json` described.

        Raises:
            KeyError, TypeError: it described none.
        """
        first, last = (None if found[end] is None else tuple(found[end]) for end in ("first", "last"))
        return KeyRun(first, last, int(found["rows"]), bool(found["strictly_ascending"]), int(found["nulls"]))


class KeyOrder:
    """Watches the keys of the rows of one file pass by.

    Args:
        columns: the key's columns, the most significant first; of any type that the lake stores, except lists.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._run = KeyRun()

    def add(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Take the next rows."""
        chosen = rows.select(list(self._columns))
        for batch in [chosen] if isinstance(chosen, pa.RecordBatch) else chosen.to_batches():
            if batch.num_rows:
                self._run = self._run.then(_run_of([_sortable(column) for column in batch.columns]))

    def run(self) -> KeyRun:
        """What was seen so far."""
        return self._run


def unique(runs: Sequence[KeyRun]) -> bool | None:
    """Whether no key stands twice in runs that may have been scored in any order.

    True: all runs ascend and, sorted by their first keys, none reaches into the next. False: a key lacks a value, which
    makes it no key, or one run ends with the key that another begins with. None: the runs do not tell; read the keys.
    """
    if any(run.nulls for run in runs):
        return False
    if not all(run.strictly_ascending for run in runs):
        return None
    ends = sorted((run.first, run.last) for run in runs if run.first is not None and run.last is not None)
    if any(last == first for (_, last), (first, _) in pairwise(ends)):
        return False
    return True if all(last < first for (_, last), (first, _) in pairwise(ends)) else None


def _sortable(column: pa.Array) -> pa.Array:
    """The column as integers, floats or text that compare as its values do."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _sortable(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
    if pa.types.is_date(kind):
        return column.cast(pa.date32()).cast(pa.int32())
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8())
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    if pa.types.is_large_binary(kind):
        return column.cast(pa.binary())
    return column


def _run_of(columns: Sequence[pa.Array]) -> KeyRun:
    rows = len(columns[0])
    missing = [column for column in columns if column.null_count]
    if missing:
        lacks = missing[0].is_null()
        for column in missing[1:]:
            lacks = pc.or_(lacks, column.is_null())
        return KeyRun(_key(columns, 0), _key(columns, rows - 1), rows, False, int(pc.sum(lacks).as_py()))
    return KeyRun(_key(columns, 0), _key(columns, rows - 1), rows, _rises(columns))


def _rises(columns: Sequence[pa.Array]) -> bool:
    """Whether each row is greater than the one before it, compared column by column; none has a null."""
    if len(columns) == 1 and pa.types.is_integer(columns[0].type):
        values = columns[0].to_numpy()
        return bool(np.all(values[1:] > values[:-1]))
    before = [column.slice(0, len(column) - 1) for column in columns]
    after = [column.slice(1) for column in columns]
    rises = pc.less(before[-1], after[-1])
    for early, late in zip(before[-2::-1], after[-2::-1], strict=True):
        rises = pc.or_(pc.less(early, late), pc.and_(pc.equal(early, late), rises))
    return pc.all(rises, min_count=0).as_py() is True


def _key(columns: Sequence[pa.Array], row: int) -> Key | None:
    """One row's key; decimals as integers of their scale and bytes as hexadecimal digits."""
    parts: list[int | float | str] = []
    for column in columns:
        value = column[row].as_py()
        if value is None:
            return None
        if pa.types.is_decimal(column.type):
            value = int(value.scaleb(column.type.scale, Context(prec=80)))
        parts.append(value.hex() if isinstance(value, bytes) else value)
    return tuple(parts)
