"""Counting repeated keys by reading them, where the order in which they stand does not prove that there are none.

Belongs here: this one query, which spills what does not fit into memory. Does not belong here: the cheap proof
(`key_order.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform.errors import UnreadableError, first_line
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.store import Lake, quote_identifier
from batch_platform.predictions.definition import Predictions
from batch_platform.resources import Resources

_BATCH_ROWS = 65_536


def repeated_keys(predictions: Predictions, lake: Lake, resources: Resources, files: Sequence[DataFile]) -> int:
    """How many rows of some files repeat the key of another row, or have a null in it; memory does not grow with them.

    Raises:
        UnreadableError: a file cannot be read.
    """
    names = list(predictions.key)
    kinds = pa.schema([pa.field(name, predictions.contract.column(name).arrow_type) for name in names])
    unread: list[UnreadableError] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            try:
                with lake.open_input(predictions.table, file.path) as source, pq.ParquetFile(source) as opened:
                    for batch in opened.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
                        yield batch.cast(kinds)
            except (OSError, pa.ArrowException) as error:
                # What reads this stream would keep the text alone.
                what, where = f"cannot be read: {first_line(error)}", f"{predictions.table}, file {file.path}"
                unread.append(UnreadableError(what, where=where, fix="rebuild the partition"))
                raise

    keys = ", ".join(quote_identifier(name) for name in names)
    known = " and ".join(f"{quote_identifier(name)} is not null" for name in names)
    with resources.spilling() as spill, duckdb.connect(config={**resources.settings}) as connection:
        connection.execute("set temp_directory = ?", [str(spill)])
        connection.register("written", pa.RecordBatchReader.from_batches(kinds, batches()))
        try:
            found = connection.execute(
                f"select coalesce(sum(rows - (case when {known} then 1 else 0 end)), 0)"
                f" from (select {keys}, count(*) as rows from written group by all)"
            ).fetchone()
        except duckdb.Error as error:
            if unread:
                raise unread[0] from error
            raise
    return int(found[0]) if found else 0
