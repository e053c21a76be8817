"""Counting repeated keys by reading them, where the order in which they stand does not prove that there are none.

Belongs here: this one query, which spills what does not fit into memory. Does not belong here: the cheap proof
(`key_order.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from batch_platform.lake.data_file import DataFile
from batch_platform.lake.store import Lake, quote_identifier
from batch_platform.lake.table import Table
from batch_platform.predictions.definition import Predictions
from batch_platform.resources import Resources


def repeated_keys(predictions: Predictions, lake: Lake, resources: Resources, files: Sequence[DataFile]) -> int:
    """How many rows of some files repeat the key of another row, or have a null in it.

    Raises:
        LakeError: a file cannot be read.
    """
    names = list(predictions.key)
    kinds = [pa.field(name, predictions.contract.column(name).arrow_type) for name in names]
    table = Table(lake, predictions.table)

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            yield from table.read_files([file], names).cast(pa.schema(kinds)).to_batches()

    keys = ", ".join(quote_identifier(name) for name in names)
    known = " and ".join(f"{quote_identifier(name)} is not null" for name in names)
    with resources.spilling() as spill, duckdb.connect(config={**resources.settings}) as connection:
        connection.execute("set temp_directory = ?", [str(spill)])
        connection.register("written", pa.RecordBatchReader.from_batches(pa.schema(kinds), batches()))
        found = connection.execute(
            f"select coalesce(sum(rows - (case when {known} then 1 else 0 end)), 0)"
            f" from (select {keys}, count(*) as rows from written group by all)"
        ).fetchone()
    return int(found[0]) if found else 0
