"""The shape of a file, as its beginning tells: its columns and, where the format says so, their types.

Belongs here: what can be known of a file without reading its rows. Does not belong here: what it ought to be
(`preflight.py`), or reading it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa

from batch_platform.errors import BatchPlatformError, SourceError, first_line, foreseen
from batch_platform.snapshots.conversion import refuse_unusable_names
from batch_platform.snapshots.csv_file import csv_columns
from batch_platform.snapshots.jsonl_file import read_jsonl
from batch_platform.snapshots.parquet_file import parquet_footer
from batch_platform.snapshots.source_spec import SourceSpec

FIRST_LINES = 100
"""How many lines of a file of JSON lines are looked at."""


@dataclass(frozen=True)
class FileShape:
    """What is known of a file beforehand.

    Attributes:
        path: the file, as messages show it.
        columns: its columns in their order; the type is None where only reading it would tell.
        complete: whether these are all its columns; a field of JSON may first come later.
        sparse: whether the format lets a row leave a column out.
        rows: how many rows it has, where that is known.
        problem: why it cannot be read, if it is known already.
    """

    path: str
    columns: Mapping[str, pa.DataType | None]
    complete: bool = True
    sparse: bool = False
    rows: int | None = None
    problem: BatchPlatformError | None = None


def shape_of(opening: Callable[[], BinaryIO], shown: str, spec: SourceSpec) -> FileShape:
    """Look at a file: the header of CSV, the footer of Parquet, the first lines of JSON; never raises for the file."""
    try:
        with opening() as file:
            return _shape(file, shown, spec)
    except SourceError as error:
        return FileShape(shown, {}, problem=error)
    except OSError as error:
        return FileShape(
            shown, {}, problem=SourceError(f"cannot be opened: {error.strerror or first_line(error)}", where=shown)
        )
    except Exception as error:  # whatever it is, it is this file's: other partitions must not fail with it
        return FileShape(shown, {}, problem=foreseen(error, shown))


def _shape(file: BinaryIO, shown: str, spec: SourceSpec) -> FileShape:
    if spec.file_format == "csv":
        names = csv_columns(file, shown, spec)
        refuse_unusable_names(names, shown)
        return FileShape(shown, dict.fromkeys(names))
    if spec.file_format == "parquet":
        schema, rows = parquet_footer(file, shown)
        refuse_unusable_names(schema.names, shown)
        return FileShape(shown, {field.name: field.type for field in schema}, rows=rows)
    lines = read_jsonl(file, shown, spec, limit=FIRST_LINES)
    # Values of declared columns are read as such, so their types are right already.
    seen = [name for name in lines.table.column_names if name not in lines.absent_columns]
    types = {name: None if spec.columns is not None else lines.table.schema.field(name).type for name in seen}
    rows = lines.table.num_rows
    complete = rows < FIRST_LINES
    columns = types | dict.fromkeys(lines.extra_columns)
    return FileShape(shown, columns, complete=complete, sparse=True, rows=rows if complete else None)
