"""The `files` source: the files of one partition, found by a glob and read in the order of their paths.

Here stand the pattern and its placeholders and the guard against files that change. How the tables of several files
become one is in `file_parts.py`; reading one file is the business of `csv_file.py`, `parquet_file.py` and
`jsonl_file.py`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa

from batch_platform.errors import ConfigurationError, PartitionKeyError, SourceError
from batch_platform.snapshots.conversion import shortened
from batch_platform.snapshots.csv_file import read_csv
from batch_platform.snapshots.file_parts import Part, agreed, filled, located, refuse_absent
from batch_platform.snapshots.file_shape import FileShape, shape_of
from batch_platform.snapshots.jsonl_file import read_jsonl
from batch_platform.snapshots.parquet_file import read_parquet
from batch_platform.snapshots.sources import Extract, SourceFile, SourceSpec

if TYPE_CHECKING:
    from batch_platform.partitions import Window


@dataclass(frozen=True)
class FilesSource:
    """Reads the files that match `spec.files`, sorted by path; relative patterns start at `base`."""

    spec: SourceSpec
    base: Path

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """All rows of all matching files, in the order of paths and rows; see `Source.read`."""
        parts = [self._read_file(path) for path in self.paths(partition_key, window)]
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

    def paths(self, partition_key: str | None, window: Window | None) -> list[Path]:
        """The partition's files in their order.

        Raises:
            SourceError: there is none, or one of them is no regular file.
            PartitionKeyError: the key cannot stand in a path.
            ConfigurationError: the pattern needs partitions, and the snapshot has none.
        """
        pattern = expand(self.spec.files or "", partition_key, window, quote=escape)
        shown = expand(self.spec.files or "", partition_key, window, quote=str)
        # Unlike Path.glob, this takes absolute patterns and leaves hidden files (of unfinished writes) alone.
        matches = glob(pattern, root_dir=self.base, recursive=True)  # noqa: PTH207, RUF100
        found = {self.base / match for match in matches}
        paths = sorted((path for path in found if not path.is_dir()), key=self._shown)
        for path in paths:
            if not path.is_file():
                raise SourceError("is no regular file, or a link to nothing", where=self._shown(path), fix="remove it")
        if not paths:
            folder = next(parent for parent in (self.base / shown).parents if parent.is_dir())
            raise SourceError(f"no file matches {shown!r}", fix=f"the nearest folder that exists is {folder}")
        return paths

    def shape(self, path: Path) -> FileShape:
        """What the beginning (of a Parquet file, the footer) tells of a file's columns; its rows are not read."""
        return shape_of(path, self._shown(path), self.spec)

    def _shown(self, path: Path) -> str:
        inside = path.is_relative_to(self.base)
        text = (path.relative_to(self.base) if inside else path).as_posix()
        return text.encode("utf-8", "backslashreplace").decode()

    def _read_file(self, path: Path) -> Part:
        with unchanging(path, self._shown(path)) as (file, source_file):
            if self.spec.file_format == "jsonl":
                lines = read_jsonl(file, source_file.path, self.spec)
                return Part(lines.table, source_file, lines.extra_columns, frozenset(lines.absent_columns))
            read = read_csv if self.spec.file_format == "csv" else read_parquet
            table, extra_columns = read(file, source_file.path, self.spec)
        return Part(table, source_file, extra_columns)


def expand(pattern: str, partition_key: str | None, window: Window | None, *, quote: Callable[[str], str]) -> str:
    """The pattern with its placeholders replaced; `quote` makes each replacement literal.

    Raises:
        ConfigurationError: the pattern has placeholders and the snapshot has no partitions.
        PartitionKeyError: the key would change the path's structure.
    """
    expanded = []
    for literal, name, style, _ in Formatter().parse(pattern):
        expanded.append(literal)
        if name is None:
            continue
        if partition_key is None or window is None:
            raise ConfigurationError(
                f"files: {pattern!r} has the placeholder {{{name}}}, but the snapshot has no partitions",
                fix="declare `partitions`, or take the placeholder out",
            )
        if name == "partition_key":
            unprintable = not partition_key.isprintable()
            if unprintable or not partition_key.strip(". ") or any(p in partition_key for p in ("/", "\\", "..")):
                raise PartitionKeyError(
                    f"{shortened(partition_key)!r} cannot stand in a path",
                    fix="use a key without '/', '\\' and '..'",
                )
            expanded.append(quote(partition_key))
        else:
            expanded.append(quote((window.start if name == "start" else window.end).strftime(style or "")))
    return "".join(expanded)


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
