"""One asset's Delta table: what it holds, which files are live, how its rows are read.

Belongs here: reading, and writing files that no commit names yet. Does not belong here: changing what a reader
sees (`commit.py`), or meaning (`provenance.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from batch_platform.errors import LakeError, UnreadableError, first_line
from batch_platform.lake.data_file import DataFile, file_name, parquet_bytes, partition_folder, statistics
from batch_platform.lake.file_writer import FileWriter
from batch_platform.lake.log import Recorded, live_files, newest_records
from batch_platform.lake.schema import storable
from batch_platform.lake.store import Lake
from batch_platform.partitions import PARTITION_COLUMN


@dataclass(frozen=True)
class Table:
    """A handle to one table of the lake; it holds no state, so every call sees the newest commit."""

    lake: Lake
    name: str

    @property
    def uri(self) -> str:
        """The address of the table's folder."""
        return self.lake.uri(self.name)

    def open(self, version: int | None = None) -> DeltaTable | None:
        """The Delta table at its newest (or a given) version; None when it was never committed.

        Raises:
            LakeError: it exists and cannot be read, or uses deletion vectors, which file lists do not show.
        """
        try:
            table = DeltaTable(self.uri, version=version, storage_options=dict(self.lake.options))
            features = table.protocol().reader_features or []
        except TableNotFoundError:
            return None
        except (DeltaError, OSError, OverflowError) as error:
            raise LakeError(f"cannot be opened: {first_line(error)}", where=self.name) from error
        if "deletionVectors" in features:
            raise LakeError("uses deletion vectors", where=self.name, fix="rewrite the table without them")
        return table

    def version(self) -> int:
        """The newest version, -1 when the table does not exist."""
        table = self.open()
        return -1 if table is None else int(table.version())

    def partitions(self) -> set[str]:
        """The keys of all computed partitions; those that are empty are among them."""
        table = self.open()
        return set() if table is None else set(live_files(table).values())

    def settle(self, version: int) -> None:
        """Let a commit outlast a loss of power: delta-rs does not wait until log entries and checkpoints are written.

        An entry that is cut short would make the table unreadable, an empty one would silently undo the commit.
        """
        entry = f"_delta_log/{version:020}"
        places = (".", "_delta_log", f"{entry}.json", f"{entry}.checkpoint.parquet", "_delta_log/_last_checkpoint")
        self.lake.settle(self.name, *places)

    def write(self, partition: str, rows: pa.Table) -> DataFile:
        """Put rows into a new file of the table, invisible until a commit names it.

        Its name comes from its bytes, so from the rows in their order and with their positions.

        Args:
            partition: the partition's key, `WHOLE_TABLE` for an unpartitioned table.
            rows: the rows, without the partition column.

        Raises:
            PartitionKeyError: the key cannot be the name of a folder.
            LakeError: a column cannot be stored, or the store refuses; nothing is left behind.
        """
        folder = partition_folder(partition)
        try:
            rows = storable(rows)
        except LakeError as error:
            raise LakeError(error.what, where=self.name, fix=error.fix) from error
        content = parquet_bytes(rows)
        path = f"{folder}{file_name(content)}"
        self.lake.put(self.name, path, content)
        return DataFile(path, partition, content.size, rows.num_rows, statistics(rows))

    def writer(self, partition: str, spill: Path) -> FileWriter:
        """A new file of the table, whose rows come in batches; see `write`."""
        return FileWriter(self.lake, self.name, partition, spill)

    def files(self, partitions: Iterable[str] | None = None) -> list[str]:
        """Full addresses of the live files of the given partitions (of all, if None), in order."""
        table = self.open()
        if table is None:
            return []
        wanted = None if partitions is None else set(partitions)
        return sorted(
            f"{self.uri}/{path}"
            for path, partition in live_files(table).items()
            if wanted is None or partition in wanted
        )

    def read(
        self,
        partitions: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """The rows of the given partitions (of all, if None), the partition column included where there is one.

        Raises:
            LakeError: the table does not exist or cannot be read.
        """
        table = self.open(version)
        if table is None:
            raise LakeError("has never been computed", where=self.name, fix="materialize it first")
        try:
            chosen = None
            if partitions is not None and table.metadata().partition_columns:
                chosen = pc.field(PARTITION_COLUMN).isin(pa.array(partitions, pa.string()))
            return table.to_pyarrow_dataset().to_table(columns=list(columns) if columns else None, filter=chosen)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise LakeError(f"cannot be read: {first_line(error)}", where=self.name) from error

    def read_file(self, path: str, columns: Sequence[str], first_row: int, rows: int) -> pa.Table:
        """A row range of one file; only the row groups that it touches are read.

        Raises:
            LakeError: the file is missing, damaged or lacks a column.
        """
        try:
            with self.lake.open_input(self.name, path) as source, pq.ParquetFile(source) as file:
                lacking = [name for name in columns if name not in file.schema_arrow.names]
                if lacking:
                    raise KeyError(f"it has no column {lacking[0]!r}")
                groups: list[int] = []
                start, begin = 0, first_row
                for index in range(file.num_row_groups):
                    stop = start + file.metadata.row_group(index).num_rows
                    if stop > first_row and start < first_row + rows:
                        begin = first_row - start if not groups else begin
                        groups.append(index)
                    start = stop
                return file.read_row_groups(groups, columns=list(columns), use_threads=False).slice(begin, rows)
        except (OSError, pa.ArrowException, KeyError) as error:
            raise UnreadableError(
                f"cannot be read: {first_line(error)}", where=f"{self.name}, file {path}", fix="rebuild the partition"
            ) from error

    def read_files(self, files: Sequence[DataFile], columns: Sequence[str]) -> pa.Table:
        """The rows of files that need not be committed yet."""
        return pa.concat_tables(self.read_file(file.path, columns, 0, file.rows) for file in files)

    def records(self, partitions: Iterable[str] | None = None) -> dict[str, Recorded]:
        """The newest provenance record of each partition, from the table's own log.

        Reads the log from its newest entry back, and stops once every partition asked for is found.
        """
        table = self.open()
        return {} if table is None else newest_records(table, partitions)
