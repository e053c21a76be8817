"""The tables of a partition's files, and how they become one: each row with its place, all of one schema.

Belongs here: several files together. Does not belong here: finding files (`files.py`) or reading one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from batch_platform.errors import SourceError
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.snapshots.conversion import listed, shortened
from batch_platform.snapshots.sources import SourceFile

_CHUNK_ROWS = 1 << 16


@dataclass(frozen=True)
class Part:
    """One file as it was read; `absent_columns` are declared columns that none of its rows names."""

    table: pa.Table
    file: SourceFile
    extra_columns: list[str]
    absent_columns: frozenset[str] = frozenset()


def located(part: Part) -> pa.Table:
    """The rows of a file, each with its place."""
    rows = part.table.num_rows
    # Slices of one short array: the path of a million rows takes the memory of one batch.
    name = pa.array([part.file.path] * min(rows, _CHUNK_ROWS), pa.string())
    names = [name.slice(0, min(_CHUNK_ROWS, rows - start)) for start in range(0, rows, _CHUNK_ROWS)]
    numbered = part.table.append_column(pa.field(SOURCE_FILE, pa.string()), pa.chunked_array(names, type=pa.string()))
    return numbered.append_column(pa.field(SOURCE_ROW, pa.int64()), pa.array(np.arange(1, rows + 1), pa.int64()))


def refuse_absent(parts: list[Part]) -> None:
    """Refuse a declared column that no row of the partition names: a renamed field would turn into nulls unnoticed.

    Raises:
        SourceError: there is one.
    """
    some = [part for part in parts if part.table.num_rows]
    absent = sorted(frozenset.intersection(*(part.absent_columns for part in some))) if some else []
    if absent:
        raise SourceError(
            f"no row names the declared column {listed(absent)}",
            where=some[0].file.path,
            fix="correct `columns`, or let the file say null",
        )


def filled(parts: list[Part]) -> list[Part]:
    """The parts with the columns of all of them; what no row of a part names is null there.

    Raises:
        SourceError: two files spell a column differently.
    """
    names = dict.fromkeys(name for part in parts for name in part.table.column_names)
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            where = next(part.file.path for part in parts if name in part.table.column_names)
            raise SourceError(
                f"the column {shortened(name)!r} is {shortened(other)!r} in another file", where=where, fix="rename it"
            )
    completed = []
    for part in parts:
        columns = dict(zip(part.table.column_names, part.table.columns, strict=True))
        rows = part.file, part.extra_columns, part.absent_columns
        size = part.table.num_rows
        completed.append(Part(pa.table({name: columns.get(name, pa.nulls(size)) for name in names}), *rows))
    return completed


def agreed(parts: list[Part]) -> list[Part]:
    """The parts with one schema; a column without any value agrees with every type, and alone is text.

    Raises:
        SourceError: a column is in one file only, or of another type there.
    """
    settled: dict[str, tuple[pa.DataType, str]] = {}
    names = parts[0].table.column_names
    for part in parts:
        if set(part.table.column_names) != set(names):
            odd = sorted(set(part.table.column_names) ^ set(names))[0]
            raise SourceError(
                f"only one of this file and {parts[0].file.path} has the column {shortened(odd)!r}",
                where=part.file.path,
                fix="declare `columns`",
            )
        for field in part.table.schema:
            kind, witness = settled.setdefault(field.name, (field.type, part.file.path))
            if pa.types.is_null(kind):
                settled[field.name] = (field.type, part.file.path)
            elif not pa.types.is_null(field.type) and field.type != kind:
                raise SourceError(
                    f"column {field.name!r} is {field.type} here and {kind} in {witness}",
                    where=part.file.path,
                    fix="declare `columns`",
                )
    kinds = {name: pa.string() if pa.types.is_null(settled[name][0]) else settled[name][0] for name in names}
    schema = pa.schema(list(kinds.items()))
    return [Part(part.table.select(names).cast(schema), part.file, part.extra_columns) for part in parts]
