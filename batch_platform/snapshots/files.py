"""The `files` source: the files of one partition, found by a glob and read in the order of their paths.

Here stands the guard against files that change. Finding them is in `listing.py`, how the tables of several files
become one in `file_parts.py`; reading one file is the business of `csv_file.py`, `parquet_file.py` and
`jsonl_file.py`, and an object's bytes that of `object_file.py`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from batch_platform.errors import SourceError
from batch_platform.snapshots.csv_file import read_csv
from batch_platform.snapshots.file_parts import Part, agreed, filled, located, refuse_absent
from batch_platform.snapshots.file_pattern import expand
from batch_platform.snapshots.file_shape import FileShape, shape_of
from batch_platform.snapshots.jsonl_file import read_jsonl
from batch_platform.snapshots.listing import Listed, listed
from batch_platform.snapshots.object_file import fetched, opened
from batch_platform.snapshots.parquet_file import read_parquet
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, SourceFile

if TYPE_CHECKING:
    from batch_platform.partitions import Window


@dataclass(frozen=True)
class FilesSource:
    """Reads the files that match `spec.files`, sorted by path; relative patterns start at `base`."""

    spec: SourceSpec
    base: Path

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """All rows of all matching files, in the order of paths and rows; see `Source.read`."""
        parts = [self._read_file(file) for file in self.files(partition_key, window)]
        if self.spec.columns is None:
            parts = agreed(filled(parts) if self.spec.file_format == "jsonl" else parts)
        refuse_absent(parts)
        return Extract(
            pa.concat_tables([located(part) for part in parts]),
            tuple(part.file for part in parts),
            tuple(sorted({name for part in parts for name in part.extra_columns})),
        )

    @property
    def columns(self) -> dict[str, pa.DataType] | None:
        """The declared columns with their types; None if the files decide."""
        return self.spec.column_types

    def files(self, partition_key: str | None, window: Window | None) -> list[Listed]:
        """The partition's files in their order.

        Raises:
            SourceError: there is none, one of them is no regular file, or the object store refuses.
            PartitionKeyError: the key cannot stand in a path.
            ConfigurationError: the pattern needs partitions, and the snapshot has none.
        """
        found = listed(self.spec, self.base, partition_key, window)
        if not found:
            wanted = expand(self.spec.files or "", partition_key, window, quote=str)
            if "://" in wanted:
                raise SourceError(f"no object matches {wanted!r}", fix="check the bucket and the pattern")
            folder = next(parent for parent in (self.base / wanted).parents if parent.is_dir())
            raise SourceError(f"no file matches {wanted!r}", fix=f"the nearest folder that exists is {folder}")
        return found

    def shape(self, file: Listed) -> FileShape:
        """What the beginning (of a Parquet file, the footer) tells of a file's columns; its rows are not read."""
        return shape_of(lambda: _opened(file), file.path, self.spec)

    def _read_file(self, found: Listed) -> Part:
        reading = fetched(found) if "://" in found.place else unchanging(Path(found.place), found.path)
        with reading as (file, source_file):
            if self.spec.file_format == "jsonl":
                lines = read_jsonl(file, source_file.path, self.spec)
                return Part(lines.table, source_file, lines.extra_columns, frozenset(lines.absent_columns))
            read = read_csv if self.spec.file_format == "csv" else read_parquet
            table, extra_columns = read(file, source_file.path, self.spec)
        return Part(table, source_file, extra_columns)


def _opened(file: Listed) -> BinaryIO:
    return opened(file) if "://" in file.place else Path(file.place).open("rb")


@contextmanager
def unchanging(path: Path, shown: str) -> Iterator[tuple[BinaryIO, SourceFile]]:
    """Open a file for reading together with its size and digest.

    Raises:
        SourceError: it cannot be opened, or it was replaced or written to before the block ended.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise SourceError(
            f"cannot be opened: {error.strerror}", where=shown, fix="check that it exists and its permissions"
        ) from error
    with file:
        before = os.fstat(file.fileno())

        def check() -> None:
            try:
                after = path.stat()
            except OSError:
                after = None
            if after is None or _identity(after) != _identity(before):
                raise SourceError(
                    "changed while it was read",
                    where=shown,
                    fix="write inputs under another name, rename them when complete, then run again",
                )

        digest = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        try:
            yield file, SourceFile(shown, before.st_size, digest)
        except SourceError:
            check()
            raise
        check()


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
