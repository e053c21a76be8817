"""One Parquet file as a table.

No reader's error is passed on, since it may quote values. Checks that all formats share are in
`conversion.py`, casting is in `typed_rows.py`.
"""

from __future__ import annotations

from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform.errors import SourceError
from batch_platform.snapshots.conversion import extra_columns, plain_schema
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.typed_rows import gathered, lossless, refuse_other_family

_BATCH_ROWS = 1 << 16


def read_parquet(file: BinaryIO, shown: str, spec: SourceSpec) -> tuple[pa.Table, list[str]]:
    """The table of a Parquet file and the columns that `spec` does not declare; `shown` is its path in messages.

    Without declared columns, each type becomes the one that stands for it in the lake.

    Raises:
        SourceError: the file is damaged, a column is of another kind, or a value would lose something.
    """
    try:
        parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
        schema = parquet.schema_arrow
        extra = extra_columns(schema.names, spec, shown)
        kinds = spec.column_types
        if kinds is None:
            kinds = {field.name: field.type for field in plain_schema(schema, shown)}
        for name, kind in kinds.items():
            refuse_other_family(name, schema.field(name).type, kind, spec, shown)
        batches = parquet.iter_batches(_BATCH_ROWS, columns=list(kinds), use_threads=False)
        return gathered(batches, kinds, spec, lossless, shown), extra
    except (pa.ArrowException, OSError):
        raise SourceError(
            "truncated, damaged or no Parquet file",
            where=shown,
            # Arrow cannot read these back, so they look like damage.
            fix="deliver the file again; lists of fixed size must hold no nulls",
        ) from None


def parquet_footer(file: BinaryIO, shown: str) -> tuple[pa.Schema, int]:
    """The schema of a Parquet file and its number of rows; nothing but its footer is read.

    Raises:
        SourceError: it has none.
    """
    try:
        parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
        return parquet.schema_arrow, parquet.metadata.num_rows
    except (pa.ArrowException, OSError):
        raise SourceError("truncated, damaged or no Parquet file", where=shown, fix="deliver the file again") from None
