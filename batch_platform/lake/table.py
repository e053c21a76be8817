"""One asset's Delta table: what it holds, which files are live, how its rows are read.

Belongs here: reading, and writing files that no commit names yet. Does not belong here: changing what a reader
sees (`commit.py`), or meaning (`provenance.py`).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction

from batch_platform.errors import LakeError, PartitionKeyError, first_line
from batch_platform.lake.digest import combine, digest_table
from batch_platform.lake.provenance import METADATA_KEY, WHOLE_TABLE, PartitionRecord, Provenance
from batch_platform.lake.schema import storable
from batch_platform.lake.store import Lake
from batch_platform.partitions import PARTITION_COLUMN

_STATISTICS_TEXT = 32  # longer text gets no minimum and maximum: a truncated maximum would lose rows
_SAFE_NAME = re.compile(r"[A-Za-z0-9_+:-][A-Za-z0-9_.+:-]{0,127}")  # one folder or file name, on any store


@dataclass(frozen=True)
class DataFile:
    """A Parquet file that stands in the table's folder and waits for, or is part of, a commit."""

    path: str
    partition: str
    size_bytes: int
    rows: int
    statistics: str = "{}"

    def add_action(self, *, partitioned: bool) -> AddAction:
        """The Delta action that makes the file visible."""
        values = {PARTITION_COLUMN: self.partition} if partitioned else {}
        return AddAction(self.path, self.size_bytes, values, int(time.time() * 1000), True, self.statistics)


@dataclass(frozen=True)
class Recorded:
    """The newest record of one partition and the table version that carries it."""

    version: int
    record: PartitionRecord


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
        except TableNotFoundError:
            return None
        except (DeltaError, OSError, OverflowError) as error:
            raise LakeError(f"cannot be opened: {first_line(error)}", where=self.name) from error
        if "deletionVectors" in (table.protocol().reader_features or []):
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

    def write(self, partition: str, rows: pa.Table, name: str | None = None) -> DataFile:
        """Put rows into a new file of the table, invisible until a commit names it.

        Args:
            partition: the partition's key, `WHOLE_TABLE` for an unpartitioned table.
            rows: the rows, without the partition column.
            name: the file's name without its ending; equal names must mean equal content. By default it is
                taken from the rows themselves, in their order and with their positions.

        Raises:
            PartitionKeyError: the key cannot be the name of a folder.
            LakeError: a column cannot be stored, or the store refuses; nothing is left behind.
        """
        folder = partition_folder(partition)
        try:
            rows = storable(rows)
        except LakeError as error:
            raise LakeError(error.what, where=self.name, fix=error.fix) from error
        name = name or file_name(rows)
        if not _SAFE_NAME.fullmatch(name):
            raise LakeError(f"{name[:40]!r} is not a file name", where=self.name, fix="use letters, digits, - and _")
        path = f"{folder}{name}.parquet"
        return DataFile(
            path, partition, self.lake.write_parquet(self.name, path, rows), rows.num_rows, statistics(rows)
        )

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
        chosen = None
        if partitions is not None and table.metadata().partition_columns:
            chosen = pc.field(PARTITION_COLUMN).isin(pa.array(partitions, pa.string()))
        try:
            return table.to_pyarrow_dataset().to_table(columns=list(columns) if columns else None, filter=chosen)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise LakeError(f"cannot be read: {first_line(error)}", where=self.name) from error

    def sizes(self, partition: str) -> list[tuple[str, int]]:
        """Path and row count of each live file of a partition, from the log alone."""
        table = self.open()
        if table is None:
            return []
        actions = pa.table(table.get_add_actions(flatten=True))
        paths = [unquote(path) for path in actions.column("path").to_pylist()]
        counts = dict(zip(paths, actions.column("num_records").to_pylist(), strict=True))
        return sorted((path, int(counts[path])) for path, key in live_files(table).items() if key == partition)

    def read_file(self, path: str, columns: Sequence[str], first_row: int, rows: int) -> pa.Table:
        """A row range of one file; only the row groups that it touches are read.

        Raises:
            LakeError: the file is missing, damaged or lacks a column.
        """
        try:
            with pq.ParquetFile(self.lake.open_input(self.name, path)) as file:
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
            raise LakeError(
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


def newest_records(table: DeltaTable, partitions: Iterable[str] | None = None) -> dict[str, Recorded]:
    """The newest record of each partition that is live in the version at which `table` was opened."""
    missing = set(live_files(table).values())
    if partitions is not None:
        missing &= set(partitions)
    found: dict[str, Recorded] = {}
    for entry in table.history() if missing else ():
        if METADATA_KEY not in entry:
            continue
        provenance = Provenance.from_json(entry[METADATA_KEY])
        for key in missing & provenance.partitions.keys():
            found[key] = Recorded(int(entry["version"]), provenance.partitions[key])
        missing -= found.keys()
        if not missing:
            break
    return found


def partition_folder(partition: str) -> str:
    """The folder of a partition's files inside the table's, with a slash at its end; none for `WHOLE_TABLE`.

    Raises:
        PartitionKeyError: the key cannot be the name of a folder.
    """
    if partition == WHOLE_TABLE:
        return ""
    if not _SAFE_NAME.fullmatch(partition):
        raise PartitionKeyError(f"{partition[:40]!r} is not a partition key", fix="use letters, digits, - : and _")
    return f"{PARTITION_COLUMN}={partition}/"


def file_name(rows: pa.Table) -> str:
    """A name that equal rows in equal order and types share: writing them again finds the file already there."""
    numbered = rows.append_column("_order", pa.array(range(rows.num_rows), pa.int64()))
    return combine([digest_table(numbered, positions=True).hex, str(rows.schema.remove_metadata())])


def live_files(table: DeltaTable) -> dict[str, str]:
    """Path -> partition key of every file that the table's newest version names."""
    actions = pa.table(table.get_add_actions(flatten=True))
    # The log percent-encodes paths; actions and file systems take them as they stand on disk.
    paths = [unquote(path) for path in actions.column("path").to_pylist()]
    column = f"partition.{PARTITION_COLUMN}"
    keys = actions.column(column).to_pylist() if column in actions.column_names else [WHOLE_TABLE] * len(paths)
    return dict(zip(paths, keys, strict=True))


def statistics(rows: pa.Table) -> str:
    """Delta statistics of a file's rows, as JSON: exact, and for all columns or for none.

    Where one column of a file has bounds and another has none, delta-rs takes the latter for bounds that no value
    satisfies: a filter on that column would silently find nothing. Floats (NaN), flags, time stamps, lists, long
    text and columns without any value have no bounds, so a file with one of those has a row count only.
    """
    low: dict[str, Any] = {}
    high: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for name in rows.column_names:
        column = rows.column(name)
        kind = column.type
        ordered = pa.types.is_integer(kind) or pa.types.is_date(kind) or pa.types.is_string(kind)
        if not ordered or column.null_count == len(column):
            return json.dumps({"numRecords": rows.num_rows})
        ends = pc.min_max(column).as_py()
        if pa.types.is_string(kind) and max(len(ends["min"]), len(ends["max"])) > _STATISTICS_TEXT:
            return json.dumps({"numRecords": rows.num_rows})
        nulls[name] = column.null_count
        low[name], high[name] = (
            value.isoformat() if pa.types.is_date(kind) else value for value in (ends["min"], ends["max"])
        )
    return json.dumps({"numRecords": rows.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls})
