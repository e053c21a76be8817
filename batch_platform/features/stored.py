"""The files of an input, at the version at which it was opened.

Belongs here: which files hold which partition, whether they are as they were written, and reading them without
DuckDB. Does not belong here: which partitions may be read (`inputs.py`), and SQL over the files (`relations.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import DeltaTable

from batch_platform.errors import UnreadableError, first_line
from batch_platform.lake.log import Recorded, newest_records, reading
from batch_platform.lake.provenance import WHOLE_TABLE
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN


@dataclass(frozen=True)
class StoredFile:
    """A live file of a table: where it lies in the table's folder, and how large the log says it is."""

    path: str
    partition: str
    rows: int
    size_bytes: int


@dataclass(frozen=True)
class OpenedInput:
    """One input at one version: of each wanted partition its newest record and its files.

    `schema` is what a query sees: the columns of the table, with the partition's key where it has partitions.
    """

    table: Table
    schema: pa.Schema
    records: Mapping[str, Recorded]
    files: Mapping[str, Sequence[StoredFile]]
    delta: DeltaTable | None = None
    _checked: set[str] = field(default_factory=set, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The table's name in the lake."""
        return self.table.name

    @property
    def all(self) -> list[StoredFile]:
        """Every file that somebody may ask for."""
        return self.of(self.files)

    def of(self, partitions: Iterable[str]) -> list[StoredFile]:
        """The files of some partitions, in their order."""
        return [file for key in partitions for file in self.files.get(key, ())]

    def refuse_changed(self, partitions: Iterable[str]) -> None:
        """Check that the files of some partitions are there and are as long as they were written.

        An object store would be asked for each file; there a damaged one is found when it is read.

        Raises:
            UnreadableError: one is not.
        """
        for key in partitions if self.table.lake.is_local else ():
            for file in self.files.get(key, ()) if key not in self._checked else ():
                size = self.table.lake.size(self.name, file.path)
                if size != file.size_bytes:
                    raise self._unreadable(key, "a file is missing" if size is None else f"a file has {size} bytes")
            self._checked.add(key)

    def refuse_unreadable(self, partitions: Iterable[str]) -> None:
        """Read the files of some partitions to their end, a row group at a time, and forget the rows.

        Raises:
            UnreadableError: one cannot be read.
        """
        for file in self.of(partitions):
            try:
                with self.table.lake.open_input(self.name, file.path) as source, pq.ParquetFile(source) as parquet:
                    for group in range(parquet.num_row_groups):
                        parquet.read_row_group(group, use_threads=False)
            except (OSError, pa.ArrowException) as error:
                raise self._unreadable(file.partition, first_line(error)) from error

    def dataset(self, partitions: Iterable[str]) -> ds.Dataset:
        """The rows of some partitions, to be read as far as somebody asks for them."""
        if self.delta is None:
            return ds.dataset(self.schema.empty_table())
        whole, parts = self._fragments
        chosen = [fragment for key in partitions for fragment in parts.get(key, ())]
        return ds.FileSystemDataset(chosen, whole.schema, whole.format, whole.filesystem)

    @cached_property
    def _fragments(self) -> tuple[ds.FileSystemDataset, dict[str, list[ds.Fragment]]]:
        assert self.delta is not None
        chosen = [(PARTITION_COLUMN, "in", sorted(self.files))] if self.files.keys() - {WHOLE_TABLE} else None
        whole = self.delta.to_pyarrow_dataset(partitions=chosen)
        parts: dict[str, list[ds.Fragment]] = {}
        for fragment in whole.get_fragments():
            key = ds.get_partition_keys(fragment.partition_expression).get(PARTITION_COLUMN, WHOLE_TABLE)
            parts.setdefault(key, []).append(fragment)
        return whole, parts

    def _unreadable(self, partition: str, what: str) -> UnreadableError:
        place = f"{self.name}[{partition}]" if partition else self.name
        return UnreadableError(f"cannot be read: {what}", where=place, fix="materialize it again")


def open_input(table: Table, wanted: set[str]) -> OpenedInput | None:
    """The input with those of its partitions that are wanted, None where it was never committed.

    Raises:
        LakeError: its log cannot be read.
    """
    delta = table.open()
    if delta is None:
        return None
    with reading(table.name):
        actions = pa.table(delta.get_add_actions(flatten=True))
        schema = pa.schema(delta.schema())
    paths, rows, sizes = (actions.column(name).to_pylist() for name in ("path", "num_records", "size_bytes"))
    column = f"partition.{PARTITION_COLUMN}"
    keys = actions.column(column).to_pylist() if column in actions.column_names else [WHOLE_TABLE] * len(paths)
    files: dict[str, list[StoredFile]] = {}
    for path, key, count, size in sorted(zip(paths, keys, rows, sizes, strict=True)):
        if key in wanted:
            files.setdefault(key, []).append(StoredFile(unquote(path), key, count, size))
    return OpenedInput(table, schema, newest_records(delta, wanted), files, delta)
