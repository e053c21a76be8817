"""Rows that come from no file: put into an order of their own, numbered, and digested.

Belongs here: what makes rows of a database or a function an extract that is the same each time. Does not belong
here: reading them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import LakeError, SourceError
from batch_platform.lake.digest import digest_table
from batch_platform.snapshots.file_parts import Part, located
from batch_platform.snapshots.sources import Extract, SourceFile

_BITS = {pa.float64(): pa.int64(), pa.float32(): pa.int32()}


def extract_of(rows: pa.Table, path: str, first: Sequence[str], extra: Sequence[str]) -> Extract:
    """The rows as an extract with one part.

    They are in the order of `first`, then of all other columns, so that equal rows in any order give an equal extract.

    Args:
        rows: the columns of the input.
        path: the part's name: what rows have as `_source_file`.
        first: the columns by which they are ordered; those that are not there do not count.
        extra: columns of the input that are left out.

    Raises:
        SourceError: a value cannot be digested.
    """
    ordered = in_order(rows, first)
    try:
        content = digest_table(ordered).hex
    except LakeError as error:
        raise SourceError(error.what, where=path, fix=error.fix) from error
    file = SourceFile(path, ordered.nbytes, hashlib.sha256(content.encode()).hexdigest())
    return Extract(located(Part(ordered, file, [])), (file,), tuple(sorted(extra)))


def in_order(rows: pa.Table, first: Sequence[str]) -> pa.Table:
    """The rows in the order of the columns `first`, then of all others; by bytes, nulls last."""
    names = [name for name in first if name in rows.column_names]
    names += [name for name in rows.column_names if name not in names]
    rows = rows.combine_chunks()
    keys = [_sortable(rows.column(name)) for name in names]
    # Zero and minus zero are equal and not the same.
    keys += [column.combine_chunks().view(_BITS[column.type]) for column in keys if column.type in _BITS]
    keys = [key for key in keys if not pa.types.is_null(key.type)]
    if not keys or rows.num_rows < 2:
        return rows
    table = pa.table(keys, names=[str(index) for index in range(len(keys))])
    return rows.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in table.column_names]))


def _sortable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values, or where Arrow has no order for them, their text."""
    if pa.types.is_list(column.type):
        return pa.chunked_array([pa.array(map(repr, column.to_pylist()), pa.string())])
    return column
