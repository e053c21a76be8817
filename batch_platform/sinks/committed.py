"""The committed rows of a table at one version, as record batches of bounded size.

Belongs here: reading what a commit made visible. Does not belong here: what is done with the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from batch_platform.errors import LakeError, UnreadableError, first_line
from batch_platform.lake.log import Recorded, live_rows, newest_records
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN

BATCH_ROWS = 4096
"""Rows that are read, and sent, at a time."""


@dataclass(frozen=True)
class Committed:
    """A table as it was when it was opened; later commits do not change what is read."""

    lake: Lake
    name: str
    opened: DeltaTable

    @classmethod
    def newest(cls, lake: Lake, table: str) -> Committed:
        """The table at its newest version.

        Raises:
            LakeError: it was never committed, or cannot be read.
        """
        opened = Table(lake, table).open()
        if opened is None:
            raise LakeError("has never been computed", where=table, fix="materialize it first")
        return cls(lake, table, opened)

    def records(self, partitions: Iterable[str] | None = None) -> dict[str, Recorded]:
        """The newest record of each live partition asked for (of all, if None)."""
        return newest_records(self.opened, partitions)

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of the rows, without the partition column."""
        stored = pa.schema(self.opened.schema())
        return pa.schema([field for field in stored if field.name != PARTITION_COLUMN])

    @cached_property
    def _files(self) -> Mapping[str, list[tuple[str, int]]]:
        return live_rows(self.opened)

    def rows(self, partition: str) -> int:
        """How many rows the partition has."""
        return sum(rows for _, rows in self._files.get(partition, ()))

    def batches(self, partition: str) -> Iterator[pa.RecordBatch]:
        """The rows of a partition in batches of at most `BATCH_ROWS`, in the order of the partition's files.

        A column that a file does not have yet, since it was added later, is null.

        Raises:
            UnreadableError: a file is missing or damaged.
        """
        for path, _ in self._files.get(partition, ()):
            try:
                with self.lake.open_input(self.name, path) as source, pq.ParquetFile(source) as file:
                    names = [name for name in self.schema.names if name in file.schema_arrow.names]
                    for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                        yield self._shaped(batch)
            except (OSError, pa.ArrowException) as error:
                raise UnreadableError(
                    f"cannot be read: {first_line(error)}",
                    where=f"{self.name}, file {path}",
                    fix="deliver again; if it is damaged, rebuild the partition",
                ) from error

    def _shaped(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [
            batch.column(field.name).cast(field.type)
            if field.name in batch.schema.names
            else pa.nulls(batch.num_rows, field.type)
            for field in self.schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)
