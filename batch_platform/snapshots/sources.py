"""The interface that every source fulfils, and the choice of the class that reads.

A source reads one partition of an input as an Arrow table in which every row knows its file and position. What a
source is declared to be stands in `source_spec.py`. How a kind of source reads is the business of its own module
(`files.py`, `sql_source.py`, `demo.py` ...); writing what was read is that of `capture.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import pyarrow as pa

from batch_platform.snapshots.source_spec import SourceSpec

if TYPE_CHECKING:
    from batch_platform.partitions import Window


READERS = {
    "demo": "batch_platform.snapshots.demo:DemoSource",
    "files": "batch_platform.snapshots.files:FilesSource",
    "sql": "batch_platform.snapshots.sql_source:SqlSource",
    "delta": "batch_platform.snapshots.delta_source:DeltaTableSource",
    "function": "batch_platform.snapshots.function_source:CalledSource",
}
"""The field of `SourceSpec` that names a source -> the class that reads it, imported only when it is used."""


@dataclass(frozen=True)
class SourceFile:
    """One file (or file-like part) that was read.

    Attributes:
        path: as a user would recognise it, relative to the source's base where it lies under it; equals the
            rows' `_source_file`.
        size_bytes: size of the file as it is stored, so before decompression; of rows that come from no file, the
            size of their Arrow buffers.
        sha256: hex digest over the same bytes; of rows that come from no file, over their content.
    """

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Extract:
    """One partition of an input as it was read.

    Attributes:
        table: the input's columns, then `_source_file` (string) and `_source_row` (int64): the 1-based number
            of the data row within its file. The header of a CSV file and its blank lines are not counted.
        files: every file that was read, also those without rows, in the order of the rows.
        extra_columns: columns of the input that `columns` does not declare, sorted; they are not in `table`.
    """

    table: pa.Table
    files: tuple[SourceFile, ...]
    extra_columns: tuple[str, ...] = ()


class Source(Protocol):
    """Reads an input, one partition at a time. Reading changes nothing and may be repeated."""

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """Read the partition of this key and window; both are None for a snapshot without partitions.

        Raises:
            SourceError: the input is missing, unreadable or not of its declared shape.
            PartitionKeyError: the key cannot be used to find an input.
            ConfigurationError: the declaration does not fit the snapshot's partitions.
        """
        ...


class _Reader(Protocol):
    def __call__(self, spec: SourceSpec, *, base: Path) -> Source: ...


def source_from(spec: SourceSpec, *, base: Path) -> Source:
    """The source that `spec` declares; `base` is the folder that relative paths start from."""
    module, _, name = READERS[spec.kind].partition(":")
    return cast(_Reader, getattr(import_module(module), name))(spec, base=base)
