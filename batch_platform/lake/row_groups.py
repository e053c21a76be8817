"""Row groups: where they end, and the one form in which equal rows are handed to the Parquet writer.

Belongs here: what makes a file's bytes depend on its rows alone, however they came. Does not belong here: writing
them (`data_file.py`, `file_writer.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROW_GROUP_ROWS = 65_536
"""Rows of a row group, the least that is read of a file, unless they are wide."""

ROW_GROUP_BYTES = 32 << 20
"""Bytes of a row group's values, before they are encoded, that it has at most; a single row may be wider."""


def row_groups(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows in row groups; one that is empty if there are none."""
    start = 0
    while start < max(rows.num_rows, 1):
        group = first_group(rows.slice(start))
        yield group
        start += max(group.num_rows, 1)


def first_group(rows: pa.Table) -> pa.Table:
    """The rows of the first row group, in one piece: where pages end follows from where pieces do."""
    group = rows.slice(0, ROW_GROUP_ROWS)
    if bits_of(group) > 8 * ROW_GROUP_BYTES:
        group = group.slice(0, _most_rows(group))
    group = group.combine_chunks()
    for index, column in enumerate(group.columns):
        if pa.types.is_dictionary(column.type) and group.num_rows:
            group = group.set_column(index, group.schema.field(index), _in_order(column.chunk(0)))
    return group


def is_full(rows: int, bits: int) -> bool:
    """Whether the first row group of so many rows is what it is, whatever rows come after them."""
    return rows > ROW_GROUP_ROWS or bits > 8 * ROW_GROUP_BYTES


def bits_of(rows: pa.Table) -> int:
    """The bits of all values, the same however they are encoded: those of some rows and of others add up."""
    return sum(_bits(chunk) for column in rows.columns for chunk in column.chunks)


def _most_rows(rows: pa.Table) -> int:
    """How many rows from the first on fit into a row group, at least one."""
    fit, beyond = 1, rows.num_rows
    while beyond - fit > 1:
        middle = (fit + beyond) // 2
        if bits_of(rows.slice(0, middle)) <= 8 * ROW_GROUP_BYTES:
            fit = middle
        else:
            beyond = middle
    return fit


def _bits(values: pa.Array) -> int:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return 32 * len(values) + 8 * _text_bytes(values)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return 32 * len(values) + 8 * (pc.sum(pc.binary_length(values)).as_py() or 0)
    if pa.types.is_list(kind):
        return 32 * len(values) + _bits(values.flatten())
    return int(kind.bit_width) * len(values)


def _text_bytes(values: pa.DictionaryArray) -> int:
    lengths = pc.binary_length(values.dictionary)
    if len(lengths) == 1 and not values.indices.null_count:
        return (lengths[0].as_py() or 0) * len(values)
    return pc.sum(lengths.take(values.indices)).as_py() or 0


def _in_order(values: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same values over a dictionary that holds each of them once, in the order in which they first appear."""
    dictionary, indices = values.dictionary, values.indices
    if len(dictionary) == 1 and not indices.null_count and not dictionary.null_count:
        return values
    met = pc.unique(indices).drop_null()
    used = dictionary.take(met)
    if used.null_count or len(used.unique()) < len(used):
        return values.cast(dictionary.type).dictionary_encode()
    if len(used) == len(dictionary) and np.array_equal(met.to_numpy(), np.arange(len(met))):
        return values
    place = np.zeros(len(dictionary), np.int32)
    place[met.to_numpy()] = np.arange(len(met), dtype=np.int32)
    renumbered = pa.array(place).take(indices)
    return pa.DictionaryArray.from_arrays(renumbered, used)
