"""Rows on their way out of a query: a partition comes in pieces, so that none need fit into memory.

Belongs here: cutting the batches of a query into partitions. Does not belong here: running the query (`sandbox.py`),
or what becomes of the rows (`builder.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

Shown = Mapping[str, tuple[str, str] | None]
"""Table -> first and last partition that were shown; None where none was, and for a table without partitions."""


@dataclass(frozen=True)
class Piece:
    """Some of a partition's rows, in the order of its key; a partition has one piece at least.

    Args:
        key: the partition.
        rows: the rows.
        shown: what the query was shown, as it stood before it ran and not as it was permitted.
        first: whether it is the partition's first piece: what came of the partition before is void.
        last: whether it is its last.
    """

    key: str
    rows: pa.Table
    shown: Shown
    first: bool
    last: bool


def pieces_of_one(
    key: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema, shown: Shown
) -> Iterator[list[Piece]]:
    """The batches of a query for one partition."""
    waiting, first = None, True
    for batch in batches:
        if waiting is not None:
            yield [Piece(key, waiting, shown, first, last=False)]
            first = False
        waiting = pa.Table.from_batches([batch], schema)
    yield [Piece(key, schema.empty_table() if waiting is None else waiting, shown, first, last=True)]


def pieces_of_range(
    keys: Sequence[str], batches: Iterator[pa.RecordBatch], schema: pa.Schema, shown: Mapping[str, Shown]
) -> Iterator[list[Piece]]:
    """The batches of a query for a range, whose first column is the place of each row's partition in `keys`.

    The batches are in the order of that column. Pieces come together as the rows did.
    """
    plain = schema.remove(0)
    begun = False
    held: pa.Table | None = None
    at = 0
    for batch in batches:
        rows = pa.Table.from_batches([batch], schema)
        numbers = rows.column(0).to_numpy()
        rows = rows.remove_column(0)
        if not len(numbers):
            continue
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        found: list[Piece] = []
        for start, stop in pairwise(edges):
            number = int(numbers[start])
            part = rows.slice(start, stop - start)
            if held is not None:
                found.append(Piece(keys[at], held, shown[keys[at]], not begun, last=number != at))
                begun = number == at
                at += number != at
            while at < number:
                found.append(Piece(keys[at], plain.empty_table(), shown[keys[at]], True, last=True))
                at += 1
            held = part
        yield found
    if held is not None:
        yield [Piece(keys[at], held, shown[keys[at]], not begun, last=True)]
        at += 1
    yield [Piece(key, plain.empty_table(), shown[key], True, last=True) for key in keys[at:]]
