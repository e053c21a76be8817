"""A file of a table: its name, its folder, its statistics, and the action that makes it visible.

Belongs here: what one Parquet file is to the table's log. Does not belong here: writing it (`store.py`), or
deciding when it becomes visible (`commit.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from batch_platform.errors import LakeError, PartitionKeyError, first_line
from batch_platform.lake.provenance import WHOLE_TABLE
from batch_platform.partitions import PARTITION_COLUMN

SAFE_NAME = re.compile(r"[A-Za-z0-9_+:-][A-Za-z0-9_.+:-]{0,127}")
"""One folder or file name, on any store."""

ROW_GROUP_ROWS = 65_536
"""Rows of a row group, the least that is read of a file: a divisor of the rows of a shard."""

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


def parquet_bytes(rows: pa.Table) -> pa.Buffer:
    """The rows as a Parquet file: equal bytes for equal rows, by one version of the writer.

    Raises:
        LakeError: the rows have no Parquet form.
    """
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(
            rows,
            sink,
            row_group_size=ROW_GROUP_ROWS,
            compression="zstd",
            compression_level=1,
            version="2.6",
            coerce_timestamps="us",
        )
    except pa.ArrowException as error:
        raise LakeError(f"the rows have no Parquet form: {first_line(error)}") from error
    return sink.getvalue()


def file_name(content: pa.Buffer) -> str:
    """A name that only these bytes have: writing them again finds, or restores, the file."""
    return f"{hashlib.sha256(content).hexdigest()[:32]}.parquet"


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
        try:
            ends = pc.min_max(column).as_py()
        except (OverflowError, ValueError):  # a date that Python's calendar does not reach
            return json.dumps({"numRecords": rows.num_rows})
        if pa.types.is_string(kind) and max(len(ends["min"]), len(ends["max"])) > _STATISTICS_TEXT:
            return json.dumps({"numRecords": rows.num_rows})
        nulls[name] = column.null_count
        low[name], high[name] = (
            value.isoformat() if pa.types.is_date(kind) else value for value in (ends["min"], ends["max"])
        )
    return json.dumps({"numRecords": rows.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls})
