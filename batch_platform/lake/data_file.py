"""A file of a table: its name, its folder, its statistics, and the action that makes it visible.

Belongs here: what one Parquet file is to the table's log. Does not belong here: writing it (`store.py`), or
deciding when it becomes visible (`commit.py`).
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from batch_platform.errors import LakeError, PartitionKeyError, first_line
from batch_platform.lake.provenance import WHOLE_TABLE
from batch_platform.lake.row_groups import ROW_GROUP_ROWS as ROW_GROUP_ROWS
from batch_platform.lake.row_groups import row_groups
from batch_platform.lake.store import SAFE_NAME, content_name
from batch_platform.partitions import PARTITION_COLUMN

_PARQUET: dict[str, Any] = {
    "compression": "zstd", "compression_level": 1, "version": "2.6", "coerce_timestamps": "us", "store_schema": False
}  # fmt: skip

_STATISTICS_TEXT = 32  # longer text gets no minimum and maximum: a truncated maximum would lose rows


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


def partition_folder(partition: str) -> str:
    """The folder of a partition's files inside the table's, with a slash at its end; none for `WHOLE_TABLE`.

    Raises:
        PartitionKeyError: the key cannot be the name of a folder.
    """
    if partition == WHOLE_TABLE:
        return ""
    if not SAFE_NAME.fullmatch(partition):
        raise PartitionKeyError(f"{partition[:40]!r} is not a partition key", fix="use letters, digits, - : and _")
    return f"{PARTITION_COLUMN}={partition}/"


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """How rows are written: the same for a file that is written at once and for one that grows.

    Only text gets a dictionary: for numbers one doubles the time of writing. Whole numbers and times are written as
    differences, which Spark reads from 3.3 on: a third of the time and of the bytes where they are sorted. The Arrow
    schema is left out, for it would make text that came with a dictionary come back with one.
    """
    text = [field.name for field in schema if pa.types.is_string(_plain(field.type))]
    whole = [field.name for field in schema if _is_whole(field.type)]
    encodings = dict.fromkeys(whole, "DELTA_BINARY_PACKED")
    return {**_PARQUET, "use_dictionary": text or False, "column_encoding": encodings or None}


def parquet_bytes(rows: pa.Table) -> pa.Buffer:
    """The rows as a Parquet file: equal bytes for equal rows, by one version of the writer.

    Raises:
        LakeError: the rows have no Parquet form.
    """
    sink = pa.BufferOutputStream()
    try:
        with pq.ParquetWriter(sink, rows.schema, **parquet_options(rows.schema)) as writer:
            for group in row_groups(rows):
                writer.write_table(group)
    except pa.ArrowException as error:
        raise LakeError(f"the rows have no Parquet form: {first_line(error)}") from error
    return sink.getvalue()


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_whole(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def file_name(content: pa.Buffer) -> str:
    """A name that only these bytes have: writing them again finds, or restores, the file."""
    return named(hashlib.sha256(content))


def named(content: hashlib._Hash) -> str:
    """The name of a file whose bytes have this SHA-256."""
    return content_name(content.hexdigest())


def statistics(rows: pa.Table) -> str:
    """Delta statistics of a file's rows, as JSON: see `Statistics`."""
    found = Statistics()
    found.add(rows)
    return found.json()


class Statistics:
    """Delta statistics of a file that may come in batches: exact, and for all columns or for none.

    Where one column of a file has bounds and another has none, delta-rs takes the latter for bounds that no value
    satisfies: a filter on that column would silently find nothing. Floats (NaN), flags, time stamps, lists, long
    text and columns without any value have no bounds, so a file with one of those has a row count only.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._bounded = True
        self._ends: dict[str, tuple[Any, Any] | None] = {}
        self._nulls: dict[str, int] = {}

    def add(self, rows: pa.Table) -> None:
        """Take more rows into account."""
        self._rows += rows.num_rows
        self._bounded = self._bounded and all(_has_ends(kind) for kind in rows.schema.types)
        for name in rows.column_names if self._bounded else ():
            column = rows.column(name)
            self._nulls[name] = self._nulls.get(name, 0) + column.null_count
            self._ends.setdefault(name, None)
            if column.null_count == len(column):
                continue
            if pa.types.is_dictionary(column.type):
                column = column.unique().cast(column.type.value_type)
            try:
                found = pc.min_max(column).as_py()
            except (OverflowError, ValueError):  # a date that Python's calendar does not reach
                self._bounded = False
                return
            low, high = found["min"], found["max"]
            before = self._ends[name]
            if before is not None:
                low, high = min(low, before[0]), max(high, before[1])
            if isinstance(high, str) and max(len(low), len(high)) > _STATISTICS_TEXT:
                self._bounded = False
                return
            self._ends[name] = (low, high)

    def json(self) -> str:
        """The statistics as they stand in the table's log."""
        found = {name: ends for name, ends in self._ends.items() if ends is not None}
        if not self._bounded or len(found) < len(self._ends):
            return json.dumps({"numRecords": self._rows})
        low, high = (
            {name: value.isoformat() if isinstance(value, date) else value for name, value in ends}
            for ends in (
                [(name, ends[0]) for name, ends in found.items()],
                [(name, ends[1]) for name, ends in found.items()],
            )
        )
        return json.dumps({"numRecords": self._rows, "minValues": low, "maxValues": high, "nullCount": self._nulls})


def _has_ends(kind: pa.DataType) -> bool:
    plain = _plain(kind)
    return bool(pa.types.is_integer(plain) or pa.types.is_date(plain) or pa.types.is_string(plain))
